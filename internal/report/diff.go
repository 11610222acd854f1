package report

import (
	"fmt"
	"io"

	"github.com/leakgate/leakgate/stacks"
)

// Diff is two goroutine profiles compared.
type Diff struct {
	Before int         `json:"before"` // goroutines
	After  int         `json:"after"`  // goroutines
	Stacks []DiffStack `json:"stacks"` // those that changed, the largest growth first
}

// DiffStack is one identity that changed.
type DiffStack struct {
	Function string         `json:"function"`
	File     string         `json:"file"`
	Line     int            `json:"line"`
	State    string         `json:"state,omitempty"`
	Before   int            `json:"before"`
	After    int            `json:"after"`
	Growth   int            `json:"growth"`
	Stack    []stacks.Frame `json:"stack"`
}

// NewDiff compares two profiles.
func NewDiff(before, after *stacks.Profile) Diff {
	d := Diff{Before: before.Total, After: after.Total, Stacks: []DiffStack{}}
	for _, x := range stacks.Diff(before, after) {
		if x.Growth() == 0 {
			continue
		}
		s := DiffStack{State: x.Stack.State, Before: x.Before, After: x.After, Growth: x.Growth(), Stack: x.Stack.Frames, Function: stacks.NoFrames}
		if i := stacks.Blame(x.Stack.Frames); i >= 0 {
			f := x.Stack.Frames[i]
			s.Function, s.File, s.Line = f.Function, f.File, f.Line
		}
		d.Stacks = append(d.Stacks, s)
	}
	return d
}

// Most is the largest growth of one stack, in goroutines; 0 if none grew.
func (d Diff) Most() int {
	if len(d.Stacks) == 0 {
		return 0
	}
	return max(0, d.Stacks[0].Growth)
}

// JSON writes the diff for scripts.
func (d Diff) JSON(w io.Writer) error { return writeJSON(w, d) }

// Console writes the diff for a terminal.
func (d Diff) Console(w io.Writer, s Style) error {
	c := &console{Style: s, w: &errWriter{w: w}}
	c.line("%d → %d goroutines (%+d)", d.Before, d.After, d.After-d.Before)
	if len(d.Stacks) == 0 {
		c.line("no stack grew or went")
	}
	for _, x := range d.Stacks {
		colour := red
		if x.Growth < 0 {
			colour = green
		}
		c.line("")
		c.line("%s  %s", c.paint(colour, fmt.Sprintf("%+d", x.Growth)), c.paint(bold, printable(x.Function)))
		c.line("    %d → %d  %s  %s", x.Before, x.After, place(x.File, x.Line, s.Root), printable(x.State))
		for _, f := range x.Stack {
			c.line("      %s  %s", printable(shortFunction(f.Function)), c.paint(dim, place(f.File, f.Line, s.Root)))
		}
	}
	return c.w.err
}

// Markdown writes the diff for a merge request.
func (d Diff) Markdown(w io.Writer) error {
	e := &errWriter{w: w}
	e.printf("%d → %d goroutines (%+d)\n\n| growth | before | after | function | where | state |\n| ---: | ---: | ---: | --- | --- | --- |\n", d.Before, d.After, d.After-d.Before)
	for _, x := range d.Stacks {
		e.printf("| %+d | %d | %d | %s | %s | %s |\n", x.Growth, x.Before, x.After, markdown(x.Function), markdown(place(x.File, x.Line, "")), markdown(x.State))
	}
	return e.err
}
