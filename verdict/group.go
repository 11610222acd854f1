package verdict

import (
	"fmt"
	"maps"
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
	for _, name := range slices.Sorted(maps.Keys(count)) {
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

// addGroup adds what all instances of a group did together.
func (v *Verdict) addGroup(run record.Run, a assessment) {
	sound, members := true, len(a.members)
	for _, t := range run.Targets {
		if t.Group == a.group {
			sound = sound && passed(validity(run, t, a.limits))
		}
	}
	growth := a.checkGrowth()
	var mids []int
	if a.history.rounds() > 0 {
		mids = a.total.Middles()
	}
	if growth.Message == "" && len(mids) > 0 {
		var means []string
		for _, n := range mids {
			means = append(means, fmt.Sprintf("%.1f", float64(n)/float64(members)))
		}
		growth.Message = fmt.Sprintf("goroutines on average over %d instances: %s", members, strings.Join(means, ", "))
	}
	if !sound && a.history.rounds() > 0 {
		growth = unsound(growth)
	}
	v.Checks = append(v.Checks, growth)
	if sound {
		v.Findings = append(v.Findings, a.findings...)
		v.Warnings = append(v.Warnings, a.warnings...)
	}
	v.Targets = append(v.Targets, Target{Name: a.target, Totals: mids, Instances: members})
}
