package gate

import (
	"context"

	"github.com/leakgate/leakgate/record"
)

// window captures the profiles that are compared. Where the target's metrics count its
// goroutines as well, they are read beside the first and the last of them.
func (g *Gate) window(ctx context.Context, t Source, kind record.Kind, round int) error {
	size := windowSize
	if countOnly(t) {
		size = countedWindow
	}
	for seq := 1; seq <= size; seq++ {
		if err := g.capture(ctx, t, kind, round, seq); err != nil {
			return err
		}
		if seq == 1 || seq == size {
			if err := g.cross(ctx, t, kind, round); err != nil {
				return err
			}
		}
		if seq < size {
			if err := sleep(ctx, windowEvery); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *Gate) capture(ctx context.Context, t Source, kind record.Kind, round, seq int) error {
	raw, p, err := g.profile(ctx, t, kind, round)
	if err != nil {
		return err
	}
	g.Writer.Capture(record.Capture{
		At: g.now(), Target: t.Name(), Kind: kind, Round: round, Seq: seq, Profile: p,
	}, raw)
	g.counted(record.Sample{Target: t.Name(), Goroutines: p.Total})
	return nil
}

// cross counts a target's goroutines by its metrics, beside its profile.
func (g *Gate) cross(ctx context.Context, t Source, kind record.Kind, round int) error {
	if p, ok := t.(Process); !ok || !p.Measured() {
		return nil
	}
	return g.needed(ctx, kind, round, func() error {
		count, _, err := g.count(ctx, t)
		if err == nil {
			g.counted(count)
		}
		return err
	})
}

// witness looks at who a target is, after the last profile that decides something: what
// was captured is worth nothing if it was another process by then.
func (g *Gate) witness(ctx context.Context, t Source, kind record.Kind, round int) error {
	return g.needed(ctx, kind, round, func() error { return g.look(ctx, t, false) })
}
