package verdict

import (
	"fmt"
	"regexp"
	"strings"
	"time"
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
