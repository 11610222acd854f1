package gate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/leakgate/leakgate/record"
)

// settle waits until every target has come to rest, and captures a window.
func (g *Gate) settle(ctx context.Context, kind record.Kind, round int) error {
	start := g.now()
	end := g.begin(record.Phase{Kind: kind, Round: round}, g.Quiet+settleMargin, "")
	errs := make([]error, len(g.targets))
	var wg sync.WaitGroup
	for i, t := range g.targets {
		wg.Go(func() { errs[i] = g.settleTarget(ctx, t, kind, round, start) })
	}
	wg.Wait()
	end()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(errs...)
}

func (g *Gate) settleTarget(ctx context.Context, t Source, kind record.Kind, round int, start time.Duration) error {
	s := record.Settle{Target: t.Name(), Kind: kind, Round: round}
	polls, err := g.rest(ctx, t, kind, round, start, &s)
	if err != nil {
		return err
	}
	s.After = g.now() - start
	if kind == record.Baseline {
		g.settled.set(t.Name(), s.After)
	}
	for _, p := range polls {
		s.Peak = max(s.Peak, p.count)
	}
	if len(polls) > 0 {
		s.Last = polls[len(polls)-1].count
	}
	if !s.Quiet {
		g.stillMoving(t, &s, polls, round)
	}
	g.Writer.Settle(s)
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
func (g *Gate) rest(
	ctx context.Context, t Source, kind record.Kind, round int, start time.Duration, s *record.Settle,
) ([]poll, error) {
	quiet, limit := g.quiet(t), g.patience(t)
	var polls []poll
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
		polls = append(polls, poll{at: at, count: total})
		g.counted(record.Sample{Target: t.Name(), Goroutines: total})
		atRest := at >= min(g.least(t, kind), limit-quiet) && level(polls, quiet)
		freed := !countOnly(t) && (collected < 0 || total < collected-max(1, collected/freedShare))
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
func (g *Gate) least(t Source, kind record.Kind) time.Duration {
	if kind == record.Baseline {
		return 0
	}
	return g.settled.of(t.Name()) - settleEvery
}

// settled is how long the baseline of each target took to settle.
type settled struct {
	mu    sync.Mutex
	after map[string]time.Duration
}

func (s *settled) set(target string, after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.after == nil {
		s.after = map[string]time.Duration{}
	}
	s.after[target] = after
}

func (s *settled) of(target string) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.after[target]
}

// quiet is how long a target's count has to be level.
func (g *Gate) quiet(t Source) time.Duration { return max(g.Quiet, quietScrapes*t.Every()) }

// patience is how long a target may take to come to rest.
func (g *Gate) patience(t Source) time.Duration { return max(g.Timeout, patienceScrapes*t.Every()) }

// stillMoving says so, and when a falling count would arrive.
func (g *Gate) stillMoving(t Source, s *record.Settle, polls []poll, round int) {
	s.PerSec = math.Round(slope(polls, drainStretch)*10) / 10 // to a tenth, as it is told
	text := fmt.Sprintf("%d goroutines, still changing after %s", s.Last, s.After.Round(time.Second))
	if base, ok := baselineTotal(g.Writer.Run(), t.Name()); ok && s.PerSec < 0 && s.Last > base {
		s.Arrive = s.After + time.Duration(float64(s.Last-base)/-s.PerSec*float64(time.Second))
		text += fmt.Sprintf(", falling by %.1f per second: back at its baseline of %d about %s after the load",
			-s.PerSec, base, s.Arrive.Round(time.Second))
	}
	g.note(t.Name(), "not-settled", fmt.Sprintf("after %s: %s", phaseName(s.Kind, round), text))
	g.Observer.Say(t.Name() + ": " + text)
}

func phaseName(kind record.Kind, round int) string {
	if kind == record.Baseline {
		return "the warm-up"
	}
	return fmt.Sprintf("round %d", round)
}

// baselineTotal is the total of the baseline's first capture.
func baselineTotal(run record.Run, target string) (int, bool) {
	for _, c := range run.Captures {
		if c.Target == target && c.Kind == record.Baseline {
			return c.Profile.Total, true
		}
	}
	return 0, false
}
