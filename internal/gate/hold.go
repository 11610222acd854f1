package gate

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
)

// holding captures targets while a round's connections are held: when
// all of them are open, and before the first is closed. It ends with ctx.
func (g *Gate) holding(ctx context.Context, round int, d time.Duration) *sync.WaitGroup {
	var wg sync.WaitGroup
	if !g.Held || round == 0 {
		return &wg
	}
	from, to := loadgen.Plateau(d)
	start := g.now()
	plateau := to - from
	at := []time.Duration{from + plateau/heldEarly, to - min(plateau/heldLate, mostLate)}
	for _, t := range g.processes() {
		wg.Go(func() {
			for i, a := range at {
				if sleep(ctx, start+a-g.now()) != nil || !g.captureHeld(ctx, t, round, i+1) {
					return
				}
			}
		})
	}
	return &wg
}

// captureHeld captures a target while connections are held. It reports whether that worked:
// if not, the samplers notice a target that is lost.
func (g *Gate) captureHeld(ctx context.Context, t Process, round, seq int) bool {
	raw, p, err := t.Goroutines(ctx)
	var e *probe.Error
	if errors.As(err, &e) && final(e) {
		g.gap(e, record.Holding, round, true)
	}
	if err != nil {
		return false
	}
	g.Writer.Capture(record.Capture{
		At: g.now(), Target: t.Name(), Kind: record.Holding, Round: round, Seq: seq, Profile: p,
	}, raw)
	return true
}
