package gate

import (
	"context"
	"slices"
	"sync"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// attribute loads requests of a failed run alone, to learn which of them leaks.
// It comes after the decision and the evidence; that it fails changes no verdict.
func (g *Gate) attribute(ctx context.Context) {
	if !g.Attribute || len(g.targets) == 0 {
		return
	}
	for n := 0; ; n++ {
		step, more := verdict.NextTrial(g.finished(), g.Policy)
		if !more {
			return
		}
		if n == 0 {
			if err := g.trialWindow(ctx, step.Targets, 0); err != nil {
				g.giveUpTrials(ctx, err)
				return
			}
		}
		if err := g.trial(ctx, step, n+1); err != nil {
			g.giveUpTrials(ctx, err)
			return
		}
	}
}

// giveUpTrials notes why no more requests are tried.
func (g *Gate) giveUpTrials(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	g.note("", "no-attribution", "cannot tell which request leaks: "+err.Error())
}

// trial loads some requests alone, and looks at what that did.
func (g *Gate) trial(ctx context.Context, step verdict.TrialStep, n int) error {
	phase := loadgen.Phase{Duration: step.Duration, Only: step.Only, Rate: step.Rate}
	g.prepare(ctx, phase)
	defer g.begin(record.Phase{Kind: record.Trying, Round: n}, step.Duration, step.Requests)()
	start := g.now()
	loading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	guards := g.guard(loading, stop, step.Targets)
	l := g.Driver.Run(loading, phase)
	stop(nil)
	guards.Wait()
	l.Kind, l.Round = record.Trying, n
	l.Start, l.End = start, ended(start, l.End, g.now())
	l.Stopped = stoppedBy(loading, l.Stopped)
	g.maskLoad(&l)
	g.Writer.Trial(record.Trial{Load: l, Only: step.Only})
	if err := ctx.Err(); err != nil {
		return err
	}
	return g.trialWindow(ctx, step.Targets, n)
}

// guard keeps an eye on the plan's cap while a trial loads: the samplers have
// ended with the rounds.
func (g *Gate) guard(ctx context.Context, stop context.CancelCauseFunc, names []string) *sync.WaitGroup {
	var wg sync.WaitGroup
	for _, t := range g.targets {
		if g.Goroutines <= 0 || !slices.Contains(names, t.Name()) {
			continue
		}
		wg.Go(func() {
			for sleep(ctx, sampleEvery) == nil {
				s, _, err := t.Count(ctx)
				if err != nil {
					continue
				}
				if a := g.overCap(s); a != nil {
					stop(a)
				}
			}
		})
	}
	return &wg
}

// trialWindow waits for rest, and captures the targets whose stacks leak.
func (g *Gate) trialWindow(ctx context.Context, names []string, n int) error {
	return g.each(names, func(t Source) error {
		if err := g.restAfterTrial(ctx, t); err != nil {
			return err
		}
		return g.captureTrial(ctx, t, n)
	})
}

// restAfterTrial waits until a target is level, for a while.
func (g *Gate) restAfterTrial(ctx context.Context, t Source) error {
	var polls []poll
	for start := g.now(); ; {
		total, err := t.Total(ctx)
		if err != nil {
			return err
		}
		at := g.now() - start
		polls = append(polls, poll{at: at, count: total})
		if at >= max(trialRest, patienceScrapes*t.Every()) || level(polls, g.quiet(t)) {
			return nil
		}
		if err := sleep(ctx, settleEvery); err != nil {
			return err
		}
	}
}

func (g *Gate) captureTrial(ctx context.Context, t Source, n int) error {
	for seq := range trialWindow {
		raw, p, err := t.Goroutines(ctx)
		if err != nil {
			return err
		}
		g.Writer.Capture(record.Capture{
			At: g.now(), Target: t.Name(), Kind: record.Trying, Round: n, Seq: seq + 1, Profile: p,
		}, raw)
		if err := sleep(ctx, windowEvery); err != nil {
			return err
		}
	}
	return nil
}
