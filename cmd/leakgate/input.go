package main

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/internal/plan"
)

// maxPlan is how long a plan may be, in bytes: some 10,000 requests with bodies.
const maxPlan = 16 << 20

// interruptible waits for f no longer than until ctx is over: what f reads may be a
// pipe that nobody writes to, or more than can be judged in a second. An f that is
// left behind ends with the program.
func interruptible[T any](ctx context.Context, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		if r.err != nil && errors.Is(r.err, ctx.Err()) {
			return r.value, interrupted()
		}
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, interrupted()
	}
}

func interrupted() error {
	return &exit{code: exitInterrupted, err: errors.New("interrupted; nothing was written")}
}

// usageUnless marks an error as the user's, unless it has a code already.
func usageUnless(err error) error {
	var e *exit
	if errors.As(err, &e) {
		return e
	}
	return usage(err)
}

// readPlan reads a plan, which may come from a pipe. Without an environment it is
// read to judge by.
func readPlan(ctx context.Context, file string, env func(string) (string, bool)) (*plan.Plan, error) {
	text, err := input.ReadFile(ctx, file, maxPlan)
	if err != nil {
		return nil, fmt.Errorf("reading plan: %w", err)
	}
	return plan.Parse(file, text, env)
}

// plan reads a plan to use, and has its secrets masked from then on.
func (a *app) plan(ctx context.Context, file string) (*plan.Plan, error) {
	p, err := interruptible(ctx, func() (*plan.Plan, error) { return readPlan(ctx, file, a.env) })
	if err != nil {
		return nil, usageUnless(err)
	}
	a.hide(p)
	debug.SetMemoryLimit(int64(p.Safety.Memory) + ownMemory)
	return p, nil
}

// ownMemory is what leakgate takes beside the answers of targets, in bytes: its program,
// the load's connections, reports. Past the sum, the garbage collector works harder than
// it has to by main's setting.
const ownMemory = 64 << 20
