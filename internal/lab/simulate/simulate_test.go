package simulate

import (
	"bytes"
	"flag"
	"io"
	"os"
	"runtime/debug"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leakgate/leakgate/internal/lab/section"
	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

var (
	runs   = flag.Int("runs", 0, "write the tables, of so many seeds of every healthy kind; leaks have a fifth of them")
	report = flag.String("report", "", "write the tables to this Markdown file as well")
	only   = flag.String("only", "", "only kinds whose name contains this; prints every wrong run")
)

// garbage is how much memory may be garbage, in percent of what is not: runs are small, and
// there are tens of thousands of them.
const garbage = 800

// TestSimulate writes the tables, where it is asked to, and fails if more healthy services
// do than may.
func TestSimulate(t *testing.T) {
	if *runs == 0 {
		t.Skip("make simulate writes the tables")
	}
	d, err := readDefaults()
	if err != nil {
		t.Fatal(err)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(garbage))
	var out bytes.Buffer
	bad := tables{defaults: d, out: io.MultiWriter(os.Stdout, &out), runs: *runs, only: *only}.write(t)
	if *report != "" && !t.Failed() {
		if err := section.Replace(*report, "make simulate", out.String()); err != nil {
			t.Error(err)
		}
	}
	if bad {
		t.Error("more healthy runs failed than may")
	}
}

// A seed is a run: what is played twice is the same, in whatever order goroutines ran. And
// the outcome that is counted is the verdict's.
func TestSeeds(t *testing.T) {
	d, err := readDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range slices.Concat(healthy(), leaking(20)) {
		for _, every := range []time.Duration{0, 5 * time.Second} {
			g := game{defaults: d, kind: k, rate: mixedRate, seed: 1, every: every}
			a := g.judge(t)
			run, _ := g.play(t)
			b := verdict.Judge(run, d.Policy)
			if a.Outcome != b.Outcome || !slices.Equal(a.Targets[0].Totals, b.Targets[0].Totals) {
				t.Errorf("%s, played twice: %s %v, then %s %v (%s)",
					k.name, a.Outcome, a.Targets[0].Totals, b.Outcome, b.Targets[0].Totals, b.Headline)
			}
			if k.leaks && a.Outcome != verdict.Fail {
				t.Errorf("%s, scraped every %s: %s, want a fail", k.name, every, b.Headline)
			}
		}
	}
}

// A profile under load has fewer goroutines of a stack than the window before exactly where
// they work.
func TestMovement(t *testing.T) {
	d, err := readDefaults()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		kind  kind
		moves bool
	}{
		{"a leak stays where it is", leaking(20)[0], false},
		{"a leaked ticker is back at once", leaking(20)[4], false},
		{"a pool's workers work", healthy()[0], true},
		{"a pool's workers work, beside leaked ones", leaking(2000)[5], true},
	} {
		moved, loads := 0, 0
		for seed := range uint64(4) {
			run, _ := game{defaults: d, kind: c.kind, rate: 1000, seed: seed + 1}.play(t)
			for i, p := range run.Captures {
				if p.Kind != record.Loaded {
					continue
				}
				loads++
				if p.Profile.Count()[stackName(0)] < run.Captures[i-1].Profile.Count()[stackName(0)] {
					moved++
				}
			}
		}
		if loads == 0 || c.moves && 2*moved < loads || !c.moves && moved > 0 {
			t.Errorf("%s: moved in %d of %d rounds", c.name, moved, loads)
		}
	}
}

// How long goroutines have waited, by a dump that follows a minute of load, a collection and
// three minutes of rest.
func TestWaits(t *testing.T) {
	const load, rest = time.Minute, 3 * time.Minute
	for _, c := range []struct {
		name string
		kind kind
		// least and most are the shares of the goroutines that waited for all of the rest.
		least, most float64
	}{
		{"what leaked waits since then", leaking(20)[0], 1, 1},
		{"a leaked ticker never waits", leaking(20)[4], 0, 0},
		{"a pool waits since the load", healthy()[0], 1, 1},
		{"work that has ended is gone", healthy()[4], 0, 0},
		{"sessions of minutes come and go", healthy()[7], 0.05, 0.95},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(c.kind, mixedRate, 1, 20*time.Second, 0)
			w.Run(t.Context(), loadgen.Phase{Duration: load})
			w.collect()
			time.Sleep(rest)
			dump := w.dump()
			waited := 0
			for _, s := range dump.Stacks {
				if s.Wait >= rest {
					waited += s.Count
				}
				if s.Wait%time.Minute != 0 || s.CreatedBy == nil {
					t.Errorf("%s: a stack that no dump has: %+v", c.name, s)
				}
			}
			share := float64(waited) / float64(max(dump.Total, 1))
			if share < c.least || share > c.most {
				t.Errorf("%s: %d of %d waited for %s, want %.0f to %.0f %%",
					c.name, waited, dump.Total, rest, 100*c.least, 100*c.most)
			}
		})
	}
}
