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

const (
	// sampleEvery is the interval of counts, through all phases. Where connections are
	// held, a round has samplesHeld of them at least, as far as leastEvery allows: what
	// they gather is looked for in quarters of it.
	sampleEvery = time.Second
	samplesHeld = 20
	leastEvery  = 100 * time.Millisecond
	// identityEvery is how many samples lie between two looks at who the target is,
	// where the samples themselves do not show it.
	identityEvery = 5
	// lostAfter is how many samples in a row may fail before a target counts
	// as lost. A deploy of the target takes longer; a dropped packet does not.
	lostAfter = 3
)

// sampler counts the goroutines of every target.
type sampler struct{ group sync.WaitGroup }

func (s *sampler) wait() { s.group.Wait() }

// sample starts a sampler per target. A target that is lost, or over the
// plan's cap, stops the run.
func (g *Gate) sample(ctx context.Context, stop context.CancelCauseFunc) *sampler {
	s := &sampler{}
	for _, t := range g.targets {
		s.group.Go(func() { g.sampleTarget(ctx, stop, t) })
	}
	return s
}

func (g *Gate) sampleTarget(ctx context.Context, stop context.CancelCauseFunc, t source) {
	failures := 0
	for n := 0; ; n++ {
		began := g.now()
		count, known, err := g.count(ctx, t)
		if err == nil && !known && n%identityEvery == 0 {
			err = g.look(ctx, t, false)
		}
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failures = 0
			g.counted(count)
			if limit := g.plan.Safety.Goroutines; limit > 0 && count.Goroutines > limit {
				stop(&abort{code: verdict.CodeStopped, message: fmt.Sprintf(
					"%s: the load was stopped at %d goroutines, safety.goroutines is %d", t.Name(), count.Goroutines, limit),
					hint: "a leak this fast shows at a tenth of the rate; lower load.rate and run again"})
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

const (
	// costly is by how many times the interval of counts exceeds what one costs, at least:
	// a profile of tens of thousands of stacks is not asked for every second.
	costly = 25
	// samplesLeft is how many of them a round has all the same.
	samplesLeft = 6
)

// pause is the time from one count to the next, where the last took so long.
func (g *Gate) pause(took time.Duration) time.Duration {
	return max(g.sampleEvery(), min(costly*took, time.Duration(g.plan.Load.Round)/samplesLeft))
}

// sampleEvery is the interval of counts.
func (g *Gate) sampleEvery() time.Duration {
	l := g.plan.Load
	if len(l.Streams) == 0 && (l.None == nil || l.None.Connections == "") {
		return sampleEvery
	}
	return min(sampleEvery, max(leastEvery, time.Duration(l.Round)/samplesHeld))
}

// counted records a count, once: what was taken earlier may be given again and
// again.
func (g *Gate) counted(s record.Sample) {
	s.At = g.now()
	if !s.Taken.IsZero() {
		s.At, s.Taken = s.Taken.Sub(g.began).Round(time.Millisecond), time.Time{}
		g.mu.Lock()
		known := s.At <= g.lastTaken[s.Target]
		g.lastTaken[s.Target] = max(s.At, g.lastTaken[s.Target])
		g.mu.Unlock()
		if known || s.At < 0 {
			return
		}
	}
	g.writer.Sample(s)
	g.watch.Sample(s)
}

// missed records a sample that failed. The load goes on while the target may
// come back.
func (g *Gate) missed(stop context.CancelCauseFunc, t source, err error, failures int) {
	var e *probe.Error
	if !errors.As(err, &e) {
		e = &probe.Error{Target: t.Name(), Asked: "sample", Got: err.Error(), Err: err}
	}
	lost := failures >= lostAfter || final(e)
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
func (g *Gate) count(ctx context.Context, t source) (record.Sample, bool, error) {
	order := g.lookOrder(t.Name())
	order.Lock()
	defer order.Unlock()
	count, s, err := t.Count(ctx)
	if err != nil || s.Start == 0 && s.Allocated == 0 {
		return count, false, err
	}
	s.At = g.now()
	g.writer.Identity(s)
	return count, true, nil
}

// look records who the target is. Looks at one target are recorded in the order
// in which they were made: counters that were read first and recorded last
// would seem to go backwards, as after a restart.
func (g *Gate) look(ctx context.Context, t source, collect bool) error {
	order := g.lookOrder(t.Name())
	order.Lock()
	defer order.Unlock()
	s, err := t.Identity(ctx, collect)
	if err != nil {
		return err
	}
	s.At = g.now()
	g.writer.Identity(s)
	return nil
}

// lookOrder is the lock that keeps looks at one target in order.
func (g *Gate) lookOrder(target string) *sync.Mutex {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.looking[target] == nil {
		g.looking[target] = &sync.Mutex{}
	}
	return g.looking[target]
}
