package promql

import (
	"slices"
	"strings"

	"github.com/leakgate/leakgate/internal/quote"
)

// counters are the metrics that count goroutines, preferred first.
var counters = []string{
	"go_goroutines",                  // client_golang's default collector
	"go_sched_goroutines_goroutines", // client_golang with runtime metrics
	"go_goroutine_count",             // OpenTelemetry's runtime instrumentation, since its stable names
	"process_runtime_go_goroutines",  // OpenTelemetry before that
	"runtime_go_goroutines",          // and earlier still
}

// Counters returns the names of the metrics that count goroutines, preferred first.
func Counters() []string { return slices.Clone(counters) }

// countsGoroutines reports whether a metric's name says that it counts goroutines.
func countsGoroutines(metric string) bool {
	return slices.Contains(counters, metric) || strings.Contains(metric, "goroutine")
}

// ParseCount parses a selector of goroutine counts. If it names a metric, that has to be
// one that counts goroutines: any other, such as up, would be taken for their number.
// The error is an *Error.
func ParseCount(text string) (Selector, error) {
	s, err := Parse(text)
	if err == nil && s.Metric != "" && !countsGoroutines(s.Metric) {
		return Selector{}, &Error{"names " + quote.Plain(s.Metric, mostQuoted) + ", which does not count goroutines",
			`write {job="checkout"}, and leakgate finds the count by its usual names`}
	}
	return s, err
}
