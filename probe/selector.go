package probe

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
)

// Selector is a vector selector of PromQL, as go_goroutines{job="checkout"}.
type Selector struct {
	Metric   string // that it names; empty if none
	Matchers []Matcher
}

// Matcher is one condition on a label.
type Matcher struct {
	Label string
	Op    string // =, !=, =~ or !~
	Value string
	re    *regexp.Regexp // of =~ and !~: the whole value has to match
}

// SelectorError says what is wrong with a selector, and what to write instead.
type SelectorError struct {
	Got  string // as: has "or" at character 10
	Hint string
}

func (e *SelectorError) Error() string {
	if e.Hint == "" {
		return e.Got
	}
	return e.Got + "; " + e.Hint
}

// nameLabel is the label in which Prometheus keeps a metric's name.
const nameLabel = model.MetricNameLabel

// ParseSelector parses a PromQL selector: at most one metric's name, and matchers in
// braces. What is an expression, or MetricsQL's own, is a *SelectorError: a server
// would answer another question than the one that was asked.
func ParseSelector(text string) (Selector, error) {
	r := selectorReader{text: text}
	s, err := r.selector()
	if err != nil {
		return Selector{}, err
	}
	for _, m := range s.Matchers {
		if m.Label == string(nameLabel) {
			return Selector{}, &SelectorError{"has __name__ among its matchers", "write go_goroutines{…}, or {…} alone"}
		}
	}
	if s.Metric == "" && s.matchesEmpty() {
		return Selector{}, &SelectorError{"stands for every series that there is", `name the service, as {job="checkout"}`}
	}
	return s, nil
}

// SplitSelector splits a PromQL selector, as go_goroutines{job="checkout"}, into the
// metric that it names, if any, and its matchers in braces. A metric has to be one
// that counts goroutines: any other, as up, would be taken for their number. The error
// is a *SelectorError.
func SplitSelector(selector string) (metric, matchers string, err error) {
	s, err := counting(selector)
	return s.Metric, s.braces(), err
}

// counting parses a selector of goroutine counts.
func counting(selector string) (Selector, error) {
	s, err := ParseSelector(selector)
	if err == nil && s.Metric != "" && !slices.Contains(counters, s.Metric) && !strings.Contains(s.Metric, "goroutine") {
		return Selector{}, &SelectorError{"names " + plain(s.Metric) + ", which does not count goroutines",
			`write {job="checkout"}, and the count is found by its usual names`}
	}
	return s, err
}

// WithMetric writes a selector of a metric: the matchers are in braces, or empty. A name
// that PromQL cannot write in front of them, as OpenTelemetry's go.goroutine.count, stands
// among them.
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

// braces writes the matchers; empty without any.
func (s Selector) braces() string {
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

// accepts reports whether a label's value is as the matcher wants it.
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

// contradicted is the first matcher that a series' labels contradict. A label that is
// not there contradicts nothing: Thanos leaves out those of replicas that it merged.
func (s Selector) contradicted(labels model.Metric) (Matcher, bool) {
	for _, m := range s.Matchers {
		if value, ok := labels[model.LabelName(m.Label)]; ok && !m.accepts(string(value)) {
			return m, true
		}
	}
	return Matcher{}, false
}

// of makes the selector ask for some metrics, and no others.
func (s Selector) of(metrics []string) string {
	names := make([]string, len(metrics))
	for i, name := range metrics {
		names[i] = regexp.QuoteMeta(name)
	}
	all := []string{Matcher{Label: string(nameLabel), Op: "=~", Value: strings.Join(names, "|")}.String()}
	for _, m := range s.Matchers {
		all = append(all, m.String())
	}
	return "{" + strings.Join(all, ",") + "}"
}
