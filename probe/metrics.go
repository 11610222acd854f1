package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
)

// counters are the metrics that count goroutines, the preferred first.
var counters = []string{
	"go_goroutines",                  // client_golang's default collector
	"go_sched_goroutines_goroutines", // client_golang with runtime metrics
	"go_goroutine_count",             // OpenTelemetry's runtime instrumentation, since its stable names
	"process_runtime_go_goroutines",  // OpenTelemetry before
	"runtime_go_goroutines",          // and before that
}

// Counters are the metrics that count goroutines, the preferred first.
func Counters() []string { return slices.Clone(counters) }

// allocated are the metrics that count the bytes allocated since the start.
var allocated = []string{
	"go_memstats_alloc_bytes_total",   // client_golang
	"go_gc_heap_allocs_bytes_total",   // client_golang with runtime metrics
	"go_memory_allocated_bytes_total", // OpenTelemetry's runtime instrumentation
}

// threads are the metrics that count threads of the operating system.
var threads = []string{
	"go_threads",                     // client_golang's default collector
	"go_sched_threads_total_threads", // client_golang with runtime metrics
	"process_runtime_go_threads",     // OpenTelemetry before its stable names
}

// metrics is what leakgate reads from a metrics page.
type metrics struct {
	counter    string
	goroutines int
	start      float64
	goVersion  string
	resident   uint64
	allocated  uint64
	threads    int
}

const textFormat = "text/plain;version=0.0.4;q=1,*/*;q=0.1"

// measured tells whether the target has metrics.
func (t *Target) measured() bool { return t.metrics != nil || t.series != nil }

// measure is what the target's metrics say, by its own page or by Prometheus, and
// when they were taken, if that is not just now.
func (t *Target) measure(ctx context.Context) (m metrics, taken time.Time, err error) {
	if t.series == nil {
		m, err = t.scrape(ctx)
		return m, taken, err
	}
	r, err := t.series.current(ctx)
	if err != nil {
		return m, taken, err
	}
	return r.metrics(), r.newest().Add(-t.series.group.skew), nil
}

// scrape reads the target's metrics page.
func (t *Target) scrape(ctx context.Context) (metrics, error) {
	body, header, err := t.get(ctx, t.metrics, textFormat)
	if err != nil {
		return metrics{}, err
	}
	asked := "GET " + clean(t.metrics.String())
	families := map[string]*dto.MetricFamily{}
	format := expfmt.ResponseFormat(header)
	if format.FormatType() == expfmt.TypeUnknown {
		format = expfmt.NewFormat(expfmt.TypeTextPlain)
	}
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("<")) {
		return metrics{}, &Error{Target: t.name, Asked: asked, Got: "an HTML page, not metrics", Hint: "targets[].metrics is the full address, as in http://host:8080/metrics"}
	}
	dec := expfmt.NewDecoder(bytes.NewReader(body), format)
	for {
		mf := &dto.MetricFamily{}
		err := dec.Decode(mf)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return metrics{}, &Error{Target: t.name, Asked: asked, Got: fmt.Sprintf("not metrics: %v", err), Err: err}
		}
		families[mf.GetName()] = mf
	}
	m, err := read(families)
	if err != nil {
		return metrics{}, &Error{Target: t.name, Asked: asked, Got: err.Error(), Hint: "leave targets[].metrics out: the profile is counted then", Err: err}
	}
	return m, nil
}

func read(families map[string]*dto.MetricFamily) (metrics, error) {
	var m metrics
	for _, name := range counters {
		mf, ok := families[name]
		if !ok {
			continue
		}
		if n := len(mf.GetMetric()); n != 1 {
			return m, fmt.Errorf("%s has %d series; want one process per page", name, n)
		}
		m.counter, m.goroutines = name, int(value(mf))
		break
	}
	if m.counter == "" {
		return m, fmt.Errorf("no goroutine count; looked for %s", strings.Join(counters, ", "))
	}
	if mf, ok := families["process_start_time_seconds"]; ok {
		m.start = value(mf)
	}
	if mf, ok := families["process_resident_memory_bytes"]; ok {
		m.resident = uint64(max(0, value(mf)))
	}
	m.allocated = uint64(first(families, allocated))
	m.threads = int(first(families, threads))
	if mf, ok := families["go_info"]; ok && len(mf.GetMetric()) > 0 {
		for _, l := range mf.GetMetric()[0].GetLabel() {
			if l.GetName() == "version" {
				m.goVersion = l.GetValue()
			}
		}
	}
	return m, nil
}

// first is the value of the first of some metrics that is there; 0 without one.
func first(families map[string]*dto.MetricFamily, names []string) float64 {
	for _, name := range names {
		if mf, ok := families[name]; ok {
			return max(0, value(mf))
		}
	}
	return 0
}

// value is the first sample of a family, whatever its type.
func value(mf *dto.MetricFamily) float64 {
	if len(mf.GetMetric()) == 0 {
		return 0
	}
	m := mf.GetMetric()[0]
	switch {
	case m.Gauge != nil:
		return m.GetGauge().GetValue()
	case m.Untyped != nil:
		return m.GetUntyped().GetValue()
	case m.Counter != nil:
		return m.GetCounter().GetValue()
	}
	return 0
}
