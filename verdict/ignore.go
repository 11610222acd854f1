package verdict

import (
	"fmt"
	"regexp"
	"time"

	"github.com/leakgate/leakgate/internal/stacks"
)

// rule is a compiled Rule.
type rule struct {
	Rule
	function *regexp.Regexp
}

// compile drops rules that had expired on the day of the run, with a warning
// each. A pattern that does not compile, which the plan has refused already,
// ignores nothing.
func compile(rules []Rule, day time.Time) ([]rule, []Warning) {
	var out []rule
	var warnings []Warning
	for _, r := range rules {
		re, err := regexp.Compile(r.Function)
		if err != nil {
			warnings = append(warnings, Warning{Code: "ignore-invalid", Message: fmt.Sprintf("ignore rule %q: %v", r.Function, err)})
			continue
		}
		if until, err := time.Parse(time.DateOnly, r.Until); r.Until != "" && (err != nil || !day.Before(until.AddDate(0, 0, 1))) {
			warnings = append(warnings, Warning{Code: "ignore-expired", Message: fmt.Sprintf(
				"ignore rule %q (%s) expired on %s and no longer ignores", r.Function, r.Reason, r.Until)})
			continue
		}
		out = append(out, rule{Rule: r, function: re})
	}
	return out, warnings
}

// cover finds the first rule that matches a stack and allows its count.
func cover(rules []rule, s stacks.Stack, t trend) *rule {
	for i, r := range rules {
		if r.Max > 0 && t.bands[len(t.bands)-1].mid > r.Max {
			continue
		}
		for _, f := range s.Frames {
			if r.function.MatchString(f.Function) {
				return &rules[i]
			}
		}
	}
	return nil
}
