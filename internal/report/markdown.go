package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

// Markdown writes a summary for a job page or a merge request.
func Markdown(w io.Writer, v verdict.Verdict) error {
	e := &errWriter{w: w}
	icon := map[verdict.Outcome]string{verdict.Pass: "✅ pass", verdict.Fail: "❌ fail", verdict.Inconclusive: "⚠️ could not tell"}[v.Outcome]
	e.printf("## leakgate: %s — %s\n\n%s\n", markdown(v.Plan), icon, markdown(v.Headline))
	if v.Outcome == verdict.Inconclusive && v.Hint != "" {
		e.printf("\nHint: %s\n", markdown(v.Hint))
	}
	for i, f := range v.Findings {
		if i == shown {
			e.printf("\nand %d more\n", len(v.Findings)+v.More-shown)
			break
		}
		about := nonEmpty([]string{markdown(place(f.File, f.Line, "")), fmt.Sprintf("+%d goroutines", f.Leaked), rate(f), markdown(f.State), evidence(f)})
		e.printf("\n### %s\n\n%s · on %s: %s\n", markdown(f.Name()), strings.Join(about, " · "), markdown(f.Target), history(f))
		if i == 0 {
			e.printf("%s", timeline1(v, f.Target))
		}
		if by := f.Attribution(); by != "" {
			e.printf("\n**%s**\n", markdown(by))
		}
		for _, l := range f.Labels {
			e.printf("\n- label %s: +%d", markdown(l.Label), l.Growth)
		}
		if len(f.Labels) > 0 {
			e.printf("\n")
		}
		if cause := f.Cause(); cause != "" {
			e.printf("\n%s\n", markdown(cause))
		}
		if f.Note != "" {
			e.printf("\n%s\n", markdown(f.Note))
		}
		if lines := sourceLines(f); len(lines) > 0 {
			e.printf("\n")
			for _, l := range lines {
				e.printf("- %s\n", markdown(l))
			}
		}
		e.printf("\n%s\n", fenced(strings.Join(stackLines(f, ""), "\n")))
	}
	if len(v.Findings) > 0 {
		e.runbook(v, v.Findings[0])
	}
	e.printf("\n<details><summary>Checks</summary>\n\n| check | target | outcome | measured | limit | unit | |\n| --- | --- | --- | ---: | ---: | --- | --- |\n")
	for _, c := range v.Checks {
		e.printf("| %s | %s | %s | %s | %s | %s | %s |\n", markdown(c.Name), markdown(c.Target), c.Outcome, number(c.Measured), number(c.Limit), markdown(c.Unit), markdown(c.Message))
	}
	e.printf("\n</details>\n")
	for _, x := range v.Warnings {
		e.printf("\n> warning: %s\n", markdown(strings.TrimPrefix(x.Target+": "+x.Message, ": ")))
	}
	for _, l := range besideLines(v) {
		e.printf("\n> %s\n", markdown(l))
	}
	for _, i := range v.Ignored {
		e.printf("\n> ignored: %s +%d: %s\n", markdown(i.Function), i.Growth, markdown(i.Reason))
	}
	e.printf("\n%s; %s.\n", amount(v), v.Timing)
	return e.err
}

// runbook is what to do about a finding, folded.
func (e *errWriter) runbook(v verdict.Verdict, f verdict.Finding) {
	e.printf("\n<details><summary>Runbook for %s</summary>\n", markdown(f.Name()))
	for i, s := range runbook(v, f) {
		e.printf("\n%d. **%s.** %s\n", i+1, markdown(s.Title), markdown(s.Text))
		for _, c := range s.Commands {
			block := fenced(c.Line)
			e.printf("\n   %s:\n\n   %s\n", markdown(c.What), strings.ReplaceAll(block, "\n", "\n   "))
		}
	}
	e.printf("\n</details>\n")
}

// chartWide is how many characters the chart of a summary has.
const chartWide = 60

// timeline1 is a chart of a target's goroutines over the run, in one line of
// text; empty without a series.
func timeline1(v verdict.Verdict, target string) string {
	for _, t := range v.Targets {
		if t.Name != target || len(t.Series) < 2 {
			continue
		}
		from, to := t.Series[0], t.Series[len(t.Series)-1]
		if to.Second <= from.Second {
			continue
		}
		ns := make([]int, chartWide)
		at, most := 0, 0
		for i := range ns {
			second := from.Second + (to.Second-from.Second)*float64(i)/float64(chartWide-1)
			for at+1 < len(t.Series) && t.Series[at+1].Second <= second {
				at++
			}
			ns[i] = t.Series[at].Goroutines
			most = max(most, ns[i])
		}
		return fmt.Sprintf("\n```text\n%s\n%d goroutines at most, over %.0f s\n```\n", Spark(ns), most, to.Second-from.Second)
	}
	return ""
}

var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "|", `\|`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "#", `\#`, "@", "&#64;", "::", ":&#58;", "!", `\!`, "~", `\~`, "$", `\$`,
)

// markdown writes text that stays text.
func markdown(s string) string { return markdownEscapes.Replace(printable(s)) }

// fenced is a code block that its content cannot close.
func fenced(s string) string {
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	return fmt.Sprintf("%stext\n%s\n%s", fence, s, fence)
}
