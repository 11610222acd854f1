package setup

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/leakgate/leakgate/internal/budget"
	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/kube"
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
	clusters clusters
	prom     *probe.Prometheus // nil without one in the plan
	pods     *pods             // nil where no target is one
	entries  []entry
}

// close closes the ways to the targets.
func (s sources) close() {
	if s.pods != nil {
		s.pods.Close()
	}
}

// entry is one target of the plan: a process, or the instances that a selector
// stands for, or a process with what Prometheus knows of it, or pods.
type entry struct {
	target *probe.Target
	group  *probe.Group
	pods   *podSet
}

// newSources makes the probes of a plan. It sends nothing.
func newSources(p *plan.Plan, tool string) (sources, error) {
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
		if t.Kubernetes != nil {
			var err error
			if e.pods, err = s.newPods(p, t, tool, memory); err != nil {
				return s, err
			}
		}
		if t.Selector != "" {
			e.group = probe.NewGroup(s.prom, t.Name, t.Selector)
		}
		if t.Pprof != "" {
			var err error
			of := kube.Instance{Name: t.Name, Pprof: t.Pprof, Metrics: t.Metrics.URL}
			if e.target, err = newTarget(p, t, of, memory); err != nil {
				return s, err
			}
		}
		s.entries = append(s.entries, e)
	}
	return s, nil
}

// newPods makes the set of pods that a target stands for. It sends nothing.
func (s *sources) newPods(p *plan.Plan, t plan.Target, tool string, memory *budget.Budget) (*podSet, error) {
	if s.pods == nil {
		s.pods = &pods{known: map[string]*kube.Tunnel{}, taken: map[string]bool{}, at: map[string]bool{}}
		for _, o := range p.Targets {
			if o.Kubernetes == nil {
				s.pods.taken[record.FileName(o.Name)] = true
			}
		}
		s.clusters.tool = tool
	}
	c, err := s.clusters.client(t.Context)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	return s.pods.add(c, t, func(i kube.Instance) (*probe.Target, error) { return newTarget(p, t, i, memory) })
}

// newTarget makes the probe of a process, by the plan's target that it is, or that stands for
// it.
func newTarget(p *plan.Plan, t plan.Target, i kube.Instance, memory *budget.Budget) (*probe.Target, error) {
	tc, err := tlsConfig(p, t.CA, t.Auth.Cert, t.Auth.Key, t.Skip)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Name, err)
	}
	cfg := probe.Config{
		Name: i.Name, Pprof: i.Pprof, Metrics: i.Metrics, Bearer: t.Auth.Bearer, Headers: t.Auth.Headers,
		TLS: tc, Timeout: time.Duration(t.Timeout), Memory: memory, Hide: p.Hidden,
	}
	if t.Auth.Basic != nil {
		cfg.User, cfg.Password = t.Auth.Basic.User, t.Auth.Basic.Password
	}
	if t.Kubernetes != nil {
		cfg.Pod, cfg.Group = &i.Pod, t.Name
	}
	if i.Tunnel != nil {
		cfg.Way, cfg.Headers = i.Tunnel, withHost(t.Auth.Headers, i.Host)
	}
	return probe.New(cfg)
}

// withHost are headers with a Host, unless there is one.
func withHost(headers map[string]string, host string) map[string]string {
	out := map[string]string{"Host": host}
	for k, v := range headers {
		if strings.EqualFold(k, "Host") {
			k = "Host"
		}
		out[k] = v
	}
	return out
}

// find asks Prometheus for the instances behind the plan's selectors. What cannot
// be found is in the list too, with the error.
func (s sources) find(ctx context.Context) (targets []gate.Source, failed []gate.Found) {
	for _, e := range s.entries {
		if e.pods != nil {
			found, err := s.pods.find(ctx, e.pods)
			if err != nil {
				failed = append(failed, gate.Found{Target: record.Target{Name: e.pods.set.Name()}, Err: err})
			}
			targets = append(targets, found...)
			continue
		}
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
