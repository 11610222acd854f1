package gate

import (
	"cmp"
	"context"
	"errors"
	"sync"

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

// Identify reaches targets, all at once.
func Identify(ctx context.Context, targets []Source) []Found {
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

// preflight reaches every target, or gives up before anything is loaded.
func (g *Gate) preflight(ctx context.Context) error {
	defer g.begin(record.Phase{Kind: record.Preflight}, 0, "")()
	var unknown []Found
	g.targets, unknown = g.Discover(ctx)
	if err := g.reach(ctx, g.targets, unknown); err != nil {
		return err
	}
	return g.viable(ctx)
}

// reach records who targets are, and is an error where one of them, or of those that were not
// found, cannot be reached.
func (g *Gate) reach(ctx context.Context, targets []Source, unknown []Found) error {
	var failed *probe.Error
	for _, f := range append(Identify(ctx, targets), unknown...) {
		f.At, f.Identity.Target = g.now(), f.Target.Name
		g.Writer.Target(f.Target)
		if f.Err == nil {
			continue
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
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
		for _, t := range targets {
			if s, err := t.Identity(ctx, false); err == nil {
				s.At = g.now()
				g.Writer.Identity(s)
			}
		}
	}
	return nil
}

// gap records a failed request to a target.
func (g *Gate) gap(e *probe.Error, kind record.Kind, round int, needed bool) {
	g.Writer.Gap(record.Gap{
		At: g.now(), Target: e.Target, What: e.Asked, Error: g.Mask(e.Got), Hint: e.Hint, Kind: kind, Round: round,
		Needed: needed, Code: e.Code, Inconsistent: errors.Is(e, stacks.ErrInconsistent),
	})
}
