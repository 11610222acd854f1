// Package report renders verdicts. Every renderer gets the same value and
// changes nothing in it. What comes from a target, such as function names and
// labels, is data in every format: it reaches no terminal, XML, HTML or
// Markdown unescaped.
package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// Renderer writes a verdict in one format.
type Renderer func(io.Writer, verdict.Verdict) error

// Files are the reports that a run directory gets, by file name.
func Files() map[string]Renderer {
	return map[string]Renderer{"verdict.json": JSON, "junit.xml": JUnit, "report.html": HTML, "summary.md": Markdown, "leakgate.sarif": SARIF}
}

// Formats are the names that --format takes, for everything but the console.
func Formats() map[string]Renderer {
	return map[string]Renderer{
		"json": JSON, "junit": JUnit, "html": HTML, "markdown": Markdown, "sarif": SARIF,
		"github": func(w io.Writer, v verdict.Verdict) error { return GitHub(w, v, GitHubOptions{}) },
	}
}

// JSON writes the verdict for scripts.
func JSON(w io.Writer, v verdict.Verdict) error { return writeJSON(w, v) }

// Printable makes foreign text safe for a terminal: control characters,
// escapes and characters that change the direction of text become visible. What
// GitHub Actions would take for a command in the log of a job is broken up. The
// middle of very long text is left out.
func Printable(s string) string { return printable(s) }

// maxText is how many characters of one foreign text are shown. The longest
// function names seen in practice, of generic types with long import paths, have some
// 500, and a page shows a finding's name in twenty places. verdict.json has all of it.
const maxText = 1000

func printable(s string) string {
	s = shortened(s, maxText)
	if strings.HasPrefix(strings.TrimLeft(s, " "), "::") {
		s = strings.Replace(s, "::", `\::`, 1)
	}
	s = strings.ReplaceAll(s, "##[", `#\#[`)
	return visible(s, func(r rune) string {
		q := strconv.QuoteRuneToASCII(r)
		return q[1 : len(q)-1]
	})
}

// shortened leaves out the middle of a text of more than so many characters: the
// start of a name and its end say most. It comes before anything is escaped, so
// that no escape is cut.
func shortened(s string, most int) string {
	if len(s) <= most || utf8.RuneCountInString(s) <= most {
		return s
	}
	head, n := 0, 0
	for i := range s {
		if n == most/2 {
			head = i
			break
		}
		n++
	}
	tail := len(s)
	for range most - most/2 - 1 {
		_, size := utf8.DecodeLastRuneInString(s[:tail])
		tail -= size
	}
	return s[:head] + "…" + s[tail:]
}

// visible replaces what cannot be seen, or turns the direction of text.
func visible(s string, escape func(rune) string) string {
	hidden := func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }
	if !strings.ContainsFunc(s, hidden) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			b.WriteString(escape(r))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// writeJSON writes a value for scripts, whole, and so that a terminal or a job's
// log shows it as it is.
func writeJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	text := visible(b.String(), func(r rune) string {
		if r == '\n' { // between values; within one it is escaped already
			return "\n"
		}
		var out strings.Builder
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
		return out.String()
	})
	// An old form of GitHub's commands, anywhere in a line of a job's log.
	_, err := io.WriteString(w, strings.ReplaceAll(text, "##[", `#\u0023[`))
	return err
}

// place is a file and line, the file relative to root where it lies below it, and
// without the folder of the module cache.
func place(file string, line int, root string) string {
	if file == "" {
		return ""
	}
	if root != "" && filepath.IsAbs(file) {
		if rel, err := filepath.Rel(root, file); err == nil && filepath.IsLocal(rel) {
			file = rel
		}
	}
	return printable(fmt.Sprintf("%s:%d", tidy(file, false), line))
}

// framePlace is place for a frame, without Go's own folder.
func framePlace(fr verdict.Frame, root string) string {
	return place(tidy(fr.File, fr.Std), fr.Line, root)
}

// blamedPlace is where a finding's blamed frame lies; of a dependency, whose name and
// version are said beside it, within that.
func blamedPlace(f verdict.Finding, root string) string {
	at := framePlace(stacks.Located(f.Function, f.File, f.Line), root)
	if f.Module == "" {
		return at
	}
	return strings.TrimPrefix(at, printable(f.Module)+"/")
}

// createdPlace is where a finding's goroutines were started.
func createdPlace(f verdict.Finding, root string) string {
	if file, line, ok := split(f.Created); ok {
		return framePlace(stacks.Located(f.Creator, file, line), root)
	}
	return printable(f.Created)
}

const (
	// shown is how many findings a person is shown with their stacks.
	shown = 5
	// listed is how many of the others have a line each: with the first, as many as
	// are read before a list is searched instead.
	listed = 45
)

// history is how a finding's count went, for people.
func history(f verdict.Finding) string {
	text := counts(f.Counts)
	if f.Is(verdict.Held) {
		text += ", early and late while connections are held"
	}
	if f.Kept != nil {
		text += fmt.Sprintf(", still %d when left alone", *f.Kept)
	}
	if f.Before > 0 {
		text += fmt.Sprintf("; %d of them since before the load", f.Before)
	}
	return text
}

// counts writes 12 → 512 → 1012.
func counts(ns []int) string {
	out := make([]string, len(ns))
	for i, n := range ns {
		out[i] = strconv.Itoa(n)
	}
	return strings.Join(out, " → ")
}

// number writes a measurement without needless digits.
func number(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// amount is how much load there was.
func amount(v verdict.Verdict) string {
	if v.Requests == 0 {
		return printable(v.Amount())
	}
	return printable(v.Amount()) + " in " + plural(v.Rounds, "round")
}

// evidence lists what a finding is based on.
func evidence(f verdict.Finding) string { return printable(strings.Join(f.Evidence, " and ")) }

// rate says how much a finding leaks.
func rate(f verdict.Finding) string {
	unit := printable(cmp.Or(f.Unit, "request"))
	switch {
	case f.Per1000 >= 100:
		return fmt.Sprintf("%.2f per %s", f.Per1000/1000, unit)
	case f.Per1000 > 0:
		return fmt.Sprintf("%s per 1,000 %ss", number(f.Per1000), unit)
	}
	return ""
}

// labels says in a line how a finding's growth divides over goroutine labels, the
// largest parts first; empty without any.
func labels(f verdict.Finding) string {
	var out []string
	for _, l := range f.Labels[:min(len(f.Labels), shown)] {
		out = append(out, fmt.Sprintf("%s: +%d", l.Label, l.Growth))
	}
	if n := len(f.Labels) - len(out); n > 0 {
		out = append(out, fmt.Sprintf("and %d more labels", n))
	}
	return strings.Join(out, ", ")
}

// stackLines is a finding's stack as text, innermost first, with its creator, and each
// frame's place as at gives it.
func stackLines(f verdict.Finding, at func(verdict.Frame) string) []string {
	var out []string
	for _, fr := range f.Stack {
		out = append(out, printable(fr.Function), "\t"+at(fr))
	}
	if f.Creator != "" {
		out = append(out, "created by "+printable(f.Creator))
		if file, line, ok := split(f.Created); ok {
			out = append(out, "\t"+at(stacks.Located(f.Creator, file, line)))
		} else {
			out = append(out, "\t"+printable(f.Created))
		}
	}
	return out
}

// asBuilt is a frame's place as the build recorded it.
func asBuilt(fr verdict.Frame) string { return framePlace(fr, "") }

// anywhere is a frame's place for what leaves the machine: no path of the build's.
func anywhere(fr verdict.Frame) string { return place(portable(fr), fr.Line, "") }
