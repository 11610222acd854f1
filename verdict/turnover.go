package verdict

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	// falseRed is the probability, per run, with which what other users do may
	// look like a leak: half of one in a thousand.
	falseRed = 0.0005
	// falseDoubt is the probability, per run, with which it may cost further
	// rounds.
	falseDoubt = 0.1
	// unseen is how many arrivals may have been missed where few were seen:
	// where none was, there were fewer than three in 19 of 20 cases.
	unseen = 3
)

// A stack whose goroutines come and go, as other users' sessions do, drifts.
// With as many arrivals as departures, its count after some time has the
// variance of the number of both. A leak has to exceed that, at a level that
// accounts for how many stacks are judged at once (Bonferroni's correction).

const (
	// restless is how many stacks of a process have to be seen moving by themselves
	// for those that were not to be taken for the same kind: what few goroutines do
	// seldom does not show within a window.
	restless = 10
	// few is the number of goroutines up to which that is so.
	few = 10
)

// wavers reports whether growth is no more than such a stack's is every now and
// then: as much as it was seen to move within its windows, and to fall between
// them, makes likely.
func (t trend) wavers() bool {
	present := float64(max(t.bands[t.base()].mid, 1))
	turnover := 0.0
	if t.restless >= restless {
		turnover = 2 * min(present, few)
	}
	if t.watched > 0 {
		turnover = max(turnover, float64(t.steps)*float64(t.span)/float64(t.watched))
	}
	fallen := 0
	for i := 1; i < len(t.bands); i++ {
		fallen += max(0, t.bands[i-1].lo-t.bands[i].hi)
	}
	turnover = max(turnover, 2*float64(fallen))
	return float64(t.rise()) <= t.drift(min(turnover, 2*present), falseDoubt)
}

// churn is the variance, in goroutines squared, of the difference of two windows that
// the coming and going within windows leads one to expect, at most that of a count
// whose goroutines are all others each time.
func (t trend) churn() float64 {
	if t.watched == 0 || t.steps == 0 {
		return 0
	}
	return min(float64(t.steps)*float64(t.span)/float64(t.watched), 2*float64(max(t.bands[t.base()].mid, 1)))
}

// moves reports whether the count changed within a window, or fell between two.
func (t trend) moves() bool {
	for i, b := range t.bands {
		if b.lo != b.hi || i > 0 && b.hi < t.bands[i-1].lo {
			return true
		}
	}
	return false
}

// drift is how far chance moves a count, in goroutines, of which so many
// arrived or left.
func (t trend) drift(turnover, probability float64) float64 {
	return distuv.UnitNormal.Quantile(1-probability/float64(max(t.family, 1))) * math.Sqrt(turnover)
}

// outgrows reports whether growth exceeds what the stack's own turnover explains.
// Without a long look, everything that was there at baseline may have left and
// others have come; with one, how the count moved while nothing was asked of the
// service tells.
func (t trend) outgrows(l *look) bool {
	base := t.base()
	grown, turnover := t.rise(), 2*float64(t.bands[base].mid)
	if l != nil {
		grown = min(grown, l.lowest-t.bands[base].mid)
		if l.span > 0 && t.span > 0 {
			longer := float64(t.span) / float64(l.span)
			turnover = min(turnover, 2*unseen*longer) + l.drift(longer)
		}
	}
	return float64(grown) > t.drift(max(turnover, 1), falseRed)
}

// creeps reports whether growth may be that of a pool that has as many workers as
// were ever busy at once. Such a pool does not reach a new height in every round.
func (t trend) creeps() bool {
	base := t.base()
	records, _, _ := t.score(base)
	return float64(t.rise()) <= t.creep() && records < len(t.bands)-1-base
}

// creeping is by how many of its own standard deviations the largest of many
// random peaks grows at most while a run lasts: from the highest of hundreds to
// the highest of thousands it is about one.
const creeping = 2.5

// creep is the growth, in goroutines, of a pool that has as many workers as
// were ever busy at once.
func (t trend) creep() float64 {
	return creeping * math.Sqrt(float64(t.bands[t.base()].mid))
}

// independent is the ratio of the mean square of a count's steps to its variance
// (von Neumann's ratio: 2 where each count is drawn anew, towards 0 where it
// walks) from which the level is taken to stand still.
const independent = 0.8

// drift is the variance, in goroutines squared, that the movements seen in a
// long look lead one to expect between two counts that lie so many times the
// look's length apart. A count that jumps around a level does not drift; one
// that walks drifts by its steps, and at most by a few times what the whole look
// shows, since levels are pulled back to their mean.
func (l look) drift(longer float64) float64 {
	counts := l.rested()
	n := len(counts)
	if n < 3 {
		return 0
	}
	mean := 0.0
	for _, c := range counts {
		mean += float64(c) / float64(n)
	}
	variance := 0.0
	for _, c := range counts {
		variance += (float64(c) - mean) * (float64(c) - mean) / float64(n-1)
	}
	step := apart(counts, 1)
	if step >= independent*variance {
		return 3 * variance
	}
	most := 0.0
	for lag := 1; lag <= 2*n/3; lag++ {
		most = max(most, apart(counts, lag))
	}
	return min(step*float64(n-1)*longer, 3*most)
}

// rested drops the look's beginning, in which what was slow fell.
func (l look) rested() []int {
	counts := l.counts
	if len(counts) < 2 {
		return counts
	}
	rest := slices.Max(counts[len(counts)/2:])
	for len(counts) > 1 && counts[0] > rest {
		counts = counts[1:]
	}
	return counts
}

// apart is the mean square of the differences between counts so many steps
// apart.
func apart(counts []int, lag int) float64 {
	sum := 0.0
	for i := lag; i < len(counts); i++ {
		d := float64(counts[i] - counts[i-lag])
		sum += d * d
	}
	return sum / float64(len(counts)-lag)
}
