package gate

import (
	"cmp"
	"context"
	"errors"
	"sync"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// Found is what the preflight learnt of one target.
type Found struct {
	record.Target
	Goroutines int
	Err        error // *probe.Error, or nil
}

// Look reaches every target of a plan, for commands that only look.
func Look(ctx context.Context, p *plan.Plan) ([]Found, error) {
	s, err := newSources(p)
	if err != nil {
		return nil, err
	}
	targets, failed := s.find(ctx)
	return append(identify(ctx, targets), failed...), nil
}

// identify reaches targets, all at once.
func identify(ctx context.Context, targets []source) []Found {
	out := make([]Found, len(targets))
	var wg sync.WaitGroup
	for i, t := range targets {
		wg.Go(func() {
			f := &out[i]
			f.Target, f.Err = t.Identify(ctx)
			if f.Err == nil {
				var s record.Sample
				s, _, f.Err = t.Count(ctx)
				f.Goroutines = s.Goroutines
			}
		})
	}
	wg.Wait()
	return out
}

// looksAtStart is how often each target is asked who it is before the load.
// Every request is a new connection: behind a load balancer with two backends,
// three looks in a row meet the same one in 1 of 4 runs, and the run has many
// more looks.
const looksAtStart = 3

// preflight reaches every target, or gives up before anything is loaded.
func (g *Gate) preflight(ctx context.Context) error {
	start := g.now()
	g.watch.Begin(record.Phase{Kind: record.Preflight, Start: start}, 0, "")
	defer func() { g.writer.Phase(record.Phase{Kind: record.Preflight, Start: start, End: g.now()}) }()
	var failed *probe.Error
	var unknown []Found
	g.targets, unknown = g.sources.find(ctx)
	for _, f := range append(identify(ctx, g.targets), unknown...) {
		f.At, f.Identity.Target = g.now(), f.Target.Name
		g.writer.Target(f.Target)
		if f.Err == nil {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var e *probe.Error
		if !errors.As(f.Err, &e) {
			return f.Err
		}
		g.gap(e, record.Preflight, 0, true)
		if failed == nil {
			failed = e
		}
	}
	if failed != nil {
		return &abort{code: cmp.Or(failed.Code, verdict.CodeUnreachable), message: failed.Error(), hint: failed.Hint}
	}
	for range looksAtStart - 1 {
		for _, t := range g.targets {
			if s, err := t.Identity(ctx, false); err == nil {
				s.At = g.now()
				g.writer.Identity(s)
			}
		}
	}
	return g.hopeless(ctx)
}

// gap records a failed request to a target.
func (g *Gate) gap(e *probe.Error, kind record.Kind, round int, needed bool) {
	g.writer.Gap(record.Gap{
		At: g.now(), Target: e.Target, What: e.Asked, Error: g.plan.Mask(e.Got), Hint: e.Hint, Kind: kind, Round: round, Needed: needed, Code: e.Code,
		Inconsistent: errors.Is(e, stacks.ErrInconsistent),
	})
}
