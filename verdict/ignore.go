package verdict

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
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

// cover finds the first rule that matches a stack and allows its count.
func (a *analysis) cover(rules []rule, s *suspect) *rule {
	for i := range rules {
		r := &rules[i]
		if (r.Max <= 0 || s.trend.bands[len(s.trend.bands)-1].mid <= r.Max) && a.matches(r, s) {
			return r
		}
	}
	return nil
}

func (a *analysis) matches(r *rule, s *suspect) bool {
	if r.function != nil && !r.function.MatchString(blamed(s.stack)) {
		return false
	}
	if r.frame != nil && !anyFrame(s.stack, r.frame) {
		return false
	}
	if r.createdBy != nil && !a.createdBy(s, r.createdBy) {
		return false
	}
	return r.label == nil || a.labelled(s, r.label)
}

func anyFrame(s stacks.Stack, re *regexp.Regexp) bool {
	for _, f := range s.Frames {
		if re.MatchString(f.Function) {
			return true
		}
	}
	return false
}

// createdBy reports whether all goroutines of the latest dump that have the stack
// were started by such a function. Without a dump that holds most of them it is
// not known, and the rule does not ignore.
func (a *analysis) createdBy(s *suspect, re *regexp.Regexp) bool {
	if !a.dumped(s) {
		return false
	}
	for _, st := range a.inDump(s) {
		if st.CreatedBy == nil || !re.MatchString(st.CreatedBy.Function) {
			return false
		}
	}
	return true
}

// dumped reports whether the latest dump holds at least nine in ten of a stack's
// goroutines: who started the rest would not be known.
func (a *analysis) dumped(s *suspect) bool {
	if len(a.dumps) == 0 {
		return false
	}
	n := 0
	for _, st := range a.inDump(s) {
		n += st.Count
	}
	return n > 0 && 10*n >= 9*s.trend.bands[len(s.trend.bands)-1].mid
}

// inDump are the stacks of the latest dump that are a suspect's.
func (a *analysis) inDump(s *suspect) []stacks.Stack {
	return a.history.memo.stacks(a.dumps[len(a.dumps)-1].Profile, byKey, s.stack.Key)
}

// labelled reports whether what grew carries such a label: goroutines without it
// did not grow, beyond what any stack may.
func (a *analysis) labelled(s *suspect, re *regexp.Regexp) bool {
	without := s.trend
	without.bands = nil
	for _, w := range a.history.windows {
		var counts []int
		for _, c := range w.captures {
			counts = append(counts, a.unlabelled(c, s, re))
		}
		without.bands = append(without.bands, bandOf(counts))
	}
	switch without.classify() {
	case steady, pool, noise:
		return true
	case leak:
		return false
	}
	return without.rise() <= a.limit()
}

// unlabelled counts the goroutines of a stack without such a label.
func (a *analysis) unlabelled(c record.Capture, s *suspect, re *regexp.Regexp) int {
	n := 0
	for _, st := range a.history.memo.stacks(c.Profile, s.id, s.key) {
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

// dumpsOf are the debug=2 dumps of a target.
func dumpsOf(run record.Run, target string) []record.Capture {
	var out []record.Capture
	for _, c := range run.Captures {
		if c.Kind == record.Evidence && c.Target == target {
			out = append(out, c)
		}
	}
	return out
}
