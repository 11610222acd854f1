package verdict

import (
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// subject is what is judged: one target, or all instances of a group together.
type subject struct {
	target  string
	group   string   // not empty: all instances of it together
	members []string // the targets that it is about
	run     record.Run
	policy  Policy
	limits  *Thresholds
	rules   []rule
	history history
	total   trend.Trend // of all its goroutines
}

func subjectOf(run record.Run, policy Policy, target string, rules []rule) subject {
	limits := policy.limits()
	policy.Thresholds = limits // worked out once
	s := subject{
		target: target, members: []string{target}, run: run, policy: policy, limits: limits, rules: rules,
		history: historyOf(run, target, policy),
	}
	if s.history.rounds() > 0 {
		s.total = s.history.of(byTotal, stacks.AllGoroutines)
	}
	return s
}

// spent reports whether the plan allows no further round.
func (s subject) spent() bool { return s.history.rounds() >= s.policy.MaxRounds }

// limit is how far the total may stay above its baseline, in goroutines.
func (s subject) limit() int {
	base := s.total.Bands[0].Middle
	return max(s.policy.Tolerance, int(math.Floor(float64(base)*s.policy.Percent/percent)))
}

// tolerated reports whether growth without a pattern is small enough to pass.
func (s subject) tolerated(x suspect) bool { return x.trend.Rise() <= s.limit() }

// suspect is an identity that was above its baseline.
type suspect struct {
	key   string
	id    grouping
	stack stacks.Stack // to show of it
	trend trend.Trend
	class trend.Class
	trail trend.Trail // what was asked of it
	rule  *rule       // covers it
	look  *trend.Look // the last long look

	pending bool // a leak that still needs its long look
	slope   bool // found by its growth under load
	// proven is how many goroutines of it, that were not there at baseline or that the plan
	// fails all the same, the runtime says can never wake; old is how many of those were
	// there at baseline.
	proven, old int
}

// leaks reports whether a suspect is a leak that no rule covers.
func (x suspect) leaks() bool { return x.rule == nil && (x.class == trend.Leak || x.proven > 0) }

// open reports whether it is not clear what a suspect is.
func (x suspect) open() bool { return x.rule == nil && x.class == trend.Undecided && x.proven == 0 }

// mayGrow reports whether it is known why a suspect grew, and that it is no leak.
func (x suspect) mayGrow() bool {
	return x.rule != nil || x.class == trend.Pool || x.class == trend.Draining
}

// without drops the suspects that a function picks, and leaves the list as it is.
func without(all []suspect, drop func(suspect) bool) []suspect {
	return slices.DeleteFunc(slices.Clone(all), drop)
}

// samplesIn are a target's counts between two times.
func (s subject) samplesIn(from, to time.Duration) (counts []float64) {
	for _, x := range s.run.Samples {
		if x.Target == s.target && x.At >= from && x.At <= to {
			counts = append(counts, float64(x.Goroutines))
		}
	}
	return counts
}

// shortName is a name for a stack, the same in every run of the same code.
func (x suspect) shortName() string {
	h := fnv.New32a()
	h.Write([]byte(x.key)) // a hash takes all that is written
	return fmt.Sprintf("%08x", h.Sum32())
}
