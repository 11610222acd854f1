// Package gate runs a plan: the phases in order, and the only place that knows
// them all. It measures and records; what the measurements mean, and what to
// measure next, package verdict says.
package gate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// Gate is one run of a plan.
type Gate struct {
	plan    *plan.Plan
	policy  verdict.Policy
	driver  loadgen.Driver
	sources sources
	targets []source // from the preflight on
	writer  *record.Writer
	watch   Observer
	began   time.Time

	mu      sync.Mutex
	settled map[string]time.Duration // target → how long its baseline took to settle
	looking map[string]*sync.Mutex   // target → held while it is looked at

	lastTaken map[string]time.Duration // target → when its last sample was taken, where that is not when it is given
}

// New prepares a run and its directory. Errors are the plan's or the
// directory's; no request is sent.
func New(p *plan.Plan, dir, tool string, now time.Time, watch Observer) (*Gate, error) {
	g := &Gate{plan: p, policy: p.VerdictPolicy(), watch: watch, began: now, settled: map[string]time.Duration{}, looking: map[string]*sync.Mutex{}, lastTaken: map[string]time.Duration{}}
	var err error
	if g.sources, err = newSources(p); err != nil {
		return nil, err
	}
	if g.driver, err = newDriver(p, tool, dir, g.sources.prom); err != nil {
		return nil, err
	}
	settings, err := json.Marshal(g.policy)
	if err != nil {
		return nil, fmt.Errorf("encoding policy: %w", err)
	}
	h := record.Header{Tool: tool, Plan: p.Mask(p.Name), Started: now.UTC().Round(0), Settings: p.Hidden.Data(settings)}
	if g.writer, err = record.Create(dir, h, p.MaskBytes(p.Text)); err != nil {
		return nil, err
	}
	g.writer.Hide(p.Hidden.Data)
	return g, nil
}

// abort ends a run that cannot go on.
type abort struct{ code, message, hint string }

func (a *abort) Error() string { return a.message }

// Run measures until the evidence is in, the budget is spent, something makes
// the run inconclusive, or ctx ends. What was recorded is on disk when it
// returns; the error is of writing it.
func (g *Gate) Run(ctx context.Context) (record.Run, error) {
	end := record.End{Reason: record.Complete}
	err := g.phases(ctx)
	var a *abort
	switch {
	case errors.As(err, &a):
		end = record.End{Reason: record.Aborted, Code: a.code, Message: g.plan.Mask(a.message), Hint: a.hint}
	case err == nil:
	case ctx.Err() != nil:
		end.Reason = record.Interrupted
	default:
		end = record.End{Reason: record.Aborted, Code: "error", Message: g.plan.Mask(err.Error())}
	}
	end.At = g.now()
	err = g.writer.Close(end)
	return g.writer.Run(), err
}

// now is the time since the start of the run.
func (g *Gate) now() time.Duration { return time.Since(g.began) }

func (g *Gate) phases(ctx context.Context) error {
	if err := g.preflight(ctx); err != nil {
		return err
	}
	if err := g.watched(ctx); err != nil {
		return err
	}
	g.evidence(ctx)
	g.attribute(ctx)
	return nil
}

// watched does the rounds with the samplers beside them, which end with them:
// what is asked of a target after the decision changes no verdict.
func (g *Gate) watched(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	sampler := g.sample(ctx, stop)
	defer sampler.wait()
	defer stop(nil) // runs before the wait
	err := g.rounds(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// rounds loads and looks until there is nothing more to learn.
func (g *Gate) rounds(ctx context.Context) error {
	l := g.plan.Load
	if l.Warmup > 0 {
		if err := g.load(ctx, record.Warmup, 0, time.Duration(l.Warmup), time.Duration(l.Warmup)/2, ""); err != nil {
			return err
		}
	}
	if err := g.settle(ctx, record.Baseline, 0); err != nil {
		return err
	}
	if err := g.prove(ctx, 0); err != nil {
		return err
	}
	for round, asked := 0, 0; ; {
		if err := g.hopeless(ctx); err != nil {
			return err
		}
		step := verdict.Next(g.writer.Run(), g.policy)
		if asked < round && (step.Action != verdict.Load || step.Why != "") {
			// Before a verdict, and before further rounds or a long look that a
			// proof makes needless.
			if err := g.prove(ctx, round); err != nil {
				return err
			}
			asked = round
			g.dumpFor(ctx, round, step.Dump)
			continue
		}
		switch step.Action {
		case verdict.Stop:
			return nil
		case verdict.Watch:
			if err := g.confirm(ctx, round, step); err != nil {
				return err
			}
		case verdict.Load:
			round++
			if err := g.load(ctx, record.Round, round, time.Duration(l.Round), 0, step.Why); err != nil {
				return err
			}
			if err := g.settle(ctx, record.Settling, round); err != nil {
				return err
			}
		}
	}
}

func (g *Gate) hopeless(ctx context.Context) error {
	c, ok := verdict.Hopeless(g.writer.Run(), g.policy)
	if ok && c.Code == verdict.CodeRestarted && g.lookAtBuild(ctx, c.Target) {
		c, ok = verdict.Hopeless(g.writer.Run(), g.policy)
	}
	if ok {
		message := c.Message
		if c.Target != "" {
			message = c.Target + ": " + message
		}
		return &abort{code: c.Code, message: message, hint: c.Hint}
	}
	return nil
}

// lookAtBuild looks whether a target that is not the same process any more is
// another build too: only its profiles say so.
func (g *Gate) lookAtBuild(ctx context.Context, name string) bool {
	for _, t := range g.targets {
		if _, counted := t.(*probe.Series); counted || t.Name() != name {
			continue
		}
		if _, p, err := t.Goroutines(ctx); err == nil && p.BuildID != "" {
			g.writer.Identity(record.Identity{At: g.now(), Target: name, Build: p.BuildID})
			return true
		}
	}
	return false
}

// load sends one phase of load and records what came of it.
func (g *Gate) load(ctx context.Context, kind record.Kind, round int, d, ramp time.Duration, why string) error {
	start := g.now()
	g.watch.Begin(record.Phase{Kind: kind, Round: round, Start: start}, d, why)
	looking, stop := context.WithCancel(ctx)
	held := g.holding(looking, round, d)
	l := g.driver.Run(ctx, loadgen.Phase{Round: round, Duration: d, Ramp: ramp})
	stop()
	held.Wait()
	l.Kind, l.Round, l.Start, l.End = kind, round, start, g.now()
	if l.Stopped == record.StoppedByUs {
		if a := (*abort)(nil); errors.As(context.Cause(ctx), &a) {
			l.Stopped = a.message
		}
	}
	g.mask(&l)
	g.writer.Load(l)
	g.writer.Phase(record.Phase{Kind: kind, Round: round, Start: start, End: l.End})
	g.watch.Load(l)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return g.hopeless(ctx)
}

// mask takes the plan's secrets out of what came of a load.
func (g *Gate) mask(l *record.Load) {
	l.Stopped = g.plan.Mask(l.Stopped)
	for i, e := range l.Entries {
		masked := map[string]uint64{}
		for text, n := range e.Errors {
			masked[g.plan.Mask(text)] += n
		}
		if e.Errors != nil {
			l.Entries[i].Errors = masked
		}
	}
}
