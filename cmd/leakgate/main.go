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

// untilSignal returns a context that ends with the first signal that asks the process to
// end, including that of a lost terminal. A second signal ends the process at once, except
// another one of the lost terminal, which the shell and the system both send. A process
// that ignores that signal, as under nohup, goes on. then is called as soon as a second
// signal would end the process.
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
