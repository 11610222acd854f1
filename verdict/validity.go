package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
)

// recorded reports whether the run came to its end.
func recorded(run record.Run) Check {
	c := Check{Name: recordedName, Outcome: Pass, Measured: 1, Limit: 1, Unit: "complete run"}
	switch {
	case run.End == nil:
		c.Outcome, c.Measured, c.Code = Inconclusive, 0, CodeIncomplete
		c.Message = "the run has no end: leakgate was killed, or is still running"
		c.Hint = "run it again; what was recorded so far is in the run directory"
	case run.End.Reason == record.Interrupted:
		c.Outcome, c.Measured, c.Code = Inconclusive, 0, CodeInterrupted
		c.Message = "interrupted before the end"
	case run.End.Reason != record.Complete:
		c.Outcome, c.Measured, c.Code = Inconclusive, 0, run.End.Code
		c.Message, c.Hint = cmp.Or(run.End.Message, "aborted: "+run.End.Code), run.End.Hint
	}
	return c
}

// validity asks whether one target was the same process throughout, and was
// seen whenever it mattered.
func validity(run record.Run, t record.Target, limits *Thresholds) []Check {
	out := []Check{measured(run, t.Name), sameProcess(run, t, limits.Identity), fresh(run, t.Name, limits.Fresh)}
	if t.Counter != "" {
		out = append(out, sameCounts(run, t, limits.Fresh))
	}
	return out
}

// passed reports whether all checks did.
func passed(checks []Check) bool {
	return !slices.ContainsFunc(checks, func(c Check) bool { return c.Outcome != Pass })
}

// measured asks whether every sample that mattered was taken.
func measured(run record.Run, target string) Check {
	c := Check{Name: "measured", Target: target, Outcome: Pass, Unit: "missing samples"}
	var first *record.Gap
	for i, g := range run.Gaps {
		if g.Target != target || !g.Needed {
			continue
		}
		c.Measured++
		if first == nil {
			first = &run.Gaps[i]
		}
	}
	if first != nil {
		c.Outcome, c.Code, c.Hint = Inconclusive, CodeGap, first.Hint
		if first.Inconsistent {
			c.Code = CodeCounts
		}
		if first.Kind == record.Preflight {
			c.Code = CodeUnreachable
		}
		if first.Code != "" {
			c.Code = first.Code
		}
		c.Message = fmt.Sprintf("%s, %s into the run: %s", first.What, first.At.Round(time.Second), first.Error)
	}
	return c
}

// Hopeless finds what already makes the run inconclusive, whatever else will
// be measured, so that a gate can stop instead of loading on.
func Hopeless(run record.Run, policy Policy) (Check, bool) {
	limits := policy.limits()
	policy.Thresholds = limits
	all := samePods(run, policy) // what happened to a pod explains the rest
	if len(run.Loads) > 0 {
		all = append(all, answered(run, policy), delivered(run, policy), succeeded(run, policy), entries(run, policy))
		if c, ok := heldOpen(run, policy); ok {
			all = append(all, c)
		}
	}
	for _, t := range run.Targets {
		all = append(all, validity(run, t, limits)...)
	}
	for _, c := range all {
		if c.Outcome == Inconclusive {
			return c, true
		}
	}
	return Check{}, false
}
