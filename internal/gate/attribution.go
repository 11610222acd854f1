package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// trialRest is how long targets are given to come to rest after a trial.
	trialRest = 10 * time.Second
	// trialWindow is how many profiles are taken after a trial.
	trialWindow = 3
)

// attribute loads requests of a failed run alone, to learn which of them leaks.
// It comes after the decision and the evidence; that it fails changes no verdict.
func (g *Gate) attribute(ctx context.Context) {
	if !g.plan.Attribute || len(g.plan.Targets) == 0 {
		return
	}
	for n := 0; ; n++ {
		step, more := verdict.NextTrial(g.finished(), g.policy)
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

// finished is the run as it will be judged.
func (g *Gate) finished() record.Run {
	run := g.writer.Run()
	run.End = &record.End{Reason: record.Complete}
	return run
}

func (g *Gate) giveUpTrials(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	g.writer.Note(record.Note{At: g.now(), Code: "no-attribution", Message: g.plan.Mask("which request leaks is not known: " + err.Error())})
}

// trial loads some requests alone, and looks at what that did.
func (g *Gate) trial(ctx context.Context, step verdict.TrialStep, n int) error {
	start := g.now()
	g.watch.Begin(record.Phase{Kind: record.Trying, Round: n, Start: start}, step.Duration, step.Requests)
	defer func() { g.writer.Phase(record.Phase{Kind: record.Trying, Round: n, Start: start, End: g.now()}) }()
	loading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watching := g.guard(loading, stop, step.Targets)
	l := g.driver.Run(loading, loadgen.Phase{Duration: step.Duration, Only: step.Only, Rate: step.Rate})
	stop(nil)
	watching.Wait()
	l.Kind, l.Round, l.Start, l.End = record.Trying, n, start, g.now()
	var a *abort
	if errors.As(context.Cause(loading), &a) {
		l.Stopped = a.message
	}
	g.mask(&l)
	g.writer.Trial(record.Trial{Load: l, Only: step.Only})
	if err := ctx.Err(); err != nil {
		return err
	}
	return g.trialWindow(ctx, step.Targets, n)
}

// guard keeps an eye on the plan's cap while a trial loads: the samplers have
// ended with the rounds.
func (g *Gate) guard(ctx context.Context, stop context.CancelCauseFunc, names []string) *sync.WaitGroup {
	var wg sync.WaitGroup
	limit := g.plan.Safety.Goroutines
	for _, t := range g.targets {
		if limit <= 0 || !slices.Contains(names, t.Name()) {
			continue
		}
		wg.Go(func() {
			for sleep(ctx, sampleEvery) == nil {
				if s, _, err := t.Count(ctx); err == nil && s.Goroutines > limit {
					stop(&abort{message: fmt.Sprintf("%s: stopped at %d goroutines, safety.goroutines is %d", t.Name(), s.Goroutines, limit)})
				}
			}
		})
	}
	return &wg
}

// trialWindow waits for rest, and captures what the leaking stacks are at.
func (g *Gate) trialWindow(ctx context.Context, names []string, n int) error {
	var wg sync.WaitGroup
	errs := make([]error, len(g.targets))
	for i, t := range g.targets {
		if slices.Contains(names, t.Name()) {
			wg.Go(func() { errs[i] = g.trialWindowOf(ctx, t, n) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (g *Gate) trialWindowOf(ctx context.Context, t source, n int) error {
	var polls []Poll
	for start := g.now(); ; {
		total, err := t.Total(ctx)
		if err != nil {
			return err
		}
		at := g.now() - start
		polls = append(polls, Poll{At: at, Count: total})
		if at >= max(trialRest, 6*t.Every()) || Level(polls, g.quiet(t)) {
			break
		}
		if err := sleep(ctx, settleEvery); err != nil {
			return err
		}
	}
	for seq := range trialWindow {
		raw, p, err := t.Goroutines(ctx)
		if err != nil {
			return err
		}
		g.writer.Capture(record.Capture{At: g.now(), Target: t.Name(), Kind: record.Trying, Round: n, Seq: seq + 1, Profile: p}, raw)
		if err := sleep(ctx, windowEvery); err != nil {
			return err
		}
	}
	return nil
}
