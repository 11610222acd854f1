package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/leakgate/leakgate/verdict"
)

// Matching are the explanations that a person may mean: the one of an id, those of ids
// that begin so, or those of functions that have the text in their names. With a target,
// only its own.
func Matching(v verdict.Verdict, stack, target string) []verdict.Explanation {
	var exact, prefix, named []verdict.Explanation
	for _, e := range v.Explanations {
		switch {
		case target != "" && e.Target != target:
		case e.ID == stack:
			exact = append(exact, e)
		case strings.HasPrefix(e.ID, stack):
			prefix = append(prefix, e)
		case strings.Contains(e.Function, stack):
			named = append(named, e)
		}
	}
	for _, found := range [][]verdict.Explanation{exact, prefix} {
		if len(found) > 0 {
			return found
		}
	}
	return named
}

// ExplainTable lists explanations, a line each: id, class, function, counts and reason.
func ExplainTable(w io.Writer, v verdict.Verdict, es []verdict.Explanation, s Style) error {
	c := &console{Style: s, w: &errWriter{w: w}}
	c.line("%s", Headline(v, s))
	c.line("")
	if len(es) == 0 {
		text := "No stack was ever above its baseline by more than it varies."
		if len(v.Findings) > 0 {
			text = "The verdict explains none of its stacks."
		}
		c.line("  %s", text)
		return c.w.err
	}
	many := len(v.Targets) > 1
	head := []string{"stack", "taken for", "function", "goroutines", "because"}
	table := [][]string{head}
	for _, e := range es {
		function := printable(shortFunction(e.Function))
		if many {
			function = printable(e.Target) + " " + function
		}
		because := printable(e.Reason)
		if e.Nearest {
			because = "nearest to a leak: " + because
		}
		table = append(table, []string{
			printable(e.ID), printable(e.Class), shortened(function, tableFunction), ends(e), because,
		})
	}
	for i, l := range c.lastCut(table) {
		if i == 0 {
			l = c.paint(dim, l)
		}
		c.line("  %s", l)
	}
	c.line("")
	c.line("  leakgate explain %s STACK says how it came to that, question by question.", quoted(s.Dir))
	if text := unclear(v); text != "" {
		c.line("  %s.", text)
	}
	return c.w.err
}

// tableFunction is how many characters of a function's name a table of explanations
// shows: the reasons need the room.
const tableFunction = 32

// lastCut is a table in lines, of which the last column ends with the terminal's width.
func (c *console) lastCut(table [][]string) []string {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	out := make([]string, len(table))
	for n, row := range table {
		var b strings.Builder
		for i, cell := range row[:len(row)-1] {
			b.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		line := []rune(b.String() + row[len(row)-1])
		if most := c.Width - 3; c.Width > 0 && len(line) > most {
			line = append(line[:most-1], '…')
		}
		out[n] = string(line)
	}
	return out
}

// Explain says of one stack, question by question, how the verdict on it came about.
func Explain(w io.Writer, v verdict.Verdict, e verdict.Explanation, s Style) error {
	c := &console{Style: s, w: &errWriter{w: w}}
	a := accountOf(e)
	c.line("%s", c.paint(bold, printable(e.Function)))
	c.line("%s", strings.Join(nonEmpty([]string{
		place(e.File, e.Line, s.Root), "on " + printable(e.Target), "stack " + printable(e.ID),
	}), ", "))
	c.line("")
	c.line("Taken for %s.", printable(a.Taken))
	for _, f := range v.Findings {
		if by := f.Attribution(); by != "" && f.ID == e.ID && f.Target == e.Target {
			c.line("%s.", printable(by))
		}
	}
	if e.Nearest {
		c.line("It came closer to a leak than any other stack of this run.")
	}
	c.line("")
	c.windows(v, a)
	c.looks(a)
	c.asked(a)
	c.decision(a)
	return c.w.err
}

// windows is what was seen, window by window.
func (c *console) windows(v verdict.Verdict, a account) {
	unit := "requests"
	if v.Unit != "" {
		unit = printable(v.Unit) + "s"
	}
	loaded := false
	table := [][]string{{"", "low", "middle", "high", unit, "under load"}}
	for i, s := range a.Windows {
		sent := ""
		if s.Requests > 0 {
			sent = thousands(float64(s.Requests))
		}
		loaded = loaded || s.Profiles > 0
		table = append(table, []string{
			window(i), fmt.Sprint(s.Low), fmt.Sprint(s.Middle), fmt.Sprint(s.High), sent, floor(s),
		})
	}
	c.line("Goroutines, in a quiet moment after each round:")
	for i, row := range table {
		if !loaded {
			row = row[:5]
		}
		l := fmt.Sprintf("  %-10s %7s %7s %7s %11s", row[0], row[1], row[2], row[3], row[4])
		if loaded {
			l += "   " + row[5]
		}
		if l = strings.TrimRight(l, " "); i == 0 {
			l = c.paint(dim, l)
		}
		c.line("%s", l)
	}
	c.line("")
}

func (c *console) looks(a account) {
	if len(a.Looks) == 0 {
		return
	}
	c.line("Left alone:")
	for _, l := range a.Looks {
		for i, l := range wrapped(lookText(l), c.Width-4) {
			c.line("%s%s", strings.Repeat(" ", 2+2*min(i, 1)), l)
		}
	}
	c.line("")
}

// asked is every question with its answer, and by how much it was the answer.
func (c *console) asked(a account) {
	if len(a.Questions) == 0 {
		return
	}
	c.line("What was asked, in this order; the last answer decided:")
	for i, q := range a.Questions {
		hue := green
		if q.Answer {
			hue = yellow
		}
		for j, l := range wrapped(printable(q.Question.Question), c.Width-5) {
			if j > 0 {
				c.line("     %s", l)
				continue
			}
			c.line("  %d. %s", i+1, l)
		}
		figures := strings.Join(nonEmpty([]string{q.Against, q.Margin}), "; ")
		c.line("     %s: %s", c.paint(hue, q.Says), printable(figures))
		about := nonEmpty([]string{prefixed("rule ", q.Rule), prefixed("threshold ", q.Threshold)})
		if len(about) > 0 {
			c.line("     %s", c.paint(dim, printable(strings.Join(about, ", "))))
		}
	}
	c.line("")
}

func prefixed(prefix, text string) string {
	if text == "" {
		return ""
	}
	return prefix + text
}

func (c *console) decision(a account) {
	parts := []struct{ title, text string }{{"So", a.Reason}, {"What would have changed it", a.Change}}
	for _, part := range parts {
		if part.text == "" {
			continue
		}
		for i, l := range wrapped(part.title+": "+printable(part.text), c.Width) {
			c.line("%s%s", strings.Repeat(" ", 2*min(i, 1)), l)
		}
	}
}

// explainedJSON is an explanation for scripts, with the margins that the verdict leaves to
// its readers.
type explainedJSON struct {
	verdict.Explanation
	Asked []askedJSON `json:"asked"`
}

type askedJSON struct {
	verdict.Question
	Margin float64  `json:"margin"`           // Statistic - Limit
	Factor *float64 `json:"factor,omitempty"` // Statistic / Limit
}

// ExplainJSON writes explanations for scripts.
func ExplainJSON(w io.Writer, v verdict.Verdict, es []verdict.Explanation) error {
	out := struct {
		Plan         string          `json:"plan"`
		Outcome      verdict.Outcome `json:"outcome"`
		Headline     string          `json:"headline"`
		Explanations []explainedJSON `json:"explanations"`
		Unclear      int             `json:"unclear"`
	}{v.Plan, v.Outcome, v.Headline, []explainedJSON{}, v.Unclear}
	for _, e := range es {
		x := explainedJSON{Explanation: e, Asked: []askedJSON{}}
		for _, q := range e.Asked {
			j := askedJSON{Question: q, Margin: q.Statistic - q.Limit}
			if q.Limit != 0 {
				factor := q.Statistic / q.Limit
				j.Factor = &factor
			}
			x.Asked = append(x.Asked, j)
		}
		out.Explanations = append(out.Explanations, x)
	}
	return writeJSON(w, out)
}
