package main

import (
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// service is one stack of a made-up process: time passes in it, requests are
// answered evenly while it does, and its goroutines can be counted.
type service interface {
	step(d time.Duration, requests int)
	count() int
}

// leak leaks one goroutine in so many requests, at random.
type leak struct {
	rng   *rand.Rand
	oneIn float64
	n     int
}

func (l *leak) step(_ time.Duration, requests int) {
	l.n += poisson(l.rng, float64(requests)/l.oneIn)
}
func (l *leak) count() int { return l.n }

// pool starts a worker in one of so many requests until it is full.
type pool struct {
	rng   *rand.Rand
	oneIn float64
	full  int
	n     int
}

func (p *pool) step(_ time.Duration, requests int) {
	p.n = min(p.full, p.n+poisson(p.rng, float64(requests)/p.oneIn))
}
func (p *pool) count() int { return p.n }

// perKey has a worker for every key, started by its first request.
type perKey struct {
	rng  *rand.Rand
	keys int
	n    int
}

func (p *perKey) step(_ time.Duration, requests int) {
	for range requests {
		if p.rng.IntN(p.keys) >= p.n {
			p.n++
		}
	}
}
func (p *perKey) count() int { return p.n }

// peak keeps as many workers as were ever busy at once.
type peak struct {
	rng  *rand.Rand
	busy float64
	n    int
}

func (p *peak) step(d time.Duration, requests int) {
	for range int(d / (100 * time.Millisecond)) {
		if requests > 0 {
			p.n = max(p.n, poisson(p.rng, p.busy))
		}
	}
}
func (p *peak) count() int { return p.n }

// held keeps something after one request in so many, for a fixed time.
type held struct {
	rng   *rand.Rand
	oneIn float64
	lasts time.Duration
	now   time.Duration
	until []batch
	n     int
}

type batch struct {
	until time.Duration
	n     int
}

func (h *held) step(d time.Duration, requests int) {
	h.now += d
	if n := poisson(h.rng, float64(requests)/h.oneIn); n > 0 {
		h.until = append(h.until, batch{h.now + h.lasts, n})
		h.n += n
	}
	for len(h.until) > 0 && h.until[0].until <= h.now {
		h.n -= h.until[0].n
		h.until = h.until[1:]
	}
}
func (h *held) count() int { return h.n }

// periodic has a burst of goroutines again and again, whatever the load.
type periodic struct {
	every, lasts time.Duration
	size         int
	now          time.Duration
}

func (p *periodic) step(d time.Duration, _ int) { p.now += d }
func (p *periodic) count() int {
	if p.now%p.every < p.lasts {
		return p.size
	}
	return 0
}

// others is the traffic of other users: arrivals at random that stay for a
// random time, level in the mean. With long stays it drifts.
type others struct {
	rng   *rand.Rand
	mean  float64
	stays time.Duration
	n     int
	begun bool
}

func (o *others) step(d time.Duration, _ int) {
	if !o.begun {
		o.n, o.begun = poisson(o.rng, o.mean), true
	}
	left := math.Exp(-d.Seconds() / o.stays.Seconds())
	if o.n > 0 && left > 0 {
		o.n = int(distuv.Binomial{N: float64(o.n), P: left, Src: o.rng}.Rand())
	} else {
		o.n = 0
	}
	o.n += poisson(o.rng, o.mean*(1-left))
}
func (o *others) count() int { return o.n }

// wander is a level that drifts up and down and is pulled back to its mean.
type wander struct {
	rng     *rand.Rand
	mean    float64
	swing   float64 // standard deviation
	returns time.Duration
	x       float64
}

func (w *wander) step(d time.Duration, _ int) {
	keep := math.Exp(-d.Seconds() / w.returns.Seconds())
	w.x = w.x*keep + w.rng.NormFloat64()*w.swing*math.Sqrt(1-keep*keep)
}
func (w *wander) count() int { return max(0, int(w.mean+w.x)) }

// shrinks keeps workers for the load, who leave a while after it.
type shrinks struct {
	rng     *rand.Rand
	workers float64
	idle    time.Duration
	since   time.Duration
	n       int
}

func (s *shrinks) step(d time.Duration, requests int) {
	s.since += d
	if requests > 0 {
		s.n, s.since = max(s.n, poisson(s.rng, s.workers)), 0
	}
	if s.since > s.idle {
		s.n = 0
	}
}
func (s *shrinks) count() int { return s.n }

// both is two services whose goroutines have one stack.
type both struct{ a, b service }

func (s both) step(d time.Duration, requests int) { s.a.step(d, requests); s.b.step(d, requests) }
func (s both) count() int                         { return s.a.count() + s.b.count() }

func poisson(rng *rand.Rand, mean float64) int {
	if mean <= 0 {
		return 0
	}
	return int(distuv.Poisson{Lambda: mean, Src: rng}.Rand())
}

// uniform draws evenly on a logarithmic scale.
func uniform(rng *rand.Rand, lo, hi float64) float64 {
	return lo * math.Exp(rng.Float64()*math.Log(hi/lo))
}

func between(rng *rand.Rand, lo, hi time.Duration) time.Duration {
	return time.Duration(uniform(rng, float64(lo), float64(hi)))
}
