package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"

	"github.com/leakgate/leakgate/internal/promql"
)

// reading is what is known of an instance.
type reading struct {
	labels  model.Metric // without the metric's name
	counter string
	counts  []model.SamplePair
	last    values // the newest of each other metric
	version string
}

// readAlso are the metrics that are read beside the goroutines.
var readAlso = slices.Concat([]string{"process_start_time_seconds", residentMetric, "go_info"}, allocated, threads)

func (r *reading) newest() time.Time {
	return r.counts[len(r.counts)-1].Timestamp.Time()
}

// read asks for the samples of the last stretch of time.
func (g *Group) read(ctx context.Context, stretch time.Duration) error {
	seen := map[model.Fingerprint]*reading{}
	a, err := g.prom.query(ctx, g.name, fmt.Sprintf("%s[%ds]", g.match, int(stretch.Seconds())), func(s series) error {
		return g.add(seen, s)
	})
	if err != nil {
		return err
	}
	if a.kind != kindMatrix {
		return g.refuse(g.match, fmt.Sprintf("a %s instead of samples", quoted(a.kind)),
			`write a selector, such as {job="checkout"}, not an expression`)
	}
	for id, r := range seen { // metrics without a goroutine count are some other process'
		if len(r.counts) == 0 {
			delete(seen, id)
			continue
		}
		for _, c := range r.counts {
			if _, err := whole(r.counter, float64(c.Value), mostGoroutines, "goroutines"); err != nil {
				return g.impossible(r.labels, err)
			}
		}
	}
	g.seen, g.asked = seen, time.Now()
	return nil
}

// refuse is an error for an answer that cannot be used.
func (g *Group) refuse(expr, got, hint string) *Error { return g.prom.refuse(g.name, expr, got, hint) }

// impossible is an error for a number that an instance cannot have.
func (g *Group) impossible(labels model.Metric, err error) *Error {
	e := g.refuse(g.selector, fmt.Sprintf("for %s, %v", shown(labels.String()), err), "")
	e.Err = err
	var number *impossible
	if errors.As(err, &number) {
		e.Hint = number.hint()
	}
	return e
}

// add takes one series in. An instance is what its series have in common. A series that
// was not asked for is an error: another question was answered.
func (g *Group) add(seen map[model.Fingerprint]*reading, s series) error {
	name := string(s.labels[promql.NameLabel])
	if !slices.Contains(g.counters, name) && !slices.Contains(readAlso, name) {
		return g.refuse(g.match, fmt.Sprintf("a series that was not asked for: %s", shown(s.labels.String())), hintAnother)
	}
	if m, ok := g.parsed.Contradicted(s.labels); ok {
		return g.refuse(g.match, fmt.Sprintf("a series that %s does not match: %s", m, shown(s.labels.String())), hintAnother)
	}
	labels := s.labels.Clone()
	delete(labels, promql.NameLabel)
	version := string(labels["version"])
	if name == "go_info" {
		delete(labels, "version")
	}
	rank := slices.Index(g.counters, name)
	if s.histogram && rank >= 0 {
		return g.refuse(g.match, fmt.Sprintf("a histogram instead of a number for %s of %s", name, shown(labels.String())),
			(&impossible{metric: name}).hint())
	}
	samples := unmarked(s.samples)
	if len(samples) == 0 {
		return nil
	}
	id := labels.Fingerprint()
	r, ok := seen[id]
	if !ok {
		r = &reading{labels: labels, last: values{}}
		seen[id] = r
	}
	switch {
	case name == "go_info":
		r.version = version
	case rank < 0:
		r.last[name] = float64(samples[len(samples)-1].Value)
	case r.counter == "" || rank < slices.Index(g.counters, r.counter):
		r.counter, r.counts = name, samples
	case r.counter == name:
		return g.refuse(g.match,
			fmt.Sprintf("two series of %s with the same labels, %s", name, shown(labels.String())), hintAnother)
	}
	return nil
}

const hintAnother = "does a proxy between here and the server change queries or answers?"

// unmarked leaves out NaN among numbers, and one alone: that is how a server that does not
// hide them shows the marks that Prometheus sets where a scrape failed or a series ended.
// Where all are NaN, the metric itself is.
func unmarked(samples []model.SamplePair) []model.SamplePair {
	marked := func(p model.SamplePair) bool { return math.IsNaN(float64(p.Value)) }
	numbers := slices.DeleteFunc(slices.Clone(samples), marked)
	if len(numbers) == 0 && len(samples) > 1 {
		return samples
	}
	return numbers
}
