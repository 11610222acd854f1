// Command simulate tests the decision as a statistical procedure: it plays the
// gate's runs on made-up services in virtual time, over many seeds, and counts
// how often each rule is wrong. Everything that leakgate decides here, package
// verdict decides: the next step of every run, and its end.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/leakgate/leakgate/internal/lab/section"
	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/verdict"
)

// rates are the leaks of the power curve: one goroutine in so many requests.
var rates = []float64{1, 10, 30, 100, 200, 300, 500, 1000, 2000, 5000, 20000}

// loads are the requests per second of the power curve; a round has 20 s.
var loads = []int{50, 200, 1000}

func main() {
	runs := flag.Int("runs", 1000, "seeds of every kind of healthy service; leaking ones have a fifth of them")
	report := flag.String("report", "", "write the tables to this Markdown file")
	only := flag.String("only", "", "only kinds whose name contains this; prints every wrong run")
	flag.Parse()
	var out bytes.Buffer
	w := io.MultiWriter(os.Stdout, &out)
	bad := falseAlarms(w, *runs, *only)
	bad = countOnly(w, *runs, *only) || bad
	if *only == "" {
		power(w, max(1, *runs/5))
	}
	if *report != "" {
		if err := section.Replace(*report, "make simulate", out.String()); err != nil {
			fmt.Fprintln(os.Stderr, "simulate:", err)
			os.Exit(2)
		}
	}
	if bad {
		os.Exit(1)
	}
}

// each calls f for every seed, on all processors.
func each(runs int, f func(seed uint64)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(runs); n = next.Add(1) {
				f(uint64(n))
			}
		})
	}
	wg.Wait()
}

// tally counts what became of the runs of one kind.
type tally struct {
	mu                  sync.Mutex
	fail, unclear, runs int
	rounds              int
	others              []int // fails, by rule
}

func (t *tally) add(v verdict.Verdict, others []bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs++
	t.rounds += v.Rounds
	switch v.Outcome {
	case verdict.Fail:
		t.fail++
	case verdict.Inconclusive:
		t.unclear++
	}
	if t.others == nil {
		t.others = make([]int, len(others))
	}
	for i, f := range others {
		if f {
			t.others[i]++
		}
	}
}

func (t *tally) sum(o *tally) {
	t.runs, t.fail, t.unclear, t.rounds = t.runs+o.runs, t.fail+o.fail, t.unclear+o.unclear, t.rounds+o.rounds
	if t.others == nil {
		t.others = make([]int, len(o.others))
	}
	for i, n := range o.others {
		t.others[i] += n
	}
}

const mixedRate = 200

func play(k kind, rate int, seed uint64) (verdict.Verdict, []bool) {
	v := newWorld(k, rate, seed).judge(verdict.DefaultPolicy())
	w := newWorld(k, rate, seed)
	run := w.series(6)
	others := make([]bool, 0, 8)
	for _, r := range rules() {
		others = append(others, r.fails(seriesOf(run, len(w.services), r.rounds)))
	}
	return v, others
}

func falseAlarms(w io.Writer, runs int, only string) (bad bool) {
	fmt.Fprintf(w, "False positives: %d runs of each kind of healthy service, at %d requests a second.\n\n", runs, mixedRate)
	fmt.Fprintf(w, "| healthy service | leakgate | inconclusive | rounds |")
	for _, r := range rules() {
		fmt.Fprintf(w, " %s |", r.name)
	}
	fmt.Fprintf(w, "\n| --- | ---: | ---: | ---: |%s\n", strings.Repeat(" ---: |", len(rules())))
	var all tally
	for _, k := range healthy() {
		if !strings.Contains(k.name, only) {
			continue
		}
		var t tally
		each(runs, func(seed uint64) {
			v, others := play(k, mixedRate, seed)
			t.add(v, others)
			if only != "" && v.Outcome != verdict.Pass {
				fmt.Fprintf(os.Stderr, "seed %d: %s\n", seed, v.Headline)
				for _, f := range v.Findings {
					fmt.Fprintln(os.Stderr, "  ", f.Function, f.Counts)
				}
				fmt.Fprintln(os.Stderr, "  ", v.Targets[0].Totals)
			}
		})
		if k.limit {
			line(w, k.name+" (known limit, not counted)", &t)
			continue
		}
		line(w, k.name, &t)
		all.sum(&t)
	}
	line(w, "**all**", &all)
	fmt.Fprintln(w)
	return tooMany(all.fail, all.runs)
}

// countOnly is falseAlarms for targets of which only the number of goroutines is
// known, as Prometheus tells it, and their leaks beside what hides them.
func countOnly(w io.Writer, runs int, only string) (bad bool) {
	fmt.Fprintf(w, "Targets that only tell how many goroutines they have: %d runs of each healthy kind, a fifth of them of each leak.\n\n", runs)
	fmt.Fprintf(w, "| service | leakgate fails | inconclusive | rounds |\n| --- | ---: | ---: | ---: |\n")
	var all tally
	kinds := healthy()
	for _, oneIn := range []float64{10, 100, 500} {
		for _, k := range leaking(oneIn) {
			k.name = fmt.Sprintf("a leak of one in %.0f requests, %s", oneIn, k.name)
			kinds = append(kinds, k)
		}
	}
	for _, k := range kinds {
		if !strings.Contains(k.name, only) {
			continue
		}
		var t tally
		n := runs
		if k.leaks {
			n = max(1, runs/5)
		}
		each(n, func(seed uint64) {
			world := newWorld(k, mixedRate, seed)
			world.counted = true
			v := world.judge(verdict.DefaultPolicy())
			t.add(v, nil)
			if only != "" && !k.leaks && v.Outcome != verdict.Pass {
				fmt.Fprintf(os.Stderr, "seed %d, counted: %s\n   %v\n", seed, v.Headline, v.Targets[0].Totals)
			}
		})
		line(w, k.name, &t)
		if !k.leaks && !k.limit {
			all.sum(&t)
		}
	}
	line(w, "**all healthy ones, known limits left out**", &all)
	fmt.Fprintln(w)
	return tooMany(all.fail, all.runs)
}

const (
	// wrong is the share of healthy runs that may fail.
	wrong = 0.001
	// enough is of how many runs the share is known well enough to be compared with
	// that. Of fewer, one may fail and say nothing.
	enough = 10_000
	// chance is the probability with which so many of fewer runs fail at that share.
	chance = 0.01
)

// tooMany tells whether more healthy runs failed than may.
func tooMany(fails, runs int) bool {
	if runs >= enough {
		return float64(fails) > wrong*float64(runs)
	}
	return 1-stat.BinomialAtMost(fails-1, runs, wrong) < chance
}

func line(w io.Writer, name string, t *tally) {
	fmt.Fprintf(w, "| %s | %d of %d | %d | %.1f |", name, t.fail, t.runs, t.unclear, float64(t.rounds)/float64(t.runs))
	for _, n := range t.others {
		fmt.Fprintf(w, " %.1f%% |", 100*float64(n)/float64(t.runs))
	}
	fmt.Fprintln(w)
}

// power prints how often leaks of each rate are caught, and after how many
// rounds.
func power(w io.Writer, runs int) {
	fmt.Fprintf(w, "Leaks caught, and the rounds it took: %d runs each.\n\n", runs)
	fmt.Fprintf(w, "| one goroutine in | requests a round | alone | on the stack of a pool of 50 | with 20 other users | with work of 20 s |")
	for _, r := range rules() {
		fmt.Fprintf(w, " %s |", r.name)
	}
	fmt.Fprintf(w, "\n| ---: | ---: | ---: | ---: | ---: | ---: |%s\n", strings.Repeat(" ---: |", len(rules())))
	for _, oneIn := range rates {
		for _, rate := range loads {
			if perRound := rate * 20; oneIn > float64(perRound) || oneIn < 2 && rate > loads[0] {
				continue
			}
			fmt.Fprintf(w, "| %.0f requests | %d |", oneIn, rate*20)
			var alone tally
			for i, k := range leaking(oneIn) {
				var t tally
				each(runs, func(seed uint64) {
					if i == 0 {
						v, others := play(k, rate, seed)
						t.add(v, others)
						return
					}
					t.add(newWorld(k, rate, seed).judge(verdict.DefaultPolicy()), nil)
				})
				if i == 0 {
					alone.sum(&t)
				}
				fmt.Fprintf(w, " %.1f%%, %.1f |", 100*float64(t.fail)/float64(t.runs), float64(t.rounds)/float64(t.runs))
			}
			for _, n := range alone.others {
				fmt.Fprintf(w, " %.1f%% |", 100*float64(n)/float64(alone.runs))
			}
			fmt.Fprintln(w)
		}
	}
}
