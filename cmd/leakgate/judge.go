package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/internal/report"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

func (a *app) judgeCommand() *cobra.Command {
	var planFile, thresholdsFile, format string
	var o runOptions
	var acc acceptOptions
	c := &cobra.Command{
		Use:   "judge DIR",
		Short: "Judge a recorded run again, offline",
		Long: `judge reaches the same verdict from a run directory, on any machine and at any
time, and writes the reports into it again. With --plan, the run is judged by
that plan's policy instead of the one it was made with. The thresholds that tell a
leak from a pool are those that the run was made with; --thresholds shows what others
would have said.

With --accept, today's findings become ignore rules in a file that a plan reads
(policy: {ignore_file: FILE}), for a team that starts with old leaks and wants no
new ones, and the run is judged with them. Every report counts what was ignored.

Exit codes: 0 pass, 1 fail, 2 usage error, 3 could not tell.`,
		Example: `  leakgate judge leakgate-out
  leakgate judge leakgate-out --plan stricter.yaml --format json
  leakgate judge leakgate-out --source ~/src/shop --since v1.4.0
  leakgate judge leakgate-out --accept=known-leaks.yaml --owner payments --until 2027-03-01`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 2 && c.Flags().Changed("accept") {
				return fmt.Errorf("judge takes one directory; the file of --accept is written --accept=%s", args[1])
			}
			return cobra.ExactArgs(1)(c, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			formats := append(sortedFormats(), "console")
			if !slices.Contains(formats, format) {
				return usage(fmt.Errorf("--format %q: want one of %s", format, strings.Join(formats, ", ")))
			}
			if err := o.source.check(c.Context()); err != nil {
				return err
			}
			j, err := interruptible(c.Context(), func() (judged, error) { return judge(c.Context(), args[0], planFile, thresholdsFile) })
			if err != nil {
				return usageUnless(err)
			}
			run, policy, v := j.run, j.policy, j.verdict
			if acc.file != "" {
				if v, err = a.accept(acc, run, policy, v); err != nil {
					return usage(err)
				}
			}
			if err := o.source.annotate(c.Context(), &v); err != nil {
				return err
			}
			return a.tellJudged(v, args[0], format, o)
		},
	}
	c.Flags().StringVar(&planFile, "plan", "", "judge by this plan's policy")
	c.Flags().StringVar(&thresholdsFile, "thresholds", "", "judge by the thresholds in this JSON file instead of the run's own (docs/thresholds.md)")
	c.Flags().StringVar(&format, "format", "console", strings.Join(append([]string{"console"}, sortedFormats()...), ", ")+"; to standard output")
	c.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "print every check and the whole stacks")
	o.source.flags(c)
	acc.flags(c)
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(append(sortedFormats(), "console"), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// tellJudged writes the reports of a run that was judged again, and prints the verdict.
func (a *app) tellJudged(v verdict.Verdict, dir, format string, o runOptions) error {
	t := &teller{app: a, verdict: v, dir: dir}
	t.print = func(told verdict.Verdict) error {
		if render, ok := report.Formats()[format]; ok {
			return render(a.out, told)
		}
		var b bytes.Buffer
		if err := a.console(&b, told, dir, o); err != nil {
			return err
		}
		return a.emit(b.Bytes())
	}
	told, broken := t.tell()
	if broken != nil {
		a.complain(&exit{err: broken})
	}
	if told.Outcome != v.Outcome {
		return &exit{
			code: exitInconclusive,
			hint: "the run passes, but not everything could be written; see the errors above",
		}
	}
	return outcome(told.Outcome)
}

func sortedFormats() []string {
	var out []string
	for name := range report.Formats() {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// judged is a run with what it was judged by.
type judged struct {
	run     record.Run
	policy  verdict.Policy
	verdict verdict.Verdict
}

// judge reads a run directory, and judges it by the policy that it holds or a plan's, and by
// the thresholds that it was made with or a file's.
func judge(ctx context.Context, dir, planFile, thresholdsFile string) (judged, error) {
	run, err := record.ReadContext(ctx, dir)
	if err != nil {
		return judged{}, err
	}
	var policy verdict.Policy
	if err := json.Unmarshal(run.Settings, &policy); err != nil {
		return judged{}, fmt.Errorf("%s: reading the run's policy: %w", dir, err)
	}
	if planFile != "" {
		p, err := readPlan(ctx, planFile, nil)
		if err != nil {
			return judged{}, err
		}
		limits := policy.Thresholds
		policy = p.VerdictPolicy()
		policy.Thresholds = limits
	}
	if thresholdsFile != "" {
		data, err := input.ReadFile(ctx, thresholdsFile, maxThresholds)
		if err != nil {
			return judged{}, err
		}
		limits, err := verdict.ReadThresholds(data)
		if err != nil {
			return judged{}, fmt.Errorf("%s: %w; docs/thresholds.md has their names", thresholdsFile, err)
		}
		policy.Thresholds = &limits
	}
	return judged{run, policy, verdict.Judge(run, policy)}, nil
}

// maxThresholds bounds a file of thresholds, in bytes: all of them are a few thousand.
const maxThresholds = 1 << 20
