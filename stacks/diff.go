package stacks

import (
	"cmp"
	"slices"
)

// Delta is how one identity changed between two profiles.
type Delta struct {
	Stack  Stack // where most of the change is: the place (with lines) that grew or shrank most
	Before int   // goroutines
	After  int   // goroutines
}

// Growth is After minus Before, in goroutines.
func (d Delta) Growth() int { return d.After - d.Before }

// Diff compares two profiles by Key. Every identity of either side is
// returned, sorted by growth, the largest first, then by key.
func Diff(before, after *Profile) []Delta {
	type side struct{ before, after int }
	counts := map[string]side{}
	places := map[where]int{} // change, in goroutines
	for _, s := range before.Stacks {
		c := counts[s.Key]
		c.before += s.Count
		counts[s.Key] = c
		places[s.where()] -= s.Count
	}
	for _, s := range after.Stacks {
		c := counts[s.Key]
		c.after += s.Count
		counts[s.Key] = c
		places[s.where()] += s.Count
	}
	shown := map[string]Stack{}
	for _, s := range slices.Concat(after.Stacks, before.Stacks) {
		grew := counts[s.Key].after >= counts[s.Key].before
		old, seen := shown[s.Key]
		if !seen || grew && places[s.where()] > places[old.where()] || !grew && places[s.where()] < places[old.where()] {
			shown[s.Key] = s
		}
	}
	out := make([]Delta, 0, len(counts))
	for k, c := range counts {
		out = append(out, Delta{Stack: shown[k], Before: c.before, After: c.after})
	}
	slices.SortFunc(out, func(a, b Delta) int {
		return cmp.Or(cmp.Compare(b.Growth(), a.Growth()), cmp.Compare(a.Stack.Key, b.Stack.Key))
	})
	return out
}
