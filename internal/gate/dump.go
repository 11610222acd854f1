package gate

import (
	"context"
	"fmt"
	"slices"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// The moments of a round at which a dump may be taken, which are its position.
const (
	afterWindow = 1
	afterLook   = 2
)

// moment is when something is dumped. Round 0 is the baseline, and the end of the run.
type moment struct{ round, seq int }

// dumping is a dump of a target that was asked for, whatever came of it.
type dumping struct {
	target string
	moment
}

// dump takes the dumps that the verdict wants, each once. It reports whether it asked for
// any: then the verdict has to be asked again.
func (g *Gate) dump(ctx context.Context, at moment, wanted []string) (asked bool) {
	for _, t := range g.processes() {
		d := dumping{t.Name(), at}
		if !slices.Contains(wanted, t.Name()) || g.dumped[d] {
			continue
		}
		g.dumped[d], asked = true, true
		g.dumpOf(ctx, t, at)
	}
	return asked
}

// dumpOf takes the debug=2 dump of a target that is small enough. One that cannot be had is
// a note, and changes no verdict.
func (g *Gate) dumpOf(ctx context.Context, t Process, at moment) {
	total, err := t.Total(ctx)
	if err != nil {
		g.noDump(ctx, t, err.Error())
		return
	}
	if total > maxDump {
		g.noDump(ctx, t, fmt.Sprintf("%d goroutines, and writing out more than %d would stop the target for too long",
			total, maxDump))
		return
	}
	raw, dump, err := t.Dump(ctx)
	if err != nil {
		g.noDump(ctx, t, err.Error())
		return
	}
	g.Writer.Capture(record.Capture{
		At: g.now(), Target: t.Name(), Kind: record.Evidence, Round: at.round, Seq: at.seq, Profile: dump,
	}, raw)
}

// noDump notes why there is no dump.
func (g *Gate) noDump(ctx context.Context, t Process, why string) {
	if ctx.Err() != nil { // the run is over
		return
	}
	g.note(t.Name(), "no-dump", "no goroutine dump, which tells wait times and creators: "+why)
}

func (g *Gate) note(target, code, message string) {
	g.Writer.Note(record.Note{At: g.now(), Target: target, Code: code, Message: g.Mask(message)})
}

// evidence asks failing targets for what a person needs: one dump with wait times and
// creators, unless one was taken after the last round. It comes after the decision, so that
// nothing disturbs it.
func (g *Gate) evidence(ctx context.Context) {
	run := g.Writer.Run() // without its end: what a pass is worth is not asked of it, which takes long
	v := verdict.Judge(run, g.Policy)
	if !slices.ContainsFunc(v.Checks, func(c verdict.Check) bool { return c.Outcome == verdict.Fail }) {
		return
	}
	var wanted []string
	for _, t := range g.processes() {
		if leaks(v, t.Name()) && !hasDump(run, t.Name(), v.Rounds) {
			wanted = append(wanted, t.Name())
		}
	}
	if wanted == nil {
		return
	}
	end := g.begin(record.Phase{Kind: record.Evidence}, 0, "")
	at := moment{seq: afterWindow}
	if !g.dump(ctx, at, wanted) { // it was taken after the baseline
		at.seq = afterLook
		g.dump(ctx, at, wanted)
	}
	end()
}

// leaks reports whether a finding is on a target.
func leaks(v verdict.Verdict, target string) bool {
	return slices.ContainsFunc(v.Findings, func(f verdict.Finding) bool { return f.Target == target })
}

// hasDump reports whether a target was dumped after a round.
func hasDump(run record.Run, target string, round int) bool {
	return slices.ContainsFunc(run.Captures, func(c record.Capture) bool {
		return c.Kind == record.Evidence && c.Target == target && c.Round == round
	})
}

// finished is the run as it will be judged.
func (g *Gate) finished() record.Run {
	run := g.Writer.Run()
	run.End = &record.End{Reason: record.Complete}
	return run
}
