package gate

import (
	"context"
	"errors"
	"time"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// needed asks for something that the verdict depends on, a few times. What
// fails for good is a gap, and ends the run.
func (g *Gate) needed(ctx context.Context, kind record.Kind, round int, ask func() error) error {
	var e *probe.Error
	for range askTries {
		err := ask()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.As(err, &e) {
			return err
		}
		if final(e) {
			break
		}
		if e.Gone() { // nobody listens: asking again at once brings nothing
			if err := sleep(ctx, settleEvery); err != nil {
				return err
			}
		}
	}
	g.gap(e, kind, round, true)
	code := verdict.CodeGap
	switch {
	case e.Code != "":
		code = e.Code
	case e.Gone():
		code = verdict.CodeLost
	case errors.Is(e, stacks.ErrInconsistent):
		code = verdict.CodeCounts
	}
	return &abort{code: code, message: e.Error(), hint: e.Hint}
}

// final reports whether an answer, right or wrong, decides the run: asking again might
// bring another one, and would not make this one right.
func final(e *probe.Error) bool {
	return e.Code == probe.CodeStale || e.Code == probe.CodeTooLarge
}

// sleep waits, or returns the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// total counts goroutines by a profile of which nothing is kept.
func (g *Gate) total(ctx context.Context, t Source, kind record.Kind, round int) (n int, err error) {
	err = g.needed(ctx, kind, round, func() (err error) {
		n, err = t.Total(ctx)
		return err
	})
	return n, err
}

// profile reads a profile that the verdict depends on: it is asked for again
// before it is given up, and then the run is.
func (g *Gate) profile(
	ctx context.Context, t Source, kind record.Kind, round int,
) (raw []byte, p *stacks.Profile, err error) {
	err = g.needed(ctx, kind, round, func() (err error) {
		raw, p, err = t.Goroutines(ctx)
		return err
	})
	return raw, p, err
}

// collect forces a collection in the target, and looks at who it is.
func (g *Gate) collect(ctx context.Context, t Source, kind record.Kind, round int) error {
	return g.needed(ctx, kind, round, func() error { return g.look(ctx, t, true) })
}
