package probe

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"
)

// allocated are the metrics that count the bytes allocated since the start.
var allocated = []string{
	"go_memstats_alloc_bytes_total",   // client_golang
	"go_gc_heap_allocs_bytes_total",   // client_golang with runtime metrics
	"go_memory_allocated_bytes_total", // OpenTelemetry's runtime instrumentation
	"go_memory_allocated",             // the same, without what its translation adds
}

// threads are the metrics that count threads of the operating system.
var threads = []string{
	"go_threads",                     // client_golang's default collector
	"go_sched_threads_total_threads", // client_golang with runtime metrics
	"process_runtime_go_threads",     // OpenTelemetry before its stable names
}

// residentMetric is the metric of resident memory.
const residentMetric = "process_resident_memory_bytes"

// metrics is what leakgate reads from a metrics page.
type metrics struct {
	counter    string
	goroutines int
	start      float64
	goVersion  string
	build      build
	resident   uint64
	allocated  uint64
	threads    int
}

// formats asks for a page in the order that Prometheus does, but for protobuf. What
// serves none of these is read as the text that it most likely is.
const formats = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5," +
	"application/openmetrics-text;version=0.0.1;q=0.4," +
	"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3," +
	"text/plain;version=0.0.4;q=0.2," +
	"*/*;q=0.1"

// measured reports whether the target has metrics.
func (t *Target) measured() bool { return t.metrics != nil || t.series != nil }

// Measured reports whether the target has a metrics page of its own, which counts its
// goroutines at the moment at which it is asked.
func (t *Target) Measured() bool { return t.metrics != nil }

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
	m, err = t.series.metrics(r)
	return m, r.newest().Add(-t.series.group.skew), err
}

// scrape reads the target's metrics page.
func (t *Target) scrape(ctx context.Context) (metrics, error) {
	t.order.Lock()
	defer t.order.Unlock()
	var m metrics
	err := t.ask(ctx, t.metrics, formats, func(r io.Reader, h http.Header) (err error) {
		m, err = readMetrics(r, h.Get("Content-Type"), time.Now())
		return t.notAPage(err)
	})
	return m, err
}

// notAPage says what is wrong with a metrics page; what is wrong with the connection is
// said elsewhere.
func (t *Target) notAPage(err error) error {
	var number *impossible
	var odd *pageError
	if !errors.As(err, &number) && !errors.As(err, &odd) {
		return err
	}
	e := &Error{Target: t.name, Asked: "GET " + clean(t.metrics.String()), Got: err.Error(), Err: err,
		Hint: "leave targets[].metrics out: leakgate then counts the profile"}
	switch {
	case number != nil:
		e.Hint = number.hint()
	case odd.hint != "":
		e.Hint = odd.hint
	}
	return t.hidden(e)
}

// readMetrics reads what is needed from a metrics page.
func readMetrics(r io.Reader, contentType string, now time.Time) (metrics, error) {
	if kind, _, _ := strings.Cut(contentType, ";"); strings.Contains(kind, "protobuf") {
		return metrics{}, &pageError{"metrics as " + strings.TrimSpace(kind) + ", which were not asked for",
			"serve them as text: does a proxy change the Accept header?"}
	}
	p, err := readPage(r)
	if err != nil {
		return metrics{}, err
	}
	return p.metrics(now)
}
