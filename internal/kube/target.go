package kube

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leakgate/leakgate/record"
)

// Target is a plan's target that stands for pods.
type Target struct {
	Selection
	Name        string // in the plan
	Scheme      string // http or https
	Port        string // of net/http/pprof: a number, or a name; empty: by its usual names
	Path        string // up to and including /debug/pprof
	Metrics     string // path of Prometheus metrics; empty: none
	MetricsPort string // empty: Port
	Container   string // empty: the one that has the port
}

// Instance is one pod of a target, and how it is reached.
type Instance struct {
	Name    string // of the pod
	Pprof   string // address
	Metrics string // address; empty: none
	Host    string // header that a server on the pod's loopback expects; empty: that of the address
	Tunnel  *Tunnel
	Pod     record.Pod
}

// MixedError is pods of several revisions: a rollout is under way.
type MixedError struct {
	Of        string
	Revisions int
}

func (e *MixedError) Error() string {
	return fmt.Sprintf("a rollout of %s is under way: its pods are of %d revisions", e.Of, e.Revisions)
}

// NoneError is a selection of which no pod is ready.
type NoneError struct {
	Of   string
	Why  []string // of each pod that is not ready
	Hint string
}

func (e *NoneError) Error() string {
	if len(e.Why) == 0 {
		return "no pod belongs to " + e.Of
	}
	return fmt.Sprintf("no pod of %s is ready: %s", e.Of, strings.Join(e.Why, "; "))
}

// chosen are the pods of a list that are watched, and why the others are not.
func (t Target) chosen(pods []corev1.Pod) (out []corev1.Pod, why []string, err error) {
	revisions := map[string]map[string]bool{} // by owner
	for _, p := range pods {
		if ended(&p) {
			continue // remains of pods that ended earlier
		}
		if p.DeletionTimestamp == nil { // one that is not ready counts: a rollout may be stuck
			kind, name := owner(&p)
			of := string(kind) + "/" + name
			if revisions[of] == nil {
				revisions[of] = map[string]bool{}
			}
			revisions[of][revision(&p)] = true
		}
		if !ready(&p) {
			why = append(why, p.Name+" "+whyNotReady(&p))
			continue
		}
		out = append(out, p)
	}
	most := 0
	for _, of := range revisions {
		most = max(most, len(of))
	}
	of := t.String() + " in " + t.Namespace
	switch {
	case len(out) == 0:
		return nil, why, &NoneError{Of: of, Why: why, Hint: "kubectl -n " + t.Namespace + " get pods shows them; " +
			"check the name, targets[].namespace and targets[].context"}
	case most > 1:
		return nil, why, &MixedError{Of: of, Revisions: most}
	}
	return out, why, nil
}

// instance says how a pod is reached.
func (c *Client) instance(t Target, p *corev1.Pod, replicas int) (Instance, error) {
	port, err := portOf(p, t.Container, t.Port)
	if err != nil {
		return Instance{}, err
	}
	of, err := container(p, t.Container, port)
	if err != nil {
		return Instance{}, err
	}
	metricsPort := port
	if t.MetricsPort != "" {
		if metricsPort, err = portOf(p, t.Container, t.MetricsPort); err != nil {
			return Instance{}, err
		}
	}
	if p.Status.PodIP == "" {
		return Instance{}, errors.New("pod " + p.Name + " has no address yet")
	}
	i := Instance{Name: p.Name, Pod: describe(p, of, replicas)}
	i.Pprof = t.address(p, port, t.Path)
	if t.Metrics != "" {
		i.Metrics = t.address(p, metricsPort, t.Metrics)
	}
	if !c.inside {
		i.Tunnel = c.NewTunnel(p.Namespace, p.Name)
		i.Pod.Forwarded = true
		i.Host = net.JoinHostPort("localhost", strconv.Itoa(int(port)))
	}
	return i, nil
}

// address is where a pod serves a page, by its own address: in a cluster it is dialled; from
// outside, what dials replaces it.
func (t Target) address(p *corev1.Pod, port int32, path string) string {
	host := net.JoinHostPort(p.Status.PodIP, strconv.Itoa(int(port)))
	u := url.URL{Scheme: cmp.Or(t.Scheme, "http"), Host: host, Path: path}
	return u.String()
}

// find lists the pods of a target, and says how those that are ready are reached.
func (s *Set) find(ctx context.Context) (map[types.UID]corev1.Pod, []Instance, []string, error) {
	all, version, err := s.client.list(ctx, s.target.Selection)
	if err != nil {
		return nil, nil, nil, err
	}
	pods, why, err := s.target.chosen(all)
	if err != nil {
		return nil, nil, nil, err
	}
	members := map[types.UID]corev1.Pod{}
	var out []Instance
	for i := range pods {
		one, err := s.client.instance(s.target, &pods[i], len(pods))
		if err != nil {
			return nil, nil, nil, err
		}
		members[pods[i].UID] = pods[i]
		out = append(out, one)
	}
	s.mu.Lock()
	s.version = version
	s.mu.Unlock()
	return members, out, why, nil
}
