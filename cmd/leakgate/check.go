package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/gate/setup"
	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/probe"
)

func (a *app) checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check PLAN",
		Short: "Reach every target and send one request each; no load",
		Long: `check decodes a plan, reaches every target, says what each one is and what it
lacks, and sends every request of the load once. Of targets in a Kubernetes cluster,
it first asks which rights are missing, and prints the Role and RoleBinding that
grant them, as YAML that kubectl apply takes.

Exit codes: 0 ready to run, 2 usage error, 3 a target or a request did not answer as it should.`,
		Example: `  leakgate check plan.yaml`,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			p, err := a.plan(c.Context(), args[0])
			if err != nil {
				return err
			}
			return a.check(c.Context(), p)
		},
	}
}

func (a *app) check(ctx context.Context, p *plan.Plan) error {
	if err := a.rights(ctx, p); err != nil {
		return err
	}
	found, err := setup.Look(ctx, p, version())
	if err != nil {
		return usage(err)
	}
	answers, err := setup.TryLoad(ctx, p, version())
	if err != nil {
		return usage(err)
	}
	ready := true
	for _, f := range found {
		ready = a.describe(f) && ready
	}
	for i, r := range answers {
		if i == maxListed {
			a.linef(a.out, "… and %d more requests\n", len(answers)-maxListed)
		}
		mark := "ok  "
		if r.Failed {
			mark, ready = "FAIL", false
		}
		if i < maxListed {
			a.linef(a.out, "%s %s\n       %s\n", mark, r.Name, r.Answer)
		}
	}
	if !ready {
		return &exit{code: exitInconclusive, err: errors.New("not ready: see above"), hint: "fix what is marked FAIL, then run again"}
	}
	a.linef(a.out, "ready: leakgate run %s takes about %s at least\n", p.File, leastTime(p))
	return nil
}

// rights says which rights are missing in the clusters of a plan. All that it prints then is
// YAML: what is said is a comment.
func (a *app) rights(ctx context.Context, p *plan.Plan) error {
	all, err := setup.Rights(ctx, p, version())
	var api *kube.Error
	switch {
	case errors.As(err, &api):
		return &exit{code: exitInconclusive, err: err, hint: api.Hint}
	case err != nil:
		return usage(err)
	}
	missing := false
	for _, c := range all {
		if len(c.Missing) == 0 {
			continue
		}
		missing = true
		for _, r := range c.Missing {
			a.linef(a.out, "# FAIL %s may not %s\n", c.Who, r)
		}
		where := ""
		if c.Context != "" {
			where = " --context " + c.Context
		}
		a.linef(a.out, "# This grants all that the plan needs: leakgate check %s | kubectl%s apply -f -\n", p.File, where)
		for line := range strings.Lines(kube.Roles(p.Name, c.Needed, c.Who)) {
			a.linef(a.out, "%s\n", strings.TrimSuffix(line, "\n"))
		}
	}
	if missing {
		return &exit{code: exitInconclusive, err: errors.New("not ready: rights are missing"),
			hint: "have someone who may apply the Role and RoleBinding above, then run again"}
	}
	return nil
}

const maxListed = 50

// leastTime is the load of the fewest rounds and a settling time for each.
func leastTime(p *plan.Plan) time.Duration {
	rounds := time.Duration(p.Load.Rounds.Min)
	settle := time.Duration(p.Settle.Quiet) + 2*time.Second
	return (time.Duration(p.Load.Warmup) + settle + rounds*(time.Duration(p.Load.Round)+settle)).Round(time.Second)
}

// describe says what a target is. It reports whether the gate can watch it.
func (a *app) describe(f gate.Found) bool {
	if f.Err != nil {
		a.linef(a.out, "FAIL %s\n       %v\n", f.Target.Name, f.Err)
		var e *probe.Error
		if errors.As(f.Err, &e) && e.Hint != "" {
			a.linef(a.out, "       hint: %s\n", e.Hint)
		}
		return false
	}
	t := f.Target
	a.linef(a.out, "ok   %s: %d goroutines, %s\n", t.Name, f.Goroutines, or(t.GoVersion, "Go version unknown"))
	if t.Identity.Start > 0 {
		started := time.Unix(int64(t.Identity.Start), 0).UTC()
		a.linef(a.out, "       started %s\n", started.Format("2006-01-02 15:04:05 MST"))
	}
	if t.Build != "" || t.Binary != "" {
		a.linef(a.out, "       %s %s\n", or(t.BuildName(), "build unknown"), t.Binary)
	}
	if t.Pod != nil {
		a.linef(a.out, "       image %s\n", t.Pod.Build())
	}
	a.linef(a.out, "       profiles: %s\n", strings.Join(t.Profiles, ", "))
	for _, l := range lacks(f) {
		a.linef(a.out, "       lacks %s\n", l)
	}
	return true
}

func lacks(f gate.Found) []string {
	var out []string
	t := f.Target
	if t.Metrics == "" {
		out = append(out, "metrics in the plan: the count is taken from the profile, the start time is not known")
	} else if t.Identity.Start == 0 {
		out = append(out, "process_start_time_seconds: a restart is told from memory counters alone")
	}
	if !slices.Contains(t.Profiles, "heap") {
		out = append(out, "a heap profile: no collection can be forced, and objects whose goroutine ends by finalizer may look like a leak")
	}
	if t.Identity.Start == 0 && t.Identity.TotalAlloc == 0 {
		out = append(out, "anything that would show a restart")
	}
	return out
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
