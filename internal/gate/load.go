package gate

import (
	"context"
	"errors"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// load runs one phase of load and records the result.
func (g *Gate) load(ctx context.Context, phase record.Phase, of loadgen.Phase, why string) error {
	end := g.begin(phase, of.Duration, why)
	start := g.now()
	looking, stop := context.WithCancel(ctx)
	held := g.holding(looking, phase.Round, of.Duration)
	l := g.Driver.Run(ctx, of)
	stop()
	held.Wait()
	l.Kind, l.Round, l.Start, l.End = phase.Kind, phase.Round, start, g.now()
	if l.Stopped == record.StoppedByUs {
		l.Stopped = stoppedBy(ctx, l.Stopped)
	}
	g.maskLoad(&l)
	g.Writer.Load(l)
	end()
	g.Observer.Load(l)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return g.viable(ctx)
}

// stoppedBy is why the gate stopped a load, or else is what the driver said.
func stoppedBy(ctx context.Context, said string) string {
	var a *abort
	if errors.As(context.Cause(ctx), &a) {
		return a.message
	}
	return said
}

// maskLoad takes secrets out of what came of a load.
func (g *Gate) maskLoad(l *record.Load) {
	l.Stopped = g.Mask(l.Stopped)
	for i, e := range l.Entries {
		masked := map[string]uint64{}
		for text, n := range e.Errors {
			masked[g.Mask(text)] += n
		}
		if e.Errors != nil {
			l.Entries[i].Errors = masked
		}
	}
}
