package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/gate/setup"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/internal/report"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// runOptions are the flags of run, shared with demo.
type runOptions struct {
	dir     string
	quiet   bool
	verbose bool
	source  sourceOptions
	github  githubOptions
}

func (o *runOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.dir, "dir", "", "run directory (default: report.dir of the plan)")
	c.Flags().BoolVarP(&o.quiet, "quiet", "q", false, "print the headline only")
	c.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "print every check and the whole stacks")
	c.MarkFlagsMutuallyExclusive("quiet", "verbose")
}

func (a *app) runCommand() *cobra.Command {
	var o runOptions
	var untilEnd bool
	c := &cobra.Command{
		Use:   "run PLAN",
		Short: "Run the gate: load, watch, judge",
		Long: `run sends the load of a plan in rounds, watches the goroutines of every target,
and judges. Everything that was measured and the reports (verdict.json,
junit.xml, report.html, summary.md, leakgate.sarif) go into the run directory. An
earlier run in the same directory moves to DIR.prev.

In a GitHub Actions job, findings also become annotations, the step gets outputs
(outcome, leaked, findings, report, junit, sensitivity) and the summary is the
step's; --github=off turns that off.

Exit codes: 0 pass, 1 fail, 2 usage error, 3 could not tell, 130 interrupted.`,
		Example: `  leakgate run plan.yaml
  leakgate run plan.yaml --dir out --quiet
  leakgate run plan.yaml --since v1.4.0`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.github.check(); err != nil {
				return usage(err)
			}
			ctx := c.Context()
			if untilEnd {
				var cancel context.CancelFunc
				ctx, cancel = a.untilInputEnds(ctx)
				defer cancel()
			}
			p, err := a.plan(ctx, args[0])
			if err != nil {
				return err
			}
			if err := o.source.check(ctx); err != nil {
				return err
			}
			return a.gate(ctx, p, o)
		},
	}
	o.flags(c)
	o.source.flags(c)
	o.github.flags(c)
	c.Flags().BoolVar(&untilEnd, "until-stdin-ends", false, "end as if interrupted when standard input ends")
	_ = c.Flags().MarkHidden("until-stdin-ends") // for leakgate serve
	return c
}

// untilInputEnds is a context that also ends when standard input does: a run that another
// process waits for must not go on without it, even if that was killed.
func (a *app) untilInputEnds(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, a.in) // however it ends
		cancel()
	}()
	return ctx, cancel
}

// gate runs a plan and reports. The outcome alone decides the exit code; a
// report that cannot be written turns a pass into could-not-tell.
func (a *app) gate(ctx context.Context, p *plan.Plan, o runOptions) error {
	dir := o.dir
	if dir == "" {
		dir = p.Report.Dir
	}
	watch := &observer{gate.Silent{}}
	g, err := setup.New(p, dir, version(), a.now(), watch)
	if err != nil {
		return usage(err)
	}
	a.github(o.github).mask(p.Secrets)
	hide := func() {}
	if !o.quiet {
		live := report.NewLive(report.LiveConfig{Out: a.errOut, Terminal: a.terminal(a.errOut), Width: width(a.errOut), Now: a.now, Sent: g.Sent})
		watch.Observer, hide = live, live.Close
	}
	run, recording := g.Run(ctx)
	hide()
	if recording == nil {
		var onDisk record.Run
		onDisk, recording = record.Read(dir)
		switch {
		case recording != nil:
		case onDisk.Plan != run.Plan || !onDisk.Started.Equal(run.Started):
			recording = fmt.Errorf("%s holds another run than this one", dir)
		default:
			run = onDisk // what anyone will judge from now on
		}
	}
	v := verdict.Judge(run, p.VerdictPolicy())
	if err := o.source.annotate(ctx, &v); err != nil {
		a.complain(&exit{err: err}) // it was there before the load; the verdict stands without it
	}
	job := a.github(o.github)
	t := &teller{app: a, verdict: v, dir: dir, github: job, broken: recording}
	t.print = func(told verdict.Verdict) error {
		var b bytes.Buffer
		if err := errors.Join(a.console(&b, told, dir, o), job.annotate(&b, told)); err != nil {
			return err
		}
		return a.emit(b.Bytes())
	}
	told, broken := t.tell()
	if broken != nil {
		a.complain(&exit{err: broken})
	}
	switch {
	case run.End != nil && run.End.Reason == record.Interrupted:
		return &exit{code: exitInterrupted}
	case told.Outcome != v.Outcome:
		return &exit{code: exitInconclusive, hint: "the run passed, but not everything could be written; see the errors above"}
	}
	return outcome(told.Outcome)
}
