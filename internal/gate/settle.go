package gate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// settleEvery is the interval of polls while a target comes to rest.
	settleEvery = 400 * time.Millisecond
	// windowSize is how many profiles a window has. What stays is in all of
	// them; with five, one that caught stragglers can be left out of account.
	windowSize = 5
	// windowEvery is the interval between the profiles of a window. Goroutines
	// that were not scheduled yet in one have their frames in the next.
	windowEvery = 200 * time.Millisecond
	// captureTries is how often a profile that the verdict needs is asked for.
	captureTries = 3
)

// settle waits until every target has come to rest, and captures a window.
func (g *Gate) settle(ctx context.Context, kind record.Kind, round int) error {
	start := g.now()
	g.watch.Begin(record.Phase{Kind: kind, Round: round, Start: start}, time.Duration(g.plan.Settle.Quiet)+time.Second, "")
	errs := make([]error, len(g.targets))
	var wg sync.WaitGroup
	for i, t := range g.targets {
		wg.Go(func() { errs[i] = g.settleTarget(ctx, t, kind, round, start) })
	}
	wg.Wait()
	g.writer.Phase(record.Phase{Kind: kind, Round: round, Start: start, End: g.now()})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(errs...)
}

func (g *Gate) settleTarget(ctx context.Context, t source, kind record.Kind, round int, start time.Duration) error {
	s := record.Settle{Target: t.Name(), Kind: kind, Round: round}
	polls, err := g.rest(ctx, t, kind, round, start, &s)
	if err != nil {
		return err
	}
	s.After = g.now() - start
	if kind == record.Baseline {
		g.mu.Lock()
		g.settled[t.Name()] = s.After
		g.mu.Unlock()
	}
	for _, p := range polls {
		s.Peak = max(s.Peak, p.Count)
	}
	if len(polls) > 0 {
		s.Last = polls[len(polls)-1].Count
	}
	if !s.Quiet {
		g.stillMoving(t, &s, polls, round)
	}
	g.writer.Settle(s)
	if err := g.window(ctx, t, kind, round); err != nil {
		return err
	}
	if err := g.memoryOfWindow(ctx, t, kind, round); err != nil {
		return err
	}
	return g.witness(ctx, t, kind, round)
}

// rest polls until the count is level, after a forced collection, and for at
// least as long as the baseline took: what is compared was looked at after the
// same delay.
func (g *Gate) rest(ctx context.Context, t source, kind record.Kind, round int, start time.Duration, s *record.Settle) ([]Poll, error) {
	quiet, limit := g.quiet(t), g.patience(t)
	var polls []Poll
	collected := -1
	if err := g.collect(ctx, t, kind, round); err != nil {
		return nil, err
	}
	for {
		total, err := g.total(ctx, t, kind, round)
		if err != nil {
			return nil, err
		}
		at := g.now() - start
		polls = append(polls, Poll{At: at, Count: total})
		g.counted(record.Sample{Target: t.Name(), Goroutines: total})
		atRest := at >= min(g.least(t, kind), limit-quiet) && Level(polls, quiet)
		freed := t.Every() == 0 && (collected < 0 || total < collected-max(1, collected/100)) // what is only counted cannot be made to collect
		switch {
		case atRest && !freed:
			s.Quiet = true
			return polls, nil
		case at >= limit:
			return polls, nil
		case atRest: // collect once more, and see whether that sets anything free
			if err := g.collect(ctx, t, kind, round); err != nil {
				return nil, err
			}
			collected = total
		}
		if err := sleep(ctx, settleEvery); err != nil {
			return nil, err
		}
	}
}

// least is how long a target is given at least.
func (g *Gate) least(t source, kind record.Kind) time.Duration {
	if kind == record.Baseline {
		return 0
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.settled[t.Name()] - settleEvery
}

// stillMoving says so, and when a falling count would arrive.
func (g *Gate) stillMoving(t source, s *record.Settle, polls []Poll, round int) {
	s.PerSec = math.Round(slope(polls, 10*time.Second)*10) / 10
	text := fmt.Sprintf("%d goroutines and still moving after %s", s.Last, s.After.Round(time.Second))
	if base, ok := baseline(g.writer.Run(), t.Name()); ok && s.PerSec < 0 && s.Last > base {
		s.Arrive = s.After + time.Duration(float64(s.Last-base)/-s.PerSec*float64(time.Second))
		text += fmt.Sprintf(", falling by %.1f a second: back at %d about %s after the load", -s.PerSec, base, s.Arrive.Round(time.Second))
	}
	g.writer.Note(record.Note{At: g.now(), Target: t.Name(), Code: "not-settled", Message: fmt.Sprintf("after %s: %s", phaseName(s.Kind, round), text)})
	g.watch.Say(t.Name() + ": " + text)
}

func phaseName(kind record.Kind, round int) string {
	if kind == record.Baseline {
		return "the warm-up"
	}
	return fmt.Sprintf("round %d", round)
}

// baseline is the total of the baseline's first capture.
func baseline(run record.Run, target string) (int, bool) {
	for _, c := range run.Captures {
		if c.Target == target && c.Kind == record.Baseline {
			return c.Profile.Total, true
		}
	}
	return 0, false
}

// window captures the profiles that are compared. Where the target's metrics count its
// goroutines as well, they are read beside the first and the last of them.
func (g *Gate) window(ctx context.Context, t source, kind record.Kind, round int) error {
	for seq := 1; seq <= windowOf(t); seq++ {
		if err := g.capture(ctx, t, kind, round, seq); err != nil {
			return err
		}
		if seq == 1 || seq == windowOf(t) {
			if err := g.cross(ctx, t, kind, round); err != nil {
				return err
			}
		}
		if seq < windowOf(t) {
			if err := sleep(ctx, windowEvery); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *Gate) capture(ctx context.Context, t source, kind record.Kind, round, seq int) error {
	raw, p, err := g.profile(ctx, t, kind, round)
	if err != nil {
		return err
	}
	g.writer.Capture(record.Capture{At: g.now(), Target: t.Name(), Kind: kind, Round: round, Seq: seq, Profile: p}, raw)
	g.counted(record.Sample{Target: t.Name(), Goroutines: p.Total})
	return nil
}

// cross counts a target's goroutines by its metrics, beside its profile.
func (g *Gate) cross(ctx context.Context, t source, kind record.Kind, round int) error {
	if p, ok := t.(*probe.Target); !ok || !p.Measured() {
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
func (g *Gate) witness(ctx context.Context, t source, kind record.Kind, round int) error {
	return g.needed(ctx, kind, round, func() error { return g.look(ctx, t, false) })
}

// total counts goroutines by a profile of which nothing is kept.
func (g *Gate) total(ctx context.Context, t source, kind record.Kind, round int) (n int, err error) {
	err = g.needed(ctx, kind, round, func() (err error) {
		n, err = t.Total(ctx)
		return err
	})
	return n, err
}

// profile reads a profile that the verdict depends on: it is asked for again
// before it is given up, and then the run is.
func (g *Gate) profile(ctx context.Context, t source, kind record.Kind, round int) (raw []byte, p *stacks.Profile, err error) {
	err = g.needed(ctx, kind, round, func() (err error) {
		raw, p, err = t.Goroutines(ctx)
		return err
	})
	return raw, p, err
}

// collect forces a collection in the target, and looks at who it is.
func (g *Gate) collect(ctx context.Context, t source, kind record.Kind, round int) error {
	return g.needed(ctx, kind, round, func() error { return g.look(ctx, t, true) })
}

// needed asks for something that the verdict depends on, a few times. What
// fails for good is a gap, and ends the run.
func (g *Gate) needed(ctx context.Context, kind record.Kind, round int, ask func() error) error {
	var e *probe.Error
	for range captureTries {
		err := ask()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.As(err, &e) {
			return err
		}
		if final(e) {
			break
		}
		if e.Gone() { // nobody listens: asking again at once brings nothing
			if err := sleep(ctx, settleEvery); err != nil {
				return err
			}
		}
	}
	g.gap(e, kind, round, true)
	code := verdict.CodeGap
	switch {
	case e.Code != "":
		code = e.Code
	case e.Gone():
		code = verdict.CodeLost
	case errors.Is(e, stacks.ErrInconsistent):
		code = verdict.CodeCounts
	}
	return &abort{code: code, message: e.Error(), hint: e.Hint}
}

// final reports whether an answer, right or wrong, decides the run: asking again might
// bring another one, and would not make this one right.
func final(e *probe.Error) bool {
	return e.Code == probe.CodeStale || e.Code == probe.CodeTooLarge
}

// sleep waits, or returns the cause of ctx's end.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
