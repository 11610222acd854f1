package verdict

import (
	"regexp"
	"slices"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// cover finds the first rule that matches a stack and allows its count.
func (s subject) cover(x suspect) *rule {
	return s.coverCount(x, x.trend.Bands[len(x.trend.Bands)-1].Middle)
}

// coverCount finds the first rule that matches a stack and allows so many goroutines.
func (s subject) coverCount(x suspect, n int) *rule {
	for i := range s.rules {
		r := &s.rules[i]
		if (r.Max <= 0 || n <= r.Max) && s.matches(r, x) {
			return r
		}
	}
	return nil
}

func (s subject) matches(r *rule, x suspect) bool {
	if r.function != nil && !r.function.MatchString(blamed(x.stack)) {
		return false
	}
	if r.frame != nil && !slices.ContainsFunc(x.stack.Frames, func(f stacks.Frame) bool { return r.frame.MatchString(f.Function) }) {
		return false
	}
	if r.createdBy != nil && !s.allCreatedBy(x, r.createdBy) {
		return false
	}
	return r.label == nil || s.labelled(x, r.label)
}

// allCreatedBy reports whether all goroutines of the latest dump that have the stack were
// started by such a function. Without a dump that holds most of them it is not known, and
// the rule does not ignore.
func (s subject) allCreatedBy(x suspect, re *regexp.Regexp) bool {
	return s.dumped(x) && !slices.ContainsFunc(s.history.dumpStacks(x.stack.Key), func(st stacks.Stack) bool {
		return st.CreatedBy == nil || !re.MatchString(st.CreatedBy.Function)
	})
}

// dumped reports whether the latest dump holds most of a stack's goroutines: who started
// the rest would not be known.
func (s subject) dumped(x suspect) bool {
	n := goroutines(s.history.dumpStacks(x.stack.Key))
	last := x.trend.Bands[len(x.trend.Bands)-1].Middle
	return n > 0 && float64(n) >= s.limits.Cause.Dumped*float64(last)
}

// labelled reports whether what grew carries such a label: goroutines without it did not
// grow, beyond what any stack may.
func (s subject) labelled(x suspect, re *regexp.Regexp) bool {
	rest := x.trend
	rest.Bands, rest.Floors, rest.Dumps = nil, nil, nil
	for _, w := range s.history.windows {
		var counts []int
		for _, c := range w.captures {
			counts = append(counts, s.unlabelled(c, x, re))
		}
		rest.Bands = append(rest.Bands, s.limits.Growth.BandOf(counts))
	}
	switch rest.Classify(nil) {
	case trend.Steady, trend.Pool, trend.Noise:
		return true
	case trend.Leak:
		return false
	}
	return rest.Rise() <= s.limit()
}

// unlabelled counts the goroutines of a stack without such a label.
func (s subject) unlabelled(c record.Capture, x suspect, re *regexp.Regexp) (n int) {
	for _, st := range s.history.memo.stacks(c.Profile, x.id, x.key) {
		with := 0
		for l, k := range st.Labels { // a goroutine may have several that match
			if re.MatchString(l) {
				with = max(with, k)
			}
		}
		n += st.Count - with
	}
	return n
}
