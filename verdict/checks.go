package verdict

import (
	"slices"

	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// answers are the checks of a subject. Without sound data there is no answer to them.
func (a assessment) answers(sound bool) []Check {
	out := append([]Check{a.checkBaseline(), a.checkGrowth()}, a.checks...)
	if sound || a.history.rounds() < 1 {
		return out
	}
	for i, c := range out {
		out[i] = unsound(c)
	}
	return out
}

// unsound is a check to which there is no answer.
func unsound(c Check) Check {
	c.Outcome, c.Message, c.Hint, c.Code = Inconclusive, "not judged: the target was not measured throughout", "", CodeUnmeasured
	return c
}

// unmeasured is a check of growth where no round was completed.
func unmeasured(c Check) Check {
	c.Outcome, c.Code, c.Message = Inconclusive, CodeUnmeasured, "not measured: no round was completed"
	return c
}

// checkGrowth asks whether any stack leaks.
func (a assessment) checkGrowth() Check {
	c := Check{Name: "growth", Target: a.target, Outcome: Pass, Unit: "stacks"}
	if a.history.rounds() < 1 {
		return unmeasured(c)
	}
	open := slices.DeleteFunc(slices.Clone(a.suspects), func(x suspect) bool { return !x.open() || a.tolerated(x) })
	pending := a.pending()
	for _, f := range a.findings {
		if f.Class == Confirmed {
			c.Measured++
		}
	}
	i := slices.IndexFunc(a.findings, func(f Finding) bool { return f.Class == Confirmed })
	switch {
	case i >= 0:
		c.Outcome = Fail
		c.Message, c.Hint = a.leakMessage(a.findings[i])
	case len(pending) > 0:
		c.Outcome, c.Code, c.Measured = Inconclusive, CodeUnconfirmed, float64(len(pending))
		c.Message, c.Hint = unconfirmedMessage(pending[0], a.policy)
	case len(open) > 0:
		c.Outcome, c.Code, c.Measured = Inconclusive, CodeUndecided, float64(len(open))
		c.Message, c.Hint = undecidedMessage(open[0])
	}
	return c
}

// checkBaseline compares the total with its baseline. Growth that stopped or drains is
// explained; what is left has to be within the tolerance.
func (a assessment) checkBaseline() Check {
	c := Check{Name: "baseline", Target: a.target, Outcome: Pass, Unit: "goroutines", Limit: float64(a.policy.Tolerance)}
	if a.history.rounds() < 1 {
		return unmeasured(c)
	}
	explained, leaked := a.accounted()
	above, base := a.total.Above(), a.total.Bands[0].Middle
	left := above - explained
	c.Measured, c.Limit = float64(above), float64(a.limit())
	switch {
	case left <= a.limit():
		c.Message = explainedMessage(above, explained, a.limit())
	case leaked > 0 && (a.confirmed() > 0 || len(a.pending()) == 0):
		c.Outcome = Fail
		c.Message, c.Hint = aboveMessage(above, base, a.limit())
	case slices.Contains([]trend.Class{trend.Pool, trend.Steady, trend.Noise}, a.total.Classify(nil)):
		c.Message = stoppedMessage(above)
	default:
		c.Outcome, c.Code = Inconclusive, "above-baseline"
		c.Message, c.Hint = unclearMessage(above, base)
	}
	return c
}

// accounted is how many goroutines above the baseline stacks explain that may grow, and how
// many leaked.
func (a assessment) accounted() (explained, leaked int) {
	noisy := 0
	for _, x := range a.suspects {
		above := max(0, x.trend.Above())
		switch {
		case x.rule != nil || x.proven == 0 && x.mayGrow():
			explained += above
		case x.proven == 0 && x.class == trend.Noise:
			noisy += above
		case x.leaks():
			leaked += above
		}
	}
	// Many stacks that each drift a little do not all drift the same way.
	const bothWays = 2 // as many come as go
	drift := int(a.total.Reach(float64(bothWays * a.total.Bands[0].Middle)))
	return explained + min(noisy, drift), leaked
}
