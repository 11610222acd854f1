package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/report"
	"github.com/leakgate/leakgate/verdict"
)

// explainOptions are the flags of leakgate explain.
type explainOptions struct{ plan, thresholds, format, target string }

// explainFormats are those that --format takes.
var explainFormats = []string{"text", "json"}

func (a *app) explainCommand() *cobra.Command {
	var o explainOptions
	c := &cobra.Command{
		Use:   "explain DIR [STACK]",
		Short: "Say how each stack of a run was decided, and by what margin",
		Long: `explain judges a run directory as judge does, and says how the verdict on each
stack came about. It writes no report.

Without STACK, it lists every stack that was ever above its baseline, leaks first,
then what came closest to one. With STACK, which is an id from that list, the
beginning of one, or a part of a function's name, it shows the stack window by
window, every question that was asked of it with its answer and its margin, what
decided, and what would have changed the answer.

Exit codes: 0 explained, 2 usage error, or STACK is no stack or several.`,
		Example: `  leakgate explain leakgate-out
  leakgate explain leakgate-out 3f2a9c1d
  leakgate explain leakgate-out '(*Pool).worker' --target checkout-1
  leakgate explain leakgate-out --format json`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			if !slices.Contains(explainFormats, o.format) {
				return usage(fmt.Errorf("--format %q: want text or json", o.format))
			}
			j, err := interruptible(c.Context(), func() (judged, error) {
				return judge(c.Context(), args[0], o.plan, o.thresholds)
			})
			if err != nil {
				return usageUnless(err)
			}
			stack := ""
			if len(args) == 2 {
				stack = args[1]
			}
			return a.explain(j.verdict, args[0], stack, o)
		},
	}
	c.Flags().StringVar(&o.plan, "plan", "", "judge by this plan's policy")
	c.Flags().StringVar(&o.thresholds, "thresholds", "", "explain by the thresholds in this JSON file instead of the run's own")
	c.Flags().StringVar(&o.format, "format", "text", "text or json")
	c.Flags().StringVar(&o.target, "target", "", "only stacks of this target")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(explainFormats, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// explain prints what a verdict says of its stacks, or of one.
func (a *app) explain(v verdict.Verdict, dir, stack string, o explainOptions) error {
	known := func(t verdict.Target) bool { return t.Name == o.target }
	if o.target != "" && !slices.ContainsFunc(v.Targets, known) {
		return usageHint(hintOf("its targets are", targetNames(v)), "--target %q: the run has no such target", o.target)
	}
	es := report.Matching(v, stack, o.target)
	var b bytes.Buffer
	err := a.explanations(&b, v, es, dir, stack != "", o.format)
	if err == nil {
		err = a.emit(b.Bytes())
	}
	switch {
	case err != nil:
		return &exit{code: exitInconclusive, err: err}
	case stack != "" && len(es) == 0:
		const none = "%q: no stack of this run has this id, or a function of this name"
		return usageHint("leakgate explain "+dir+" lists them", none, stack)
	case stack != "" && len(es) > 1:
		return usageHint(narrower(es), "%q: %d stacks of this run fit", stack, len(es))
	}
	return nil
}

// explanations writes what was found: one stack in full, several as a table, so that a
// person can pick one. A script that asked for one gets one or nothing.
func (a *app) explanations(
	w io.Writer, v verdict.Verdict, es []verdict.Explanation, dir string, one bool, format string,
) error {
	style := report.Style{Color: a.color(a.out), Root: workingDir(), Dir: dir, Width: width(a.out)()}
	switch {
	case one && (len(es) == 0 || format == "json" && len(es) > 1):
		return nil
	case format == "json":
		return report.ExplainJSON(w, v, es)
	case one && len(es) == 1:
		return report.Explain(w, v, es[0], style)
	}
	return report.ExplainTable(w, v, es, style)
}

// usageHint is a usage error with what to do next.
func usageHint(hint, format string, args ...any) error {
	return &exit{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

// narrower is how to name one of several stacks.
func narrower(es []verdict.Explanation) string {
	same := !slices.ContainsFunc(es, func(e verdict.Explanation) bool { return e.ID != es[0].ID })
	if same {
		return fmt.Sprintf("several targets have it; name one of them, as in --target %q", es[0].Target)
	}
	return fmt.Sprintf("name one by its id, as in %s", es[0].ID)
}

func targetNames(v verdict.Verdict) []string {
	var out []string
	for _, t := range v.Targets {
		out = append(out, t.Name)
	}
	return out
}

// mostNamed is how many names a hint lists.
const mostNamed = 5

// hintOf lists names, as many as a line holds.
func hintOf(what string, names []string) string {
	text := what
	for i, n := range names[:min(len(names), mostNamed)] {
		if i > 0 {
			text += ","
		}
		text += fmt.Sprintf(" %q", n)
	}
	if n := len(names) - mostNamed; n > 0 {
		text += fmt.Sprintf(" and %d more", n)
	}
	return text
}
