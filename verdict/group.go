package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// A selector stands for several instances. Each is judged by itself, and all of
// them together as one more target: what leaks a little in each of them shows first
// in their sum, and in their mean.

// groups are the names of the plan's targets that stand for several instances.
func groups(run record.Run) []string {
	count := map[string]int{}
	for _, t := range run.Targets {
		if t.Group != "" {
			count[t.Group]++
		}
	}
	var out []string
	for _, name := range sortedKeys(count) {
		if count[name] > 1 {
			out = append(out, name)
		}
	}
	return out
}

// togetherName is the name of all instances of a group as one target.
func togetherName(run record.Run, group string) string {
	n := 0
	for _, t := range run.Targets {
		if t.Group == group {
			n++
		}
	}
	return fmt.Sprintf("%s (all %d)", group, n)
}

// together adds all instances of a group to a run as one target: the counts of
// those captures that every instance has.
func together(run record.Run, group string) record.Run {
	name := togetherName(run, group)
	type moment struct {
		kind       record.Kind
		round, seq int
	}
	sums, have := map[moment]int{}, map[moment]int{}
	members := 0
	for _, t := range run.Targets {
		if t.Group == group {
			members++
		}
	}
	captures := slices.Clone(run.Captures)
	for _, c := range run.Captures {
		if !slices.ContainsFunc(run.Targets, func(t record.Target) bool { return t.Name == c.Target && t.Group == group }) {
			continue
		}
		m := moment{c.Kind, c.Round, c.Seq}
		sums[m], have[m] = sums[m]+c.Profile.Total, have[m]+1
		if have[m] == members {
			captures = append(captures, record.Capture{At: c.At, Target: name, Kind: c.Kind, Round: c.Round, Seq: c.Seq, Profile: stacks.Counted(sums[m])})
		}
	}
	run.Captures = captures
	return run
}

// analyseAll judges every target, and every group of instances as one more.
func analyseAll(run record.Run, policy Policy, rules []rule) []analysis {
	var out []analysis
	for _, t := range run.Targets {
		out = append(out, analyse(run, policy, t.Name, rules))
	}
	for _, g := range groups(run) {
		a := analyse(together(run, g), policy, togetherName(run, g), rules)
		a.group, a.members = g, nil
		for _, t := range run.Targets {
			if t.Group == g {
				a.members = append(a.members, t.Name)
			}
		}
		if slices.ContainsFunc(out, func(o analysis) bool {
			return memberOf(run, o.target) == g && (len(o.findings) > 0 || o.accountsFor(a))
		}) {
			a.yield()
		}
		out = append(out, a)
	}
	return out
}

func memberOf(run record.Run, target string) string {
	for _, t := range run.Targets {
		if t.Name == target {
			return t.Group
		}
	}
	return ""
}

// oneAlone is the share of all instances' growth from which on it is one instance's.
const oneAlone = 0.75

// accountsFor reports whether an instance grew by most of what all of them together did:
// then it is judged by what it shows itself, another round if need be, and is named. It
// is about the rounds that agree: a pool that filled before is no reason to overlook
// what all of them leak since.
func (a *analysis) accountsFor(all analysis) bool {
	if all.history.rounds() < 1 {
		return false
	}
	last, grown := all.history.rounds(), all.total.tail()
	own := a.total.bands[last].mid - a.total.bands[all.total.start()].mid
	return grown > 0 && float64(own) >= oneAlone*float64(grown)
}

// yield leaves to an instance what it leaks by itself.
func (a *analysis) yield() {
	a.findings, a.leaks, a.pending, a.suspects = nil, nil, nil, nil
}

// addGroup adds what all instances of a group did together.
func (v *Verdict) addGroup(run record.Run, a analysis) {
	sound, members := true, len(a.members)
	for _, t := range run.Targets {
		if t.Group == a.group {
			for _, c := range validity(run, t) {
				sound = sound && c.Outcome == Pass
			}
		}
	}
	checks := a.checks(sound)
	growth := checks[1]
	mids := a.total.mids()
	if growth.Message == "" && len(mids) > 0 {
		var means []string
		for _, n := range mids {
			means = append(means, fmt.Sprintf("%.1f", float64(n)/float64(members)))
		}
		growth.Message = fmt.Sprintf("goroutines in the mean of %d instances: %s", members, strings.Join(means, ", "))
	}
	v.Checks = append(v.Checks, growth)
	if sound {
		v.Findings = append(v.Findings, a.findings...)
		v.Warnings = append(v.Warnings, a.warnings...)
	}
	v.Targets = append(v.Targets, Target{Name: a.target, Totals: mids, Instances: members})
}
