package verdict

import (
	"cmp"
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

// outlook is what the targets' analyses leave open.
type outlook struct {
	leaks   int       // that are confirmed
	watch   Step      // the long look at what keeps growing
	unclear Step      // and at what is unclear when the rounds are used up
	open    []suspect // stacks that another round may tell more about
	growing bool      // memory that the plan lets fail grew, and needs more rounds
	held    bool      // the same, and needs the long look
	rising  string    // a target whose goroutines rise under load
}

func lookOut(policy Policy, analyses []analysis) outlook {
	o := outlook{watch: Step{Action: Watch, Until: policy.Confirm}}
	o.unclear = o.watch
	for _, a := range analyses {
		o.leaks += len(a.findings) - len(a.pending)
		if len(a.pending) > 0 {
			o.watch.Targets = append(o.watch.Targets, a.members...)
			o.watch.Why = cmp.Or(o.watch.Why, blamed(a.pending[0].stack)+" keeps growing: watching whether it falls")
		}
		o.addSuspects(a)
		o.growing = o.growing || a.wants == Load
		if a.rising {
			o.rising = a.target
		}
		if a.wants == Watch {
			o.held = true
			o.unclear.Targets, o.unclear.Why = append(o.unclear.Targets, a.members...), a.memory.Message+": watching whether it falls"
		}
	}
	return o
}

// addSuspects adds a target's stacks of which it is not clear what they are.
func (o *outlook) addSuspects(a analysis) {
	unclear := false
	for _, s := range a.suspects {
		if s.class != undecided || s.proven > 0 || s.rule != nil {
			continue
		}
		if s.trend.matters() {
			o.open = append(o.open, s)
		}
		if !unclear && !a.tolerated(s) && !a.confirmed(&s) {
			unclear = true
			o.unclear.Targets = append(o.unclear.Targets, a.members...)
			o.unclear.Why = blamed(s.stack) + " grew, and it is not clear why: watching whether it falls"
		}
	}
}

// next decides what comes first of what is open.
func next(policy Policy, analyses []analysis, rounds int, sensed func() int) Step {
	o := lookOut(policy, analyses)
	more := rounds < policy.MaxRounds && len(o.open) > 0
	switch {
	case policy.Thorough && more:
		return Step{Action: Load, Why: blamed(o.open[0].stack) + " is not decided yet"}
	case len(o.watch.Targets) > 0:
		return o.watch
	case o.leaks > 0:
		return Step{Action: Stop, Why: "a leak is confirmed"}
	case rounds >= policy.MaxRounds && len(o.unclear.Targets) > 0:
		return o.unclear
	case rounds >= policy.MaxRounds:
		return Step{Action: Stop, Why: "the plan's rounds are used up"}
	case o.growing:
		return Step{Action: Load, Why: "memory grew: another round"}
	case o.held && !more:
		return o.unclear
	case more:
		return Step{Action: Load, Why: blamed(o.open[0].stack) + " grew, too little to say: another round"}
	case o.rising != "":
		return Step{Action: Load, Why: o.rising + ": goroutines rise from round to round under load: another round"}
	case policy.Detect > 0 && sensed() < policy.Detect:
		return Step{Action: Load, Why: "more requests are needed to see as small a leak as the plan demands"}
	}
	return Step{Action: Stop, Why: "nothing grows"}
}
