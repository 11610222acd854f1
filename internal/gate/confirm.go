package gate

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// looks is how many captures a long look has, about.
	looks = 30
	// MaxDump is the count of goroutines above which no debug=2 dump is asked
	// for: it stops the target for about 5 ms per thousand.
	MaxDump = 5000
	// collectEvery is how many captures of a long look lie between two forced
	// collections.
	collectEvery = 6
)

// confirm watches suspects without load until they fall or the time is up.
func (g *Gate) confirm(ctx context.Context, round int, step verdict.Step) error {
	start := g.now()
	g.watch.Begin(record.Phase{Kind: record.Confirm, Round: round, Start: start}, step.Until, step.Why)
	watched := map[string]bool{}
	every := min(max(step.Until/looks, 500*time.Millisecond), 5*time.Second)
	defer func() {
		g.writer.Phase(record.Phase{Kind: record.Confirm, Round: round, Start: start, End: g.now()})
	}()
	for seq := 1; ; seq++ {
		for _, name := range step.Targets {
			watched[name] = true // those that have fallen drop out of the list
		}
		if err := g.lookAt(ctx, round, seq, step.Targets); err != nil {
			return err
		}
		if err := g.hopeless(ctx); err != nil {
			return err
		}
		if step = verdict.Next(g.writer.Run(), g.policy); step.Action != verdict.Watch {
			return g.lookAgain(ctx, round, slices.Collect(maps.Keys(watched)))
		}
		if err := sleep(ctx, every); err != nil {
			return err
		}
	}
}

// lookAgain looks at who targets are once they were watched: a crash looks like work that
// came to its end.
func (g *Gate) lookAgain(ctx context.Context, round int, names []string) error {
	err := g.each(names, func(t source) error { return g.witness(ctx, t, record.Confirm, round) })
	if err != nil {
		return err
	}
	return g.hopeless(ctx)
}

// each does something to some targets, all at once.
func (g *Gate) each(names []string, do func(source) error) error {
	var wg sync.WaitGroup
	errs := make([]error, len(g.targets))
	for i, t := range g.targets {
		if slices.Contains(names, t.Name()) {
			wg.Go(func() { errs[i] = do(t) })
		}
	}
	wg.Wait()
	return errors.Join(errs...)
}

// readings is how often the runtime is asked for proof: one reading can miss a
// leak that another finds.
const readings = 2

// prove asks every target that can tell which goroutines can never wake.
func (g *Gate) prove(ctx context.Context, round int) error {
	able := map[string]bool{}
	for _, t := range g.writer.Run().Targets {
		able[t.Name] = slices.Contains(t.Profiles, "goroutineleak")
	}
	var names []string
	for _, t := range g.readable() {
		if able[t.Name()] {
			names = append(names, t.Name())
		}
	}
	return g.each(names, func(t source) error { return g.proveOne(ctx, t.(*probe.Target), round) })
}

func (g *Gate) proveOne(ctx context.Context, t *probe.Target, round int) error {
	for seq := 1; seq <= readings; seq++ {
		err := g.needed(ctx, record.Leaked, round, func() error {
			raw, p, err := t.Leaked(ctx)
			if err == nil {
				g.writer.Capture(record.Capture{At: g.now(), Target: t.Name(), Kind: record.Leaked, Round: round, Seq: seq, Profile: p}, raw)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return g.witness(ctx, t, record.Leaked, round)
}

func (g *Gate) lookAt(ctx context.Context, round, seq int, names []string) error {
	return g.each(names, func(t source) error {
		if seq%collectEvery == 0 {
			err := g.needed(ctx, record.Confirm, round, func() error { return g.memory(ctx, t, record.Confirm, round) })
			if err != nil {
				return err
			}
		}
		return g.capture(ctx, t, record.Confirm, round, seq)
	})
}

// evidence asks failing targets for what a person needs: one dump with wait
// times and creators. It comes after the decision, so that nothing disturbs it.
func (g *Gate) evidence(ctx context.Context) {
	v := verdict.Judge(g.finished(), g.policy)
	if v.Outcome != verdict.Fail {
		return
	}
	start := g.now()
	g.watch.Begin(record.Phase{Kind: record.Evidence, Start: start}, 0, "")
	defer func() { g.writer.Phase(record.Phase{Kind: record.Evidence, Start: start, End: g.now()}) }()
	for _, t := range g.readable() {
		if slices.ContainsFunc(v.Findings, func(f verdict.Finding) bool { return f.Target == t.Name() }) {
			g.dump(ctx, t, 0)
		}
	}
}

// dumpFor takes the dumps that decide whether a rule ignores what grew.
func (g *Gate) dumpFor(ctx context.Context, round int, names []string) {
	for _, t := range g.readable() {
		if slices.Contains(names, t.Name()) {
			g.dump(ctx, t, round)
		}
	}
}

// dump takes the debug=2 dump of a target that is small enough, after a round or,
// with 0, at the end. That it fails ignores nothing, and changes no verdict.
func (g *Gate) dump(ctx context.Context, t *probe.Target, round int) {
	total, err := t.Total(ctx)
	if err != nil {
		g.note(t, "no-dump", "no goroutine dump: "+err.Error())
		return
	}
	if total > MaxDump {
		g.note(t, "no-dump", fmt.Sprintf("no goroutine dump with wait times and creators: %d goroutines, and a dump of more than %d would stop the target for too long", total, MaxDump))
		return
	}
	raw, dump, err := t.Dump(ctx)
	if err != nil {
		g.note(t, "no-dump", "no goroutine dump: "+err.Error())
		return
	}
	g.writer.Capture(record.Capture{At: g.now(), Target: t.Name(), Kind: record.Evidence, Round: round, Seq: 1, Profile: dump}, raw)
}

func (g *Gate) note(t *probe.Target, code, message string) {
	g.writer.Note(record.Note{At: g.now(), Target: t.Name(), Code: code, Message: g.plan.Mask(message)})
}
