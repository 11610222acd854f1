package gate

import (
	"context"
	"errors"
	"time"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// load runs one phase of load and records the result.
func (g *Gate) load(ctx context.Context, phase record.Phase, of loadgen.Phase, why string) error {
	of.Say = func(text string) { g.Observer.Say(g.Mask(text)) }
	g.prepare(ctx, of)
	end := g.begin(phase, of.Duration, why)
	start := g.now()
	looking, stop := context.WithCancel(ctx)
	held := g.holding(looking, phase.Round, of.Duration)
	l := g.Driver.Run(ctx, of)
	stop()
	held.Wait()
	l.Kind, l.Round = phase.Kind, phase.Round
	l.Start, l.End = start, ended(start, l.End, g.now())
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

// prepare waits until the load of a phase begins, where it is sent by machines that have to
// be made ready.
func (g *Gate) prepare(ctx context.Context, of loadgen.Phase) {
	if p, ok := g.Driver.(loadgen.Preparer); ok {
		p.Prepare(ctx, of)
	}
}

// ended is when a load ended: when its driver says how long it took, or now.
func ended(start, took, now time.Duration) time.Duration {
	if took > 0 {
		return min(start+took, now)
	}
	return now
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
