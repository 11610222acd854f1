package trend

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// A stack whose goroutines come and go, as other users' sessions do, drifts. With as many
// arrivals as departures, its count after some time has the variance of the number of
// both. A leak has to exceed that, at a level that accounts for how many stacks are judged
// at once (Bonferroni's correction).

// bothWays is how many movements a goroutine makes that comes and goes.
const bothWays = 2

// wavers reports whether growth is no more than such a stack's is every now and then: as
// much as it was seen to move within its windows, and to fall between them, makes likely.
func wavers(t Trend, trail *Trail) bool {
	present := float64(max(t.Bands[t.Base()].Middle, 1))
	turnover := 0.0
	if t.Restless >= t.Limits.RestlessStacks {
		turnover = bothWays * min(present, t.Limits.Few)
	}
	turnover = max(turnover, t.moved(), bothWays*float64(fallsBetween(t)))
	reach := t.drift(min(turnover, bothWays*present), t.Limits.FalseDoubt)
	return trail.ask(RuleWavers, float64(t.Rise()), reach, float64(t.Rise()) <= reach)
}

// moved is how many goroutines came or went from the base window to the last, if as many
// did all the time as within the windows.
func (t Trend) moved() float64 {
	if t.Watched == 0 {
		return 0
	}
	return float64(t.Steps) * float64(t.Span) / float64(t.Watched)
}

// fallsBetween is by how much the count fell between windows, in sum.
func fallsBetween(t Trend) int {
	n := 0
	for i := 1; i < len(t.Bands); i++ {
		n += max(0, t.Bands[i-1].Low-t.Bands[i].High)
	}
	return n
}

// churn is the variance, in goroutines squared, of the difference of two windows that the
// coming and going within windows leads one to expect, at most that of a count whose
// goroutines are all others each time.
func (t Trend) churn() float64 {
	return min(t.moved(), bothWays*float64(max(t.Bands[t.Base()].Middle, 1)))
}

// Moves reports whether the count changed within a window, or fell between two.
func (t Trend) Moves() bool {
	for i, b := range t.Bands {
		if b.Low != b.High || i > 0 && b.High < t.Bands[i-1].Low {
			return true
		}
	}
	return false
}

// drift is how far chance moves a count, in goroutines, of which so many arrived or left.
func (t Trend) drift(turnover, probability float64) float64 {
	return distuv.UnitNormal.Quantile(1-probability/float64(max(t.Family, 1))) * math.Sqrt(turnover)
}

// Outgrows reports whether growth exceeds what the stack's own turnover explains. Without
// a long look, everything that was there at baseline may have left and others have come;
// with one, how the count moved while nothing was asked of the service tells.
func (t Trend) Outgrows(l *Look, trail *Trail) bool {
	base := t.Base()
	grown, turnover := t.Rise(), bothWays*float64(t.Bands[base].Middle)
	if l != nil {
		grown = min(grown, l.Lowest-t.Bands[base].Middle)
		if l.Span > 0 && t.Span > 0 {
			longer := float64(t.Span) / float64(l.Span)
			turnover = min(turnover, bothWays*t.Limits.Unseen*longer) + l.Drift(longer, t.Limits)
		}
	}
	reach := t.Reach(turnover)
	return trail.ask(RuleOutgrows, float64(grown), reach, float64(grown) > reach)
}

// Reach is how far chance moves a count with such a turnover, at the level of a verdict.
func (t Trend) Reach(turnover float64) float64 { return t.drift(max(turnover, 1), t.Limits.FalseRed) }

// Creeps reports whether growth may be that of a pool that has as many workers as were
// ever busy at once. Such a pool does not reach a new height in every round.
func (t Trend) Creeps(trail *Trail) bool {
	base := t.Base()
	limit := t.Limits.Creeping * math.Sqrt(float64(t.Bands[base].Middle))
	s := t.score(base)
	return trail.ask(RuleCreeps, float64(t.Rise()), limit, float64(t.Rise()) <= limit && s.records < s.rounds)
}

// Drift is the variance, in goroutines squared, that the movements seen in a long look
// lead one to expect between two counts that lie so many times the look's length apart. A
// count that jumps around a level does not drift; one that walks drifts by its steps, and
// at most by a few times what the whole look shows, since levels are pulled back to their
// mean.
func (l Look) Drift(longer float64, limits *Thresholds) float64 {
	counts := l.Rested()
	const enough = 3
	if len(counts) < enough {
		return 0
	}
	values := make([]float64, len(counts))
	for i, c := range counts {
		values[i] = float64(c)
	}
	variance := stat.Variance(values, nil)
	step := apart(counts, 1)
	if step >= limits.Independent*variance {
		return limits.Pulled * variance
	}
	most := 0.0
	for lag := 1; lag <= int(limits.Lags*float64(len(counts))); lag++ {
		most = max(most, apart(counts, lag))
	}
	return min(step*float64(len(counts)-1)*longer, limits.Pulled*most)
}

// apart is the mean square of the differences between counts so many steps apart.
func apart(counts []int, lag int) float64 {
	sum := 0.0
	for i := lag; i < len(counts); i++ {
		d := float64(counts[i] - counts[i-lag])
		sum += d * d
	}
	return sum / float64(len(counts)-lag)
}
