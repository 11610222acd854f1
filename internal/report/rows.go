package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// plainWidth is how many columns a table has where nobody knows the terminal's, as
	// in the log of a job: what fits on most screens.
	plainWidth = 100
	// leastColumn is as narrow as a column of names gets; below that, all names look
	// the same.
	leastColumn = 16
)

// rows lists findings, a line each: number, growth, function, place and request.
func (c *console) rows(v verdict.Verdict, from int, fs []verdict.Finding) {
	if len(fs) == 0 {
		return
	}
	c.line("")
	many := len(v.Targets) > 1
	table := make([][]string, len(fs))
	for i, f := range fs {
		name, at := printable(shortName(f)), printable(rowPlace(f))
		if many && f.Name() == f.Function {
			name = printable(f.Target) + " " + name
		}
		table[i] = []string{fmt.Sprintf("%d.", from+i+1), fmt.Sprintf("+%d", f.Leaked), name, at, printable(culprit(f))}
	}
	width := c.Width
	if width == 0 {
		width = plainWidth
	}
	for _, l := range aligned(table, 2, width-1) {
		c.line(" %s", l)
	}
}

// rowPlace is a finding's line in few characters: that of the service's own code where
// there is one.
func rowPlace(f verdict.Finding) string {
	l := leadOf(f)
	switch {
	case f.Source != nil:
		return fmt.Sprintf("%s:%d", lastTwo(f.Source.Path), f.Source.Line)
	case l.File != "":
		return fmt.Sprintf("%s:%d", lastTwo(l.File), l.Line)
	case f.File != "":
		at := stacks.Located(f.Function, f.File, f.Line)
		return fmt.Sprintf("%s:%d", tidy(at.File, at.Std), at.Line)
	}
	return ""
}

// aligned is a table in lines of at most so many columns: the first right columns stand
// at their right edge, and the others share what is left, the widest giving way first.
func aligned(table [][]string, right, width int) []string {
	if len(table) == 0 {
		return nil
	}
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for total(widths) > width {
		widest := right
		for i := right; i < len(widths); i++ {
			if widths[i] > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= leastColumn {
			break
		}
		widths[widest]--
	}
	out := make([]string, len(table))
	for n, row := range table {
		var b strings.Builder
		for i, cell := range row {
			cell = shortened(cell, widths[i])
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < right {
				b.WriteString(pad + cell + " ")
			} else {
				b.WriteString(" " + cell + pad + " ")
			}
		}
		out[n] = strings.TrimRight(b.String(), " ")
	}
	return out
}

// total is how many columns a table takes, with a space or two between them.
func total(widths []int) int {
	n := 0
	for _, w := range widths {
		n += w + 2
	}
	return n
}

// wrapped breaks text between words into lines of at most so many characters; all of it
// is one line where there is no such number.
func wrapped(text string, most int) []string {
	if most < leastColumn || utf8.RuneCountInString(text) <= most {
		return []string{text}
	}
	var out []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > most {
			out, line = append(out, line), word
			continue
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	return append(out, line)
}
