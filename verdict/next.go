package verdict

import (
	"cmp"
	"slices"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// Next decides, from what was recorded so far, whether the evidence is in. It is the same
// assessment that Judge makes, so that a gate never stops where the verdict would have
// wanted more, as long as the plan's budget allows it.
func Next(run record.Run, policy Policy) Step {
	rules, _ := compile(policy.Ignore, run.Started)
	all := assessAll(run, policy, rules)
	rounds := 0
	for _, a := range all {
		rounds = max(rounds, a.history.rounds())
	}
	if rounds < policy.MinRounds {
		return Step{Action: Load}
	}
	step := next(policy, all, rounds, func() int { return sensitivity(run, policy) })
	for _, a := range all {
		if a.wantsDump(step) {
			step.Dump = append(step.Dump, a.target)
		}
	}
	return step
}

// wantsDump reports whether a dump would tell more about what grew. Of a round, one after
// its window is enough, and one at the end of a long look, where goroutines took work
// before.
func (a assessment) wantsDump(step Step) bool {
	if a.group != "" || a.history.rounds() < 1 {
		return false
	}
	return slices.ContainsFunc(a.suspects, func(x suspect) bool {
		if x.rule != nil || x.trend.Counted || x.class == trend.Steady {
			return false
		}
		if a.policy.wantsCreator() && step.Action != Load && !a.dumped(x) {
			return true
		}
		doubtful := (x.pending || x.open()) && x.trend.Matters()
		moving := step.Action == Stop && x.open() && x.trend.Movement(nil) == trend.Moves
		return moving || doubtful && (step.Action == Watch || x.trend.Repeats() && a.aged(x))
	})
}

// aged reports whether some of a stack's growth is old enough for a dump to tell how long it
// has waited, and rounds enough were made to decide by that.
func (a assessment) aged(x suspect) bool {
	limits := a.limits.Growth
	if a.history.rounds() < limits.StillRounds {
		return false
	}
	base := x.trend.Base()
	now := a.history.windows[a.history.rounds()].last()
	for i := base + 1; i < len(x.trend.Bands); i++ {
		if a.history.windows[i].last()+stacks.LongWait <= now && x.trend.Bands[i].Low-x.trend.Bands[base].High >= limits.AgedLeast {
			return true
		}
	}
	return false
}

// outlook is what the subjects' assessments leave open.
type outlook struct {
	leaks   int       // that are confirmed
	watch   Step      // the long look at what keeps growing
	unclear Step      // and at what is unclear when the rounds are used up
	open    []suspect // stacks that another round may tell more about
	growing bool      // memory that the plan lets fail grew, and needs more rounds
	held    bool      // the same, and needs the long look
	rising  string    // a target whose goroutines rise under load
}

func lookOut(policy Policy, all []assessment) outlook {
	o := outlook{watch: Step{Action: Watch, Until: policy.Confirm}}
	o.unclear = o.watch
	for _, a := range all {
		o.leaks += a.confirmed()
		if pending := a.pending(); len(pending) > 0 {
			o.watch.Targets = append(o.watch.Targets, a.members...)
			o.watch.Why = cmp.Or(o.watch.Why, blamed(pending[0].stack)+" keeps growing: watching whether it falls")
		}
		o.addSuspects(a)
		o.growing = o.growing || a.wants == Load
		if a.load.rising {
			o.rising = a.target
		}
		if a.wants == Watch {
			o.held = true
			o.unclear.Targets, o.unclear.Why = append(o.unclear.Targets, a.members...), a.memory.memory.Message+": watching whether it falls"
		}
	}
	return o
}

// addSuspects adds a subject's stacks of which it is not clear what they are.
func (o *outlook) addSuspects(a assessment) {
	unclear := false
	for _, x := range a.suspects {
		if !x.open() {
			continue
		}
		if x.trend.Matters() {
			o.open = append(o.open, x)
		}
		if !unclear && !a.tolerated(x) && !a.subject.confirmed(x, nil) {
			unclear = true
			o.unclear.Targets = append(o.unclear.Targets, a.members...)
			o.unclear.Why = blamed(x.stack) + " grew, and it is not clear why: watching whether it falls"
		}
	}
}

// next decides what comes first of what is open. A leak that is confirmed ends the run: what
// else grew is likely by then, and is shown.
func next(policy Policy, all []assessment, rounds int, sensed func() int) Step {
	o := lookOut(policy, all)
	more := rounds < policy.MaxRounds && len(o.open) > 0
	switch {
	case policy.Thorough && more:
		return Step{Action: Load, Why: blamed(o.open[0].stack) + " is not decided yet"}
	case len(o.watch.Targets) > 0 && (policy.Thorough || o.leaks == 0):
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
		return Step{Action: Load, Why: another(mostGrown(o.open))}
	case o.rising != "":
		return Step{Action: Load, Why: o.rising + ": goroutines rise from round to round under load: another round"}
	case policy.Detect > 0 && sensed() < policy.Detect:
		return Step{Action: Load, Why: "more requests are needed to see as small a leak as the plan demands"}
	}
	return Step{Action: Stop, Why: "nothing grows"}
}

// mostGrown is the stack that grew most of some.
func mostGrown(all []suspect) suspect {
	return slices.MaxFunc(all, func(a, b suspect) int { return cmp.Compare(a.trend.Rise(), b.trend.Rise()) })
}
