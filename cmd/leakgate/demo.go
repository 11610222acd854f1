package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/examples/shop"
	"github.com/leakgate/leakgate/internal/child"
	"github.com/leakgate/leakgate/internal/plan"
)

// demoPlan is short rather than sensitive: the leak of the demo is not rare.
const demoPlan = `version: 1
name: shop
targets:
  - name: shop
    pprof: %[2]s/debug/pprof
    metrics: %[2]s/metrics
load:
  rate: 200/s
  warmup: 3s
  round: 4s
  rounds: {min: 2, max: 4}
  requests:
    - GET %[1]s/products/mug
    - GET %[1]s/price/mug
    - GET %[1]s/events
    - method: POST
      url: %[1]s/orders
      header: {Content-Type: application/json}
      body: '{"sku": "mug"}'
settle: {timeout: 10s, quiet: 1s, confirm: 5s}
`

func (a *app) demoCommand() *cobra.Command {
	var healthy bool
	var o runOptions
	c := &cobra.Command{
		Use:   "demo",
		Short: "Run the gate on a bundled service that leaks, or on its healthy twin",
		Long: `demo starts the bundled sample shop as a process of its own on loopback, runs
the gate on it, and shows what a fail looks like, or with --healthy a pass. It
needs nothing set up and takes less than 40 seconds.

Exit codes are those of run: 1 for the leaking shop, 0 for the healthy one.`,
		Example: `  leakgate demo
  leakgate demo --healthy --dir /tmp/healthy`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			leak := shop.LeakSend
			if healthy {
				leak = ""
			}
			addresses, stop, err := a.startService(c.Context(), leak)
			if err != nil {
				return &exit{code: exitInconclusive, err: fmt.Errorf("starting the sample service: %w", err)}
			}
			defer stop()
			text := fmt.Appendf(nil, demoPlan, addresses.Shop, addresses.Admin)
			p, err := plan.Parse("demo.yaml", text, a.env)
			if err != nil {
				return usage(err)
			}
			if o.dir == "" {
				o.dir = "leakgate-demo/leaking"
				if healthy {
					o.dir = "leakgate-demo/healthy"
				}
			}
			return a.gate(c.Context(), p, o)
		},
	}
	c.Flags().BoolVar(&healthy, "healthy", false, "run the gate on the twin without a leak")
	o.flags(c)
	return c
}

// addresses is what the sample service says on its first line.
type addresses struct {
	Shop  string `json:"shop"`
	Admin string `json:"admin"`
}

// startService starts this program again as the sample service.
func (a *app) startService(ctx context.Context, leak string) (addresses, func(), error) {
	var at addresses
	self, err := os.Executable()
	if err != nil {
		return at, nil, err
	}
	cmd := exec.CommandContext(ctx, self, "demo-service", "--leak", leak)
	cmd.Stderr = a.errOut
	line, stop, err := child.Start(cmd)
	if err != nil {
		return at, nil, err
	}
	if err := json.Unmarshal([]byte(line), &at); err != nil {
		stop()
		return at, nil, fmt.Errorf("it said %q instead of its addresses", line)
	}
	return at, stop, nil
}

func (a *app) serviceCommand() *cobra.Command {
	var leak, addr, admin string
	c := &cobra.Command{
		Use:    "demo-service",
		Short:  "Serve the sample shop until standard input ends",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var leaks []string
			if leak != "" {
				leaks = []string{leak}
			}
			s, err := shop.Start(shop.Config{Addr: addr, Admin: admin, Leaks: leaks})
			if err != nil {
				return usage(err)
			}
			defer s.Close()
			if err := json.NewEncoder(a.out).Encode(addresses{Shop: s.URL, Admin: s.Admin}); err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, a.in)
			return err
		},
	}
	c.Flags().StringVar(&leak, "leak", "", "leak to switch on")
	c.Flags().StringVar(&addr, "addr", "", "address of the shop; a free port if empty")
	c.Flags().StringVar(&admin, "admin", "", "address of pprof and metrics; a free port if empty")
	return c
}
