package trend

import (
	"math"

	"github.com/leakgate/leakgate/internal/stat"
)

// classStopped classifies growth from window base on whose last new height was in an earlier
// round.
func classStopped(t Trend, base, last int, trail *Trail) Class {
	if last == base {
		return Pool
	}
	if trail.ask(RuleResumed, 0, 0, hasResumed(t, base, last) || climbs(t, last)) {
		return Undecided
	}
	if isSilent(t, base, last, trail) {
		return Pool
	}
	return Undecided
}

// isSilent reports whether growth has ended with round last. One silent round may lie
// between two bursts: it is not enough as long as there are more. A fall shows that the
// height before it was not all there to stay: silence after it rules out nothing. What
// comes and goes on the stack may hide that growth went on.
func isSilent(t Trend, base, last int, trail *Trail) bool {
	k := t.rounds()
	before := float64(max(0, t.Bands[last].Middle-t.Bands[base].Middle))
	since := max(0, t.Bands[k].Low-t.Bands[last].Low)
	requests, later := t.sent(base)-t.sent(last), t.sent(last)
	limit := t.Limits.Silent
	if t.Spent() {
		limit = t.Limits.SilentLast
	}
	enough := t.Spent() || k-last >= t.Limits.SilentRounds
	fallen := t.Bands[k].High < t.Bands[last].Low
	if requests > 0 && !fallen && enough {
		seen := since + int(t.Limits.Hiding*math.Sqrt(t.churn()))
		p := stat.PoissonAtMost(seen, before/requests*later)
		if trail.ask(RuleSilent, p, limit, p < limit) {
			return true
		}
	}
	return k-last >= t.Limits.SilentRounds && since <= t.Limits.Fell
}

// hasResumed reports whether growth has stopped before, and gone on: then it may again.
func hasResumed(t Trend, base, last int) bool {
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

// climbs reports whether the windows since the last new height went down once and have
// risen ever since: that height was not all there to stay, and hides what grows below it.
func climbs(t Trend, last int) bool {
	k, low := t.rounds(), last
	for i := last + 1; i <= k; i++ {
		if t.Bands[i].Middle < t.Bands[low].Middle {
			low = i
		}
	}
	if low == last || k-low < t.Limits.RepeatRounds {
		return false
	}
	s := t.score(low)
	return s.every()
}

// Start is the window from which on the rounds agree on one rate: rounds are dropped from
// the front whose growth per request is far above that of the rounds after them. What
// fills up grows less each time, and a leak may hide in what is left.
func (t Trend) Start() int {
	k := t.rounds()
	for s := t.Base(); s < k-1; s++ {
		first := max(0, t.Bands[s+1].Middle-t.Bands[s].Middle)
		rest := max(0, t.Bands[k].Middle-t.Bands[s+1].Middle)
		later := t.sent(s + 1)
		share := later / (later + float64(t.Requests[s]))
		if stat.BinomialAtMost(rest, first+rest, share) >= t.Limits.Shrinking {
			return s
		}
	}
	return k - 1
}

// slows reports whether growth from window s on was less in the last round.
func slows(t Trend, s int, trail *Trail) bool {
	k := t.rounds()
	last, before := max(0, t.Bands[k].Middle-t.Bands[k-1].Middle), max(0, t.Bands[k-1].Middle-t.Bands[s].Middle)
	all := t.sent(s)
	if all <= 0 {
		return false
	}
	limit := t.Limits.Slowing
	switch {
	case t.Spent() && k-s > t.Limits.LateRounds:
		limit = t.Limits.SlowingLate
	case t.Spent():
		limit = t.Limits.SlowingLast
	}
	p := stat.BinomialAtMost(last, last+before, float64(t.Requests[k-1])/all)
	return trail.ask(RuleSlows, p, limit, p < limit)
}

// Shrinks reports whether growth got significantly smaller to the end, at least twice,
// and the last round's is no more than a quarter of the first's: something that fills up,
// and will be full. A tail of rounds that agree on one rate is none.
func (t Trend) Shrinks(trail *Trail) bool {
	k, base := t.rounds(), t.Base()
	first, last := t.Bands[base+1].Middle-t.Bands[base].Middle, t.Bands[k].Middle-t.Bands[k-1].Middle
	limit := t.Limits.Shrunk * float64(first)
	answer := t.Start() == k-1 && k-1 >= base+t.Limits.RepeatRounds && float64(last) <= limit
	return trail.ask(RuleShrinks, float64(last), limit, answer)
}
