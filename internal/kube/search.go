package kube

import (
	"context"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// Candidates are the places of a pod at which pprof and metrics may be, the likely ones
// first.
type Candidates struct {
	Target Target
	Ports  []Port
	pod    corev1.Pod
	client *Client
}

// Port is a port of a pod, by name where it has one.
type Port struct {
	Name   string
	Number int32
}

// String is the port as a plan names it.
func (p Port) String() string {
	if p.Name != "" {
		return p.Name
	}
	return strconv.Itoa(int(p.Number))
}

// Candidates lists the ports of the first pod of a target that is ready.
func (c *Client) Candidates(ctx context.Context, t Target) (*Candidates, error) {
	all, _, err := c.list(ctx, t.Selection)
	if err != nil {
		return nil, err
	}
	pods, _, err := t.chosen(all)
	if err != nil {
		return nil, err
	}
	out := &Candidates{Target: t, pod: pods[0], client: c}
	add := func(p Port) {
		if !slices.ContainsFunc(out.Ports, func(o Port) bool { return o.Number == p.Number }) {
			out.Ports = append(out.Ports, p)
		}
	}
	declared := ports(&pods[0], t.Container)
	for _, name := range pprofPorts {
		for _, o := range declared {
			if o.Name == name {
				add(Port{o.Name, o.ContainerPort})
			}
		}
	}
	if i := slices.IndexFunc(declared, func(o corev1.ContainerPort) bool { return o.ContainerPort == DefaultPort }); i >= 0 {
		add(Port{declared[i].Name, DefaultPort})
	}
	add(Port{Number: DefaultPort})
	for _, o := range declared {
		if o.Protocol == "" || o.Protocol == corev1.ProtocolTCP {
			add(Port{o.Name, o.ContainerPort})
		}
	}
	return out, nil
}

// At is the pod as a target at one of its ports.
func (c *Candidates) At(port Port, path string) (Instance, error) {
	t := c.Target
	t.Port, t.Path = strconv.Itoa(int(port.Number)), path
	return c.client.instance(t, &c.pod, 1)
}
