package setup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"strings"
	"sync"

	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// clusters are the clusters of a plan, by their context.
type clusters struct {
	tool string
	by   map[string]*kube.Client
}

// client is the client for a context. It sends nothing.
func (c *clusters) client(context string) (*kube.Client, error) {
	if known := c.by[context]; known != nil {
		return known, nil
	}
	made, err := kube.New(kube.Config{Context: context, UserAgent: "leakgate/" + c.tool})
	if err != nil {
		return nil, err
	}
	if c.by == nil {
		c.by = map[string]*kube.Client{}
	}
	c.by[context] = made
	return made, nil
}

// podSet is one target of the plan that stands for pods.
type podSet struct {
	set  *kube.Set
	make func(kube.Instance) (*probe.Target, error)
}

// pods are all targets of a plan that are pods.
type pods struct {
	sets []*podSet

	mu     sync.Mutex
	frozen bool
	known  map[string]*kube.Tunnel // by target; nil where it is reached by its address
	taken  map[string]bool         // names of targets, as file names
	at     map[string]bool         // which pod, and where it is read
	notes  []record.Note
}

var _ gate.Pods = (*pods)(nil)

// add adds a target of the plan. It sends nothing.
func (p *pods) add(c *kube.Client, t plan.Target, make func(kube.Instance) (*probe.Target, error)) (*podSet, error) {
	of, err := t.KubernetesTarget()
	if err != nil {
		return nil, err
	}
	of.Namespace = c.Namespace(of.Namespace)
	s := &podSet{set: c.NewSet(of), make: make}
	p.sets = append(p.sets, s)
	return s, nil
}

// find finds the pods of a set.
func (p *pods) find(ctx context.Context, s *podSet) ([]gate.Source, error) {
	all, why, err := s.set.Find(ctx)
	if err != nil {
		return nil, unfound(s.set, err)
	}
	if len(why) > 0 {
		p.mu.Lock()
		p.notes = append(p.notes, record.Note{Target: s.set.Name(), Code: "pods-not-ready",
			Message: fmt.Sprintf("%d of %d pods are not watched: %s", len(why), len(why)+len(all),
				strings.Join(why, "; "))})
		p.mu.Unlock()
	}
	return p.sources(s, all)
}

// sources makes a source of each pod.
func (p *pods) sources(s *podSet, all []kube.Instance) (out []gate.Source, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, i := range all {
		name, err := p.name(s, i)
		if err != nil {
			return nil, err
		}
		if name != i.Name {
			s.set.Call(i, name)
			i.Name = name
		}
		t, err := s.make(i)
		if err != nil {
			return nil, err
		}
		p.known[name] = i.Tunnel
		p.at[i.Pod.UID+" "+i.Pprof] = true
		out = append(out, t)
	}
	return out, nil
}

// name is the name of a pod's target: the pod's, or where that is taken, as by a pod of another
// namespace, with as much more as tells it apart. Under p.mu.
func (p *pods) name(s *podSet, i kube.Instance) (string, error) {
	if p.at[i.Pod.UID+" "+i.Pprof] {
		return "", &probe.Error{Target: i.Name, Asked: "pods of " + s.set.Name(),
			Got:  "a pod that another target of the plan stands for, too",
			Hint: "name each pod by one target only"}
	}
	port := ""
	if u, err := url.Parse(i.Pprof); err == nil {
		port = ":" + u.Port()
	}
	qualified := i.Pod.Namespace + "/" + i.Name
	for _, name := range []string{i.Name, qualified, qualified + port, qualified + port + " of " + s.set.Name()} {
		if _, taken := p.known[name]; !taken && !p.taken[record.FileName(name)] {
			p.taken[record.FileName(name)] = true
			return name, nil
		}
	}
	return "", &probe.Error{Target: i.Name, Asked: "pods of " + s.set.Name(), Got: "a name that another target has",
		Hint: "give the other target another name"}
}

// unfound says why the pods of a set could not be found.
func unfound(s *kube.Set, err error) error {
	e := &probe.Error{Target: s.Name(), Asked: "pods of " + s.Target().String(), Got: err.Error(), Err: err}
	var api *kube.Error
	var mixed *kube.MixedError
	var none *kube.NoneError
	switch {
	case errors.As(err, &api):
		e.Got, e.Hint = api.Error(), api.Hint
	case errors.As(err, &mixed):
		e.Code, e.Hint = verdict.CodePodReplaced, "wait for it: kubectl -n "+s.Target().Namespace+" rollout status "+
			s.Target().String()
	case errors.As(err, &none):
		e.Hint = none.Hint
	}
	return e
}

// Follow tells what happens to all pods.
func (p *pods) Follow(ctx context.Context, tell func(record.Change)) {
	var group sync.WaitGroup
	for _, s := range p.sets {
		group.Go(func() { s.set.Follow(ctx, tell) })
	}
	group.Wait()
}

// Freeze freezes all sets.
func (p *pods) Freeze(ctx context.Context) (added []gate.Source, left []record.Left, err error) {
	for _, s := range p.sets {
		more, gone, err := s.set.Freeze(ctx)
		if err != nil {
			return nil, nil, unfound(s.set, err)
		}
		for _, name := range gone {
			p.forget(name)
			left = append(left, record.Left{Target: name, Why: "the pod was gone before the baseline"})
		}
		sources, err := p.sources(s, more)
		if err != nil {
			return nil, nil, err
		}
		added = append(added, sources...)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = true
	return added, left, nil
}

func (p *pods) forget(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if t := p.known[name]; t != nil {
		t.Close()
	}
	delete(p.known, name)
	delete(p.taken, record.FileName(name))
}

// Frozen reports whether Freeze was called.
func (p *pods) Frozen() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.frozen
}

// Has reports whether a target is a pod.
func (p *pods) Has(target string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.known[target]
	return ok
}

// Look has a last look at all pods.
func (p *pods) Look(ctx context.Context, lost bool) []record.Change {
	all := make([][]record.Change, len(p.sets))
	var group sync.WaitGroup
	for i, s := range p.sets {
		group.Go(func() { all[i] = s.set.Look(ctx, lost) })
	}
	group.Wait()
	var out []record.Change
	for _, some := range all {
		out = append(out, some...)
	}
	return out
}

// Notes are which pods are not watched, and how often port-forwards broke.
func (p *pods) Notes() []record.Note {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.notes
	p.notes = nil
	broken := 0
	for _, t := range maps.All(p.known) {
		if t != nil {
			broken += t.Broken()
		}
	}
	if broken > 0 {
		out = append(out, record.Note{Code: "forward-broken", Message: fmt.Sprintf("port-forwards to the pods broke %d "+
			"times and were opened again; what was asked for meanwhile was asked again", broken)})
	}
	return out
}

// Close closes the port-forwards.
func (p *pods) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.known {
		if t != nil {
			t.Close()
		}
	}
}
