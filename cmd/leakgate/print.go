package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/leakgate/leakgate/internal/mask"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/internal/report"
)

// clean makes foreign text, such as what a target answered, fit to be printed: the
// plan's secrets are hidden, and it can neither steer a terminal nor speak to
// whatever reads the log.
func (a *app) clean(text string) string {
	if a.mask != nil {
		text = a.mask(text)
	}
	return report.Printable(text)
}

// linef prints to w with all text among args cleaned. The format is this program's.
func (a *app) linef(w io.Writer, format string, args ...any) {
	for i, arg := range args {
		switch x := arg.(type) {
		case string:
			args[i] = a.clean(x)
		case error:
			args[i] = a.clean(x.Error())
		case fmt.Stringer:
			args[i] = a.clean(x.String())
		}
	}
	fmt.Fprintf(w, format, args...)
}

// hide takes the secrets of a plan out of all that is printed and written from now on.
func (a *app) hide(p *plan.Plan) {
	a.mask, a.hidden = p.Mask, p.Hidden
	a.out, a.errOut = p.Hidden.Writer(unwrap(a.out)), p.Hidden.Writer(unwrap(a.errOut))
}

// unwrap is the writer behind a mask.
func unwrap(w io.Writer) io.Writer {
	if m, ok := w.(*mask.Writer); ok {
		return m.Unwrap()
	}
	return w
}

// flush prints what a mask held back.
func (a *app) flush() {
	for _, w := range []io.Writer{a.out, a.errOut} {
		if m, ok := w.(*mask.Writer); ok {
			_ = m.Flush() // there is nowhere to say so
		}
	}
}

// say prints a message whose every line is this program's: what it quotes could
// otherwise begin a line of its own, and speak to whatever reads the log.
func (a *app) say(kind, text string) {
	for i, line := range strings.Split(text, "\n") {
		lead := "leakgate: " + kind + ": "
		if i > 0 {
			lead = "  "
		}
		fmt.Fprintln(a.errOut, lead+a.clean(line))
	}
}
