// Package promql reads the vector selectors of PromQL, and knows the names under which
// goroutine counts are exported. It evaluates nothing: what is not a selector is an error
// that says what to write instead.
package promql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// Selector is a vector selector of PromQL, such as go_goroutines{job="checkout"}.
type Selector struct {
	Metric   string // the metric that it names; empty if none
	Matchers []Matcher
}

// Matcher is one condition on a label.
type Matcher struct {
	Label string
	Op    string // =, !=, =~ or !~
	Value string
	re    *regexp.Regexp // of =~ and !~: the whole value has to match
}

// Error says what is wrong with a selector, and what to write instead.
type Error struct {
	Got  string // such as: has "or" at character 10
	Hint string
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Got
	}
	return e.Got + "; " + e.Hint
}

// NameLabel is the label in which Prometheus keeps a metric's name.
const NameLabel = model.MetricNameLabel

// mostQuoted is how much of a selector a message quotes, in bytes: two lines of a
// terminal.
const mostQuoted = 160

// Parse parses a PromQL selector: at most one metric name, and matchers in braces.
// Anything else, including what only MetricsQL knows, is an *Error: a server would answer
// another question than the one that was asked.
func Parse(text string) (Selector, error) {
	r := reader{text: text}
	s, err := r.selector()
	if err != nil {
		return Selector{}, err
	}
	for _, m := range s.Matchers {
		if m.Label == string(NameLabel) {
			return Selector{}, &Error{"has __name__ among its matchers", "write go_goroutines{…}, or {…} alone"}
		}
	}
	if s.Metric == "" && s.matchesEmpty() {
		return Selector{}, &Error{"matches every series on the server", `name the service, as in {job="checkout"}`}
	}
	return s, nil
}

// WithMetric writes a selector of a metric; matchers are in braces, or empty. A name that
// PromQL does not allow in front of the braces, such as OpenTelemetry's
// go.goroutine.count, goes inside them.
func WithMetric(metric, matchers string) string {
	if model.LegacyValidation.IsValidMetricName(metric) {
		return metric + matchers
	}
	inner := strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(matchers, "{"), "}"))
	if inner != "" {
		inner = ", " + inner
	}
	return "{" + quotedValue(metric) + inner + "}"
}

// Braces writes the matchers in braces; it is empty if there are none.
func (s Selector) Braces() string {
	if len(s.Matchers) == 0 {
		return ""
	}
	all := make([]string, len(s.Matchers))
	for i, m := range s.Matchers {
		all[i] = m.String()
	}
	return "{" + strings.Join(all, ", ") + "}"
}

func (m Matcher) String() string {
	label := m.Label
	if !model.LegacyValidation.IsValidLabelName(label) {
		label = quotedValue(label)
	}
	return label + m.Op + quotedValue(m.Value)
}

// quotedValue quotes a string as PromQL and MetricsQL both read it.
func quotedValue(text string) string { return fmt.Sprintf("%q", text) }

// accepts reports whether a label's value satisfies the matcher.
func (m Matcher) accepts(value string) bool {
	switch m.Op {
	case "=":
		return value == m.Value
	case "!=":
		return value != m.Value
	case "=~":
		return m.re.MatchString(value)
	}
	return !m.re.MatchString(value)
}

// matchesEmpty reports whether every matcher accepts a series without its label.
func (s Selector) matchesEmpty() bool {
	return !slices.ContainsFunc(s.Matchers, func(m Matcher) bool { return !m.accepts("") })
}

// Contradicted returns the first matcher that a series' labels contradict. A missing label
// contradicts nothing: Thanos drops the labels of replicas that it has merged.
func (s Selector) Contradicted(labels model.Metric) (Matcher, bool) {
	for _, m := range s.Matchers {
		if value, ok := labels[model.LabelName(m.Label)]; ok && !m.accepts(string(value)) {
			return m, true
		}
	}
	return Matcher{}, false
}

// Of writes the selector so that it asks for these metrics and no others.
func (s Selector) Of(metrics []string) string {
	names := make([]string, len(metrics))
	for i, name := range metrics {
		names[i] = regexp.QuoteMeta(name)
	}
	all := []string{Matcher{Label: string(NameLabel), Op: "=~", Value: strings.Join(names, "|")}.String()}
	for _, m := range s.Matchers {
		all = append(all, m.String())
	}
	return "{" + strings.Join(all, ",") + "}"
}
