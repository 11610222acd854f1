package verdict

import (
	"slices"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// assessment is all that is known of a subject, each part a value that the parts after it
// read: history → suspects → growth under load → memory and held connections → detections.
type assessment struct {
	subject
	suspects []suspect // above their baseline, sorted by key
	load     loadTrend
	memory   memoryReading
	held     heldReading
	detection
}

// detection is what one detector adds.
type detection struct {
	checks   []Check // beside those of growth and baseline
	findings []Finding
	unclear  int // stacks that grew, of which it cannot be told what they are
	ignored  []Ignored
	warnings []Warning
	wants    Action // what is needed before there is an answer
}

// detectors look for one kind of trouble each. A new one is a function and a line here.
var detectors = []func(assessment) detection{
	detectGrowth,
	detectBesides,
	detectConnections,
}

// assess judges one subject.
func assess(run record.Run, policy Policy, target string, rules []rule) assessment {
	a := assessment{subject: subjectOf(run, policy, target, rules)}
	if a.history.rounds() < 1 {
		return a
	}
	suspects, warnings := a.proof(a.sites(a.growth()))
	a.load = a.underLoad(suspects)
	a.suspects = a.load.suspects
	a.memory = a.readMemory(a.suspects)
	a.held = a.readConnections(a.suspects)
	a.warnings = warnings
	for _, detect := range detectors {
		a.detection = a.detection.with(detect(a))
	}
	return a
}

// with adds what another detector found.
func (d detection) with(o detection) detection {
	return detection{
		checks: append(slices.Clip(d.checks), o.checks...), findings: append(slices.Clip(d.findings), o.findings...),
		unclear: d.unclear + o.unclear, ignored: append(slices.Clip(d.ignored), o.ignored...),
		warnings: append(slices.Clip(d.warnings), o.warnings...), wants: max(d.wants, o.wants),
	}
}

// detectGrowth turns suspects into findings, ignored growth and warnings.
func detectGrowth(a assessment) (out detection) {
	var leaks []suspect
	for _, x := range a.suspects {
		switch {
		case x.rule != nil:
			out.ignored = append(out.ignored, x.rule.ignores(a.target, x, x.trend.Rise()))
		case x.leaks() || a.likely(x):
			leaks = append(leaks, x)
		case x.open() && x.trend.Matters():
			out.unclear++
		case x.class == trend.Draining:
			out.warnings = append(out.warnings, Warning{Code: "draining", Target: a.target, Message: drained(x)})
		case x.class == trend.Pool && x.trend.Rise() > a.limit():
			out.warnings = append(out.warnings, Warning{Code: "pool", Target: a.target, Message: pooled(x)})
		}
	}
	out.findings = a.causes(leaks)
	return out
}

// likely reports whether a suspect grew in every round and stayed through the long look,
// while the evidence for it alone is short of a leak's.
func (s subject) likely(x suspect) bool {
	if !x.open() || x.look == nil || x.look.Round != s.history.rounds() {
		return false
	}
	look := min(s.limits.Growth.LeastLook, s.policy.Confirm)
	return x.look.Watched >= look && x.trend.Matters() && x.trend.Repeats() && x.trend.Stays(*x.look, nil) &&
		x.trend.Movement(nil) != trend.Moves && !x.trend.Counted && x.trend.Outgrows(x.look, nil)
}

// confirmed is how many leaks have had their long look.
func (a assessment) confirmed() (n int) {
	for _, x := range a.suspects {
		if x.leaks() && !x.pending {
			n++
		}
	}
	for _, f := range a.findings {
		if f.Is(Held) {
			n++
		}
	}
	return n
}

// pending are the leaks that have not had it.
func (a assessment) pending() []suspect {
	return slices.DeleteFunc(slices.Clone(a.suspects), func(x suspect) bool { return !x.leaks() || !x.pending })
}
