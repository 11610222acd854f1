package main

import (
	"slices"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// Two familiar rules, on the recorded data of the same runs.

// afterMinusBefore fails a service whose total after the last round is more
// than 50 above the baseline.
func afterMinusBefore(run record.Run, target string) bool {
	before, after := ends(run, target)
	return before != nil && after.Total-before.Total > 50
}

// topFiveFrames fails a service where one of the five most common frames has
// gained more than 100 goroutines.
func topFiveFrames(run record.Run, target string) bool {
	before, after := ends(run, target)
	if before == nil {
		return false
	}
	was, is := frames(before), frames(after)
	names := make([]string, 0, len(is))
	for f := range is {
		names = append(names, f)
	}
	slices.SortFunc(names, func(a, b string) int { return is[b] - is[a] })
	for _, f := range names[:min(5, len(names))] {
		if is[f]-was[f] > 100 {
			return true
		}
	}
	return false
}

// frames counts goroutines by their innermost frame.
func frames(p *stacks.Profile) map[string]int {
	out := map[string]int{}
	for _, s := range p.Stacks {
		if len(s.Frames) > 0 {
			out[s.Frames[0].Function] += s.Count
		}
	}
	return out
}

// ends are the first capture of the baseline and the last of the last round.
func ends(run record.Run, target string) (before, after *stacks.Profile) {
	for _, c := range run.Captures {
		if c.Target != target {
			continue
		}
		switch {
		case c.Kind == record.Baseline && before == nil:
			before, after = c.Profile, c.Profile
		case c.Kind == record.Settling:
			after = c.Profile
		}
	}
	return before, after
}
