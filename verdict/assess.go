package verdict

import (
	"slices"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

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
	a.load = growthUnderLoad(a.subject, suspects)
	a.suspects = a.load.suspects
	a.memory = readMemory(a.subject, a.suspects)
	a.held = readConnections(a.subject, a.suspects)
	a.warnings = warnings
	for _, detect := range detectors {
		a.detection = a.detection.with(detect(a))
	}
	return a
}

// detectGrowth turns suspects into findings, ignored growth and warnings.
func detectGrowth(a assessment) (out detection) {
	var leaks []suspect
	for _, x := range a.suspects {
		switch {
		case x.class == trend.Steady && x.proven == 0:
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

// assessAll judges every target, and every group of instances as one more. An instance that
// grew by most of what all of them did is judged, and named, by itself.
func assessAll(run record.Run, policy Policy, rules []rule) []assessment {
	policy.Thresholds = policy.limits() // worked out once
	var out []assessment
	for _, t := range run.Targets {
		out = append(out, assess(run, policy, t.Name, rules))
	}
	alone := len(out)
	for _, g := range groups(run) {
		a := assess(together(run, g), policy, togetherName(run, g), rules)
		a.group, a.members = g, nil
		for _, t := range run.Targets {
			if t.Group == g {
				a.members = append(a.members, t.Name)
			}
		}
		if slices.ContainsFunc(out[:alone], func(o assessment) bool {
			return slices.Contains(a.members, o.target) && (len(o.findings) > 0 || o.accountsFor(a))
		}) {
			a.findings, a.suspects = nil, nil
		}
		out = append(out, a)
	}
	return out
}

// accountsFor reports whether an instance grew by most of what all of them together did:
// then it is judged by what it shows itself, another round if need be, and is named. It is
// about the rounds that agree: a pool that filled before is no reason to overlook what all
// of them leak since.
func (a assessment) accountsFor(all assessment) bool {
	if all.history.rounds() < 1 || a.history.rounds() < 1 {
		return false
	}
	last, grown := all.history.rounds(), all.total.Tail()
	if last >= len(a.total.Bands) {
		return false
	}
	own := a.total.Bands[last].Middle - a.total.Bands[all.total.Start()].Middle
	return grown > 0 && float64(own) >= a.limits.Cause.OneAlone*float64(grown)
}
