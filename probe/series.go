package probe

import (
	"context"
	"fmt"
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
	match    string // the same, for all metrics that are read

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
	last    map[string]float64 // the newest value of each other metric
	version string
}

// readAlso are the metrics that are read beside the goroutines.
var readAlso = slices.Concat([]string{"process_start_time_seconds", "process_resident_memory_bytes", "go_info"}, allocated, threads)

// NewGroup makes a group of the instances that a selector, as {job="checkout"},
// stands for. It sends nothing.
func NewGroup(p *Prometheus, name, selector string) *Group {
	return &Group{prom: p, name: name, selector: selector, match: matching(selector)}
}

// matching makes a selector ask for all metrics that are read. One that it names
// itself counts, and no other.
func matching(selector string) string {
	metric, matchers, err := SplitSelector(selector)
	if err != nil {
		return strings.TrimSpace(selector) // the server says what is wrong
	}
	counts := counters
	if metric != "" {
		counts = []string{metric}
	}
	rest := strings.TrimSpace(strings.TrimPrefix(matchers, "{"))
	switch {
	case rest == "":
		rest = "}"
	case !strings.HasPrefix(rest, "}"):
		rest = "," + rest
	}
	return fmt.Sprintf(`{__name__=~"%s"%s`, strings.Join(slices.Concat(counts, readAlso), "|"), rest)
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
		return nil, &Error{Target: g.name, Asked: asked, Got: "no goroutine count; looked for " + strings.Join(counters, ", "),
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
	v, err := g.prom.query(ctx, g.name, fmt.Sprintf("%s[%ds]", g.match, int(stretch.Seconds())))
	if err != nil {
		return err
	}
	m, ok := v.(model.Matrix)
	if !ok {
		return &Error{Target: g.name, Asked: g.prom.asked(g.match), Got: fmt.Sprintf("a %s, not samples", v.Type()), Hint: "a selector, not an expression: {job=\"checkout\"}"}
	}
	g.seen = map[model.Fingerprint]*reading{}
	for _, s := range m {
		if len(s.Values) > 0 {
			g.add(s)
		}
	}
	for id, r := range g.seen { // metrics without a goroutine count are some other process'
		if len(r.counts) == 0 {
			delete(g.seen, id)
		}
	}
	g.asked = time.Now()
	return nil
}

// add takes one series in. An instance is what its series have in common.
func (g *Group) add(s *model.SampleStream) {
	labels := s.Metric.Clone()
	name := string(labels[model.MetricNameLabel])
	delete(labels, model.MetricNameLabel)
	version := string(labels["version"])
	if name == "go_info" {
		delete(labels, "version")
	}
	id := labels.Fingerprint()
	r, ok := g.seen[id]
	if !ok {
		r = &reading{labels: labels, last: map[string]float64{}}
		g.seen[id] = r
	}
	if name == "go_info" {
		r.version = version
		return
	}
	rank := slices.Index(counters, name)
	switch {
	case slices.Contains(readAlso, name):
		r.last[name] = float64(s.Values[len(s.Values)-1].Value)
	case r.counter == "" || rank >= 0 && rank < slices.Index(counters, r.counter):
		r.counter, r.counts = name, s.Values
	}
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
func (r reading) metrics() metrics {
	m := metrics{
		counter: r.counter, goroutines: int(r.counts[len(r.counts)-1].Value), goVersion: r.version,
		start: r.last["process_start_time_seconds"], resident: uint64(max(0, r.last["process_resident_memory_bytes"])),
	}
	for _, name := range allocated {
		if v := r.last[name]; v > 0 {
			m.allocated = uint64(v)
			break
		}
	}
	for _, name := range threads {
		if v := r.last[name]; v > 0 {
			m.threads = int(v)
			break
		}
	}
	return m
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
	out.Counter, out.Sight = r.counter, s.seen(r.metrics())
	return out, nil
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
	m := r.metrics()
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
	return s.seen(r.metrics()), nil
}

// Memory is what Prometheus knows of the instance's memory: resident bytes and
// threads.
func (s *Series) Memory(ctx context.Context) (record.Memory, record.Sight, []byte, error) {
	r, err := s.current(ctx)
	if err != nil {
		return record.Memory{}, record.Sight{}, nil, err
	}
	m := r.metrics()
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
			return nil, stacks.Counted(int(c.Value)), nil
		}
		select {
		case <-time.After(min(max(g.every/5, 100*time.Millisecond), time.Second)):
		case <-ctx.Done():
			return nil, nil, s.group.prom.failed(s.name, s.group.selector, ctx.Err())
		}
	}
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
