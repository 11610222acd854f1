package setup

import (
	"context"
	"fmt"
	"time"

	"github.com/leakgate/leakgate/internal/budget"
	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
)

var (
	_ gate.Process = (*probe.Target)(nil)
	_ gate.Source  = (*probe.Series)(nil)
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
		cfg := probe.PrometheusConfig{
			URL: c.URL, Bearer: c.Auth.Bearer, Headers: c.Auth.Headers, Tenant: c.Tenant, TLS: tc,
			Timeout: time.Duration(c.Timeout),
		}
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
func (s sources) find(ctx context.Context) (targets []gate.Source, failed []gate.Found) {
	for _, e := range s.entries {
		var instances []*probe.Series
		if e.group != nil {
			var err error
			if instances, err = e.group.Discover(ctx); err == nil && e.target != nil && len(instances) != 1 {
				err = &probe.Error{
					Target: e.group.Name(), Asked: "selector",
					Got:  fmt.Sprintf("%d instances, for one pprof address", len(instances)),
					Hint: "give each replica a target of its own, with a selector for it alone",
				}
			}
			if err != nil {
				failed = append(failed, gate.Found{Target: record.Target{Name: e.group.Name()}, Err: err})
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
