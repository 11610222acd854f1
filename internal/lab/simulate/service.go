package simulate

import (
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// service is one stack of a made-up process: time passes in it, requests are answered evenly
// while it does, and its goroutines wait at its place, but for those that are at work.
type service interface {
	step(d time.Duration, requests int)
	// at is who waits at the place once nobody works.
	at() []*parked
	// busy is how many of them are at work at this moment, at another place. It is drawn
	// anew for every moment: between two samples, all of them change.
	busy(t traffic) int
}

// traffic is what a process is asked at a moment.
type traffic struct {
	rate   float64                           // requests per second; 0: there is no load
	recent func(d time.Duration) (n float64) // how many requests came in the last d
}

// still is embedded by services whose goroutines never work: what leaked, and held work.
type still struct{ parked }

func (s *still) at() []*parked    { return []*parked{&s.parked} }
func (s *still) busy(traffic) int { return 0 }

// workers is embedded by services whose goroutines take requests in turn, each of which
// takes so long. How many are at work is Poisson's, as many requests as came within that
// time in the mean, and all workers at most.
type workers struct {
	parked
	rng   *rand.Rand
	takes time.Duration
}

// newWorkers draws how long a request takes: 1 ms to 1 s, on a logarithmic scale.
func newWorkers(rng *rand.Rand) workers {
	return workers{rng: rng, takes: between(rng, time.Millisecond, time.Second)}
}

func (w *workers) at() []*parked { return []*parked{&w.parked} }
func (w *workers) busy(t traffic) int {
	return min(w.n, poisson(w.rng, t.recent(w.takes)))
}

// leak leaks so many goroutines, of one place, in one of so many requests, at random. They
// wait since they leaked.
type leak struct {
	still
	rng   *rand.Rand
	oneIn float64
	each  int // goroutines; 0 counts as 1
}

func (l *leak) step(_ time.Duration, requests int) {
	l.add(max(1, l.each) * poisson(l.rng, float64(requests)/l.oneIn))
}

// ticker leaks goroutines that a ticker wakes every second, load or not: each is back at its
// place within microseconds, so no profile misses one, and none ever waits for a minute.
type ticker struct{ leak }

func (l *ticker) step(d time.Duration, requests int) {
	l.leak.step(d, requests)
	l.wake(l.n)
}

// pool starts a worker in one of so many requests until it is full.
type pool struct {
	workers
	oneIn float64
	full  int
}

func (p *pool) step(_ time.Duration, requests int) {
	p.wake(requests)
	p.set(min(p.full, p.n+poisson(p.rng, float64(requests)/p.oneIn)))
}

// perKey has a worker for every key, started by its first request. A request wakes the
// worker of its own key, whoever waits longest.
type perKey struct {
	workers
	keys int
}

func (p *perKey) step(_ time.Duration, requests int) {
	if requests == 0 {
		return
	}
	asked := 1 - math.Pow(1-1/float64(p.keys), float64(requests)) // share of the keys
	p.add(p.pick(p.rng, binomial(p.rng, p.n, asked)))
	for range requests {
		if p.rng.IntN(p.keys) >= p.n {
			p.add(1)
		}
	}
}

// peak keeps as many workers as were ever busy at once.
type peak struct {
	workers
	mean float64 // that are busy under load
}

func (p *peak) step(d time.Duration, requests int) {
	if requests == 0 {
		return
	}
	p.wake(requests)
	for range int(d / (100 * time.Millisecond)) {
		p.set(max(p.n, poisson(p.rng, p.mean)))
	}
}

func (p *peak) busy(t traffic) int {
	if t.rate == 0 {
		return 0
	}
	return min(p.n, poisson(p.rng, p.mean))
}

// held keeps something after one request in so many, for a fixed time. It waits since it
// began.
type held struct {
	still
	rng   *rand.Rand
	oneIn float64
	lasts time.Duration
	now   time.Duration
	until []batch
}

type batch struct {
	until time.Duration
	n     int
}

func (h *held) step(d time.Duration, requests int) {
	h.now += d
	if n := poisson(h.rng, float64(requests)/h.oneIn); n > 0 {
		h.until = append(h.until, batch{h.now + h.lasts, n})
		h.add(n)
	}
	for len(h.until) > 0 && h.until[0].until <= h.now {
		h.take(h.until[0].n)
		h.until = h.until[1:]
	}
}

// periodic has a burst of goroutines again and again, whatever the load. They wait since
// the burst began.
type periodic struct {
	still
	every, lasts time.Duration
	size         int
	now          time.Duration
}

func (p *periodic) step(d time.Duration, _ int) {
	before := p.now / p.every
	p.now += d
	if p.now/p.every != before || p.now%p.every >= p.lasts {
		p.set(0)
	}
	if p.now%p.every < p.lasts {
		p.set(p.size)
	}
}

// others is the traffic of other users: arrivals at random that stay for a random time,
// level in the mean. With long stays it drifts. Who stays waits since it came: that a
// session is used now and then would only make it easier to tell from a leak.
type others struct {
	still
	rng   *rand.Rand
	mean  float64
	stays time.Duration
	begun bool
}

func (o *others) step(d time.Duration, _ int) {
	if !o.begun {
		o.begun = true
		o.add(poisson(o.rng, o.mean))
	}
	left := math.Exp(-d.Seconds() / o.stays.Seconds())
	o.pick(o.rng, o.n-binomial(o.rng, o.n, left))
	o.add(poisson(o.rng, o.mean*(1-left)))
}

// wander is a level that drifts up and down and is pulled back to its mean. Who goes is
// drawn by chance, and who stays waits since it came.
type wander struct {
	still
	rng     *rand.Rand
	mean    float64
	swing   float64 // standard deviation
	returns time.Duration
	x       float64
}

func (w *wander) step(d time.Duration, _ int) {
	keep := math.Exp(-d.Seconds() / w.returns.Seconds())
	w.x = w.x*keep + w.rng.NormFloat64()*w.swing*math.Sqrt(1-keep*keep)
	n := max(0, int(w.mean+w.x))
	w.pick(w.rng, w.n-n)
	w.add(n - w.n)
}

// shrinks keeps workers for the load, who leave a while after it.
type shrinks struct {
	workers
	mean  float64
	idle  time.Duration
	since time.Duration
}

func (s *shrinks) step(d time.Duration, requests int) {
	s.since += d
	if requests > 0 {
		s.wake(requests)
		s.set(max(s.n, poisson(s.rng, s.mean)))
		s.since = 0
	}
	if s.since > s.idle {
		s.set(0)
	}
}

// both is two services whose goroutines have one stack.
type both struct{ a, b service }

func (s both) step(d time.Duration, requests int) { s.a.step(d, requests); s.b.step(d, requests) }
func (s both) at() []*parked                      { return append(s.a.at(), s.b.at()...) }
func (s both) busy(t traffic) int                 { return s.a.busy(t) + s.b.busy(t) }

func poisson(rng *rand.Rand, mean float64) int {
	if mean <= 0 {
		return 0
	}
	return int(distuv.Poisson{Lambda: mean, Src: rng}.Rand())
}

func binomial(rng *rand.Rand, n int, p float64) int {
	if n <= 0 || p <= 0 {
		return 0
	}
	if p >= 1 {
		return n
	}
	return int(distuv.Binomial{N: float64(n), P: p, Src: rng}.Rand())
}

// uniform draws evenly on a logarithmic scale.
func uniform(rng *rand.Rand, lo, hi float64) float64 {
	return lo * math.Exp(rng.Float64()*math.Log(hi/lo))
}

func between(rng *rand.Rand, lo, hi time.Duration) time.Duration {
	return time.Duration(uniform(rng, float64(lo), float64(hi)))
}
