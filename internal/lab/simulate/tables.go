// Package simulate tests the decision as a statistical procedure: the gate itself runs on
// made-up services, in virtual time and over many seeds, and it is counted how often it is
// wrong, beside other rules. The tables are made by a test, since virtual time needs one.
package simulate

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leakgate/leakgate/verdict"
)

// rates are the leaks of the power curve: one goroutine in so many requests.
var rates = []float64{1, 10, 30, 100, 200, 300, 500, 1000, 2000, 5000, 20000}

// loads are the requests per second of the power curve.
var loads = []int{50, 200, 1000}

// countedRates are the leaks of the tables of count-only targets.
var countedRates = []float64{10, 100, 500}

const (
	// mixedRate is the requests per second of all other tables.
	mixedRate = 200
	// leakShare is the part of the seeds that leaks have: their share matters to a few percent.
	leakShare = 5
	// hidden is the first of the leaking kinds that the power curve leaves to a table of its
	// own: goroutines that do not stand still.
	hidden = 4
)

// tables are what is measured, and how it is written.
type tables struct {
	defaults
	out  io.Writer
	runs int    // seeds of every healthy kind; leaking ones have a leakShare of them
	only string // only kinds whose name contains this; every wrong run is printed
}

// write writes all tables. It reports whether more healthy runs failed than may.
func (x tables) write(t *testing.T) (bad bool) {
	bad = x.falseAlarms(t)
	for _, every := range []time.Duration{5 * time.Second, 15 * time.Second} {
		bad = x.countOnly(t, every) || bad
	}
	if x.only == "" {
		x.power(t)
		x.moving(t)
	}
	return bad
}

// leakRuns is how many seeds a leak has.
func (x tables) leakRuns() int { return max(1, x.runs/leakShare) }

// each calls f for every seed, on all processors.
func each(t *testing.T, name string, runs int, f func(t *testing.T, seed uint64)) {
	var next atomic.Int64
	t.Run(name, func(t *testing.T) {
		for range runtime.GOMAXPROCS(0) {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				for n := next.Add(1); n <= int64(runs); n = next.Add(1) {
					f(t, uint64(n))
				}
			})
		}
	})
}

// play is the verdict of the gate, and what the other rules say.
func (x tables) play(t *testing.T, g game) (verdict.Verdict, []bool) {
	v := g.judge(t)
	run, services := g.rounds(t)
	others := make([]bool, 0, len(rules()))
	for _, r := range rules() {
		others = append(others, r.fails(seriesOf(run, services, r.rounds)))
	}
	return v, others
}

func (x tables) falseAlarms(t *testing.T) (bad bool) {
	x.printf("False positives: %d runs of each kind of healthy service, at %d requests a second.\n\n", x.runs, mixedRate)
	x.printf("| healthy service | leakgate | inconclusive | rounds |%s\n| --- | ---: | ---: | ---: |%s\n",
		ruleNames(), ruleColumns())
	var all tally
	for _, k := range healthy() {
		if !strings.Contains(k.name, x.only) {
			continue
		}
		var sum tally
		each(t, k.name, x.runs, func(t *testing.T, seed uint64) {
			v, others := x.play(t, game{defaults: x.defaults, kind: k, rate: mixedRate, seed: seed})
			sum.add(v, others)
			x.wrong(seed, v)
		})
		line(x.out, k.name, &sum)
		all.sum(&sum)
	}
	line(x.out, "**all**", &all)
	x.printf("\n")
	return tooMany(all.fail, all.runs)
}

// wrong prints a healthy run that did not pass, where single kinds are looked at.
func (x tables) wrong(seed uint64, v verdict.Verdict) {
	if x.only == "" || v.Outcome == verdict.Pass {
		return
	}
	fmt.Fprintf(os.Stderr, "seed %d: %s\n", seed, v.Outcome)
	for _, f := range v.Findings {
		fmt.Fprintln(os.Stderr, "  ", f.Function, f.Counts)
	}
	fmt.Fprintln(os.Stderr, "  ", v.Targets[0].Totals)
}

// countOnly is falseAlarms for targets of which only the number of goroutines is known, as
// Prometheus tells it, and their leaks beside what hides them.
func (x tables) countOnly(t *testing.T, every time.Duration) (bad bool) {
	x.printf("Targets that only tell how many goroutines they have, scraped every %s: %d runs of each healthy kind, "+
		"a fifth of them of each leak.\n\n", every, x.runs)
	x.printf("| service | leakgate fails | inconclusive | rounds |\n| --- | ---: | ---: | ---: |\n")
	kinds := healthy()
	for _, oneIn := range countedRates {
		for _, k := range leaking(oneIn)[:hidden] {
			k.name = fmt.Sprintf("a leak of one in %.0f requests, %s", oneIn, k.name)
			kinds = append(kinds, k)
		}
	}
	var all tally
	for _, k := range kinds {
		if !strings.Contains(k.name, x.only) {
			continue
		}
		runs := x.runs
		if k.leaks {
			runs = x.leakRuns()
		}
		var sum tally
		each(t, k.name, runs, func(t *testing.T, seed uint64) {
			v := game{defaults: x.defaults, kind: k, rate: mixedRate, seed: seed, every: every}.judge(t)
			sum.add(v, nil)
			if !k.leaks {
				x.wrong(seed, v)
			}
		})
		line(x.out, k.name, &sum)
		if !k.leaks {
			all.sum(&sum)
		}
	}
	line(x.out, "**all healthy ones**", &all)
	x.printf("\n")
	return tooMany(all.fail, all.runs)
}

// power prints how often leaks of each rate are caught, and after how many rounds.
func (x tables) power(t *testing.T) {
	x.printf("Leaks caught, and the rounds it took: %d runs each.\n\n", x.leakRuns())
	x.printf("| one goroutine in | requests a round | alone | on the stack of a pool of 50 | with 20 other users "+
		"| with work of 20 s |%s\n"+
		"| ---: | ---: | ---: | ---: | ---: | ---: |%s\n", ruleNames(), ruleColumns())
	for _, oneIn := range rates {
		for _, rate := range loads {
			perRound := rate * int(x.Round/time.Second)
			if oneIn > float64(perRound) || oneIn < 2 && rate > loads[0] {
				continue
			}
			x.printf("| %.0f requests | %d |", oneIn, perRound)
			var others tally
			for i, k := range leaking(oneIn)[:hidden] {
				sum := x.leak(t, k, rate, i == 0)
				x.printf(" %s |", sum.caught())
				others.sum(sum)
			}
			for _, n := range others.others {
				x.printf(" %.1f%% |", 100*float64(n)/float64(x.leakRuns()))
			}
			x.printf("\n")
		}
	}
	x.printf("\n")
}

// leak counts what becomes of one kind of leak, and what other rules say of it.
func (x tables) leak(t *testing.T, k kind, rate int, others bool) *tally {
	var sum tally
	each(t, k.name, x.leakRuns(), func(t *testing.T, seed uint64) {
		g := game{defaults: x.defaults, kind: k, rate: rate, seed: seed}
		if others {
			sum.add(x.play(t, g))
		} else {
			sum.add(g.judge(t), nil)
		}
	})
	return &sum
}

// moving prints the same for leaks whose goroutines, or whose stack's, do not stand still.
func (x tables) moving(t *testing.T) {
	x.printf("Leaks that move, or share a stack with what does, at %d requests a second: %d runs each.\n\n",
		mixedRate, x.leakRuns())
	x.printf("| one leak in | goroutines with a ticker | four workers at once, on the stack of a pool of 50 |\n" +
		"| ---: | ---: | ---: |\n")
	for _, oneIn := range rates {
		if oneIn < 2 || oneIn > float64(mixedRate*int(x.Round/time.Second)) {
			continue
		}
		x.printf("| %.0f requests |", oneIn)
		for _, k := range leaking(oneIn)[hidden:] {
			x.printf(" %s |", x.leak(t, k, mixedRate, false).caught())
		}
		x.printf("\n")
	}
}

func (x tables) printf(format string, args ...any) { fmt.Fprintf(x.out, format, args...) }

func ruleNames() string {
	var b strings.Builder
	for _, r := range rules() {
		b.WriteString(" " + r.name + " |")
	}
	return b.String()
}

func ruleColumns() string { return strings.Repeat(" ---: |", len(rules())) }
