//go:build unix

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/leakgate/leakgate/internal/report"
)

// watchedVariable is set for the process that is watched.
const watchedVariable = "LEAKGATE_WATCHED"

// The files of a watched process beside the usual three. Its standard error is a
// pipe to who watches, so that what the runtime says of a crash, a panic's value
// among it, reaches no log unseen.
const (
	realErrors = 3 // where messages go
	lifeline   = 4 // a byte on it asks for an end; its own end means that nobody watches any more
)

// watch runs this program again, and turns a crash of it into could-not-tell. It
// reports false where that cannot be done.
func watch() (int, bool) {
	if _, ok := os.LookupEnv(watchedVariable); ok {
		return 0, false
	}
	self, err := os.Executable()
	if err != nil {
		return 0, false
	}
	ends, tell, err := os.Pipe()
	if err != nil {
		return 0, false
	}
	defer tell.Close()
	said := &firstBytes{}
	cmd := &exec.Cmd{
		Path: self, Args: os.Args, Stdin: os.Stdin, Stdout: os.Stdout, Stderr: said,
		ExtraFiles: []*os.File{os.Stderr, ends}, Env: append(os.Environ(), watchedVariable+"=1"),
	}
	_, stop := untilSignal(func() { _, _ = tell.Write([]byte{'.'}) })
	defer stop()
	quit := make(chan os.Signal, 1)
	signal.Notify(quit, syscall.SIGQUIT)
	if err := cmd.Start(); err != nil {
		ends.Close()
		return 0, false
	}
	ends.Close()
	go func() {
		for s := range quit {
			_ = cmd.Process.Signal(s)
		}
	}()
	_ = cmd.Wait() // its state says it all
	return judgeEnd(cmd.ProcessState, said.String()), true
}

// judgeEnd is the exit code for how the watched process ended.
func judgeEnd(state *os.ProcessState, said string) int {
	ended := ""
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		ended = fmt.Sprintf("ended by the signal %q", status.Signal().String())
		if status.Signal() == syscall.SIGKILL {
			ended += ", as when memory runs out"
		}
	}
	switch code := state.ExitCode(); {
	case code == exitUsageWatched:
		printSaid(said)
		return exitUsage
	case code == exitUsage || ended != "":
		fmt.Fprint(os.Stderr, crashReport(ended, said))
		return exitInconclusive
	default:
		printSaid(said)
		return code
	}
}

// printSaid hands on what libraries write to standard error by themselves.
func printSaid(said string) {
	for line := range strings.Lines(said) {
		fmt.Fprintln(os.Stderr, report.Printable(strings.TrimSuffix(line, "\n")))
	}
}

// firstBytes keeps the first of what is written.
type firstBytes struct{ bytes.Buffer }

func (f *firstBytes) Write(p []byte) (int, error) {
	if left := maxCrash - f.Len(); left > 0 {
		f.Buffer.Write(p[:min(left, len(p))])
	}
	return len(p), nil
}

// underWatch runs a command in the process that is watched. It reports false in
// any other.
func underWatch(c command) (int, bool) {
	if _, ok := os.LookupEnv(watchedVariable); !ok {
		return 0, false
	}
	errOut, life := os.NewFile(realErrors, "/dev/stderr"), os.NewFile(lifeline, "lifeline")
	if info, err := life.Stat(); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		return 0, false // somebody set the variable
	}
	syscall.CloseOnExec(realErrors)
	syscall.CloseOnExec(lifeline)
	if err := os.Unsetenv(watchedVariable); err != nil {
		return 0, false
	}
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	// A terminal sends its signals to both processes. The one that watches says which is
	// the second, by ending.
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		one := make([]byte, 1)
		for {
			if _, err := io.ReadFull(life, one); err != nil {
				os.Exit(exitInterrupted)
			}
			cancel()
		}
	}()
	code := c(ctx, os.Args[1:], os.LookupEnv, os.Stdin, os.Stdout, errOut)
	if code == exitUsage {
		code = exitUsageWatched
	}
	return code, true
}
