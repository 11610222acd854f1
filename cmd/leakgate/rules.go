package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/internal/rules"
)

func (a *app) rulesCommand() *cobra.Command {
	var dir, selector, service string
	c := &cobra.Command{
		Use:   "rules PLAN",
		Short: "Write Prometheus rules and a Grafana dashboard with the plan's thresholds",
		Long: `rules hands a plan's thresholds on to production. It writes

  leakgate.rules.yaml       recording and alert rules: slope, projection, one instance
                            far from the others, the budget of leak-suspected operation
  leakgate.rules_test.yaml  unit tests of them, for promtool test rules
  leakgate.dashboard.json   a Grafana dashboard over what they record

The rate that leaks is taken from production.rate and policy.detect; without them,
from load.rate and one goroutine in 1,000 requests.

Exit codes: 0 written, 2 usage error.`,
		Example: `  leakgate rules plan.yaml
  leakgate rules plan.yaml --selector '{job="checkout", namespace="production"}' --dir deploy/monitoring
  promtool check rules leakgate-rules/leakgate.rules.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := plan.ReadThresholds(args[0], a.env)
			if err != nil {
				return usage(err)
			}
			cfg, err := rules.FromPlan(p, service, selector)
			if err != nil {
				return usage(err)
			}
			return a.writeRules(cfg, dir)
		},
	}
	c.Flags().StringVar(&dir, "dir", "leakgate-rules", "folder to write to")
	c.Flags().StringVar(&selector, "selector", "", `the service's series in production, as {job="checkout"} (default: a target's selector, or a job of the plan's name)`)
	c.Flags().StringVar(&service, "service", "", "value of the label service (default: the plan's name)")
	return c
}

func (a *app) writeRules(cfg rules.Config, dir string) error {
	const file = "leakgate.rules.yaml"
	text, err1 := cfg.Rules()
	dashboard, err2 := cfg.Dashboard()
	if err := errors.Join(err1, err2); err != nil {
		return usage(err)
	}
	type written struct {
		name string
		text []byte
	}
	files := []written{{file, text}, {"leakgate.dashboard.json", dashboard}}
	const testsFile = "leakgate.rules_test.yaml"
	if cfg.Testable() {
		tests, err := cfg.Tests(file)
		if err != nil {
			return usage(err)
		}
		files = append(files, written{testsFile, tests})
	} else if err := os.Remove(filepath.Join(dir, testsFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usage(err) // those of another selector would test nothing
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return usage(err)
	}
	for _, f := range files {
		name := filepath.Join(dir, f.name)
		if err := os.WriteFile(name, f.text, 0o644); err != nil { // for others to read
			return usage(err)
		}
		a.linef(a.out, "%s\n", name)
	}
	if !cfg.Testable() {
		a.linef(a.out, "no unit tests: no series can be made up for %s, which has other matchers than label=\"value\"\n", cfg.Selector)
	}
	a.linef(a.out, "%s: suspect from %g goroutines a second and instance, %s\n", cfg.Service, cfg.Slope, cfg.Selector)
	return nil
}
