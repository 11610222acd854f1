package main

import (
	"fmt"
	"io"
	"strings"

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
