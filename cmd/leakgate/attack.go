package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/gate/setup"
	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// attackOptions are the flags of attack.
type attackOptions struct {
	duration, ramp time.Duration
	round          int
	rate           string
	only           []int
	part           string
	start          string
}

func (a *app) attackCommand() *cobra.Command {
	var o attackOptions
	c := &cobra.Command{
		Use:   "attack PLAN",
		Short: "Send one round of a plan's load, and print the result as JSON",
		Long: `attack sends the requests and streams of a plan once, for as long as a round, and
prints the result as one line of JSON: counts, codes and errors of every request,
and its latencies as a histogram, so that the results of several machines can be added
up. It watches no target and judges nothing; of the plan it needs the load alone.

--part 2/8 sends one of eight equal parts, with its share of the rate and of the
connections; --start lets all parts begin at the same time. This is what the pods of
load.kubernetes run.

Exit codes: 0 sent, 2 usage error, 3 stopped early, with the result of what was sent
until then, 130 interrupted.`,
		Example: `  leakgate attack plan.yaml --duration 10s
  leakgate attack plan.yaml --part 2/8 --start 2026-05-04T12:00:00Z`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return a.attack(c.Context(), args[0], o) },
	}
	f := c.Flags()
	f.DurationVar(&o.duration, "duration", 0, "how long to send (default: load.round)")
	f.DurationVar(&o.ramp, "ramp", 0, "the rate rises over this time")
	f.IntVar(&o.round, "round", 1, "number of the round; 0: warm-up")
	f.StringVar(&o.rate, "rate", "", "rate of all parts together, such as 200/s, instead of load.rate")
	f.IntSliceVar(&o.only, "only", nil, "send only these lines of the results, counted from 0")
	f.StringVar(&o.part, "part", "1/1", "which part of the load: 2/8, or job/8 in a pod of an Indexed Job")
	f.StringVar(&o.start, "start", "", "wait until this time, such as 2026-05-04T12:00:00Z")
	return c
}

func (a *app) attack(ctx context.Context, file string, o attackOptions) error {
	p, done, err := a.loadPlan(ctx, file)
	if err != nil {
		return err
	}
	defer done()
	phase, start, err := o.phase(p, a.env)
	if err != nil {
		return usage(err)
	}
	driver, names, err := sender(p)
	if err != nil {
		return usage(err)
	}
	for _, line := range o.only {
		if line < 0 || line >= len(names) {
			return usage(fmt.Errorf("--only %d: the results have the lines 0 to %d", line, len(names)-1))
		}
	}
	if !a.waitFor(ctx, start) {
		return interrupted()
	}
	run := func(ph loadgen.Phase) record.Load { return driver.Run(ctx, ph) }
	result := loadgen.RunPart(run, len(names), phase, version(), a.now)
	result.Hide(p.Mask)
	line, err := result.Write()
	if err == nil {
		// Not through the mask: it would take digits of a secret for it. All texts are masked.
		_, err = unwrap(a.out).Write(line)
	}
	switch {
	case err != nil:
		return &exit{code: exitInconclusive, err: fmt.Errorf("writing the result: %w", err)}
	case ctx.Err() != nil:
		return &exit{code: exitInterrupted}
	case result.Load.Stopped != "":
		return &exit{code: exitInconclusive, err: errors.New(result.Load.Stopped)}
	}
	return nil
}

// loadPlan reads a plan, or a packed one, to send its load. done removes what was unpacked.
func (a *app) loadPlan(ctx context.Context, file string) (p *plan.Plan, done func(), err error) {
	done = func() {}
	p, err = interruptible(ctx, func() (*plan.Plan, error) {
		text, err := input.ReadFile(ctx, file, maxPlan)
		if err != nil {
			return nil, fmt.Errorf("reading plan: %w", err)
		}
		if !plan.IsBundle(text) {
			return plan.ParseLoad(file, text, a.env)
		}
		bundle, err := plan.DecodeBundle(text)
		if err != nil {
			return nil, err
		}
		dir, err := os.MkdirTemp("", "leakgate-plan-")
		if err != nil {
			return nil, err
		}
		done = func() { _ = os.RemoveAll(dir) } // with the pod at the latest
		return bundle.Unpack(dir)
	})
	if err != nil {
		done()
		return nil, nil, usageUnless(err)
	}
	a.hide(p)
	return p, done, nil
}

// sender makes the driver of a plan's load, if leakgate itself can send it.
func sender(p *plan.Plan) (loadgen.Driver, []string, error) {
	l := p.Load
	for _, other := range []struct {
		given bool
		key   string
		why   string
	}{
		{l.Exec != nil, "exec", "starts a command of its own: start that instead"},
		{l.None != nil, "none", "comes from elsewhere: there is nothing to send"},
		{l.Job != nil, "job", "is sent by a Job of the cluster: create that instead"},
		{l.TestRun != nil, "testrun", "is sent by the k6 operator: create the TestRun instead"},
	} {
		if other.given {
			return nil, nil, fmt.Errorf("%s: load.%s %s", p.File, other.key, other.why)
		}
	}
	return setup.NewSender(p, version())
}

// phase is what the flags ask for, and when it begins.
func (o attackOptions) phase(p *plan.Plan, env func(string) (string, bool)) (loadgen.Phase, time.Time, error) {
	phase := loadgen.Phase{
		Round: o.round, Duration: cmp.Or(o.duration, time.Duration(p.Load.Round)), Ramp: o.ramp,
	}
	if len(o.only) > 0 {
		phase.Only = o.only
	}
	var start time.Time
	var err error
	switch {
	case phase.Duration <= 0 || o.ramp < 0 || o.round < 0:
		return phase, start, errors.New("--duration, --ramp and --round: negative values have no meaning")
	case o.rate != "":
		var rate plan.Rate
		if err := rate.Set(o.rate); err != nil {
			return phase, start, fmt.Errorf("--rate: %w", err)
		}
		if phase.Rate = float64(rate); phase.Rate == 0 && p.Load.Rate > 0 {
			return phase, start, errors.New("--rate max: only the plan's load.rate can be max")
		}
	}
	if phase.Share, err = share(o.part, env); err != nil {
		return phase, start, err
	}
	if o.start != "" {
		if start, err = time.Parse(time.RFC3339Nano, o.start); err != nil {
			return phase, start, fmt.Errorf("--start: want a time such as 2026-05-04T12:00:00Z, not %q", o.start)
		}
	}
	return phase, start, nil
}

// jobIndex is the variable in which a pod of an Indexed Job finds its index.
const jobIndex = "JOB_COMPLETION_INDEX"

// share reads which part of the load to send: 2/8, or job/8.
func share(text string, env func(string) (string, bool)) (loadgen.Share, error) {
	number, of, ok := strings.Cut(text, "/")
	all, err := strconv.Atoi(of)
	if !ok || err != nil || all < 1 {
		return loadgen.Share{}, fmt.Errorf("--part: want a part such as 2/8, not %q", text)
	}
	if number == "job" {
		value, _ := env(jobIndex)
		index, err := strconv.Atoi(value)
		if err != nil || index < 0 || index >= all {
			return loadgen.Share{}, fmt.Errorf("--part %s: %s is %q, want 0 to %d, as in the pods of an Indexed Job", text,
				jobIndex, value, all-1)
		}
		return loadgen.Share{Index: index, Of: all}, nil
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > all {
		return loadgen.Share{}, fmt.Errorf("--part: want a part from 1/%d to %d/%d, not %q", all, all, all, text)
	}
	return loadgen.Share{Index: n - 1, Of: all}, nil
}

// waitFor waits until a time. It reports whether nothing interrupted it.
func (a *app) waitFor(ctx context.Context, start time.Time) bool {
	wait := start.Sub(a.now())
	if start.IsZero() || wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
