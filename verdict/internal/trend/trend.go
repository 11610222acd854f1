// Package trend reads how the number of goroutines of one identity, mostly a stack,
// developed over the rounds of a run: counts go in, a class comes out, with every
// question that was asked on the way. It knows nothing of profiles, targets or plans.
package trend

import (
	"math"
	"slices"
	"time"
)

// Class is what the history of one identity looks like.
type Class int

// The classes.
const (
	Steady    Class = iota // not above its baseline
	Pool                   // grew and stopped, or grows less every round
	Noise                  // goes both ways, or grew by less than it moves by itself
	Undecided              // grew lately, too little to say: another round
	Leak                   // grows again every round
	Draining               // grew, and fell when it was left alone
)

// String is the class as verdict.json has it.
func (c Class) String() string {
	return [...]string{"steady", "pool", "noise", "undecided", "leak", "draining"}[c]
}

// Band is how many goroutines were seen in a window, a few profiles of one quiet moment.
// A leaked goroutine is in every profile after it leaked, so the lowest count holds only
// what stays, and the spread is the noise.
type Band struct{ Low, Middle, High int }

// BandOf sorts the counts of a window, and is their band. The highest of many is left
// out of account: one profile may catch work that was just waking up.
func (l *Thresholds) BandOf(counts []int) Band {
	slices.Sort(counts)
	top := len(counts) - 1
	if len(counts) > 1 && len(counts) >= l.EnoughToTrim {
		top--
	}
	return Band{Low: counts[0], Middle: middle(counts), High: counts[top]}
}

// middle is the median of sorted counts, the upper one of two.
func middle(sorted []int) int {
	const halves = 2
	return sorted[len(sorted)/halves]
}

// Trend is the history of one identity: a band per window, the first of them the
// baseline, and what lies between the windows.
type Trend struct {
	Limits *Thresholds

	Bands    []Band
	Requests []uint64        // Requests[i] were sent between Bands[i] and Bands[i+1]
	Ends     []time.Duration // when the load before Bands[i+1] ended, since the start of the run
	Workers  int             // most requests that could be in flight at once; 0: not known
	Budget   int             // rounds that the plan allows
	Family   int             // identities that are judged at once
	Restless int             // how many of them move by themselves
	Span     time.Duration   // from the base window to the last
	Watched  time.Duration   // how long the windows last, in sum
	Steps    int             // goroutines that came or went between the profiles of windows

	// Floors are what was seen under load, by round; empty where nothing was.
	Floors []Floor
	// Dumps are what dumps say of how long goroutines have waited, in time order.
	Dumps []Waits

	Counted   bool // of all goroutines together, of which nothing else is known
	Uncounted bool // nobody knows how many requests a round had
}

// rounds is how many rounds the windows close.
func (t Trend) rounds() int { return len(t.Bands) - 1 }

// Spent reports whether the plan allows no further round.
func (t Trend) Spent() bool { return t.rounds() >= t.Budget }

// record reports whether round i is at a new height: its lowest count above the highest
// of every window since s. A leak is at a new height after each round; what varies around
// a level is there ever more rarely.
func (t Trend) record(s, i int) bool {
	for j := s; j < i; j++ {
		if t.Bands[i].Low <= t.Bands[j].High {
			return false
		}
	}
	return true
}

// lastRecord is the last round at a new height, or s if there is none.
func (t Trend) lastRecord(s int) int {
	for i := t.rounds(); i > s; i-- {
		if t.record(s, i) {
			return i
		}
	}
	return s
}

// Base is the window that growth is measured from: the baseline, unless that held work
// that was gone later. Measured from there, a leak would have to make up for the work
// first.
func (t Trend) Base() int { return t.lowest(len(t.Bands) - t.Limits.BaseRounds) }

// lowest is the lowest of the first n windows where that is well below the baseline, and
// 0 otherwise.
func (t Trend) lowest(n int) int {
	low := 0
	for i := range max(0, n) {
		if t.Bands[i].Middle < t.Bands[low].Middle {
			low = i
		}
	}
	fallen := float64(t.Bands[0].Low - t.Bands[low].High)
	if fallen < max(float64(t.Limits.Fell), t.Limits.FellShare*float64(t.Bands[0].Middle)) {
		return 0
	}
	return low
}

// hidden reports whether the baseline held work that was gone after the first or the
// second round, and the count has grown since: rounds that were not made yet will tell.
func (t Trend) hidden() bool {
	k := t.rounds()
	low := t.lowest(min(t.Limits.BaseRounds, k))
	return low > 0 && k-low < t.Limits.BaseRounds && !t.Spent() && t.Bands[k].Low > t.Bands[low].High
}

// score is how growth did from window s on.
type score struct {
	rounds, records, falls int
	least                  int // growth of a round, in goroutines
	grown                  int // in all, from the most of s to the fewest of the last window
}

// net is how many new heights are left if each fall takes one away.
func (s score) net() int { return s.records - s.falls }

// every reports whether each round was at a new height.
func (s score) every() bool { return s.rounds > 0 && s.records == s.rounds && s.falls == 0 }

func (t Trend) score(s int) score {
	out := score{rounds: t.rounds() - s, least: math.MaxInt, grown: t.Bands[t.rounds()].Low - t.Bands[s].High}
	for i := s + 1; i < len(t.Bands); i++ {
		if t.record(s, i) {
			out.records++
		}
		if t.Bands[i].High < t.Bands[i-1].Low {
			out.falls++
		}
		out.least = min(out.least, t.Bands[i].Low-t.Bands[i-1].High)
	}
	return out
}

// sent is how many requests were sent from window s to the last.
func (t Trend) sent(s int) (sum float64) {
	for _, r := range t.Requests[s:] {
		sum += float64(r)
	}
	return sum
}

// Rise is the growth from the base on, in goroutines.
func (t Trend) Rise() int { return t.Bands[t.rounds()].Middle - t.Bands[t.Base()].Middle }

// Above is the last count less the baseline's, in goroutines.
func (t Trend) Above() int { return t.Bands[t.rounds()].Middle - t.Bands[0].Middle }

// Tail is the growth of the rounds that agree on one rate, in goroutines: all of it, or
// what is left after something filled up.
func (t Trend) Tail() int { return t.Bands[t.rounds()].Middle - t.Bands[t.Start()].Middle }

// Middles is the count at baseline and after each round.
func (t Trend) Middles() []int {
	out := make([]int, len(t.Bands))
	for i, b := range t.Bands {
		out[i] = b.Middle
	}
	return out
}

// EverAbove reports whether a window after the baseline was all above it.
func (t Trend) EverAbove() bool {
	return slices.ContainsFunc(t.Bands, func(b Band) bool { return b.Low > t.Bands[0].High })
}

// Repeats reports whether growth, where there was some, came again in every round that
// agrees on one rate, in two at least.
func (t Trend) Repeats() bool {
	s := t.score(t.Start())
	return s.rounds >= t.Limits.RepeatRounds && s.every()
}

// Closeness is how much of what it takes to be a leak growth shows, 0 to 1: the share of
// the new heights, times that of the goroutines.
func (t Trend) Closeness() float64 {
	s := t.score(t.Base())
	heights := float64(max(0, s.net())) / float64(t.Limits.ClearRecords)
	grown := float64(max(0, s.grown)) / float64(t.Limits.ClearGrowth)
	return min(1, heights) * min(1, grown)
}
