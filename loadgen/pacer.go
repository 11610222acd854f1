package loadgen

import (
	"context"
	"math"
	"time"
)

// schedule says when each request is due: the rate rises linearly from zero over ramp, and
// then stays.
type schedule struct {
	rate     float64 // requests per second; 0: at once
	ramp     time.Duration
	duration time.Duration
	share    Share // which of its requests are sent
}

// due is when request n (from 0) of the share is due, from the start of the phase.
func (s schedule) due(n uint64) time.Duration {
	if s.rate == 0 {
		return 0
	}
	n = s.share.number(n)
	ramp := s.ramp.Seconds()
	inRamp := s.rate * ramp / 2
	x := float64(n)
	if x < inRamp {
		return time.Duration(math.Sqrt(2*x*ramp/s.rate) * float64(time.Second))
	}
	return time.Duration((ramp + (x-inRamp)/s.rate) * float64(time.Second))
}

// expected is how many requests of the share are due within the phase; 0 if the rate is
// unlimited.
func (s schedule) expected() uint64 {
	ramp := min(s.ramp, s.duration).Seconds()
	n := s.rate * (s.duration.Seconds() - ramp/2)
	if s.ramp > s.duration { // the ramp is cut short
		n = s.rate * s.duration.Seconds() * s.duration.Seconds() / (2 * s.ramp.Seconds())
	}
	return s.share.count(uint64(math.Round(n)))
}

// pacer is a vegeta.Pacer that does the waiting itself, so that the wait ends with its
// context: vegeta would sleep through it.
type pacer struct {
	schedule
	ctx   context.Context
	timer *time.Timer
}

// Pace waits until the next request is due. The wait that it returns is always zero.
func (p *pacer) Pace(elapsed time.Duration, hits uint64) (time.Duration, bool) {
	if elapsed >= p.duration || p.ctx.Err() != nil {
		return 0, true
	}
	wait := p.due(hits) - elapsed
	if wait <= 0 {
		return 0, false
	}
	if elapsed+wait >= p.duration {
		return 0, true
	}
	if p.timer == nil {
		p.timer = time.NewTimer(wait)
	} else {
		p.timer.Reset(wait)
	}
	select {
	case <-p.timer.C:
		return 0, false
	case <-p.ctx.Done():
		p.timer.Stop()
		return 0, true
	}
}

// Rate is the rate at a moment of the phase, in requests per second.
func (p *pacer) Rate(elapsed time.Duration) float64 {
	if p.ramp > 0 && elapsed < p.ramp {
		return p.rate * elapsed.Seconds() / p.ramp.Seconds()
	}
	return p.rate
}
