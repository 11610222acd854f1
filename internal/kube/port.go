package kube

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// pprofPorts are the names that a port for net/http/pprof commonly has, in order.
var pprofPorts = []string{"pprof", "debug", "http-debug"}

// DefaultPort is where net/http/pprof is looked for if no port of the pod has one of its
// names: the port of the package's own example.
const DefaultPort = 6060

// portOf resolves a port of a pod: a number, the name of a port of one of its containers, or
// where nothing is given, the one with a usual name.
func portOf(p *corev1.Pod, of, given string) (int32, error) {
	if n, err := strconv.ParseInt(given, 10, 32); err == nil {
		return int32(n), nil
	}
	names := []string{given}
	if given == "" {
		names = pprofPorts
	}
	ports := ports(p, of)
	for _, name := range names {
		if i := slices.IndexFunc(ports, func(o corev1.ContainerPort) bool { return o.Name == name }); i >= 0 {
			return ports[i].ContainerPort, nil
		}
	}
	if given == "" {
		return DefaultPort, nil
	}
	var known []string
	for _, o := range ports {
		if o.Name != "" {
			known = append(known, fmt.Sprintf("%s (%d)", o.Name, o.ContainerPort))
		}
	}
	if len(known) == 0 {
		known = []string{"no port with a name"}
	}
	return 0, fmt.Errorf("pod %s has no port named %q; it has %s", p.Name, given, strings.Join(known, ", "))
}

// ports are those that a pod's containers declare, or one of them does.
func ports(p *corev1.Pod, of string) (out []corev1.ContainerPort) {
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		if of == "" || c.Name == of {
			out = append(out, c.Ports...)
		}
	}
	return out
}
