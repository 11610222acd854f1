package verdict

import (
	"math"

	"github.com/leakgate/leakgate/internal/stat"
)

// class is what the history of one identity looks like.
type class int

const (
	steady    class = iota // not above its baseline
	pool                   // grew and stopped, or grows less every round
	noise                  // goes both ways, or grew by less than the tolerance without a pattern
	undecided              // grew lately, too little to say: another round
	leak                   // grows again every round
	draining               // grew, and fell when it was left alone
)

func (c class) String() string {
	return [...]string{"steady", "pool", "noise", "undecided", "leak", "draining"}[c]
}

const (
	// shrinking is the probability under which growth that gets smaller every
	// round is no longer taken for a constant rate per request. At one in a
	// hundred, a true leak loses its first round to it in 1 of 100 runs and
	// costs one round more.
	shrinking = 0.01

	// silent is the probability under which a round without growth rules out
	// the rate of the rounds before it; silentLast where no round is left.
	silent     = 0.001
	silentLast = 0.01

	// hiding is by how many standard deviations of its own movement a stack may be low
	// in the window that shows no growth: in 1 of 20, it is lower.
	hiding = 1.64

	// clearRecords is in how many rounds a stack has to reach a new height for
	// growth to be a leak when the plan's rounds are used up. Levels that merely
	// vary from round to round, independently, get there in 1 of 120 runs; what
	// drifts gets there more often, and is held against its own turnover.
	clearRecords = 4

	// clearGrowth is the growth, in goroutines, that goes with clearRecords. Less
	// could be somebody else's sessions, one more each round; then it takes
	// surelyRecords.
	clearGrowth   = 8
	surelyRecords = 6

	// amplePerRound is the least growth per round, in goroutines, at which three
	// rounds, or two, are enough: Poisson increments of twenty that agree.
	amplePerRound = 20

	// beyondPools is the growth, in goroutines, that a pool which fills at a
	// constant rate does not reach: pools have tens or hundreds of workers. Below
	// it, a leak and such a pool look the same until the pool is full, and the
	// plan's rounds are used to see whether it ever is.
	beyondPools = 500

	// severalPools is by how many times the growth of all goroutines together has to
	// exceed that: what one pool does not reach, several that fill at once do.
	severalPools = 2

	// manyRequests is the share of requests that grow the stack at which nothing
	// but a leak is plausible whatever the growth: a pool that one request in four
	// enlarges is full within the warm-up.
	manyRequests = 0.25

	// overConcurrency is by how many times growth has to exceed the number of
	// requests in flight for two rounds to be enough. Whatever sizes itself to
	// its callers (a pool, connections to an upstream with three goroutines
	// each) is bounded by that number; what outgrows it twice follows the
	// requests, not the concurrency.
	overConcurrency = 4
)

// classify reads the history of one identity before any long look.
func (t trend) classify() class {
	k := len(t.bands) - 1
	if k < 1 {
		return undecided
	}
	base := t.base()
	if t.hidden() {
		return undecided
	}
	if t.bands[k].lo <= t.bands[base].hi {
		return steady
	}
	if t.wavers() {
		return noise
	}
	if records, falls, _ := t.score(base); base > 0 && (falls > 0 || records < baseRounds) && t.bands[k].lo <= t.bands[0].hi {
		return noise // below the baseline, up and down again
	}
	last := t.lastRecord(base)
	if last < k {
		return t.stopped(base, last)
	}
	s := t.start()
	if k-s < 2 || t.slows(s) {
		return undecided
	}
	if t.ample(s) || t.spent() && t.clear(s) {
		return leak
	}
	return undecided
}

// ample reports whether growth from window s on is so large, or so close to one
// per request, that it is a leak before the plan's rounds are used up.
func (t trend) ample(s int) bool {
	n := len(t.bands) - 1 - s
	records, falls, least := t.score(s)
	if records < n || falls > 0 || least < amplePerRound || t.counted && (s > t.base() && n < clearRecords || !t.even(s)) {
		return false
	}
	var requests uint64
	for _, r := range t.requests[s:] {
		requests += r
	}
	grown := t.bands[len(t.bands)-1].lo - t.bands[s].hi
	most := beyondPools
	if t.counted {
		most *= severalPools
	}
	if grown < most && (t.uncounted || float64(grown) < manyRequests*float64(requests)) {
		return false
	}
	switch {
	case t.workers == 0 && n < clearRecords: // nobody knows how many requests were in flight
		return false
	case n == 2:
		return least >= overConcurrency*t.workers
	case n == 3:
		return least >= overConcurrency/2*t.workers
	}
	return true
}

// clear reports whether growth from window s on is a leak when there is no round
// left to learn more from.
func (t trend) clear(s int) bool {
	n := len(t.bands) - 1 - s
	records, falls, least := t.score(s)
	grown := t.bands[len(t.bands)-1].lo - t.bands[s].hi
	switch {
	case t.counted && (s > t.base() && n < clearRecords || !t.even(s)):
		return false
	case n == 3:
		return t.workers > 0 && records == 3 && falls == 0 && least >= max(amplePerRound, overConcurrency/2*t.workers)
	case records-falls >= surelyRecords:
		return true
	}
	return records-falls >= clearRecords && grown >= clearGrowth
}

// uneven is the probability under which rounds have grown too differently for one
// leak.
const uneven = 0.01

// even reports whether growth from window s on is as even as a leak's, which scatters
// as Poisson's numbers do, and by what moves within the windows. Where only the
// number of all goroutines is known, pools that fill, timeouts and other users add
// up to growth in every round now and then, but to an uneven one.
func (t trend) even(s int) bool {
	var grown, noise, requests []float64
	for i := s + 1; i < len(t.bands); i++ {
		a, b := t.bands[i-1], t.bands[i]
		grown = append(grown, float64(b.mid-a.mid))
		half := float64(b.hi-b.lo+a.hi-a.lo) / 2
		noise = append(noise, half*half/2)
		requests = append(requests, float64(t.requests[i-1]))
	}
	return stat.Dispersion(grown, requests, noise) >= uneven
}

// spent reports whether the plan allows no further round.
func (t trend) spent() bool { return len(t.bands)-1 >= t.budget }

// record reports whether round i is at a new height: its lowest count above the
// highest of every window since s. A leak is at a new height after each round;
// what varies around a level is there ever more rarely.
func (t trend) record(s, i int) bool {
	for j := s; j < i; j++ {
		if t.bands[i].lo <= t.bands[j].hi {
			return false
		}
	}
	return true
}

// lastRecord is the last round at a new height, or s if there is none.
func (t trend) lastRecord(s int) int {
	for i := len(t.bands) - 1; i > s; i-- {
		if t.record(s, i) {
			return i
		}
	}
	return s
}

// fell is by how much a later window has to be below the baseline, in
// goroutines, and fellShare as a share of the baseline, for the baseline to
// count as still draining when it was taken.
const (
	fell      = 10
	fellShare = 0.2
	// baseRounds is how many rounds have to follow a window for growth to be
	// measured from it: after fewer, a low window and a high one are noise.
	baseRounds = 3
)

// base is the window that growth is measured from: the baseline, unless that
// held work that was gone later. Measured from there, a leak would have to
// make up for the work first.
func (t trend) base() int {
	return t.lowest(len(t.bands) - baseRounds)
}

// lowest is the lowest of the first n windows where that is well below the
// baseline, and 0 otherwise.
func (t trend) lowest(n int) int {
	low := 0
	for i := range max(0, n) {
		if t.bands[i].mid < t.bands[low].mid {
			low = i
		}
	}
	if float64(t.bands[0].lo-t.bands[low].hi) < max(fell, fellShare*float64(t.bands[0].mid)) {
		return 0
	}
	return low
}

// hidden reports whether the baseline held work that was gone after the first or
// the second round, and the count has grown since: rounds that were not made yet
// will tell.
func (t trend) hidden() bool {
	k := len(t.bands) - 1
	low := t.lowest(min(3, k))
	return low > 0 && k-low < baseRounds && !t.spent() && t.bands[k].lo > t.bands[low].hi
}

// tail is the growth of the rounds that agree on one rate, in goroutines: all of
// it, or what is left after something filled up.
func (t trend) tail() int {
	return t.bands[len(t.bands)-1].mid - t.bands[t.start()].mid
}

// score counts new heights and falls from window s on, and the least growth of
// a round.
func (t trend) score(s int) (records, falls, least int) {
	least = math.MaxInt
	for i := s + 1; i < len(t.bands); i++ {
		if t.record(s, i) {
			records++
		}
		if t.bands[i].hi < t.bands[i-1].lo {
			falls++
		}
		least = min(least, t.bands[i].lo-t.bands[i-1].hi)
	}
	return records, falls, least
}

// rise is the growth from the base on, in goroutines.
func (t trend) rise() int {
	return t.bands[len(t.bands)-1].mid - t.bands[t.base()].mid
}

// above is the last count less the baseline's, in goroutines.
func (t trend) above() int {
	return t.bands[len(t.bands)-1].mid - t.bands[0].mid
}

// mids is the count at baseline and after each round.
func (t trend) mids() []int {
	out := make([]int, len(t.bands))
	for i, b := range t.bands {
		out[i] = b.mid
	}
	return out
}

// stays reports whether what grew is still there after a long look: at least
// half of it. A leaked goroutine never goes, so anything less was mostly slow.
func (t trend) stays(l look) bool {
	return 2*(l.lowest-t.bands[t.base()].mid) >= t.rise()
}

// gone reports whether what grew has fallen to where it came from. Little may be
// left, by the plan's tolerance and by the growth, which is what pools keep
// idle. Where the count falls far below the base, the base held slow work too,
// and what the look leaves says nothing about where it came from, unless it is
// next to nothing.
func (t trend) gone(l look, tolerance int) bool {
	base := t.bands[t.base()]
	if l.lowest <= tolerance {
		return 10*l.lowest <= 9*t.bands[len(t.bands)-1].mid // but fall it did
	}
	return l.lowest-base.hi <= min(t.rise()/10, tolerance) && base.lo-l.lowest <= tolerance
}
