package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/probe"
)

// starterPlan is the plan that init writes: base address, name, pprof address,
// metrics line.
const starterPlan = `# A plan for leakgate. All keys: docs/plan.md. Try it with: leakgate check %[5]s
version: 1
name: %[2]s

# Every process to watch, one entry per replica (not a load balancer's address).
targets:
  - name: %[2]s-0
    pprof: %[3]s
%[4]s    # auth: {bearer: "${STAGING_TOKEN}"}

# The load, in rounds that are all alike.
load:
  rate: 100/s          # or: max
  # connections: 50    # most requests in flight at once
  # warmup: 10s        # before anything is compared
  # round: 20s
  # rounds: {min: 2, max: 6}
  # success: 0.99      # floor on the share of requests that succeed
  # abandon: 5%%        # share of the requests whose client hangs up early
  requests:
    - GET %[1]s/
    # - method: POST
    #   url: %[1]s/orders
    #   header: {Content-Type: application/json}
    #   body: '{"sku": 1}'
    #   weight: 3

# settle: {timeout: 60s, quiet: 2s, confirm: 150s}

# policy:
#   goroutines: {tolerance: 10, percent: 2}
#   detect: 1/1000     # the smallest leak, per request, that the run must be able to see
#   ignore:
#     - function: ^example\.com/pool\.\(\*Pool\)\.worker$
#       reason: sized by config
`

func (a *app) initCommand() *cobra.Command {
	var output string
	var force bool
	var in cluster
	c := &cobra.Command{
		Use:   "init [BASE_URL]",
		Short: "Write a commented starter plan",
		Long: `init writes a plan to start from. With the address of a running service, it
looks for pprof and metrics there and on the same host's usual ports. With a workload of
a Kubernetes cluster, it looks at the ports of its pods, and for the Service or Ingress in
front of them.`,
		Example: `  leakgate init
  leakgate init http://127.0.0.1:8080 -o staging.yaml
  leakgate init --kubernetes deployment/checkout --namespace shop`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if in.workload != "" {
				text, err := a.clusterPlan(c.Context(), in, args, output)
				if err != nil {
					return err
				}
				return a.savePlan(output, force, text)
			}
			base := "http://127.0.0.1:8080"
			found := finding{pprof: "http://127.0.0.1:6060/debug/pprof"}
			if len(args) == 1 {
				u, err := url.Parse(args[0])
				if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
					return usage(fmt.Errorf("%q is not an http address", args[0]))
				}
				base = strings.TrimRight(args[0], "/")
				found = find(c.Context(), u)
			}
			return a.writePlan(output, force, base, found)
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "plan.yaml", "file to write; - for standard output")
	c.Flags().BoolVar(&force, "force", false, "replace the file if it is there")
	in.flags(c)
	return c
}

func (a *app) writePlan(output string, force bool, base string, found finding) error {
	name := "service"
	if u, err := url.Parse(base); err == nil && u.Hostname() != "" && net.ParseIP(u.Hostname()) == nil {
		name = strings.SplitN(u.Hostname(), ".", 2)[0]
	}
	metrics := "    # metrics: http://127.0.0.1:6060/metrics   # cheap counts, start time, memory\n"
	if found.metrics != "" {
		metrics = "    metrics: " + found.metrics + "\n"
	}
	pprof := found.pprof
	if pprof == "" {
		pprof = base + "/debug/pprof   # not found: say where the service serves net/http/pprof"
	}
	text := fmt.Sprintf(starterPlan, base, name, pprof, metrics, output)
	if err := a.savePlan(output, force, text); err != nil {
		return err
	}
	if found.pprof == "" && output != "-" {
		a.linef(a.out, "pprof was not found at %s; set targets[0].pprof\n", base)
	}
	return nil
}

// savePlan writes a plan to a file that is not there yet, or to standard output.
func (a *app) savePlan(output string, force bool, text string) error {
	if output == "-" {
		_, err := fmt.Fprint(a.out, text)
		return err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(output, flags, 0o644)
	if errors.Is(err, os.ErrExist) {
		return &exit{code: exitUsage, err: fmt.Errorf("%s is there already", output), hint: "name another with -o, or replace it with --force"}
	}
	if err != nil {
		return usage(err)
	}
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Close()); err != nil {
		return usage(err)
	}
	a.linef(a.out, "wrote %s\n", output)
	return nil
}

// finding is where pprof and metrics are.
type finding struct{ pprof, metrics string }

// adminPorts are where Go services usually serve pprof and metrics, apart from
// the port of their customers.
var adminPorts = []string{"6060", "6061", "8081", "8082", "9090", "9091", "2112", "8888"}

// find looks for pprof and metrics at an address and on the host's other ports.
func find(ctx context.Context, base *url.URL) finding {
	var out finding
	hosts := []string{base.Host}
	for _, p := range adminPorts {
		if p != base.Port() {
			hosts = append(hosts, net.JoinHostPort(base.Hostname(), p))
		}
	}
	for _, h := range hosts {
		root := &url.URL{Scheme: base.Scheme, Host: h}
		if out.pprof == "" {
			if at := root.JoinPath("debug/pprof").String(); probe.ServesPprof(ctx, at, nil) {
				out.pprof = at
			}
		}
		if out.metrics == "" {
			if at := root.JoinPath("metrics").String(); probe.ServesMetrics(ctx, at, nil) {
				out.metrics = at
			}
		}
	}
	return out
}
