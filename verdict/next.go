package verdict

import (
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
)

// Action is what a gate should measure next.
type Action int

// The actions. Watch means: no load, and another capture of each target in
// Step.Targets.
const (
	Stop Action = iota
	Load
	Watch
)

// Step is the next action, with the reason as a person would put it; rounds
// that the plan asks for in any case need none.
type Step struct {
	Action  Action
	Targets []string // to watch
	Why     string
	Until   time.Duration // Watch: at the latest, from the end of the load
	Dump    []string      // targets whose debug=2 dump decides whether a rule ignores what grew
}

// Next decides, from what was recorded so far, whether the evidence is in. It
// is the same analysis that Judge makes, so that a gate never stops where the
// verdict would have wanted more, as long as the plan's budget allows it.
func Next(run record.Run, policy Policy) Step {
	rules, _ := compile(policy.Ignore, run.Started)
	analyses := analyseAll(run, policy, rules)
	rounds := 0
	for _, a := range analyses {
		rounds = max(rounds, a.history.rounds())
	}
	if rounds < policy.MinRounds {
		return Step{Action: Load}
	}
	step := next(policy, analyses, rounds, func() int { return sensitivity(run, policy) })
	if policy.wantsCreator() && step.Action != Load {
		for _, a := range analyses {
			if slices.ContainsFunc(a.suspects, func(s suspect) bool { return s.rule == nil && !a.dumped(&s) }) {
				step.Dump = append(step.Dump, a.target)
			}
		}
	}
	return step
}

// next weighs what the targets' analyses leave open.
func next(policy Policy, analyses []analysis, rounds int, sensed func() int) Step {
	watch := Step{Action: Watch, Until: policy.Confirm}
	unclear := watch
	var open []suspect
	leaks := 0
	for _, a := range analyses {
		leaks += len(a.findings) - len(a.pending)
		if len(a.pending) > 0 {
			watch.Targets = append(watch.Targets, a.members...)
			if watch.Why == "" {
				watch.Why = blamed(a.pending[0].stack) + " keeps growing: watching whether it falls"
			}
		}
		for _, s := range a.suspects {
			if s.class == undecided && s.proven == 0 && s.rule == nil && !a.tolerated(s) && !a.confirmed(&s) {
				unclear.Targets = append(unclear.Targets, a.members...)
				unclear.Why = blamed(s.stack) + " grew, and it is not clear why: watching whether it falls"
				break
			}
		}
		for _, s := range a.suspects {
			if s.class == undecided && s.proven == 0 && s.rule == nil && s.trend.matters() {
				open = append(open, s)
			}
		}
	}
	more := rounds < policy.MaxRounds && len(open) > 0
	growing, held := false, false // memory, that the plan lets fail
	rising := ""
	for _, a := range analyses {
		growing = growing || a.wants == Load
		if a.rising {
			rising = a.target
		}
		if a.wants == Watch {
			held = true
			unclear.Targets, unclear.Why = append(unclear.Targets, a.members...), a.memory.Message+": watching whether it falls"
		}
	}
	switch {
	case policy.Thorough && more:
		return Step{Action: Load, Why: blamed(open[0].stack) + " is not decided yet"}
	case len(watch.Targets) > 0:
		return watch
	case leaks > 0:
		return Step{Action: Stop, Why: "a leak is confirmed"}
	case rounds >= policy.MaxRounds && len(unclear.Targets) > 0:
		return unclear
	case rounds >= policy.MaxRounds:
		return Step{Action: Stop, Why: "the plan's rounds are used up"}
	case growing:
		return Step{Action: Load, Why: "memory grew: another round"}
	case held && !more:
		return unclear
	case more:
		return Step{Action: Load, Why: blamed(open[0].stack) + " grew, too little to say: another round"}
	case rising != "":
		return Step{Action: Load, Why: rising + ": goroutines rise from round to round under load: another round"}
	case policy.Detect > 0 && sensed() < policy.Detect:
		return Step{Action: Load, Why: "more requests are needed to see as small a leak as the plan demands"}
	}
	return Step{Action: Stop, Why: "nothing grows"}
}
