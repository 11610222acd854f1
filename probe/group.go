package probe

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/leakgate/leakgate/internal/promql"
)

// CodeInstances is the Code of an Error about an instance that has appeared.
const CodeInstances = "instances-changed"

// Group is all processes that Prometheus finds by a selector.
type Group struct {
	prom     *Prometheus
	name     string
	selector string
	parsed   promql.Selector
	counters []string // the metrics that count, the preferred first
	match    string   // the selector, for all metrics that are read

	mu    sync.Mutex
	asked time.Time // when the server was asked last, here
	seen  map[model.Fingerprint]*reading
	known map[model.Fingerprint]string // instances at the start, and their names
	every time.Duration                // between two scrapes
	skew  time.Duration                // the server's clock minus the local one
}

// NewGroup makes a group of the instances that match a selector, such as {job="checkout"}.
// It sends nothing. Discover refuses what is not a selector.
func NewGroup(p *Prometheus, name, selector string) *Group {
	g := &Group{prom: p, name: name, selector: selector, counters: promql.Counters()}
	var err error
	if g.parsed, err = promql.ParseCount(selector); err != nil {
		return g
	}
	if g.parsed.Metric != "" { // it counts, and no other
		g.counters = []string{g.parsed.Metric}
	}
	g.match = g.parsed.Of(slices.Concat(g.counters, readAlso))
	return g
}

// Name is the group's name in the plan.
func (g *Group) Name() string { return g.name }

// discovery is how far to look back to see how often instances are scraped.
const discovery = 5 * time.Minute

// Discover asks which instances exist. From then on, these are the group, and any other is
// a change.
func (g *Group) Discover(ctx context.Context) ([]*Series, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.match == "" {
		_, err := promql.ParseCount(g.selector)
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
		return nil, &Error{Target: g.name, Asked: asked,
			Got:  "no goroutine count; looked for " + strings.Join(g.counters, ", "),
			Hint: "try the selector in Prometheus: is the service scraped, and does it export Go's metrics?"}
	case g.every == 0:
		return nil, &Error{Target: g.name, Asked: asked, Got: "only one sample",
			Hint: "wait for a second scrape, then run again"}
	}
	g.known = map[model.Fingerprint]string{}
	names := g.names(now)
	var out []*Series
	for id, name := range names {
		g.known[id] = name
		out = append(out, &Series{group: g, name: name, id: id})
	}
	if len(out) == 0 {
		return nil, &Error{Target: g.name, Asked: asked, Got: "only instances that are no longer scraped",
			Hint: "is the service up? check the targets page of Prometheus"}
	}
	slices.SortFunc(out, func(a, b *Series) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

// gap is the median time between two samples.
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

// stale is the age from which the newest sample shows that scrapes fail.
func (g *Group) stale() time.Duration { return 3*g.every + time.Second }

// refresh asks again, unless it did so a moment ago, and checks that the instances are the
// same.
func (g *Group) refresh(ctx context.Context) error {
	if time.Since(g.asked) < min(max(g.every/5, 200*time.Millisecond), 2*time.Second) {
		return g.same()
	}
	if err := g.read(ctx, max(4*g.every, 10*time.Second)); err != nil {
		return err
	}
	return g.same()
}

// same returns an error if there is an instance that was not there at the start.
func (g *Group) same() error {
	now := time.Now().Add(g.skew)
	for id, r := range g.seen {
		if _, known := g.known[id]; !known && now.Sub(r.newest()) <= g.stale() {
			return &Error{Target: g.name, Asked: g.prom.asked(g.selector),
				Got:  fmt.Sprintf("an instance that was not there at the start: %s", r.labels),
				Hint: "was the service scaled or deployed during the run? run again when that is over", Code: CodeInstances}
		}
	}
	return nil
}
