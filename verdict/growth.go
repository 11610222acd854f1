package verdict

import (
	"fmt"
	"maps"
	"slices"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// growth classifies every stack of a subject that was above its baseline, in the order of
// their keys.
func (s subject) growth() []suspect {
	var out []suspect
	trends := s.history.trends(byKey)
	for _, k := range slices.Sorted(maps.Keys(trends)) {
		t := trends[k]
		if k == stacks.NoFrames || t.Classify(nil) == trend.Steady && !t.EverAbove() {
			continue
		}
		x := suspect{key: k, id: byKey, trend: s.history.of(byKey, k)}
		x.class = x.trend.Classify(&x.trail)
		x.stack = s.history.shown(k)
		out = append(out, s.settle(x))
	}
	return out
}

// sites adds leaks whose stacks all differ, by a recursion's depth or a library's inner
// state, under the coarser identity, in place of those stacks. Where one stack has most of
// the growth, it is named by itself.
func (s subject) sites(suspects []suspect) []suspect {
	most := map[string]suspect{} // of the stacks of a site, the one that grew most
	ruled := map[string]bool{}   // sites of which a rule covers a stack
	for _, x := range suspects {
		site := x.stack.Site()
		ruled[site] = ruled[site] || x.rule != nil
		if m, ok := most[site]; (x.class == trend.Leak || x.class == trend.Draining) && (!ok || x.trend.Rise() > m.trend.Rise()) {
			most[site] = x
		}
	}
	trends := s.history.trends(bySite)
	for _, k := range slices.Sorted(maps.Keys(trends)) {
		if k == stacks.NoFrames || ruled[k] || trends[k].Classify(nil) == trend.Steady {
			continue
		}
		if m, ok := most[k]; ok && float64(m.trend.Rise()) >= s.limits.Cause.Whole*float64(trends[k].Rise()) {
			continue
		}
		x := suspect{key: k, id: bySite, trend: s.history.of(bySite, k)}
		if x.class = x.trend.Classify(&x.trail); x.class != trend.Leak {
			continue
		}
		x.stack = s.history.ofSite(k)
		x = s.settle(x)
		sure := slices.ContainsFunc(suspects, func(o suspect) bool { return o.stack.Site() == k && o.leaks() && !o.pending })
		if x.class == trend.Noise || x.class == trend.Pool || x.pending && sure {
			continue
		}
		if x.class == trend.Leak {
			suspects = without(suspects, func(o suspect) bool {
				return (o.class == trend.Undecided || o.class == trend.Leak) && o.stack.Site() == k
			})
		}
		suspects = append(suspects, x)
	}
	return suspects
}

// proof adds what the runtime proves: a leak even at one goroutine, if it was not there at
// baseline, and one that needs no long look.
func (s subject) proof(suspects []suspect) ([]suspect, []Warning) {
	var warnings []Warning
	out := slices.Clone(suspects)
	before, now := s.history.provenIn(0), s.history.provenIn(s.history.rounds())
	for _, k := range slices.Sorted(maps.Keys(now)) {
		fresh := now[k].Count - before[k].Count
		if before[k].Count > 0 && fresh <= 0 && !s.policy.FailOld {
			warnings = append(warnings, Warning{Code: "leaked-before", Target: s.target, Message: fmt.Sprintf(
				"%s: %d goroutines can never wake, since before the load", blamed(now[k]), before[k].Count)})
		}
		old := 0
		if s.policy.FailOld {
			fresh, old = now[k].Count, before[k].Count
		}
		if fresh <= 0 {
			continue
		}
		i := slices.IndexFunc(out, func(x suspect) bool { return x.key == k })
		if i < 0 {
			x := suspect{key: k, id: byKey, trend: s.history.of(byKey, k), stack: now[k], class: trend.Steady} // all zero if it leaked after the last window
			x.rule = s.cover(x)
			out = append(out, x)
			i = len(out) - 1
		}
		out[i].proven, out[i].old, out[i].pending = fresh, old, false
	}
	return out, warnings
}

// settle applies what is known beyond the trend: rules, long looks, and the end of the
// budget.
func (s subject) settle(x suspect) suspect {
	x.rule = s.cover(x)
	if x.class != trend.Leak && x.class != trend.Undecided {
		return x
	}
	x, settled := s.afterLooks(x)
	if settled {
		return x
	}
	if x.class == trend.Undecided && s.spent() && s.filled(&x) {
		x.class = trend.Pool
	}
	if x.class != trend.Leak || x.rule != nil {
		return x
	}
	switch {
	case !s.confirmed(x, &x.trail):
		x.pending = true
	case !x.slope && !x.trend.Outgrows(x.look, &x.trail): // others' work, drifting
		x.class = s.unlessSpent(trend.Noise)
	case !x.slope && x.trend.Creeps(&x.trail):
		x.class = s.unlessSpent(trend.Pool)
	}
	return x
}

// unlessSpent is a class, or Undecided where another round may tell more.
func (s subject) unlessSpent(c trend.Class) trend.Class {
	if s.spent() {
		return c
	}
	return trend.Undecided
}

// afterLooks applies the long looks to a suspect, in order. It reports whether they settle its
// class. What falls to its baseline was slow; what keeps half of its growth leaks; what
// keeps less is both, or shrinks: then what is left after one long look is compared with
// what is left after the next.
func (s subject) afterLooks(x suspect) (suspect, bool) {
	var before trend.Look
	beforeRound, lastRound := 0, 0
	for r := 1; r <= s.history.rounds(); r++ {
		l, ok := s.history.look(x.id, x.key, r)
		upTo := x.trend.UpTo(r)
		if !ok || upTo.Rise() <= 0 {
			continue
		}
		x.look, lastRound = &l, r
		switch {
		case upTo.Gone(l, s.policy.Tolerance, &x.trail):
			x.class = trend.Draining
			return x, true
		case upTo.Stays(l, &x.trail):
			beforeRound = 0
		case l.Watched < s.policy.Confirm: // it falls: watch on
		case beforeRound == 0:
			before, beforeRound, x.class = l, r, trend.Undecided
		default:
			if s.remains(x, before, beforeRound, l, r) {
				x.class = trend.Leak
				return x, false
			}
			x.class = trend.Draining
			return x, true
		}
	}
	if beforeRound > 0 && lastRound < s.history.rounds() { // loaded again since: it needs another look
		x.class = trend.Leak
	}
	return x, false
}

// remains reports whether more is left after the long look that follows round r than after
// the one before, in proportion to the rounds between them.
func (s subject) remains(x suspect, before trend.Look, beforeRound int, l trend.Look, r int) bool {
	left, more := before.Lowest-x.trend.Bands[x.trend.Base()].Middle, l.Lowest-before.Lowest
	if left <= s.policy.Tolerance { // the base held slow work: only the looks can be compared
		left = doubled * s.policy.Tolerance * beforeRound
	}
	limit := s.limits.Growth.Kept * float64(left*(r-beforeRound)) / float64(beforeRound)
	return x.trail.Ask(trend.RuleRemains, float64(more), limit, more > 0 && float64(more) >= limit)
}

// doubled makes half of something (Kept) the whole of it.
const doubled = 2

// filled reports whether growth that has not quite stopped when the rounds are used up is
// a pool's: it shrinks, or what goes on after something filled up is within the tolerance,
// or it is no more than the largest of random peaks creeps.
func (s subject) filled(x *suspect) bool {
	t := x.trend
	tail := t.Tail()
	return t.Shrinks(&x.trail) ||
		x.trail.Ask(trend.RuleTail, float64(tail), float64(s.limit()), t.Start() > t.Base() && tail >= 0 && tail <= s.limit()) ||
		t.Creeps(&x.trail)
}

// confirmed reports whether a suspect was left alone for as long as the plan asks, after
// the last round and for the time before that in which nothing of its first round went.
func (s subject) confirmed(x suspect, trail *trend.Trail) bool {
	if s.policy.Confirm <= 0 {
		return true
	}
	l, ok := s.history.look(x.id, x.key, s.history.rounds())
	if !ok {
		return trail.Ask(trend.RuleLooked, 0, s.policy.Confirm.Seconds(), false)
	}
	age := x.trend.Aged(l)
	long := l.Watched >= min(s.limits.Growth.LeastLook, s.policy.Confirm) && age >= s.policy.Confirm
	return trail.Ask(trend.RuleLooked, age.Seconds(), s.policy.Confirm.Seconds(), long)
}

// likely reports whether a suspect grew in every round and stayed through the long look,
// while the evidence for it alone is short of a leak's.
func (s subject) likely(x suspect) bool {
	if !x.open() || x.look == nil || x.look.Round != s.history.rounds() {
		return false
	}
	look := min(s.limits.Growth.LeastLook, s.policy.Confirm)
	return x.look.Watched >= look && x.trend.Matters() && x.trend.Repeats() && x.trend.Stays(*x.look, nil) &&
		x.trend.Movement(nil) != trend.Moves && !x.trend.Counted && x.trend.Outgrows(x.look, nil)
}
