package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// sampler counts the goroutines of targets, each on a goroutine of its own, until its context
// ends.
type sampler struct {
	gate  *Gate
	ctx   context.Context
	stop  context.CancelCauseFunc // ends the run
	group sync.WaitGroup

	mu  sync.Mutex
	end map[string]context.CancelFunc // by target
}

// sample starts to count all targets. A target that is lost, or over the plan's cap, stops
// the run.
func (g *Gate) sample(ctx context.Context, stop context.CancelCauseFunc) *sampler {
	s := &sampler{gate: g, ctx: ctx, stop: stop, end: map[string]context.CancelFunc{}}
	for _, t := range g.targets {
		s.add(t)
	}
	return s
}

// add counts one more target.
func (s *sampler) add(t Source) {
	ctx, end := context.WithCancel(s.ctx)
	s.mu.Lock()
	s.end[t.Name()] = end
	s.mu.Unlock()
	s.group.Go(func() {
		defer end()
		s.gate.sampleTarget(ctx, s.stop, t)
	})
}

// drop counts a target no more.
func (s *sampler) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if end := s.end[name]; end != nil {
		end()
	}
}

func (s *sampler) wait() { s.group.Wait() }

func (g *Gate) sampleTarget(ctx context.Context, stop context.CancelCauseFunc, t Source) {
	failures := 0
	for n := 0; ; n++ {
		began := g.now()
		count, known, err := g.countMoving(ctx, t)
		if err == nil && !known && n%identityEvery == 0 {
			err = g.look(ctx, t, false)
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failures = 0
			g.counted(count)
			if a := g.overCap(count); a != nil {
				stop(a)
			}
		} else {
			failures++
			g.missed(stop, t, err, failures)
		}
		took := g.now() - began
		if sleep(ctx, g.pause(took)-took) != nil {
			return
		}
	}
}

// overCap ends a run whose target has more goroutines than the plan allows.
func (g *Gate) overCap(s record.Sample) *abort {
	if g.Goroutines <= 0 || s.Goroutines <= g.Goroutines {
		return nil
	}
	return &abort{
		code: verdict.CodeStopped,
		message: fmt.Sprintf("%s: the load was stopped at %d goroutines, safety.goroutines is %d",
			s.Target, s.Goroutines, g.Goroutines),
		hint: "a leak this fast shows at a tenth of the rate; lower load.rate and run again",
	}
}

// pause is the time from one count to the next, where the last took so long.
func (g *Gate) pause(took time.Duration) time.Duration {
	return max(g.sampleEvery(), min(costly*took, g.Round/samplesLeft))
}

// sampleEvery is the interval of counts.
func (g *Gate) sampleEvery() time.Duration {
	if !g.Held && !g.Connections {
		return sampleEvery
	}
	return min(sampleEvery, max(leastEvery, g.Round/samplesHeld))
}

// taken is when the last sample of a target was taken, where that is not when it is given.
type taken struct {
	mu   sync.Mutex
	last map[string]time.Duration
}

// new reports whether a sample is newer than the last of its target, and remembers it.
func (t *taken) new(target string, at time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last == nil {
		t.last = map[string]time.Duration{}
	}
	if at <= t.last[target] {
		return false
	}
	t.last[target] = at
	return true
}

// counted records a count, once: what was taken earlier may be given again and
// again.
func (g *Gate) counted(s record.Sample) {
	s.At = g.now()
	if !s.Taken.IsZero() {
		s.At, s.Taken = s.Taken.Sub(g.Began).Round(time.Millisecond), time.Time{}
		if s.At < 0 || !g.taken.new(s.Target, s.At) {
			return
		}
	}
	g.Writer.Sample(s)
	g.Observer.Sample(s)
}

// missed records a sample that failed. The load goes on while the target may
// come back.
func (g *Gate) missed(stop context.CancelCauseFunc, t Source, err error, failures int) {
	var e *probe.Error
	if !errors.As(err, &e) {
		e = &probe.Error{Target: t.Name(), Asked: "sample", Got: err.Error(), Err: err}
	}
	lost := failures >= lostAfter && !g.unfrozen(t) || final(e)
	g.gap(e, "", 0, lost)
	if lost {
		stop(lostOf(e, g.now()))
	}
}

// lostOf ends a run whose target does not answer any more, or not as it should.
func lostOf(e *probe.Error, at time.Duration) *abort {
	if final(e) {
		return &abort{code: e.Code, message: e.Error(), hint: e.Hint}
	}
	return &abort{
		code:    cmp.Or(e.Code, verdict.CodeLost),
		message: fmt.Sprintf("%s: lost after %s: %s: %s", e.Target, at.Round(time.Second), e.Asked, e.Got),
		hint:    "look at the target's log: it may have crashed, been replaced, or be too busy to answer",
	}
}

// count counts a target's goroutines. It reports whether that showed who the target
// is, too.
func (g *Gate) count(ctx context.Context, t Source) (record.Sample, bool, error) {
	defer g.order.turn(t.Name())()
	count, s, err := t.Count(ctx)
	if err != nil || s.Start == 0 && s.Allocated == 0 {
		return count, false, err
	}
	s.At = g.now()
	g.Writer.Identity(s)
	return count, true, nil
}

// look records who the target is. Looks at one target are recorded in the order
// in which they were made: counters that were read first and recorded last
// would seem to go backwards, as after a restart.
func (g *Gate) look(ctx context.Context, t Source, collect bool) error {
	defer g.order.turn(t.Name())()
	s, err := t.Identity(ctx, collect)
	if err != nil {
		return err
	}
	s.At = g.now()
	g.Writer.Identity(s)
	return nil
}
