package gate

import (
	"context"
	"errors"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
)

// memory records what a target holds, after a collection that it is asked for.
func (g *Gate) memory(ctx context.Context, t Source, kind record.Kind, round int) error {
	defer g.order.turn(t.Name())()
	m, s, raw, err := t.Memory(ctx)
	if err != nil {
		if s.Continuity == record.Broken { // the target shows it once
			s.At = g.now()
			g.Writer.Identity(s)
		}
		return err
	}
	m.At, m.Kind, m.Round = g.now(), kind, round
	if kind == record.Confirm { // the numbers are enough, again and again
		m.Profile, raw = nil, nil
	}
	g.Writer.Memory(m, raw)
	if s.Start > 0 || s.TotalAlloc > 0 || s.Allocated > 0 {
		s.At = m.At
		g.Writer.Identity(s)
	}
	return nil
}

// memoryOfWindow is memory after a window. The verdict about goroutines does not
// depend on it: that it fails is a gap that is not needed.
func (g *Gate) memoryOfWindow(ctx context.Context, t Source, kind record.Kind, round int) error {
	err := g.memory(ctx, t, kind, round)
	var e *probe.Error
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.As(err, &e):
		g.gap(e, kind, round, false)
		return nil
	}
	return err
}
