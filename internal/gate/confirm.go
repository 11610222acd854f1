package gate

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// confirm watches suspects without load for as long as the verdict asks for it.
func (g *Gate) confirm(ctx context.Context, round int, step verdict.Step) error {
	defer g.begin(record.Phase{Kind: record.Confirm, Round: round}, step.Until, step.Why)()
	watched := map[string]bool{}
	every := min(max(step.Until/looks, leastLook), mostLook)
	refused := step.Dump // before the look
	for seq := looked(g.Writer.Run(), round) + 1; ; seq++ {
		for _, name := range step.Targets {
			watched[name] = true // those that have fallen drop out of the list
		}
		if err := g.lookAt(ctx, round, seq, step.Targets); err != nil {
			return err
		}
		if err := g.viable(ctx); err != nil {
			return err
		}
		step = g.next(g.Writer.Run(), g.Policy)
		if g.dump(ctx, moment{round, afterLook}, without(step.Dump, refused)) {
			step = g.next(g.Writer.Run(), g.Policy)
		}
		if step.Action != verdict.Watch {
			return g.lookAgain(ctx, round, slices.Collect(maps.Keys(watched)))
		}
		if err := sleep(ctx, every); err != nil {
			return err
		}
	}
}

// looked is the number of the last capture of long looks after a round: a dump at the end of
// one may be the reason for another.
func looked(run record.Run, round int) (last int) {
	for _, c := range run.Captures {
		if c.Kind == record.Confirm && c.Round == round {
			last = max(last, c.Seq)
		}
	}
	return last
}

// without are the names that are not among others.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(others, n) })
}

// lookAgain looks at who targets are once they were watched: a crash looks like work that
// came to its end.
func (g *Gate) lookAgain(ctx context.Context, round int, names []string) error {
	err := g.each(names, func(t Source) error { return g.witness(ctx, t, record.Confirm, round) })
	if err != nil {
		return err
	}
	return g.viable(ctx)
}

// each does something to some targets, all at once.
func (g *Gate) each(names []string, do func(Source) error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(g.targets))
	for i, t := range g.targets {
		if slices.Contains(names, t.Name()) {
			wg.Go(func() { errs[i] = do(t) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// lookAt takes one capture of each target of a long look.
func (g *Gate) lookAt(ctx context.Context, round, seq int, names []string) error {
	return g.each(names, func(t Source) error {
		if seq%collectEvery == 0 {
			err := g.needed(ctx, record.Confirm, round, func() error {
				return g.memory(ctx, t, record.Confirm, round)
			})
			if err != nil {
				return err
			}
		}
		return g.capture(ctx, t, record.Confirm, round, seq)
	})
}
