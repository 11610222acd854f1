package probe

import (
	"context"
	"errors"
	"net/http"
	"regexp"

	"github.com/leakgate/leakgate/record"
)

// Count reads the number of goroutines as cheaply as the target allows: from
// its metrics, with what they say of its identity, or from its profile, which
// says nothing of it.
func (t *Target) Count(ctx context.Context) (record.Sample, record.Sight, error) {
	if t.measured() {
		m, taken, err := t.measure(ctx)
		if err != nil {
			return record.Sample{}, record.Sight{}, err
		}
		return record.Sample{Target: t.name, Goroutines: m.goroutines, Resident: m.resident, Threads: m.threads, Metric: true, Taken: taken}, t.seen(m), nil
	}
	_, p, err := t.Goroutines(ctx)
	if err != nil {
		return record.Sample{}, record.Sight{}, err
	}
	return record.Sample{Target: t.name, Goroutines: p.Total}, record.Sight{Target: t.name}, nil
}

// seen is what a metrics page says of the target's identity.
func (t *Target) seen(m metrics) record.Sight {
	return record.Sight{Target: t.name, Start: m.start, GoVersion: m.goVersion, Allocated: m.allocated}
}

// Identify finds out who the target is and what it offers. It fails where the
// goroutine profile, or metrics that the plan names, cannot be read.
func (t *Target) Identify(ctx context.Context) (record.Target, error) {
	out := record.Target{Name: t.name, Pprof: clean(t.pprof.String())}
	_, p, err := t.Goroutines(ctx)
	if err != nil {
		return out, err
	}
	if t.measured() {
		if t.series != nil {
			out.Metrics, out.Selector = t.series.group.prom.address, t.series.group.selector
		} else {
			out.Metrics = clean(t.metrics.String())
		}
		m, _, err := t.measure(ctx)
		if err != nil {
			return out, err
		}
		out.Counter = m.counter
	}
	out.Sight, err = t.Sight(ctx, false)
	if err != nil {
		return out, err
	}
	out.Sight.Build, out.Sight.Binary = p.BuildID, p.Binary
	out.Profiles, err = t.profiles(ctx)
	return out, err
}

// known are the profiles that a report may ask for.
var known = []string{"allocs", "block", "goroutine", "goroutineleak", "heap", "mutex", "threadcreate"}

var linked = regexp.MustCompile(`href=['"]?([a-z]+)\?debug=`)

// profiles reads the index page of net/http/pprof. Where there is none, the
// goroutine profile is all that is known.
func (t *Target) profiles(ctx context.Context) ([]string, error) {
	u := *t.pprof
	u.Path += "/"
	body, _, err := t.get(ctx, &u, "")
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Status != 0 {
			return []string{"goroutine"}, nil
		}
		return nil, err
	}
	offered := map[string]bool{}
	for _, m := range linked.FindAllSubmatch(body, -1) {
		offered[string(m[1])] = true
	}
	var out []string
	for _, name := range known {
		if offered[name] {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		out = []string{"goroutine"}
	}
	return out, nil
}

// Sight looks at the target's identity. With collect, the target runs a
// garbage collection first, so that objects whose goroutine ends by finalizer
// are gone. A target without a heap profile is asked for its metrics alone.
func (t *Target) Sight(ctx context.Context, collect bool) (record.Sight, error) {
	s := record.Sight{Target: t.name}
	if t.measured() {
		m, _, err := t.measure(ctx)
		if err != nil {
			return s, err
		}
		s = t.seen(m)
	}
	if t.measured() && s.Start > 0 && !collect {
		return s, nil
	}
	body, err := t.heapText(ctx, collect)
	if err != nil {
		return s, err
	}
	s.TotalAlloc, s.NumGC = memStat(body, "TotalAlloc"), memStat(body, "NumGC")
	return s, nil
}

// heapText reads the heap profile as text, whose end has the runtime's memory
// statistics; nil if the target has none.
func (t *Target) heapText(ctx context.Context, collect bool) ([]byte, error) {
	query := "debug=1"
	if collect {
		query += "&gc=1"
	}
	if t.lacksHeap() {
		return nil, nil
	}
	body, _, err := t.get(ctx, t.profileURL("heap", query), "")
	if err != nil && t.noHeapHere(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	t.heap = true
	t.mu.Unlock()
	return body, nil
}

// noHeapHere tells whether an error means that the target has no heap profile, and
// remembers that.
func (t *Target) noHeapHere(err error) bool {
	var e *Error
	if !errors.As(err, &e) || t.hadHeap() || e.Status != http.StatusNotFound && e.Status != http.StatusMethodNotAllowed && e.Status != http.StatusForbidden {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.noHeap = true
	return true
}

// hadHeap tells whether the target has served a heap profile: then a 404 is not
// the target's usual answer.
func (t *Target) hadHeap() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.heap
}

func (t *Target) lacksHeap() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.noHeap
}
