package verdict

import (
	"fmt"
	"maps"
	"slices"

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
	all := map[moment][]*stacks.Profile{}
	members := 0
	for _, t := range run.Targets {
		if t.Group == group {
			members++
		}
	}
	captures := slices.Clone(run.Captures)
	for _, c := range run.Captures {
		if c.Profile == nil || !slices.ContainsFunc(run.Targets, func(t record.Target) bool { return t.Name == c.Target && t.Group == group }) {
			continue
		}
		m := moment{c.Kind, c.Round, c.Seq}
		all[m] = append(all[m], c.Profile)
		if len(all[m]) == members {
			captures = append(captures, record.Capture{At: c.At, Target: name, Kind: c.Kind, Round: c.Round, Seq: c.Seq, Profile: summed(all[m])})
		}
	}
	run.Captures = captures
	return run
}

// summed is several profiles as one: stack by stack, or where there is but a count of one of
// them, the sum of the counts.
func summed(all []*stacks.Profile) *stacks.Profile {
	total, counted := 0, false
	var every []stacks.Stack
	for _, p := range all {
		total += p.Total
		counted = counted || onlyCounted(p)
		every = append(every, p.Stacks...)
	}
	if counted {
		return stacks.Counted(total)
	}
	return stacks.NewProfile(every...)
}
