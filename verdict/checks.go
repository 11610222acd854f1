package verdict

import (
	"fmt"
	"slices"
)

// checks are the questions about growth. Without sound data there is no
// answer to them.
func (a *analysis) checks(sound bool) []Check {
	growth := Check{Name: "growth", Target: a.target, Outcome: Pass, Unit: "stacks", Measured: float64(len(a.findings))}
	baseline := Check{Name: "baseline", Target: a.target, Outcome: Pass, Unit: "goroutines", Limit: float64(a.policy.Tolerance)}
	if a.history.rounds() < 1 {
		growth.Outcome, baseline.Outcome = Inconclusive, Inconclusive
		growth.Code, baseline.Code = CodeUnmeasured, CodeUnmeasured
		growth.Message, baseline.Message = "not measured: no round was completed", "not measured: no round was completed"
		return []Check{baseline, growth}
	}
	baseline.Measured, baseline.Limit = float64(a.total.above()), float64(a.limit())
	a.checkGrowth(&growth)
	a.checkBaseline(&baseline)
	all := append([]Check{baseline, growth}, a.extra...)
	if !sound {
		for i := range all {
			c := &all[i]
			c.Outcome, c.Message, c.Hint, c.Code = Inconclusive, "not judged: the target was not measured throughout", "", CodeUnmeasured
		}
	}
	return all
}

func (a *analysis) checkGrowth(c *Check) {
	var open []suspect
	for _, s := range a.suspects {
		if s.class == undecided && s.proven == 0 && s.rule == nil && !a.tolerated(s) {
			open = append(open, s)
		}
	}
	switch {
	case len(a.findings) > 0 && len(a.pending) < len(a.findings):
		f := a.findings[0]
		c.Outcome = Fail
		c.Message = fmt.Sprintf("%s grew again in every round: %v goroutines", f.Function, f.Counts)
		switch f.Evidence[0] {
		case Rising:
			c.Message = fmt.Sprintf("%s: goroutines rise from round to round under load, %s", f.Function, a.slope)
		case Held:
			c.Message = fmt.Sprintf("%s grows while connections are held: %v goroutines early and late in the last round", f.Function, f.Counts)
		case Proven:
			c.Message = fmt.Sprintf("%s: the runtime proves that %s can never wake", f.Function, plural(f.Leaked, "goroutine"))
		}
		c.Hint = "open the stack in the report; the goroutines stay where it says"
	case len(a.pending) > 0:
		c.Outcome, c.Code = Inconclusive, "unconfirmed"
		c.Message = fmt.Sprintf("%s grew again in every round, but was not watched long enough to tell a leak from slow work", blamed(a.pending[0].stack))
		c.Hint = fmt.Sprintf("let the run finish: it watches for %s", a.policy.Confirm)
	case len(open) > 0:
		c.Outcome, c.Code = Inconclusive, "undecided"
		c.Measured = float64(len(open))
		c.Message = fmt.Sprintf("%s grew by %d goroutines in %d rounds (counts %v), without a pattern that tells a leak from a pool",
			blamed(open[0].stack), open[0].trend.rise(), a.history.rounds(), open[0].trend.mids())
		c.Hint = "raise load.rounds.max or load.round"
	}
}

// checkBaseline compares the total with its baseline. Growth that stopped or
// drains is explained; what is left has to be within the tolerance.
func (a *analysis) checkBaseline(c *Check) {
	explained, leaked, noisy := 0, 0, 0
	for _, s := range a.suspects {
		switch {
		case s.rule != nil || s.proven == 0 && (s.class == pool || s.class == draining):
			explained += max(0, s.trend.above())
		case s.proven == 0 && s.class == noise:
			noisy += max(0, s.trend.above())
		case s.class == leak || s.proven > 0:
			leaked += max(0, s.trend.above())
		}
	}
	// Many stacks that each drift a little do not all drift the same way.
	explained += min(noisy, int(a.total.drift(2*float64(a.total.bands[0].mid), falseRed)))
	left := a.total.above() - explained
	switch {
	case left <= a.limit():
		if a.total.above() > a.limit() {
			c.Message = fmt.Sprintf("%d goroutines above the baseline, of which %d grew and stopped, drain or are ignored", a.total.above(), explained)
		}
	case leaked > 0 && len(a.pending) == 0:
		c.Outcome = Fail
		c.Message = fmt.Sprintf("%d goroutines above the baseline of %d, tolerance %d", a.total.above(), a.total.bands[0].mid, a.limit())
		c.Hint = "see the findings for the stacks that grew"
	case slices.Contains([]class{pool, steady, noise}, a.total.classify()):
		c.Message = fmt.Sprintf("%d goroutines above the baseline, but no longer growing", a.total.above())
	default:
		c.Outcome, c.Code = Inconclusive, "above-baseline"
		c.Message = fmt.Sprintf("%d goroutines above the baseline of %d, and the run ended before it was clear why", a.total.above(), a.total.bands[0].mid)
		c.Hint = "raise load.rounds.max, or compare the profiles in the run directory with `leakgate diff`"
	}
}
