package gate

import (
	"context"
	"slices"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
)

// prove asks every target that can tell which goroutines can never wake.
func (g *Gate) prove(ctx context.Context, round int) error {
	able := map[string]bool{}
	for _, t := range g.Writer.Run().Targets {
		able[t.Name] = slices.Contains(t.Profiles, probe.LeakProfile)
	}
	var names []string
	for _, t := range g.processes() {
		if able[t.Name()] {
			names = append(names, t.Name())
		}
	}
	return g.each(names, func(t Source) error { return g.proveOne(ctx, t.(Process), round) })
}

func (g *Gate) proveOne(ctx context.Context, t Process, round int) error {
	for seq := 1; seq <= readings; seq++ {
		err := g.needed(ctx, record.Leaked, round, func() error {
			raw, p, err := t.Leaked(ctx)
			if err == nil {
				g.Writer.Capture(record.Capture{
					At: g.now(), Target: t.Name(), Kind: record.Leaked, Round: round, Seq: seq, Profile: p,
				}, raw)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return g.witness(ctx, t, record.Leaked, round)
}
