package probe

import (
	"errors"
	"regexp"
	"slices"
	"strings"
)

var (
	selectorForm = regexp.MustCompile(`(?s)^\s*([A-Za-z_:][A-Za-z0-9_:]*)?\s*(\{.*\})?\s*$`)
	namesMetric  = regexp.MustCompile(`[{,]\s*__name__\s*[=!]`)
)

// SplitSelector splits a PromQL selector, as go_goroutines{job="checkout"}, into the
// metric that it names, if any, and its matchers in braces. A metric has to be one
// that counts goroutines: any other, as up, would be taken for their number. What is in
// the braces, only a server can tell.
func SplitSelector(selector string) (metric, matchers string, err error) {
	m := selectorForm.FindStringSubmatch(selector)
	switch {
	case m == nil || m[1] == "" && m[2] == "":
		return "", "", errors.New(`is not a selector; write {job="checkout"}`)
	case m[1] != "" && !slices.Contains(counters, m[1]) && !strings.Contains(m[1], "goroutine"):
		return "", "", errors.New("names " + m[1] + `, which does not count goroutines; write {job="checkout"}, and the count is found by its usual names`)
	case namesMetric.MatchString(m[2]):
		return "", "", errors.New(`has __name__ among its matchers; write go_goroutines{…}, or {…} alone`)
	}
	return m[1], m[2], nil
}
