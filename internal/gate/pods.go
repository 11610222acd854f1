package gate

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// Pods are those targets that are pods of a cluster. Its methods may be called from several
// goroutines.
type Pods interface {
	// Follow tells what happens to the pods until ctx ends.
	Follow(ctx context.Context, tell func(record.Change))
	// Freeze ends the time in which the set of pods may change. It returns those that have
	// come since they were discovered, and the names of those that have left.
	Freeze(ctx context.Context) (added []Source, left []record.Left, err error)
	// Frozen reports whether Freeze was called.
	Frozen() bool
	// Look is a last look at the pods, and returns what was not told yet. Where lost is set, a
	// target has stopped answering, and why may take a moment to show.
	Look(ctx context.Context, lost bool) []record.Change
	// Notes are what a person should know of how the pods were reached.
	Notes() []record.Note
	// Has reports whether a target is a pod.
	Has(target string) bool
	// Close closes the ways to the pods.
	Close()
}

// followPods records what happens to pods, which ends the run.
func (g *Gate) followPods(ctx context.Context, stop context.CancelCauseFunc) {
	if g.Pods == nil {
		return
	}
	g.sampler.group.Go(func() {
		g.Pods.Follow(ctx, func(c record.Change) {
			g.changed(c)
			if err := g.hopeless(); err != nil {
				stop(err)
			}
		})
	})
}

// changed records what happened to a pod.
func (g *Gate) changed(c record.Change) {
	c.At = g.now()
	c.Message = g.Mask(c.Message)
	g.Writer.Change(c)
}

// unfrozen reports whether a target is a pod that may still leave the set.
func (g *Gate) unfrozen(t Source) bool {
	return g.Pods != nil && !g.Pods.Frozen() && g.Pods.Has(t.Name())
}

// freezePods decides which pods are judged: those that are there now. An autoscaler may have
// added some in the warm-up.
func (g *Gate) freezePods(ctx context.Context) error {
	if g.Pods == nil {
		return nil
	}
	added, left, err := g.Pods.Freeze(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		var e *probe.Error
		if !errors.As(err, &e) {
			return err
		}
		g.gap(e, record.Baseline, 0, true)
		return &abort{code: cmp.Or(e.Code, verdict.CodeUnreachable), message: e.Error(), hint: e.Hint}
	}
	for _, l := range left {
		l.At = g.now()
		g.sampler.drop(l.Target)
		g.targets = slices.DeleteFunc(slices.Clone(g.targets), func(t Source) bool { return t.Name() == l.Target })
		g.Writer.Left(l)
	}
	if err := g.reach(ctx, added, nil); err != nil {
		return err
	}
	g.targets = append(slices.Clip(g.targets), added...)
	for _, t := range added {
		g.sampler.add(t)
	}
	return g.viable(ctx)
}

// lookAtPods has the last look at the pods, unless the run was interrupted, and returns the
// error that ends the run: what happened to a pod explains why it does not answer.
func (g *Gate) lookAtPods(ctx context.Context, err error) error {
	if g.Pods == nil || ctx.Err() != nil {
		return err
	}
	var a *abort
	lost := errors.As(err, &a) && slices.Contains(lostCodes, a.code)
	changes := g.Pods.Look(ctx, lost)
	for _, c := range changes {
		g.changed(c)
	}
	if len(changes) == 0 || err != nil && !lost {
		return err
	}
	if why := g.viable(ctx); why != nil {
		return why
	}
	return err
}

// leavePods records how the pods were reached, and closes the ways to them.
func (g *Gate) leavePods() {
	if g.Pods == nil {
		return
	}
	for _, n := range g.Pods.Notes() {
		n.At = g.now()
		g.Writer.Note(n)
	}
	g.Pods.Close()
}

// lostCodes are the codes of a run in which a target did not answer as it did before.
var lostCodes = []string{
	verdict.CodeLost, verdict.CodeGap, verdict.CodeRestarted, verdict.CodeReplaced, verdict.CodeUnreachable,
	verdict.CodeRefused, verdict.CodeFailing,
}
