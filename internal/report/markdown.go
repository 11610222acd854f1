package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

const (
	// mostRows is how many findings a summary on disk lists, and jobRows one of a job,
	// of which GitHub takes a megabyte: as many as a verdict has.
	mostRows = shown + listed
	jobRows  = 1000
)

// Markdown writes a summary for a job page or a merge request.
func Markdown(w io.Writer, v verdict.Verdict) error { return markdownOf(w, v, mostRows) }

func markdownOf(w io.Writer, v verdict.Verdict, rows int) error {
	e := &errWriter{w: w}
	icon := map[verdict.Outcome]string{
		verdict.Pass: "✅ pass", verdict.Fail: "❌ fail", verdict.Inconclusive: "⚠️ could not tell",
	}[v.Outcome]
	e.printf("## leakgate: %s — %s\n\n%s\n", markdown(v.Plan), icon, markdown(v.Headline))
	if v.Outcome == verdict.Inconclusive && v.Hint != "" {
		e.printf("\nHint: %s\n", markdown(v.Hint))
	}
	e.findings(v, rows)
	if fs := ranked(v); len(fs) > 0 {
		e.runbook(v, fs[0])
	}
	e.checks(v)
	for _, x := range v.Warnings {
		e.printf("\n> warning: %s\n", markdown(strings.TrimPrefix(x.Target+": "+x.Message, ": ")))
	}
	for _, l := range besideLines(v) {
		e.printf("\n> %s\n", markdown(l))
	}
	for _, i := range v.Ignored {
		e.printf("\n> ignored: %s +%d: %s\n", markdown(i.Function), i.Growth, markdown(i.Reason))
	}
	for _, b := range images(v) {
		e.printf("\nImage: %s\n", markdown(b))
	}
	e.printf("\n%s; %s.\n", amount(v), v.Timing)
	return e.err
}

// findings shows the first confirmed ones with their stacks, and the others in tables.
func (e *errWriter) findings(v verdict.Verdict, rows int) {
	sure, perhaps, left := fitting(v, rows)
	open := min(shown, len(sure))
	for i, f := range sure[:open] {
		e.finding(v, f, i == 0)
	}
	if n := len(sure) - open; n > 0 {
		e.printf("\n<details><summary>%s</summary>\n\n", plural(n, "more leak"))
		e.table(sure[open:])
		e.printf("\n</details>\n")
	}
	if len(perhaps) > 0 {
		e.printf("\n### %s\n\nThey fail nothing. %s%s.\n\n",
			plural(len(likely(v)), "likely leak"), strings.ToUpper(likelyMeans[:1]), likelyMeans[1:])
		e.table(perhaps)
	}
	if left > 0 {
		e.printf("\n%s; report.html and verdict.json have them.\n", leftOut(left))
	}
	if text := unclear(v); text != "" {
		e.printf("\n%s.\n", text)
	}
}

func (e *errWriter) finding(v verdict.Verdict, f verdict.Finding, first bool) {
	at := blamedPlace(f, "")
	if by := foreign(f, targetOf(v, f).GoVersion); by != "" {
		at += " in " + by
	}
	about := nonEmpty([]string{
		markdown(strings.TrimSpace(at)), fmt.Sprintf("+%d goroutines", f.Leaked), rate(f), markdown(f.State), evidence(f),
	})
	e.printf("\n### %s\n\n%s · on %s: %s\n",
		markdown(f.Name()), strings.Join(about, " · "), markdown(f.Target), history(f))
	if first {
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
	for _, text := range nonEmpty([]string{f.Cause(), usually(f)}) {
		e.printf("\n%s\n", markdown(text))
	}
	if lines := sourceLines(f); len(lines) > 0 {
		e.printf("\n")
		for _, l := range lines {
			e.printf("- %s\n", markdown(l))
		}
	}
	e.printf("\n%s\n", fenced(strings.Join(stackLines(f, asBuilt), "\n")))
	if text := company(f); text != "" {
		e.printf("\n<details><summary>%s</summary>\n\n", markdown(text))
		for _, m := range f.Members {
			e.printf("- %s\n", markdown(memberLine(m)))
		}
		e.printf("\n</details>\n")
	}
}

// table lists findings, a row each.
func (e *errWriter) table(fs []verdict.Finding) {
	e.printf("| function | where | target | grew by | request | owner |\n")
	e.printf("| --- | --- | --- | ---: | --- | --- |\n")
	for _, f := range fs {
		owners := ""
		if f.Source != nil {
			owners = strings.Join(f.Source.Owners, ", ")
		}
		e.printf("| %s | %s | %s | +%d | %s | %s |\n",
			cell(shortName(f)), cell(rowPlace(f)), cell(f.Target), f.Leaked, cell(culprit(f)), cell(owners))
	}
}

// maxCell is how many characters a cell of a summary's table has: with a name of
// hundreds, no other column is seen.
const maxCell = 120

func cell(text string) string { return markdown(shortened(text, maxCell)) }

func (e *errWriter) checks(v verdict.Verdict) {
	e.printf("\n<details><summary>Checks</summary>\n\n| check | target | outcome | measured | limit | unit | |\n| --- | --- | --- | ---: | ---: | --- | --- |\n")
	for _, c := range v.Checks {
		e.printf("| %s | %s | %s | %s | %s | %s | %s |\n", markdown(c.Name), markdown(c.Target), c.Outcome, number(c.Measured), number(c.Limit), markdown(c.Unit), markdown(c.Message))
	}
	e.printf("\n</details>\n")
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
