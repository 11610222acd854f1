package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leakgate/leakgate/internal/lab/section"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// shortRound is the load per round of what is measured in short rounds.
	shortRound = 10 * time.Second
	// redShort is how many of the leaks the short form takes, evenly, and redClean how
	// many healthy services are timed.
	redShort, redClean = 12, 10
	// longRound is the load per round of the one case in long rounds, and longCase its
	// name: one request in ten, at the default rate of the corpus.
	longRound, longCase = 20 * time.Second, "leak-1-in-10"
)

// timed is one gate's run on one service.
type timed struct {
	service
	round   time.Duration
	wall    time.Duration // from the gate's start to the verdict
	outcome verdict.Outcome
	rounds  int
	found   bool // some finding blames the right function
}

func (t timed) line() string {
	mark := ""
	switch {
	case t.Leaks && t.outcome != verdict.Fail:
		mark = "  <-- NOT RED"
	case t.Leaks && !t.found:
		mark = "  <-- MISBLAMED"
	case !t.Leaks && t.outcome != verdict.Pass:
		mark = "  <-- NOT GREEN"
	}
	return fmt.Sprintf("%-28s rounds of %-4s %-12s %d rounds, %4.0f s%s",
		t.Name, t.round, t.outcome, t.rounds, t.wall.Seconds(), mark)
}

// red measures how long the gate takes, each service by itself and with the default
// policy: the leaks until they are red, the healthy ones until they are green.
func red(ctx context.Context, o options, reportFile string) (bool, error) {
	all, err := list(ctx, o)
	if err != nil {
		return false, err
	}
	runs := redRuns(all, o)
	if len(runs) == 0 {
		return false, fmt.Errorf("no service to be timed has a name that contains %q", o.only)
	}
	var mu sync.Mutex
	var failed error
	var wg sync.WaitGroup
	slots := make(chan struct{}, max(o.parallel, 1))
	for i := range runs {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			err := runs[i].measure(ctx, o)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("%s: %w", runs[i].Name, err))
				return
			}
			fmt.Println(runs[i].line())
		})
	}
	wg.Wait()
	if failed != nil {
		return false, failed
	}
	text := redTable(runs, o.parallel)
	fmt.Print("\n" + text)
	if reportFile != "" {
		if err := section.Replace(reportFile, "make red", text); err != nil {
			return false, err
		}
	}
	return !slices.ContainsFunc(runs, func(t timed) bool { // a leak that is green, or a healthy one that is red
		return t.Leaks && t.outcome == verdict.Pass || !t.Leaks && t.outcome == verdict.Fail
	}), nil
}

// redRuns are the runs to make: the leaks in short rounds, one of them in long rounds
// too, then the healthy services in both. Those that need minutes are left out.
func redRuns(all []service, o options) []timed {
	leaks := math.MaxInt
	if o.short {
		leaks = redShort
	}
	var leaking, healthy []service
	var runs []timed
	for _, s := range all {
		switch {
		case s.Name == longCase:
			runs = append(runs, timed{service: s, round: longRound})
			leaking = append(leaking, s)
		case s.Slow:
		case s.Leaks:
			leaking = append(leaking, s)
		default:
			healthy = append(healthy, s)
		}
	}
	for _, s := range evenly(leaking, leaks) {
		runs = append(runs, timed{service: s, round: shortRound})
	}
	for _, s := range evenly(healthy, redClean) {
		runs = append(runs, timed{service: s, round: shortRound}, timed{service: s, round: longRound})
	}
	return runs
}

// evenly takes n of a list, at even distances, or all.
func evenly[T any](all []T, n int) []T {
	n = min(n, len(all))
	out := make([]T, n)
	for i := range out {
		out[i] = all[i*len(all)/n]
	}
	return out
}

// measure runs the gate on the service.
func (t *timed) measure(ctx context.Context, o options) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	dir, err := os.MkdirTemp(o.keep, "red-")
	if err != nil {
		return err
	}
	if o.keep == "" {
		defer os.RemoveAll(dir)
	}
	at, end, err := start(ctx, o.corpus, t.Name)
	if err != nil {
		return fmt.Errorf("starting %s: %w", t.Name, err)
	}
	defer end()
	text := fmt.Sprintf("name: red\ntargets: [{name: %s, pprof: %s/debug/pprof}]\n"+
		"load:\n  rate: %.0f/s\n  round: %s\n  requests: [{url: %s/, abandon: %g}]\n",
		t.Name, at, o.rate*max(t.Rate, 1), t.round, at, t.Abandon)
	began := time.Now()
	run, v, err := gateRun(ctx, text, dir)
	if err != nil {
		return err
	}
	t.wall, t.outcome, t.rounds = time.Since(began), v.Outcome, v.Rounds
	t.found = resultOf(t.service, run, v).found
	return ctx.Err()
}

// redTable sums up the runs of each kind.
func redTable(runs []timed, parallel int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Each service by itself, with the default policy, %d gates at once.\n\n", parallel)
	b.WriteString("| services | rounds of | runs | outcomes | wall time, median | p90 | longest | rounds, median |\n")
	b.WriteString("| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |\n")
	kinds := []struct {
		about string
		holds func(timed) bool
	}{
		{"every leak", func(t timed) bool { return t.Leaks && t.round == shortRound }},
		{"one goroutine in ten requests", func(t timed) bool { return t.Name == longCase && t.round == longRound }},
		{"healthy", func(t timed) bool { return !t.Leaks && t.round == shortRound }},
		{"healthy", func(t timed) bool { return !t.Leaks && t.round == longRound }},
	}
	for _, k := range kinds {
		var some []timed
		for _, t := range runs {
			if k.holds(t) {
				some = append(some, t)
			}
		}
		if len(some) > 0 {
			b.WriteString(redRow(k.about, some))
		}
	}
	b.WriteString("\n| service | rounds of | outcome | rounds | wall time |\n| --- | ---: | --- | ---: | ---: |\n")
	for _, t := range runs {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %.0f s |\n", t.Name, t.round, t.outcome, t.rounds, t.wall.Seconds())
	}
	return b.String()
}

func redRow(about string, some []timed) string {
	var walls, rounds []float64
	outcomes := map[verdict.Outcome]int{}
	for _, t := range some {
		walls, rounds = append(walls, t.wall.Seconds()), append(rounds, float64(t.rounds))
		outcomes[t.outcome]++
	}
	slices.Sort(walls)
	slices.Sort(rounds)
	return fmt.Sprintf("| %s | %s | %d | %s | %.0f s | %.0f s | %.0f s | %.0f |\n",
		about, some[0].round, len(some), outcomeCounts(outcomes),
		quantile(walls, median), quantile(walls, p90), quantile(walls, longest), quantile(rounds, median))
}

// The quantiles that tables have.
const median, p90, longest = 0.5, 0.9, 1

// quantile is the smallest of sorted values that a share q of them does not exceed.
func quantile(sorted []float64, q float64) float64 {
	return sorted[max(int(math.Ceil(q*float64(len(sorted))))-1, 0)]
}

// outcomeCounts are outcomes in the order of the exit codes, with how often each came.
func outcomeCounts(n map[verdict.Outcome]int) string {
	var out []string
	for _, o := range []verdict.Outcome{verdict.Pass, verdict.Fail, verdict.Inconclusive} {
		if n[o] > 0 {
			out = append(out, fmt.Sprintf("%s %d", o, n[o]))
		}
	}
	return strings.Join(out, ", ")
}
