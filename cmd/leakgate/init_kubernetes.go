package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/probe"
)

// cluster are the flags of init that name a workload.
type cluster struct{ workload, namespace, context, container string }

func (o *cluster) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.workload, "kubernetes", "", "workload of a cluster to watch, such as deployment/checkout")
	c.Flags().StringVarP(&o.namespace, "namespace", "n", "", "its namespace (default: that of the context)")
	c.Flags().StringVar(&o.context, "context", "", "context of the kubeconfig (default: the current one)")
	c.Flags().StringVar(&o.container, "container", "", "container of the pods (default: the one that has the port)")
}

// clusterText is the plan that init writes for a workload.
const clusterText = `# A plan for leakgate. All keys: docs/plan.md. Try it with: leakgate check %[1]s
version: 1
name: %[2]s

# Every pod that is ready is watched.
targets:
  - kubernetes: %[3]s
    namespace: %[4]s
%[5]s
# The load, in rounds that are all alike. It never goes through a port-forward.
load:
  rate: 100/s          # or: max; of all pods together
  # round: 20s
  # rounds: {min: 2, max: 6}
  # kubernetes: {pods: 4, image: registry.example/leakgate:1.0}   # from pods of the cluster
  requests:
%[6]s`

// pprofPaths are where services serve net/http/pprof, in order.
var pprofPaths = []string{"/debug/pprof", "/pprof", "/internal/debug/pprof"}

// clusterPlan looks at a workload, and writes a plan for it.
func (a *app) clusterPlan(ctx context.Context, o cluster, args []string, output string) (string, error) {
	kind, name, err := kube.ParseRef(o.workload)
	if err != nil {
		return "", &exit{code: exitUsage, err: err, hint: "write deployment/NAME, statefulset/NAME, daemonset/NAME or pod/NAME"}
	}
	c, err := kube.New(kube.Config{Context: o.context, UserAgent: "leakgate/" + version()})
	if err != nil {
		return "", usage(err)
	}
	t := kube.Target{Selection: kube.Selection{Namespace: c.Namespace(o.namespace), Kind: kind, Name: name},
		Name: o.workload, Container: o.container}
	found, err := c.Candidates(ctx, t)
	if err != nil {
		return "", a.clusterError(err)
	}
	keys := clusterKeys(ctx, o, found)
	if output == "-" {
		output = "plan.yaml"
	}
	return fmt.Sprintf(clusterText, output, name, o.workload, t.Namespace, keys, a.loadText(ctx, c, t, args)), nil
}

// clusterError is why a workload could not be looked at.
func (a *app) clusterError(err error) error {
	var api *kube.Error
	var none *kube.NoneError
	switch {
	case errors.As(err, &api):
		return &exit{code: exitInconclusive, err: err, hint: api.Hint}
	case errors.As(err, &none):
		return &exit{code: exitInconclusive, err: err, hint: none.Hint}
	}
	return &exit{code: exitInconclusive, err: err}
}

// clusterKeys are the keys of a target that say where pprof and metrics are, by trying.
func clusterKeys(ctx context.Context, o cluster, found *kube.Candidates) string {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "    %s: %s\n", key, value)
		}
	}
	line("context", o.context)
	line("container", o.container)
	port, path, ok := where(found, pprofPaths, func(at kube.Instance, address string) bool {
		return probe.ServesPprof(ctx, address, wayTo(at))
	})
	switch {
	case !ok:
		b.WriteString("    # pprof was not found; say where the pods serve net/http/pprof\n    port: 6060\n")
	default:
		line("port", port.String())
		if path != pprofPaths[0] {
			line("path", path)
		}
	}
	metrics, _, served := where(found, []string{"/metrics"}, func(at kube.Instance, address string) bool {
		return probe.ServesMetrics(ctx, address, wayTo(at))
	})
	switch {
	case !served:
		b.WriteString("    # metrics: /metrics   # cheap counts, start time, memory\n")
	case metrics == port:
		line("metrics", "/metrics")
	default:
		line("metrics", fmt.Sprintf("{path: /metrics, port: %s}", metrics))
	}
	return b.String()
}

// where finds the first port and path of a pod at which something is served.
func where(found *kube.Candidates, paths []string, serves func(kube.Instance, string) bool) (kube.Port, string, bool) {
	for _, port := range found.Ports {
		for _, path := range paths {
			at, err := found.At(port, path)
			if err != nil {
				continue
			}
			ok := serves(at, at.Pprof)
			if at.Tunnel != nil {
				at.Tunnel.Close()
			}
			if ok {
				return port, path, true
			}
		}
	}
	return kube.Port{}, "", false
}

// wayTo is how an instance is reached; nil by its address.
func wayTo(at kube.Instance) probe.Way {
	if at.Tunnel == nil {
		return nil
	}
	return at.Tunnel
}

// loadText proposes where the load goes: to the address that was given, or to the Ingress or
// Service in front of the pods.
func (a *app) loadText(ctx context.Context, c *kube.Client, t kube.Target, args []string) string {
	if len(args) == 1 {
		if u, err := url.Parse(args[0]); err == nil && u.Host != "" {
			return "    - GET " + strings.TrimRight(args[0], "/") + "/\n"
		}
	}
	fronts, err := c.Fronts(ctx, t.Selection)
	var b strings.Builder
	switch {
	case err != nil:
		fmt.Fprintf(&b, "    # what is in front of the pods is not known: %v\n", err)
	case len(fronts) == 0:
		b.WriteString("    # no Service selects the pods, and no Ingress\n")
	}
	if len(fronts) == 0 {
		return b.String() + "    - GET http://127.0.0.1:8080/   # the address of the service\n"
	}
	for i, f := range fronts {
		note := f.Of
		if f.Inside {
			note += ", from inside of the cluster: run leakgate there, or load from pods (load.kubernetes)"
		}
		mark := "# - GET"
		if i == 0 {
			mark = "- GET"
		}
		fmt.Fprintf(&b, "    %s %s/   # %s\n", mark, f.URL, note)
	}
	return b.String()
}
