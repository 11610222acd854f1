package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/leakgate/leakgate/internal/budget"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// source is what a gate needs of a target: a process that it reads itself
// (probe.Target), or what Prometheus knows of one (probe.Series).
type source interface {
	Name() string
	// Every is the time between two profiles that differ; 0: any.
	Every() time.Duration
	Identify(ctx context.Context) (record.Target, error)
	Count(ctx context.Context) (record.Sample, record.Identity, error)
	Identity(ctx context.Context, collect bool) (record.Identity, error)
	Memory(ctx context.Context) (record.Memory, record.Identity, []byte, error)
	Goroutines(ctx context.Context) ([]byte, *stacks.Profile, error)
	// Total is how many goroutines Goroutines would find.
	Total(ctx context.Context) (int, error)
}

var (
	_ source = (*probe.Target)(nil)
	_ source = (*probe.Series)(nil)
)

// sources is where the targets of a plan come from.
type sources struct {
	prom    *probe.Prometheus // nil without one in the plan
	entries []entry
}

// entry is one target of the plan: a process, or the instances that a selector
// stands for, or a process with what Prometheus knows of it.
type entry struct {
	target *probe.Target
	group  *probe.Group
}

// newSources makes the probes of a plan. It sends nothing.
func newSources(p *plan.Plan) (sources, error) {
	var s sources
	if c := p.Prometheus; c.URL != "" {
		tc, err := tlsConfig(p, c.CA, c.Auth.Cert, c.Auth.Key, c.Skip)
		if err != nil {
			return s, fmt.Errorf("prometheus: %w", err)
		}
		cfg := probe.PrometheusConfig{URL: c.URL, Bearer: c.Auth.Bearer, Headers: c.Auth.Headers, Tenant: c.Tenant, TLS: tc, Timeout: time.Duration(c.Timeout)}
		if c.Auth.Basic != nil {
			cfg.User, cfg.Password = c.Auth.Basic.User, c.Auth.Basic.Password
		}
		if s.prom, err = probe.NewPrometheus(cfg); err != nil {
			return s, err
		}
	}
	memory := budget.New(int64(p.Safety.Memory))
	for _, t := range p.Targets {
		var e entry
		if t.Selector != "" {
			e.group = probe.NewGroup(s.prom, t.Name, t.Selector)
		}
		if t.Pprof != "" {
			var err error
			if e.target, err = newTarget(p, t, memory); err != nil {
				return s, err
			}
		}
		s.entries = append(s.entries, e)
	}
	return s, nil
}

func newTarget(p *plan.Plan, t plan.Target, memory *budget.Budget) (*probe.Target, error) {
	tc, err := tlsConfig(p, t.CA, t.Auth.Cert, t.Auth.Key, t.Skip)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	cfg := probe.Config{
		Name: t.Name, Pprof: t.Pprof, Metrics: t.Metrics, Bearer: t.Auth.Bearer, Headers: t.Auth.Headers,
		TLS: tc, Timeout: time.Duration(t.Timeout), Memory: memory, Hide: p.Hidden,
	}
	if t.Auth.Basic != nil {
		cfg.User, cfg.Password = t.Auth.Basic.User, t.Auth.Basic.Password
	}
	return probe.New(cfg)
}

// find asks Prometheus for the instances behind the plan's selectors. What cannot
// be found is in the list too, with the error.
func (s sources) find(ctx context.Context) (targets []source, failed []Found) {
	for _, e := range s.entries {
		var instances []*probe.Series
		if e.group != nil {
			var err error
			if instances, err = e.group.Discover(ctx); err == nil && e.target != nil && len(instances) != 1 {
				err = &probe.Error{Target: e.group.Name(), Asked: "selector", Got: fmt.Sprintf("%d instances, for one pprof address", len(instances)),
					Hint: "give each replica a target of its own, with a selector for it alone"}
			}
			if err != nil {
				failed = append(failed, Found{Target: record.Target{Name: e.group.Name()}, Err: err})
				continue
			}
		}
		switch {
		case e.target == nil:
			for _, i := range instances {
				targets = append(targets, i)
			}
			continue
		case len(instances) == 1:
			e.target.Known(instances[0])
		}
		targets = append(targets, e.target)
	}
	return targets, failed
}

// readable are the targets that leakgate reads itself: those that have stacks.
func (g *Gate) readable() []*probe.Target {
	var out []*probe.Target
	for _, s := range g.targets {
		if t, ok := s.(*probe.Target); ok {
			out = append(out, t)
		}
	}
	return out
}

// quiet is how long a target's count has to be level: as long as the plan says, and
// for three samples at least.
func (g *Gate) quiet(t source) time.Duration {
	return max(time.Duration(g.plan.Settle.Quiet), 2*t.Every())
}

// patience is how long a target may take to come to rest.
func (g *Gate) patience(t source) time.Duration {
	return max(time.Duration(g.plan.Settle.Timeout), 6*t.Every())
}

// countedWindow is how many samples a window has of a target that is scraped: each
// takes as long as a scrape.
const countedWindow = 3

func windowOf(t source) int {
	if t.Every() > 0 {
		return countedWindow
	}
	return windowSize
}
