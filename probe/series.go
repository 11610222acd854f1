package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/leakgate/leakgate/internal/stacks"
	"github.com/leakgate/leakgate/record"
)

// CodeInstances is the Code of an Error that says that an instance came.
const CodeInstances = "instances-changed"

// Group is every process that a selector stands for, as Prometheus knows them.
type Group struct {
	prom     *Prometheus
	name     string
	selector string
	parsed   Selector
	counters []string // the metrics that count, the preferred first
	match    string   // the selector, for all metrics that are read

	mu    sync.Mutex
	asked time.Time // when the server was asked last, here
	seen  map[model.Fingerprint]*reading
	known map[model.Fingerprint]string // instances at the start, and their names
	every time.Duration                // between two scrapes
	skew  time.Duration                // the server's clock less the one here
}

// Series is one process as Prometheus knows it: how many goroutines it has, and
// who it is. Its methods may be called from several goroutines.
type Series struct {
	group *Group
	name  string
	id    model.Fingerprint

	mu    sync.Mutex
	given model.Time // of the last fresh profile
}

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

// NewGroup makes a group of the instances that a selector, as {job="checkout"},
// stands for. It sends nothing. What is not a selector, Discover refuses.
func NewGroup(p *Prometheus, name, selector string) *Group {
	g := &Group{prom: p, name: name, selector: selector, counters: counters}
	var err error
	if g.parsed, err = counting(selector); err != nil {
		return g
	}
	if g.parsed.Metric != "" { // it counts, and no other
		g.counters = []string{g.parsed.Metric}
	}
	g.match = g.parsed.of(slices.Concat(g.counters, readAlso))
	return g
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

// Name is the group's name in the plan.
func (g *Group) Name() string { return g.name }

// discovery is how far back is looked to see how often instances are scraped.
const discovery = 5 * time.Minute

// Discover asks for the instances that there are. From then on, these are the
// group, and any other is a change.
func (g *Group) Discover(ctx context.Context) ([]*Series, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.match == "" {
		_, err := counting(g.selector)
		return nil, g.refuse(g.selector, quoted(g.selector)+" "+err.Error(), hintSelector)
	}
	began := time.Now()
	now, err := g.prom.now(ctx)
	if err != nil {
		return nil, err
	}
	g.skew = now.Sub(began) // never less than it is: what was scraped before a call is not taken for later
	if err := g.read(ctx, discovery); err != nil {
		return nil, err
	}
	g.every = 0
	for _, r := range g.seen {
		if n := len(r.counts); n > 1 {
			g.every = max(g.every, gap(r.counts))
		}
	}
	asked := g.prom.asked(g.selector)
	switch {
	case len(g.seen) == 0:
		return nil, &Error{Target: g.name, Asked: asked, Got: "no goroutine count; looked for " + strings.Join(g.counters, ", "),
			Hint: "try the selector in Prometheus: is the service scraped, and does it export Go's metrics?"}
	case g.every == 0:
		return nil, &Error{Target: g.name, Asked: asked, Got: "one sample only", Hint: "wait for a second scrape, then run again"}
	}
	g.known = map[model.Fingerprint]string{}
	names := g.names(now)
	var out []*Series
	for id, name := range names {
		g.known[id] = name
		out = append(out, &Series{group: g, name: name, id: id})
	}
	if len(out) == 0 {
		return nil, &Error{Target: g.name, Asked: asked, Got: "only instances that are no longer scraped", Hint: "is the service up? see the targets page of Prometheus"}
	}
	slices.SortFunc(out, func(a, b *Series) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// gap is the usual time between two samples.
func gap(counts []model.SamplePair) time.Duration {
	var gaps []time.Duration
	for i := 1; i < len(counts); i++ {
		gaps = append(gaps, counts[i].Timestamp.Sub(counts[i-1].Timestamp))
	}
	slices.Sort(gaps)
	return gaps[len(gaps)/2]
}

// names gives every instance that is scraped a name: the group's alone for a single
// one, else with the first label that tells them apart.
func (g *Group) names(now time.Time) map[model.Fingerprint]string {
	fresh := map[model.Fingerprint]*reading{}
	for id, r := range g.seen {
		if now.Sub(r.newest()) <= g.stale() {
			fresh[id] = r
		}
	}
	out := map[model.Fingerprint]string{}
	for _, label := range []model.LabelName{"pod", "instance", ""} {
		taken := map[string]bool{}
		clear(out)
		for id, r := range fresh {
			value := string(r.labels[label])
			if label == "" {
				value = r.labels.String()
			}
			if value != "" && !taken[value] {
				taken[value] = true
				out[id] = g.name + "/" + value
			}
		}
		if len(out) == len(fresh) {
			break
		}
	}
	if len(out) == 1 {
		for id := range out {
			out[id] = g.name
		}
	}
	return out
}

// stale is the age from which a newest sample says that scrapes fail.
func (g *Group) stale() time.Duration { return 3*g.every + time.Second }

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
		return g.refuse(g.match, fmt.Sprintf("a %s, not samples", quoted(a.kind)), `a selector, not an expression: {job="checkout"}`)
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
	e := g.refuse(g.selector, fmt.Sprintf("of %s, %v", shown(labels.String()), err), "")
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
	name := string(s.labels[nameLabel])
	if !slices.Contains(g.counters, name) && !slices.Contains(readAlso, name) {
		return g.refuse(g.match, fmt.Sprintf("a series that was not asked for: %s", shown(s.labels.String())), hintAnother)
	}
	if m, ok := g.parsed.contradicted(s.labels); ok {
		return g.refuse(g.match, fmt.Sprintf("a series that %s does not select: %s", m, shown(s.labels.String())), hintAnother)
	}
	labels := s.labels.Clone()
	delete(labels, nameLabel)
	version := string(labels["version"])
	if name == "go_info" {
		delete(labels, "version")
	}
	rank := slices.Index(g.counters, name)
	if s.histogram && rank >= 0 {
		return g.refuse(g.match, fmt.Sprintf("a histogram for %s of %s, not a number", name, shown(labels.String())), (&impossible{metric: name}).hint())
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
		return g.refuse(g.match, fmt.Sprintf("two series of %s with the same labels, %s", name, shown(labels.String())), hintAnother)
	}
	return nil
}

const hintAnother = "does something between here and the server change queries or answers?"

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

// refresh asks again unless that was done a moment ago, and checks that the
// instances are the same.
func (g *Group) refresh(ctx context.Context) error {
	if time.Since(g.asked) < min(max(g.every/5, 200*time.Millisecond), 2*time.Second) {
		return g.same()
	}
	if err := g.read(ctx, max(4*g.every, 10*time.Second)); err != nil {
		return err
	}
	return g.same()
}

// same tells whether an instance has come that was not there at the start.
func (g *Group) same() error {
	now := time.Now().Add(g.skew)
	for id, r := range g.seen {
		if _, known := g.known[id]; !known && now.Sub(r.newest()) <= g.stale() {
			return &Error{Target: g.name, Asked: g.prom.asked(g.selector), Got: fmt.Sprintf("an instance that was not there at the start: %s", r.labels),
				Hint: "was it scaled or deployed in the middle of the run? run again when that is over", Code: CodeInstances}
		}
	}
	return nil
}

// Name is the instance's name in reports.
func (s *Series) Name() string { return s.name }

// Group is the name in the plan of the group that it belongs to.
func (s *Series) Group() string { return s.group.name }

// Every is the time between two scrapes.
func (s *Series) Every() time.Duration { return s.group.every }

// current is the newest reading of the instance.
func (s *Series) current(ctx context.Context) (reading, error) {
	g := s.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refresh(ctx); err != nil {
		return reading{}, err
	}
	r, ok := g.seen[s.id]
	if !ok {
		return reading{}, s.gone("no sample any more")
	}
	if age := time.Now().Add(g.skew).Sub(r.newest()); age > g.stale() {
		return reading{}, s.gone(fmt.Sprintf("no sample for %s, and it is scraped every %s", age.Round(time.Second), g.every))
	}
	return *r, nil
}

func (s *Series) gone(got string) *Error {
	return &Error{Target: s.name, Asked: s.group.prom.asked(s.group.selector), Got: got,
		Hint: "is the instance up? see the targets page of Prometheus"}
}

// metrics is a reading as a page of metrics would tell it.
func (s *Series) metrics(r reading) (m metrics, err error) {
	m = metrics{counter: r.counter, goVersion: r.version}
	if m.goroutines, err = whole(r.counter, float64(r.counts[len(r.counts)-1].Value), mostGoroutines, "goroutines"); err == nil {
		err = m.fill(r.last, time.Now().Add(s.group.skew))
	}
	if err != nil {
		return m, s.group.impossible(r.labels, err)
	}
	return m, nil
}

// Identify says who the instance is.
func (s *Series) Identify(ctx context.Context) (record.Target, error) {
	out := record.Target{Name: s.name, Metrics: s.group.prom.address, Selector: s.group.selector, Every: s.group.every, CountOnly: true}
	r, err := s.current(ctx)
	if err != nil {
		return out, err
	}
	if s.name != s.group.name {
		out.Group = s.group.name
	}
	m, err := s.metrics(r)
	out.Counter, out.Sight = r.counter, s.seen(m)
	return out, err
}

func (s *Series) seen(m metrics) record.Sight {
	return record.Sight{Target: s.name, Start: m.start, GoVersion: m.goVersion, Allocated: m.allocated}
}

// Count is the newest count, with the moment at which it was scraped, and what is
// known of the instance's identity.
func (s *Series) Count(ctx context.Context) (record.Sample, record.Sight, error) {
	r, err := s.current(ctx)
	if err != nil {
		return record.Sample{}, record.Sight{}, err
	}
	m, err := s.metrics(r)
	if err != nil {
		return record.Sample{}, record.Sight{}, err
	}
	return record.Sample{
		Target: s.name, Goroutines: m.goroutines, Resident: m.resident, Threads: m.threads, Metric: true,
		Taken: r.newest().Add(-s.group.skew),
	}, s.seen(m), nil
}

// Sight says who the instance is. No collection can be forced.
func (s *Series) Sight(ctx context.Context, _ bool) (record.Sight, error) {
	r, err := s.current(ctx)
	if err != nil {
		return record.Sight{}, err
	}
	m, err := s.metrics(r)
	return s.seen(m), err
}

// Memory is what Prometheus knows of the instance's memory: resident bytes and
// threads.
func (s *Series) Memory(ctx context.Context) (record.Memory, record.Sight, []byte, error) {
	r, err := s.current(ctx)
	if err != nil {
		return record.Memory{}, record.Sight{}, nil, err
	}
	m, err := s.metrics(r)
	if err != nil {
		return record.Memory{}, record.Sight{}, nil, err
	}
	return record.Memory{Target: s.name, Resident: m.resident, Threads: m.threads}, s.seen(m), nil, nil
}

// Goroutines waits for a sample that was scraped after the call, and after the
// last that it returned: a count alone. There are no bytes of a profile.
func (s *Series) Goroutines(ctx context.Context) ([]byte, *stacks.Profile, error) {
	g := s.group
	after := model.TimeFromUnixNano(time.Now().Add(g.skew).UnixNano())
	for {
		r, err := s.current(ctx)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range r.counts {
			if c.Timestamp <= after || !s.take(c.Timestamp) {
				continue
			}
			n, err := whole(r.counter, float64(c.Value), mostGoroutines, "goroutines")
			if err != nil {
				return nil, nil, g.impossible(r.labels, err)
			}
			return nil, stacks.Counted(n), nil
		}
		select {
		case <-time.After(min(max(g.every/5, 100*time.Millisecond), time.Second)):
		case <-ctx.Done():
			return nil, nil, s.group.prom.failed(s.name, s.group.selector, ctx.Err())
		}
	}
}

// Total is the count of the sample that Goroutines waits for.
func (s *Series) Total(ctx context.Context) (int, error) {
	_, p, err := s.Goroutines(ctx)
	if err != nil {
		return 0, err
	}
	return p.Total, nil
}

// take hands out each sample once.
func (s *Series) take(at model.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at <= s.given {
		return false
	}
	s.given = at
	return true
}
