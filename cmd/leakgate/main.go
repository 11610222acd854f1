// Command leakgate loads a staging deployment of a Go service, watches its
// goroutines, and fails the release with the stack that leaked.
package main

import (
	"context"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// gcPercent lets the heap grow further between collections than Go's default
// does: the load generator shares its machine's cores with the load, and its
// live heap is a few megabytes.
const gcPercent = 400

func main() { os.Exit(program(run)) }

// command is a whole program: it gets the world, and returns its exit code.
type command func(ctx context.Context, args []string, env func(string) (string, bool), in io.Reader, out, errOut io.Writer) int

// program runs a command in this process, or watches over one that does.
func program(c command) int {
	signal.Ignore(syscall.SIGPIPE) // a reader that left must not change the exit code
	if watched(os.Args[1:]) {
		if code, ok := watch(); ok {
			return code
		}
	}
	debug.SetGCPercent(gcPercent)
	log.SetOutput(io.Discard) // net/http logs what targets send unasked
	if code, ok := underWatch(c); ok {
		return code
	}
	ctx, stop := untilSignal(func() {})
	defer stop()
	return c(ctx, os.Args[1:], os.LookupEnv, os.Stdin, os.Stdout, os.Stderr)
}

// untilSignal is over with the first signal that asks for an end, that of a lost
// terminal included. A second one ends the process at once, but for another of the
// lost terminal: the shell and the system both send one. Who ignores it, as nohup
// has its programs do, goes on. then is called once a second one would end it.
func untilSignal(then func()) (context.Context, context.CancelFunc) {
	signals := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, func() {
		signal.Ignore(syscall.SIGHUP)
		stop()
		then()
	})
	return ctx, stop
}
