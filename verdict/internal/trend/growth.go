package trend

import "github.com/leakgate/leakgate/internal/stat"

// Classify reads a history before any long look. The trail gets what was asked.
func (t Trend) Classify(trail *Trail) Class {
	k := t.rounds()
	if k < 1 {
		return Undecided
	}
	base := t.Base()
	last, from := t.Bands[k], t.Bands[base]
	if t.hidden() {
		trail.ask(RuleHidden, float64(last.Low), float64(t.Bands[t.lowest(min(t.Limits.BaseRounds, k))].High), true)
		return Undecided
	}
	if !trail.ask(RuleAbove, float64(last.Low), float64(from.High), last.Low > from.High) {
		return Steady
	}
	if wavers(t, trail) {
		return Noise
	}
	if base > 0 && bounces(t, base, trail) {
		return Noise // below the baseline, up and down again
	}
	if newest := t.lastRecord(base); !trail.ask(RuleNewest, float64(newest), float64(k), newest == k) {
		return classStopped(t, base, newest, trail)
	}
	s := t.Start()
	if !trail.ask(RuleRounds, float64(k-s), float64(t.Limits.RepeatRounds), k-s >= t.Limits.RepeatRounds) || slows(t, s, trail) {
		return Undecided
	}
	if isAmple(t, s, trail) || t.Spent() && isClear(t, s, trail) {
		return Leak
	}
	return Undecided
}

// bounces reports whether growth from a window below the baseline is up and down again.
func bounces(t Trend, base int, trail *Trail) bool {
	s := t.score(base)
	answer := (s.falls > 0 || s.records < t.Limits.BaseRounds) && t.Bands[t.rounds()].Low <= t.Bands[0].High
	return trail.ask(RuleBounces, float64(s.records), float64(t.Limits.BaseRounds), answer)
}

// isAmple reports whether growth from window s on is a leak before the plan's rounds are
// used up: it is large, or close to one per request, or its goroutines are seen to stay in
// their place.
func isAmple(t Trend, s int, trail *Trail) bool {
	sc := t.score(s)
	if !trail.ask(RuleEvery, float64(sc.net()), float64(sc.rounds), sc.every()) {
		return false
	}
	if !trail.ask(RuleAmple, float64(sc.least), float64(t.Limits.AmplePerRound), sc.least >= t.Limits.AmplePerRound) {
		return false
	}
	if t.Counted && !countedEvenly(t, s, sc, trail) {
		return false
	}
	if !exceedsPools(t, s, sc, trail) && !isStill(t, sc, trail) {
		return false
	}
	return outgrowsCallers(t, sc, trail)
}

// exceedsPools reports whether growth is more than pools hold, or enlarged by so many
// requests that a pool would have been full at once.
func exceedsPools(t Trend, s int, sc score, trail *Trail) bool {
	if trail.ask(RuleBeyond, float64(sc.grown), float64(poolSize(t)), sc.grown >= poolSize(t)) {
		return true
	}
	sent := t.sent(s)
	if t.Uncounted || sent <= 0 {
		return false
	}
	share := float64(sc.grown) / sent
	return trail.ask(RuleMany, share, t.Limits.ManyRequests, share >= t.Limits.ManyRequests)
}

// poolSize is the growth, in goroutines, that pools do not reach.
func poolSize(t Trend) int {
	if t.Counted {
		return t.Limits.BeyondPools * t.Limits.SeveralPools
	}
	return t.Limits.BeyondPools
}

// isStill reports whether rounds enough show growth whose goroutines stay in place.
func isStill(t Trend, sc score, trail *Trail) bool {
	return sc.rounds >= t.Limits.StillRounds && t.Movement(trail) == Still
}

// outgrowsCallers reports whether each round grew by more than the requests in flight
// explain. With rounds enough, it need not.
func outgrowsCallers(t Trend, sc score, trail *Trail) bool {
	if sc.rounds >= t.Limits.ClearRecords {
		return true
	}
	if t.Workers == 0 { // nobody knows how many requests were in flight
		return trail.ask(RuleInFlight, 0, 1, false)
	}
	times := t.Limits.OverConcurrency
	if sc.rounds > t.Limits.RepeatRounds {
		times = t.Limits.OverConcurrency3
	}
	return trail.ask(RuleInFlight, float64(sc.least), float64(times*t.Workers), sc.least >= times*t.Workers)
}

// countedEvenly reports whether the count of all goroutines grew as one leak does. Pools
// that fill, timeouts and other users add up to growth in every round now and then, but
// to an uneven one.
func countedEvenly(t Trend, s int, sc score, trail *Trail) bool {
	enough := s == t.Base() || sc.rounds >= t.Limits.ClearRecords
	if !trail.ask(RuleRounds, float64(sc.rounds), float64(t.Limits.ClearRecords), enough) {
		return false
	}
	return grewEvenly(t, s, trail)
}

// isClear reports whether growth from window s on is a leak when there is no round left to
// learn more from.
func isClear(t Trend, s int, trail *Trail) bool {
	sc := t.score(s)
	if t.Counted && !countedEvenly(t, s, sc, trail) {
		return false
	}
	if mayBeFilling(t, sc, trail) {
		return false
	}
	if sc.rounds == t.Limits.ClearLeast {
		return sc.every() && trail.ask(RuleAmple, float64(sc.least), float64(t.Limits.AmplePerRound), sc.least >= t.Limits.AmplePerRound) &&
			outgrowsCallers(t, sc, trail)
	}
	if sc.net() >= t.Limits.SurelyRecords {
		return trail.ask(RuleHeights, float64(sc.net()), float64(t.Limits.SurelyRecords), true)
	}
	return trail.ask(RuleHeights, float64(sc.net()), float64(t.Limits.ClearRecords), sc.net() >= t.Limits.ClearRecords) &&
		trail.ask(RuleSize, float64(sc.grown), float64(t.Limits.ClearGrowth), sc.grown >= t.Limits.ClearGrowth)
}

// mayBeFilling reports whether a pool that still fills would look the same: growth is no more
// than pools hold, and either nothing is known but the count of all goroutines, or this
// stack's goroutines are seen to take work.
func mayBeFilling(t Trend, sc score, trail *Trail) bool {
	if sc.grown >= t.Limits.BeyondPools {
		return false
	}
	may := t.Counted && sc.rounds < t.Limits.CountedRounds || !t.Counted && t.Movement(trail) == Moves
	return may && trail.ask(RuleFilling, float64(sc.grown), float64(t.Limits.BeyondPools), true)
}

// grewEvenly reports whether growth from window s on is as even as a leak's, which scatters as
// Poisson's numbers do, and by what moves within the windows.
func grewEvenly(t Trend, s int, trail *Trail) bool {
	var grown, noise, requests []float64
	for i := s + 1; i < len(t.Bands); i++ {
		a, b := t.Bands[i-1], t.Bands[i]
		grown = append(grown, float64(b.Middle-a.Middle))
		noise = append(noise, spread(a, b))
		requests = append(requests, float64(t.Requests[i-1]))
	}
	p := stat.Dispersion(grown, requests, noise)
	return trail.ask(RuleEven, p, t.Limits.Uneven, p >= t.Limits.Uneven)
}

// spread is the variance, in goroutines squared, that the spread of two windows adds to
// the difference of their middles: half of the whole spread is taken for the standard
// deviation of both together.
func spread(a, b Band) float64 {
	const both, half = 2, 0.5
	deviation := half * float64(b.High-b.Low+a.High-a.Low)
	return deviation * deviation / both
}

// Matters reports whether growth is worth another round.
func (t Trend) Matters() bool { return t.Rise() > t.Limits.Negligible || t.hidden() }
