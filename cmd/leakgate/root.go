package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/leakgate/leakgate/internal/mask"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/verdict"
)

// How errors read:
//
//	leakgate: error: what went wrong, lower case, quoting the input
//	leakgate: hint: the next thing to do, where there is one
//
// The outcome alone decides the exit code. A usage error is one in the plan or on the
// command line, found before anything was loaded.
const (
	exitPass         = 0
	exitFail         = 1
	exitUsage        = 2
	exitInconclusive = 3
	exitInterrupted  = 130
)

// exit carries an exit code, and what to say, if anything is left to say.
type exit struct {
	code int
	err  error
	hint string
}

func (e *exit) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exit) Unwrap() error { return e.err }

// app is what commands share: the world, passed in.
type app struct {
	env    func(string) (string, bool)
	in     io.Reader
	out    io.Writer
	errOut io.Writer
	now    func() time.Time

	mask    func(string) string // hides the secrets of the plan that was read, in messages; nil: there are none
	hidden  *mask.Mask          // the same in everything that leaves the process
	noColor bool
}

// run is the whole program. It returns the exit code.
func run(ctx context.Context, args []string, env func(string) (string, bool), in io.Reader, out, errOut io.Writer) int {
	a := &app{env: env, in: in, out: out, errOut: errOut, now: time.Now}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	defer a.flush()
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitPass
	}
	var e *exit
	if !errors.As(err, &e) {
		e = &exit{code: exitUsage, err: err, hint: "leakgate --help"}
	}
	a.complain(e)
	return e.code
}

func (a *app) complain(e *exit) {
	var problems plan.Problems
	switch {
	case errors.As(e.err, &problems):
		for _, p := range problems {
			a.say("error", fmt.Sprint(p))
		}
	case e.err != nil:
		a.say("error", e.err.Error())
	}
	if e.hint != "" {
		a.say("hint", e.hint)
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "leakgate",
		Short: "A release gate for goroutine leaks",
		Long: `leakgate loads a staging deployment of a Go service in rounds, watches its
goroutines before, during and after, and fails the release with the stack that
leaked.

Exit codes: 0 pass, 1 fail, 2 usage error, 3 could not tell, 130 interrupted.`,
		Example: `  leakgate demo                 see what a fail looks like
  leakgate init http://127.0.0.1:8080
  leakgate check plan.yaml      reach every target, send one request each
  leakgate run plan.yaml        the whole run`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().BoolVar(&a.noColor, "no-color", false, "no colours (also: NO_COLOR in the environment)")
	root.AddCommand(a.runCommand(), a.judgeCommand(), a.explainCommand(), a.diffCommand(), a.checkCommand(),
		a.initCommand(), a.attackCommand(), a.rulesCommand(), a.sloCommand(), a.serveCommand(), a.demoCommand(), a.serviceCommand(),
		a.schemaCommand(), a.versionCommand())
	return root
}

// usage marks an error as the user's.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return &exit{code: exitUsage, err: err}
}

// outcome turns an outcome into the error that carries its exit code.
func outcome(o verdict.Outcome) error {
	switch o {
	case verdict.Pass:
		return nil
	case verdict.Fail:
		return &exit{code: exitFail}
	}
	return &exit{code: exitInconclusive}
}

// terminal reports whether a writer is a terminal that understands repainting.
func (a *app) terminal(w io.Writer) bool {
	f, ok := unwrap(w).(*os.File)
	if t, _ := a.env("TERM"); t == "dumb" {
		return false
	}
	return ok && term.IsTerminal(int(f.Fd()))
}

func (a *app) color(w io.Writer) bool {
	if v, ok := a.env("NO_COLOR"); ok && v != "" || a.noColor {
		return false
	}
	return a.terminal(w)
}

func width(w io.Writer) func() int {
	return func() int {
		f, ok := unwrap(w).(*os.File)
		if !ok {
			return 0
		}
		columns, _, err := term.GetSize(int(f.Fd()))
		if err != nil {
			return 0
		}
		return columns
	}
}

// workingDir is where source paths are shown from; empty if it is not known.
func workingDir() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return dir
}
