package simulate

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/gate/setup"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// defaults are those of a plan, with the one target that a process has.
type defaults struct {
	gate.Settings
	verdict.Policy
}

// smallest is a plan that leaves everything to the defaults. Nobody asks its addresses.
const smallest = `{targets: [{pprof: "http://shop/debug/pprof"}], load: {requests: [GET http://shop/]}}`

func readDefaults() (defaults, error) {
	p, err := plan.Parse("smallest.yaml", []byte(smallest), func(string) (string, bool) { return "", false })
	if err != nil {
		return defaults{}, err
	}
	return defaults{Settings: setup.SettingsOf(p), Policy: p.VerdictPolicy()}, nil
}

// game is one run of the gate on a made-up process.
type game struct {
	defaults
	kind  kind
	rate  int // requests per second
	seed  uint64
	every time.Duration // between two scrapes; 0: the process is read
}

// play runs the gate, in a bubble of its own. It returns how many services there were, too.
func (g game) play(t *testing.T) (run record.Run, services int) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(g.kind, g.rate, g.seed, g.Round, g.every)
		var source gate.Source = process{w}
		if g.every > 0 {
			source = &scraped{world: w}
		}
		services = len(w.services)
		began := time.Now()
		c := gate.Config{
			Settings: g.Settings, Policy: g.Policy, Driver: w, Began: began,
			Discover: func(context.Context) ([]gate.Source, []gate.Found) { return []gate.Source{source}, nil },
			Writer:   record.InMemory(record.Header{Plan: "simulated", Started: began}),
		}
		var err error
		if run, err = gate.New(c).Run(t.Context()); err != nil {
			t.Errorf("%s, seed %d: %v", g.kind.name, g.seed, err)
		}
	})
	return run, services
}

// judge is the verdict on the run that the gate makes of it, without what a pass is worth:
// that takes ten times as long as all else, and is not asked of a run without an end. Its
// outcome is that of its checks, as it is of a run that has one.
func (g game) judge(t *testing.T) verdict.Verdict {
	run, _ := g.play(t)
	end := run.End
	run.End = nil
	v := verdict.Judge(run, g.Policy)
	v.Outcome = verdict.Pass
	if end.Reason != record.Complete {
		v.Outcome = verdict.Inconclusive
	}
	for _, c := range v.Checks {
		if c.Name == "recorded" { // it has an end
			continue
		}
		if c.Outcome == verdict.Fail || c.Outcome == verdict.Inconclusive && v.Outcome == verdict.Pass {
			v.Outcome = c.Outcome
		}
	}
	return v
}

// ruled is how many rounds the other rules see at most.
const ruled = 6

// rounds are as many windows as the other rules need, of a gate that decides nothing.
func (g game) rounds(t *testing.T) (run record.Run, services int) {
	g.MinRounds, g.MaxRounds, g.Confirm = ruled, ruled, 0
	return g.play(t)
}
