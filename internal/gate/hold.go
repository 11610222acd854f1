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

// holding captures what targets are at while a round's connections are held: when
// all of them are open, and before the first is closed. It ends with ctx.
func (g *Gate) holding(ctx context.Context, round int, d time.Duration) *sync.WaitGroup {
	var wg sync.WaitGroup
	if len(g.plan.Load.Streams) == 0 || round == 0 {
		return &wg
	}
	from, to := loadgen.Plateau(d)
	start := g.now()
	at := []time.Duration{from + (to-from)/4, to - min((to-from)/8, time.Second)} // goroutines of a connection may come up late
	for _, t := range g.readable() {
		wg.Go(func() {
			for i, a := range at {
				if sleep(ctx, start+a-g.now()) != nil {
					return
				}
				raw, p, err := t.Goroutines(ctx)
				var e *probe.Error
				if errors.As(err, &e) && final(e) {
					g.gap(e, record.Holding, round, true)
				}
				if err != nil {
					return // the samplers notice a target that is lost
				}
				g.writer.Capture(record.Capture{At: g.now(), Target: t.Name(), Kind: record.Holding, Round: round, Seq: i + 1, Profile: p}, raw)
			}
		})
	}
	return &wg
}
