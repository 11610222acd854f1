// Command leakgate loads a staging deployment of a Go service, watches its
// goroutines, and fails the release with the stack that leaked.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

// gcPercent lets the heap grow further between collections than Go's default
// does: the load generator shares its machine's cores with the load, and its
// live heap is a few megabytes.
const gcPercent = 400

func main() {
	debug.SetGCPercent(gcPercent)
	signal.Ignore(syscall.SIGPIPE) // a reader that left must not change the exit code
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.LookupEnv, os.Stdin, os.Stdout, os.Stderr))
}
