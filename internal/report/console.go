package report

import (
	"fmt"
	"io"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// Style is how the console report looks.
type Style struct {
	Color   bool
	Verbose bool   // list every check and the whole stacks
	Root    string // source paths below it are written relative to it
	Dir     string // the run directory, for the commands to dig further
	Width   int    // columns of the terminal; 0: lines are as long as what they say
}

// Console writes the verdict for a person at a terminal.
func Console(s Style) Renderer {
	return func(w io.Writer, v verdict.Verdict) error {
		c := &console{Style: s, w: &errWriter{w: w}}
		c.headline(v)
		c.findings(v)
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

// findings shows the first with their stacks, and a line of each of the next; what is
// just likely comes last, apart from the rest.
func (c *console) findings(v verdict.Verdict) {
	most := shown + listed
	if c.Verbose {
		most = len(v.Findings)
	}
	sure, perhaps, left := fitting(v, most)
	open := min(shown, len(sure))
	if c.Verbose {
		open = len(sure)
	}
	for i, f := range sure[:open] {
		c.finding(i+1, v, f)
	}
	c.rows(v, open, sure[open:])
	if len(perhaps) > 0 {
		c.line("")
		c.line("  %s", c.paint(bold+";"+yellow, fmt.Sprintf("%d %s", len(likely(v)), likelyMeans)))
	}
	open = min(shown-min(shown, len(sure)), len(perhaps))
	if c.Verbose {
		open = len(perhaps)
	}
	for i, f := range perhaps[:open] {
		c.finding(len(sure)+i+1, v, f)
	}
	c.rows(v, len(sure)+open, perhaps[open:])
	if left > 0 {
		c.line("       … %s; report.html and verdict.json have them", leftOut(left))
	}
	if text := unclear(v); text != "" {
		c.line("")
		c.line("  %s", text)
	}
}

func (c *console) finding(n int, v verdict.Verdict, f verdict.Finding) {
	c.line("")
	c.line("  %d. %s", n, c.paint(bold, printable(f.Name())))
	where := blamedPlace(f, c.Root)
	if by := foreign(f, targetOf(v, f).GoVersion); by != "" {
		where += "  in " + printable(by)
	}
	if where != "" {
		c.line("     %s", where)
	}
	about := []string{fmt.Sprintf("+%d goroutines", f.Leaked), rate(f), printable(f.State), evidence(f)}
	if f.Wait != "" {
		about = append(about, "waiting up to "+printable(f.Wait))
	}
	hue := red
	if !certain(f) {
		hue = yellow
	}
	c.line("     %s", c.paint(hue, strings.Join(nonEmpty(about), ", ")))
	on := f.Target
	if len(f.Targets) > 1 {
		on += fmt.Sprintf(" (and %s)", plural(len(f.Targets)-1, "more target"))
	}
	c.line("     %s: %s", printable(on), history(f))
	for _, l := range f.Labels[:min(len(f.Labels), 3)] {
		c.line("     label %s: +%d", printable(l.Label), l.Growth)
	}
	c.text(bold, f.Attribution())
	c.text("", f.Cause())
	c.text("", usually(f))
	if leadOf(f).How != itself && foreign(f, "") != "" {
		c.text("", opening(v, f, c.Root))
	}
	for _, l := range sourceLines(f) {
		c.line("     %s", l)
	}
	c.stack(f)
	c.members(f)
}

// members are the other stacks of the same cause: how many, and who they are where
// somebody asked for all.
func (c *console) members(f verdict.Finding) {
	c.text("", company(f))
	if !c.Verbose {
		return
	}
	for _, m := range f.Members {
		c.line("       %s", printable(memberLine(m)))
	}
}

// meaning says what a stack of library code usually means: the verdict knows only what
// the profiles show, and the creator may tell more.
func meaning(f verdict.Finding) string {
	if f.Note != "" || f.Creator == "" {
		return f.Note
	}
	return stacks.Meaning(stacks.Stack{Frames: f.Stack, CreatedBy: &verdict.Frame{Function: f.Creator}})
}

func usually(f verdict.Finding) string { return prefixed("usually: ", meaning(f)) }

// text is foreign text below a finding, broken into lines where the terminal's width is
// known.
func (c *console) text(paint, text string) {
	if text == "" {
		return
	}
	const indent = "     "
	for _, l := range wrapped(printable(text), c.Width-len(indent)) {
		if paint != "" {
			l = c.paint(paint, l)
		}
		c.line("%s%s", indent, l)
	}
}

// fewFrames is how many frames of a stack the console shows, unless asked for
// all of them.
const fewFrames = 8

// widestFunction is the column, in characters, up to which the places of a stack's
// frames stand below each other.
const widestFunction = 60

func (c *console) stack(f verdict.Finding) {
	const creator = "created by "
	from, to := 0, len(f.Stack)
	if !c.Verbose && len(f.Stack) > fewFrames {
		from = max(0, min(stacks.Blame(f.Stack)-1, len(f.Stack)-fewFrames)) // the blamed frame, with its callee
		to = from + fewFrames
	}
	width := 0
	if f.Creator != "" {
		width = len(creator) + len(shortFunction(f.Creator))
	}
	for _, fr := range f.Stack[from:to] {
		width = max(width, len(shortFunction(fr.Function)))
	}
	width = min(width, widestFunction)
	show := func(what, where string) {
		if n := len("       + ") + width + 2 + utf8.RuneCountInString(where); c.Width > 0 && n > c.Width {
			where = lastTwo(where)
		}
		c.line("       %s %-*s  %s", c.paint(red, "+"), width, printable(what), c.paint(dim, where))
	}
	if from > 0 {
		c.line("         … %s further in", plural(from, "frame"))
	}
	for _, fr := range f.Stack[from:to] {
		show(shortFunction(fr.Function), framePlace(fr, c.Root))
	}
	if to < len(f.Stack) {
		c.line("         … %s further out", plural(len(f.Stack)-to, "frame"))
	}
	if f.Creator != "" {
		show(creator+shortFunction(f.Creator), createdPlace(f, c.Root))
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
