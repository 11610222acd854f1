package verdict

import (
	"math"

	"github.com/leakgate/leakgate/internal/stat"
)

// stopped classifies growth from window base on whose last new height was in an
// earlier round.
func (t trend) stopped(base, last int) class {
	k := len(t.bands) - 1
	if last == base {
		return pool
	}
	before := float64(max(0, t.bands[last].mid-t.bands[base].mid))
	since := max(0, t.bands[k].lo-t.bands[last].lo)
	var requests, later float64
	for _, r := range t.requests[last:] {
		later += float64(r)
	}
	for _, r := range t.requests[base:last] {
		requests += float64(r)
	}
	limit := silent
	if t.spent() {
		limit = silentLast
	}
	// A fall shows that the height before it was not all there to stay: silence
	// after it rules out nothing.
	fallen := t.bands[k].hi < t.bands[last].lo
	switch {
	case t.resumed(base, last) || t.climbs(last):
		return undecided
	// One silent round may lie between two bursts: it is not enough as long as
	// there are more.
	// What comes and goes on the stack may hide that growth went on.
	case requests > 0 && !fallen && (t.spent() || k-last >= 2) && stat.PoissonAtMost(since+int(hiding*math.Sqrt(t.churn())), before/requests*later) < limit:
		return pool
	case k-last >= 2 && since <= fell:
		return pool
	}
	return undecided
}

// resumed reports whether growth has stopped before, and gone on: then it may again.
func (t trend) resumed(base, last int) bool {
	grew := false
	for i := base + 1; i <= last; i++ {
		switch record := t.record(base, i); {
		case record && grew && !t.record(base, i-1):
			return true
		case record:
			grew = true
		}
	}
	return false
}

// climbs reports whether the windows since the last new height went down once and
// have risen ever since: that height was not all there to stay, and hides what
// grows below it.
func (t trend) climbs(last int) bool {
	k, low := len(t.bands)-1, last
	for i := last + 1; i <= k; i++ {
		if t.bands[i].mid < t.bands[low].mid {
			low = i
		}
	}
	if low == last || k-low < 2 {
		return false
	}
	records, falls, _ := t.score(low)
	return falls == 0 && records == k-low
}

// start drops rounds from the front whose growth per request is far above that
// of the rounds after them: what fills up grows less each time, and a leak may
// hide in what is left.
func (t trend) start() int {
	k := len(t.bands) - 1
	for s := t.base(); s < k-1; s++ {
		first := max(0, t.bands[s+1].mid-t.bands[s].mid)
		rest := max(0, t.bands[k].mid-t.bands[s+1].mid)
		var later float64
		for _, r := range t.requests[s+1:] {
			later += float64(r)
		}
		share := later / (later + float64(t.requests[s]))
		if stat.BinomialAtMost(rest, first+rest, share) >= shrinking {
			return s
		}
	}
	return k - 1
}

// slowing is the probability under which the last round's growth is taken to be
// smaller than that of the rounds before: what fills at a constant rate shows
// only in its last round that it is full. A leak loses a round to it in 1 of 20.
// Where there is no round left to lose, it takes slowingLast; where five rounds or
// more agreed before, slowingLate.
const (
	slowing     = 0.05
	slowingLast = 0.03
	slowingLate = 0.01
)

// slows reports whether growth from window s on was less in the last round.
func (t trend) slows(s int) bool {
	k := len(t.bands) - 1
	last, before := max(0, t.bands[k].mid-t.bands[k-1].mid), max(0, t.bands[k-1].mid-t.bands[s].mid)
	var all float64
	for _, r := range t.requests[s:] {
		all += float64(r)
	}
	limit := slowing
	switch {
	case t.spent() && k-s > 5:
		limit = slowingLate
	case t.spent():
		limit = slowingLast
	}
	return all > 0 && stat.BinomialAtMost(last, last+before, float64(t.requests[k-1])/all) < limit
}

// shrinks reports whether growth got significantly smaller to the end, at least
// twice, and the last round's is no more than a quarter of the first's:
// something that fills up, and will be full. A tail of rounds that agree on one
// rate is none.
func (t trend) shrinks() bool {
	k := len(t.bands) - 1
	base := t.base()
	first, last := t.bands[base+1].mid-t.bands[base].mid, t.bands[k].mid-t.bands[k-1].mid
	return t.start() == k-1 && k-1 >= base+2 && 4*last <= first
}

// negligible is the growth since the base, in goroutines, for which no further
// round is spent: a leak that a run of this length can tell at all has grown by
// more after two rounds in 98 of 100 runs, and a connection more or less is in
// every other run. policy.detect asks for rounds on its own account.
const negligible = 2

// matters reports whether growth is worth another round.
func (t trend) matters() bool { return t.rise() > negligible || t.hidden() }
