package trend

import (
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/leakgate/leakgate/internal/stat"
)

// Look is how an identity did while nothing was asked of the service, after a round.
type Look struct {
	Round        int
	Lowest, Last int           // goroutines; Lowest is what held for two profiles in a row
	LowestAfter  time.Duration // from the end of the load to the lowest count
	Watched      time.Duration // from the end of the load to the last profile
	Span         time.Duration // from the first profile to the last
	Counts       []int         // of every profile, in time order
}

// Add takes in a profile so long after the end of the load. Goroutines that wake for a
// moment are elsewhere in one profile, not in two.
func (l *Look) Add(count int, after time.Duration) {
	held := count
	if len(l.Counts) > 0 {
		held = max(count, l.Last)
	}
	if len(l.Counts) == 0 || held < l.Lowest {
		l.Lowest, l.LowestAfter = held, after
	}
	l.Counts = append(l.Counts, count)
	l.Last, l.Watched = count, max(l.Watched, after)
}

// Rested drops the look's beginning, in which what was slow fell.
func (l Look) Rested() []int {
	counts := l.Counts
	const halves = 2
	if len(counts) < halves {
		return counts
	}
	rest := slices.Max(counts[len(counts)/halves:])
	for len(counts) > 1 && counts[0] > rest {
		counts = counts[1:]
	}
	return counts
}

// Stays reports whether what grew is still there after a long look. A leaked goroutine
// never goes, so if most has gone, it was slow.
func (t Trend) Stays(l Look, trail *Trail) bool {
	left, limit := float64(l.Lowest-t.Bands[t.Base()].Middle), t.Limits.Kept*float64(t.Rise())
	return trail.ask(RuleKept, left, limit, left >= limit)
}

// Gone reports whether what grew has fallen to where it came from. Little may be left, by
// the plan's tolerance and by the growth, which is what pools keep idle. Where the count
// falls far below the base, the base held slow work too, and what the look leaves says
// nothing about where it came from, unless it is next to nothing.
func (t Trend) Gone(l Look, tolerance int, trail *Trail) bool {
	base := t.Bands[t.Base()]
	if l.Lowest <= tolerance {
		limit := t.Limits.Fallen * float64(t.Bands[t.rounds()].Middle)
		return trail.ask(RuleGone, float64(l.Lowest), limit, float64(l.Lowest) <= limit)
	}
	limit := min(t.Limits.Residue*float64(t.Rise()), float64(tolerance))
	left := float64(l.Lowest - base.High)
	return trail.ask(RuleGone, left, limit, left <= limit && base.Low-l.Lowest <= tolerance)
}

// UpTo is the history up to a round.
func (t Trend) UpTo(round int) Trend {
	t.Bands, t.Requests, t.Ends = t.Bands[:round+1], t.Requests[:round], t.Ends[:min(round, len(t.Ends))]
	return t
}

// Age is for how long the goroutines of the first round that counts had been left alone
// when the last round's load ended; 0 where growth does not show that they stayed: if half
// of them had gone by then, the last round would have grown by that much less. What takes
// work, or is known as a number only, may have a timer that work winds up again.
func (t Trend) Age() time.Duration {
	k, s := t.rounds(), t.Start()
	if t.Counted || t.Movement(nil) == Moves { // what work touches may start to count anew each time
		return 0
	}
	if k-s < t.Limits.RepeatRounds || len(t.Ends) < k || !t.score(s).every() {
		return 0
	}
	first := firstGrowth(t)
	last := t.Bands[k].Middle - t.Bands[k-1].Middle
	arrived := float64(t.Bands[k].Middle-t.Bands[s].Middle) * float64(t.Requests[k-1]) / t.sent(s)
	gone := (1 - t.Limits.Kept) * first
	if gone <= 0 || atLeast(last, max(0, arrived-gone), t.churn()) >= t.Limits.Lasting {
		return 0
	}
	return t.Ends[k-1] - t.Ends[s]
}

// firstGrowth is by how much the first round grew that counts, in goroutines.
func firstGrowth(t Trend) float64 {
	s := t.Start()
	return float64(max(0, t.Bands[s+1].Middle-t.Bands[s].Middle))
}

// Aged is for how long the goroutines of the first round that counts were seen to be left
// alone, up to the end of a long look: for no longer than the look itself where half of them
// may have gone in it, which end first of all that grew.
func (t Trend) Aged(l Look) time.Duration {
	fallen := float64(t.Bands[t.rounds()].Low - l.Lowest)
	if fallen > 0 && fallen >= (1-t.Limits.Kept)*firstGrowth(t) {
		return l.Watched
	}
	return l.Watched + t.Age()
}

// atLeast is the probability of so many goroutines or more where mean are expected, as
// Poisson's numbers scatter, with a variance besides.
func atLeast(n int, mean, variance float64) float64 {
	if variance <= 0 {
		return 1 - stat.PoissonAtMost(n-1, mean)
	}
	const continuity = 0.5
	return distuv.UnitNormal.Survival((float64(n) - continuity - mean) / math.Sqrt(max(mean, 1)+variance))
}
