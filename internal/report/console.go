package report

import (
	"cmp"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// Style is how the console report looks.
type Style struct {
	Color   bool
	Verbose bool   // list every check and the whole stacks
	Root    string // source paths below it are written relative to it
	Dir     string // the run directory, for the commands to dig further
}

// Console writes the verdict for a person at a terminal.
func Console(s Style) Renderer {
	return func(w io.Writer, v verdict.Verdict) error {
		c := &console{Style: s, w: &errWriter{w: w}}
		c.headline(v)
		for i, f := range v.Findings {
			if i == shown && !s.Verbose {
				break
			}
			c.finding(i+1, f)
		}
		if n := len(v.Findings) + v.More - shown; n > 0 && !s.Verbose {
			c.line("  … and %d more in the report", n)
		}
		c.checks(v)
		c.notes(v)
		c.next(v)
		return c.w.err
	}
}

type console struct {
	Style
	w *errWriter
}

// errWriter keeps the first error, so that lines can be written one by one.
type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) printf(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

func (c *console) line(format string, args ...any) { c.w.printf(format+"\n", args...) }

// The few colours, by meaning.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	bold   = "1"
	dim    = "2"
)

func (c *console) paint(code, text string) string {
	if !c.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (c *console) badge(o verdict.Outcome) string {
	switch o {
	case verdict.Fail:
		return c.paint(bold+";"+red, "FAIL")
	case verdict.Pass:
		return c.paint(bold+";"+green, "PASS")
	}
	return c.paint(bold+";"+yellow, "COULD NOT TELL")
}

// Headline is the verdict in one line.
func Headline(v verdict.Verdict, s Style) string {
	c := &console{Style: s}
	text := strings.TrimPrefix(v.Headline, "could not tell: ")
	return fmt.Sprintf("%s  %s: %s", c.badge(v.Outcome), printable(v.Plan), printable(text))
}

func (c *console) headline(v verdict.Verdict) {
	c.line("%s", Headline(v, c.Style))
	if v.Outcome == verdict.Inconclusive && v.Hint != "" {
		c.line("      hint: %s", printable(v.Hint))
	}
}

func (c *console) finding(n int, f verdict.Finding) {
	c.line("")
	c.line("  %d. %s", n, c.paint(bold, printable(f.Name())))
	where := place(f.File, f.Line, c.Root)
	if f.Module != "" {
		where += "  in " + printable(f.Module)
	}
	if where != "" {
		c.line("     %s", where)
	}
	about := []string{fmt.Sprintf("+%d goroutines", f.Leaked), rate(f), printable(f.State), evidence(f)}
	if f.Wait != "" {
		about = append(about, "waiting up to "+printable(f.Wait))
	}
	c.line("     %s", c.paint(red, strings.Join(nonEmpty(about), ", ")))
	on := f.Target
	if len(f.Targets) > 1 {
		on += fmt.Sprintf(" (and %d more targets)", len(f.Targets)-1)
	}
	c.line("     %s: %s", printable(on), history(f))
	for _, l := range f.Labels[:min(len(f.Labels), 3)] {
		c.line("     label %s: +%d", printable(l.Label), l.Growth)
	}
	if by := f.Attribution(); by != "" {
		c.line("     %s", c.paint(bold, printable(by)))
	}
	if cause := f.Cause(); cause != "" {
		c.line("     %s", printable(cause))
	}
	if f.Note != "" {
		c.line("     %s", printable(f.Note))
	}
	for _, l := range sourceLines(f) {
		c.line("     %s", l)
	}
	c.stack(f)
}

// fewFrames is how many frames of a stack the console shows, unless asked for
// all of them.
const fewFrames = 8

func (c *console) stack(f verdict.Finding) {
	const creator = "created by "
	from, to := 0, len(f.Stack)
	if !c.Verbose && len(f.Stack) > fewFrames {
		from = max(0, min(stacks.Blame(f.Stack)-1, len(f.Stack)-fewFrames)) // the blamed frame, with its callee
		to = from + fewFrames
	}
	width := len(creator) + len(shortFunction(f.Creator))
	for _, fr := range f.Stack[from:to] {
		width = max(width, len(shortFunction(fr.Function)))
	}
	width = min(width, 60)
	show := func(what, where string) {
		c.line("       %s %-*s  %s", c.paint(red, "+"), width, printable(what), c.paint(dim, where))
	}
	if from > 0 {
		c.line("         … %s further in", plural(from, "frame"))
	}
	for _, fr := range f.Stack[from:to] {
		show(shortFunction(fr.Function), place(fr.File, fr.Line, c.Root))
	}
	if to < len(f.Stack) {
		c.line("         … %s further out", plural(len(f.Stack)-to, "frame"))
	}
	if f.Creator != "" {
		show(creator+shortFunction(f.Creator), where(f.Created, c.Root))
	}
}

// shortName is a finding's function without folders, or its target's name where
// only the number of goroutines is known.
func shortName(f verdict.Finding) string {
	if name := f.Name(); name != f.Function {
		return name
	}
	return shortFunction(f.Function)
}

// shortFunction leaves out the folders of the import path.
func shortFunction(name string) string {
	head, rest, ok := strings.Cut(name, "(")
	short := path.Base(head)
	if ok {
		return short + "(" + rest
	}
	return short
}

func (c *console) checks(v verdict.Verdict) {
	c.line("")
	for _, k := range v.Checks {
		if k.Outcome == verdict.Pass && !c.Verbose && k.Message == "" && k.Name != "baseline" {
			continue
		}
		mark := map[verdict.Outcome]string{
			verdict.Pass: c.paint(green, "ok  "), verdict.Fail: c.paint(red, "FAIL"), verdict.Inconclusive: c.paint(yellow, "?   "),
		}[k.Outcome]
		name := k.Name
		if k.Target != "" {
			name = k.Target + " " + k.Name
		}
		c.line("  %s %-24s %s %s (limit %s)", mark, printable(name), number(k.Measured), printable(k.Unit), number(k.Limit))
		if k.Message != "" && (k.Outcome != verdict.Pass || c.Verbose) && (k.Outcome != verdict.Fail || len(v.Findings) == 0) {
			c.line("       %s", printable(k.Message))
		}
	}
}

func (c *console) notes(v verdict.Verdict) {
	for _, w := range v.Warnings {
		text := w.Message
		if w.Target != "" {
			text = w.Target + ": " + text
		}
		c.line("  %s %s", c.paint(yellow, "warning:"), printable(text))
	}
	for _, i := range v.Ignored {
		who := ""
		if i.Owner != "" {
			who = ", " + i.Owner
		}
		c.line("  ignored: %s: %s +%d (%s%s)", printable(i.Target), printable(i.Function), i.Growth, printable(i.Reason), printable(who))
	}
	if n := len(v.Ignored); n > 0 {
		c.line("  %s ignored by the plan's rules", plural(n, "stack"))
	}
	for _, l := range besideLines(v) {
		c.line("  %s", printable(l))
	}
	c.line("  %s; %s", amount(v), v.Timing)
}

func (c *console) next(v verdict.Verdict) {
	if v.Outcome != verdict.Fail || c.Dir == "" {
		return
	}
	f := v.Findings
	if len(f) == 0 {
		return
	}
	for _, t := range v.Targets {
		if t.Name == f[0].Target && t.Baseline != "" {
			before, after := difference(t, f[0])
			c.line("")
			c.line("  What next: open %s and ask who was to end the wait there. To dig further:", cmp.Or(place(f[0].File, f[0].Line, c.Root), "the stack"))
			c.line("    go tool pprof -diff_base %s %s", quoted(path.Join(c.Dir, before)), quoted(path.Join(c.Dir, after)))
		}
	}
}

func nonEmpty(in []string) []string {
	var out []string
	for _, s := range in {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
