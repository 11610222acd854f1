package simulate

import (
	"math/rand/v2"
	"time"
)

// parked are goroutines that wait at one place, by how long the runtime says they do. It
// counts from the first collection that meets a goroutine waiting; the gate forces one
// whenever it settles, and others are not played, which makes waits look shorter than they
// are. The longest waiting come first, as in the queue of a Go channel.
type parked struct {
	cohorts []cohort
	n       int
}

// cohort are goroutines that have waited equally long.
type cohort struct {
	since time.Duration // the collection that met them first; unmet before
	n     int
}

// unmet is of goroutines that no collection has met yet.
const unmet = time.Duration(-1)

// count is how many goroutines wait.
func (p *parked) count() int { return p.n }

// add parks goroutines.
func (p *parked) add(n int) {
	if n <= 0 {
		return
	}
	p.n += n
	if last := len(p.cohorts) - 1; last >= 0 && p.cohorts[last].since == unmet {
		p.cohorts[last].n += n
		return
	}
	p.cohorts = append(p.cohorts, cohort{unmet, n})
}

// set parks or takes away the longest waiting, until so many are left.
func (p *parked) set(n int) {
	p.add(n - p.n)
	p.take(p.n - n)
}

// take takes the longest waiting away, and returns how many there were of them.
func (p *parked) take(n int) int {
	n = max(0, min(n, p.n))
	p.n -= n
	for left := n; left > 0; {
		c := &p.cohorts[0]
		k := min(left, c.n)
		c.n -= k
		left -= k
		if c.n == 0 {
			p.cohorts = p.cohorts[1:]
		}
	}
	return n
}

// wake gives work to the longest waiting, which park anew when it is done: a channel hands
// out requests first in, first out.
func (p *parked) wake(n int) { p.add(p.take(n)) }

// pick takes goroutines away at random.
func (p *parked) pick(rng *rand.Rand, n int) int {
	n = max(0, min(n, p.n))
	if n == p.n || len(p.cohorts) == 1 {
		return p.take(n)
	}
	for range n {
		at, i := rng.IntN(p.n), 0
		for ; at >= p.cohorts[i].n; i++ {
			at -= p.cohorts[i].n
		}
		p.cohorts[i].n--
		p.n--
	}
	return n
}

// collected is a collection: it meets all that wait.
func (p *parked) collected(now time.Duration) {
	if last := len(p.cohorts) - 1; last >= 0 && p.cohorts[last].since == unmet {
		p.cohorts[last].since = now
	}
}

// waiting are those that have waited equally long, in whole minutes, as the runtime says it:
// from one minute on.
func (p *parked) waiting(now time.Duration) map[time.Duration]int {
	out := map[time.Duration]int{}
	for _, c := range p.cohorts {
		wait := time.Duration(0)
		if c.since != unmet {
			wait = (now - c.since).Truncate(time.Minute)
		}
		if c.n > 0 {
			out[wait] += c.n
		}
	}
	return out
}
