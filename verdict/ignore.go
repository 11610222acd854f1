package verdict

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// rule is a compiled Rule.
type rule struct {
	Rule
	function, frame, createdBy, label *regexp.Regexp // nil where the rule has none
}

// compile drops rules that had expired on the day of the run, with a warning
// each. A rule whose patterns do not compile, which the plan has refused
// already, or that has none, ignores nothing.
func compile(rules []Rule, day time.Time) ([]rule, []Warning) {
	var out []rule
	var warnings []Warning
	for _, r := range rules {
		c, err := r.compile()
		if err != nil {
			warnings = append(warnings, Warning{Code: "ignore-invalid", Message: fmt.Sprintf("ignore rule %q: %v", r, err)})
			continue
		}
		if until, err := time.Parse(time.DateOnly, r.Until); r.Until != "" && (err != nil || !day.Before(until.AddDate(0, 0, 1))) {
			warnings = append(warnings, Warning{Code: "ignore-expired", Message: fmt.Sprintf(
				"ignore rule %q (%s) expired on %s and no longer ignores", r, r.Reason, r.Until)})
			continue
		}
		out = append(out, c)
	}
	return out, warnings
}

// String is what the rule matches, for messages.
func (r Rule) String() string {
	var parts []string
	for _, p := range []struct{ key, pattern string }{{"", r.Function}, {"frame ", r.Frame}, {"created by ", r.CreatedBy}, {"label ", r.Label}} {
		if p.pattern != "" {
			parts = append(parts, p.key+p.pattern)
		}
	}
	return strings.Join(parts, " and ")
}

func (r Rule) compile() (rule, error) {
	c := rule{Rule: r}
	none := true
	for _, p := range []struct {
		pattern string
		into    **regexp.Regexp
	}{{r.Function, &c.function}, {r.Frame, &c.frame}, {r.CreatedBy, &c.createdBy}, {r.Label, &c.label}} {
		if p.pattern == "" {
			continue
		}
		re, err := regexp.Compile(p.pattern)
		if err != nil {
			return c, err
		}
		*p.into, none = re, false
	}
	if none {
		return c, fmt.Errorf("it names no function, frame, created_by or label")
	}
	return c, nil
}

// ignores is growth that the rule covers.
func (r *rule) ignores(target string, x suspect, growth int) Ignored {
	return Ignored{Target: target, Function: blamed(x.stack), Growth: growth, Reason: r.Reason, Owner: r.Owner, Until: r.Until}
}

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
	if r.createdBy != nil && !s.createdBy(x, r.createdBy) {
		return false
	}
	return r.label == nil || s.labelled(x, r.label)
}

// createdBy reports whether all goroutines of the latest dump that have the stack were
// started by such a function. Without a dump that holds most of them it is not known, and
// the rule does not ignore.
func (s subject) createdBy(x suspect, re *regexp.Regexp) bool {
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
