package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/leakgate/leakgate/internal/lab/section"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// quadrantRuns is how often every service whose memory is judged is run, and
	// copies how many of them are targets of one run.
	quadrantRuns = 10
	copies       = 5
	// near is by how much of its size what a leaked goroutine keeps may be missed.
	near = 0.2
)

// quadrants tests what is said of goroutines and heap together: each service of
// the corpus that says where it belongs is run ten times, in the short form five.
func quadrants(ctx context.Context, o options, reportFile string) (bool, error) {
	all, err := list(ctx, o)
	if err != nil {
		return false, err
	}
	o.round = min(o.round, claimRound)
	var batch []service
	origin := map[string]service{}
	for _, s := range all {
		if s.Quadrant == "" {
			continue
		}
		for i := range copies {
			c := s
			c.Name = fmt.Sprintf("%s-%d", s.Name, i)
			origin[c.Name] = s
			batch = append(batch, c)
		}
	}
	right, worst := map[string]int{}, map[string]float64{}
	good := true
	runs := quadrantRuns
	if o.short {
		runs = copies
	}
	for n := range runs / copies {
		dir, err := os.MkdirTemp(o.keep, fmt.Sprintf("quadrants-%02d-", n))
		if err != nil {
			return false, err
		}
		_, v, err := measureRun(ctx, o, batch, dir, func(s service) string { return origin[s.Name].Name })
		if o.keep == "" {
			os.RemoveAll(dir)
		}
		if err != nil {
			return false, err
		}
		if len(v.Memory) != len(batch) {
			return false, fmt.Errorf("the memory of %d of %d services is known: %s", len(v.Memory), len(batch), v.Headline)
		}
		for _, m := range v.Memory {
			good = quadrantOf(origin[m.Target], m, right, worst) && good
		}
	}
	text := quadrantTable(all, runs, right, worst)
	fmt.Print(text)
	if reportFile != "" {
		if err := section.Replace(reportFile, "make quadrants", text); err != nil {
			return false, err
		}
	}
	return good, nil
}

// quadrantOf compares what was said of one service with what it is.
func quadrantOf(s service, m verdict.Memory, right map[string]int, worst map[string]float64) bool {
	if string(m.Quadrant) != s.Quadrant {
		fmt.Printf("%-24s %s, want %s: heap %v, resident %v, %+v  <-- WRONG\n", m.Target, m.Quadrant, s.Quadrant, m.Heap, m.Resident, m.Each)
		return false
	}
	right[s.Name]++
	if s.Retains == 0 {
		return true
	}
	off := math.Inf(1)
	if m.Each != nil {
		off = math.Abs(float64(m.Each.Heap)/float64(s.Retains) - 1)
	}
	worst[s.Name] = max(worst[s.Name], off)
	if off > near {
		fmt.Printf("%-24s keeps %+v, was written to keep %d bytes  <-- WRONG\n", m.Target, m.Each, s.Retains)
	}
	return off <= near
}

func quadrantTable(all []service, runs int, right map[string]int, worst map[string]float64) string {
	var b strings.Builder
	b.WriteString("| service | what it does | quadrant | said so | kept per goroutine |\n| --- | --- | --- | ---: | ---: |\n")
	for _, s := range all {
		if s.Quadrant == "" {
			continue
		}
		kept := ""
		if s.Retains > 0 {
			kept = fmt.Sprintf("%s, off by %.0f%% at most", verdict.Bytes(int64(s.Retains)), 100*worst[s.Name])
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d of %d | %s |\n", s.Name, s.About, s.Quadrant, right[s.Name], runs, kept)
	}
	return b.String()
}
