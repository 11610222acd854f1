package verdict

import (
	"math"
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict/internal/blame"
)

// NextTrial says which requests of a failed run should be loaded next, without the others,
// to learn which of them leak; false when that is known of every stack that leaks, as far as
// it can be in the time for trials, or when there is only one request.
func NextTrial(run record.Run, policy Policy) (TrialStep, bool) {
	sent, rounds := roundsSent(run)
	if len(sent) <= 1 || rounds <= 0 {
		return TrialStep{}, false
	}
	spent := time.Duration(0)
	for _, t := range run.Trials {
		if t.Stopped != "" {
			return TrialStep{}, false
		}
		spent += t.Planned
	}
	step := TrialStep{}
	var all []blame.Stack
	rules, _ := compile(policy.Ignore, run.Started)
	for _, t := range run.Targets {
		a := assess(run, policy, t.Name, rules)
		grown := a.grown()
		if len(grown) == 0 {
			continue
		}
		step.Targets = append(step.Targets, t.Name)
		for _, x := range grown {
			all = append(all, trialsOf(a.subject, x))
		}
	}
	next, more := blame.Plan(all, rounds, spent, policy.limits().Trials)
	if !more {
		return TrialStep{}, false
	}
	step.Only, step.Duration, step.Requests = next.Requests, next.Duration, namesOf(run, next.Requests)
	step.Rate = max(1, math.Round(next.Faster*next.Share*float64(sumOf(sent))/rounds.Seconds()))
	return step, true
}

// TrialStep is a trial that should be made next.
type TrialStep struct {
	Only     []int // entries of the load
	Rate     float64
	Duration time.Duration
	Targets  []string // whose stacks leak
	Requests string   // the entries' names
}

// grown are the suspects that findings are about, where any of them leaks.
func (a assessment) grown() []suspect {
	if !slices.ContainsFunc(a.suspects, suspect.leaks) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(a.suspects), func(x suspect) bool { return !x.leaks() && !a.likely(x) })
}

func namesOf(run record.Run, group []int) string {
	var names []string
	entries := entriesOf(run)
	for _, i := range group {
		names = append(names, entries[i].Name)
	}
	return listed(names)
}
