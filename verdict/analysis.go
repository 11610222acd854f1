package verdict

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// suspect is an identity that is above its baseline.
type suspect struct {
	key   string
	id    grouping
	trend trend
	class class
	rule  *rule // covers it
	stack stacks.Stack
	look  *look
	// proven is how many goroutines of it, that were not there at baseline or that the
	// plan fails all the same, the runtime says can never wake.
	proven int
	old    int  // how many of proven, beside that, were there at baseline
	slope  bool // found by its growth under load
}

// analysis is what the history of one target amounts to.
type analysis struct {
	target   string
	group    string   // not empty: all instances of it together
	members  []string // the targets that it is about
	policy   Policy
	history  history
	dumps    []record.Capture // debug=2
	total    trend
	suspects []suspect // not steady, sorted by key
	pending  []suspect // leaks that still need their long look
	leaks    []suspect // what the findings are about, in their order
	findings []Finding
	ignored  []Ignored
	warnings []Warning

	connections *Connections // nil where none were held
	holds       int          // rounds in which connections were held
	slope       *Slope       // nil where there are too few samples
	scatter     float64      // of the difference of two of its levels by themselves, in goroutines
	rising      bool         // another round would show whether it goes on

	memory     *Memory    // nil where the target does not tell
	grown      []HeapSite // every place where the heap grew, the most first
	descriptor int64      // bytes that the runtime keeps per goroutine
	extra      []Check    // about what grows beside goroutines, where the plan lets it fail
	wants      Action     // what that needs before it may
}

// analyse judges every stack of one target.
func analyse(run record.Run, policy Policy, target string, rules []rule) analysis {
	a := analysis{target: target, members: []string{target}, policy: policy, history: historyOf(run, target, policy.MaxRounds), dumps: dumpsOf(run, target)}
	if a.history.rounds() < 1 {
		return a
	}
	a.total = a.history.of(byTotal, stacks.AllGoroutines)
	trends := a.history.trends(byKey)
	covered := map[string]bool{} // sites that some stack of theirs already explains
	for _, k := range sortedKeys(trends) {
		if k == stacks.NoFrames {
			continue
		}
		s := suspect{key: k, id: byKey, trend: trends[k]}
		if s.class = s.trend.classify(); s.class == steady {
			continue
		}
		s.stack = a.history.shown(k)
		a.settle(&s, rules)
		if s.class == leak || s.class == draining {
			covered[s.stack.Site()] = true
		}
		a.add(s)
	}
	a.addSites(covered, rules)
	a.addProven(rules)
	a.readSlope(run)
	a.addSlope(run, rules)
	a.memory = a.readMemory(run)
	a.readConnections(run)
	a.report(run)
	a.reportBesides(run)
	a.checkConnections(run, rules)
	return a
}

// addSites looks for leaks whose stacks all differ, by a recursion's depth or
// a library's inner state, under the coarser identity.
func (a *analysis) addSites(covered map[string]bool, rules []rule) {
	sites := a.history.trends(bySite)
	for _, k := range sortedKeys(sites) {
		if covered[k] || k == stacks.NoFrames {
			continue
		}
		s := suspect{key: k, id: bySite, trend: sites[k]}
		if s.class = s.trend.classify(); s.class != leak {
			continue
		}
		s.stack = a.history.ofSite(k)
		a.settle(&s, rules)
		if s.class == noise || s.class == pool { // its stacks, one by one, say that already
			continue
		}
		if s.class == leak {
			a.suspects = slices.DeleteFunc(a.suspects, func(o suspect) bool { return o.class == undecided && o.stack.Site() == k })
		}
		a.add(s)
	}
}

// addProven takes in what the runtime proves: a leak even at one goroutine, if
// it was not there at baseline, and one that needs no long look.
func (a *analysis) addProven(rules []rule) {
	before, now := a.history.provenIn(0), a.history.provenIn(a.history.rounds())
	for _, k := range sortedKeys(now) {
		fresh := now[k].Count - before[k].Count
		if before[k].Count > 0 && fresh <= 0 && !a.policy.FailOld {
			a.warnings = append(a.warnings, Warning{Code: "leaked-before", Target: a.target, Message: fmt.Sprintf(
				"%s: %d goroutines can never wake, since before the load", blamed(now[k]), before[k].Count)})
		}
		old := 0
		if a.policy.FailOld {
			fresh, old = now[k].Count, before[k].Count
		}
		if fresh <= 0 {
			continue
		}
		i := slices.IndexFunc(a.suspects, func(s suspect) bool { return s.key == k })
		if i < 0 {
			t := a.history.of(byKey, k) // all zero if it leaked after the last window
			s := suspect{key: k, id: byKey, trend: t, stack: now[k], class: steady}
			s.rule = a.cover(rules, &s)
			a.suspects = append(a.suspects, s)
			i = len(a.suspects) - 1
		}
		a.suspects[i].proven, a.suspects[i].old = fresh, old
		a.pending = slices.DeleteFunc(a.pending, func(s suspect) bool { return s.key == k })
	}
}

func (a *analysis) add(s suspect) {
	if s.class == steady {
		return
	}
	a.suspects = append(a.suspects, s)
}

// settle applies what is known beyond the trend: rules, long looks, and the
// end of the budget.
func (a *analysis) settle(s *suspect, rules []rule) {
	s.rule = a.cover(rules, s)
	if s.class != leak && s.class != undecided {
		return
	}
	if a.looks(s) {
		return
	}
	if s.class == undecided && a.spent() && a.filled(s.trend) {
		s.class = pool
	}
	if s.class != leak || s.rule != nil {
		return
	}
	switch {
	case !a.confirmed(s):
		a.pending = append(a.pending, *s)
	case s.slope && s.look != nil && (!a.outgrowsLevel(s) || s.trend.counted && !a.lasts(s)), !s.slope && !s.trend.outgrows(s.look): // others' work, drifting
		s.class = noise
		if !a.spent() {
			s.class = undecided
		}
	case s.trend.creeps() && !s.slope:
		s.class = pool
		if !a.spent() {
			s.class = undecided
		}
	}
}

// looks applies the long looks to a suspect, in order. It reports whether they
// settle its class. What falls to its baseline was slow; what keeps half of its
// growth leaks; what keeps less is both, or shrinks: then what is left after
// one long look is compared with what is left after the next.
func (a *analysis) looks(s *suspect) bool {
	var before look
	beforeRound, lastRound := 0, 0
	for r := 1; r <= a.history.rounds(); r++ {
		l, ok := a.history.look(s.id, s.key, r)
		upTo := trend{bands: s.trend.bands[:r+1]}
		if !ok || upTo.rise() <= 0 {
			continue
		}
		s.look, lastRound = &l, r
		switch {
		case upTo.gone(l, a.policy.Tolerance):
			s.class = draining
			return true
		case upTo.stays(l):
			beforeRound = 0
		case time.Duration(l.watched) < a.policy.Confirm: // it falls: watch on
		case beforeRound == 0:
			before, beforeRound, s.class = l, r, undecided
		default:
			s.class = draining
			left, more := before.lowest-s.trend.bands[s.trend.base()].mid, l.lowest-before.lowest
			if left <= a.policy.Tolerance { // the base held slow work: only the looks can be compared
				left = 2 * a.policy.Tolerance * beforeRound
			}
			if more > 0 && 2*more*beforeRound >= left*(r-beforeRound) {
				s.class = leak
				return false
			}
			return true
		}
	}
	if beforeRound > 0 && lastRound < a.history.rounds() { // loaded again since: it needs another look
		s.class = leak
	}
	return false
}

// filled reports whether growth that has not quite stopped when the rounds are
// used up is a pool's: it shrinks, or what goes on after something filled up is
// within the tolerance, or it is no more than the largest of random peaks creeps.
func (a *analysis) filled(t trend) bool {
	return t.shrinks() || t.start() > t.base() && t.tail() >= 0 && t.tail() <= a.limit() || t.creeps()
}

// confirmed reports whether a leak has had its long look after the last round.
func (a *analysis) confirmed(s *suspect) bool {
	l, ok := a.history.look(s.id, s.key, a.history.rounds())
	return a.policy.Confirm <= 0 || ok && time.Duration(l.watched) >= a.policy.Confirm
}

// spent reports whether the plan allows no further round.
func (a *analysis) spent() bool { return a.history.rounds() >= a.policy.MaxRounds }

// limit is how far the total may stay above its baseline, in goroutines.
func (a *analysis) limit() int {
	base := a.total.bands[0].mid
	return max(a.policy.Tolerance, int(math.Floor(float64(base)*a.policy.Percent/100)))
}

// tolerated reports whether growth without a pattern is small enough to pass.
func (a *analysis) tolerated(s suspect) bool { return s.trend.rise() <= a.limit() }

// report turns suspects into findings, ignored growth and warnings.
func (a *analysis) report(run record.Run) {
	for _, s := range a.suspects {
		switch {
		case s.rule != nil:
			a.ignored = append(a.ignored, Ignored{
				Target: a.target, Function: blamed(s.stack), Growth: s.trend.rise(),
				Reason: s.rule.Reason, Owner: s.rule.Owner, Until: s.rule.Until,
			})
		case s.class == leak || s.proven > 0:
			a.leaks = append(a.leaks, s)
			a.findings = append(a.findings, a.finding(run, s))
		case s.class == draining:
			a.warnings = append(a.warnings, Warning{Code: "draining", Target: a.target, Message: fmt.Sprintf(
				"%s grew by %d and fell to %d within %s of the load's end: slow, not leaked",
				blamed(s.stack), s.trend.rise(), s.look.lowest, seconds(s.look.lowestAfter))})
		case s.class == pool && s.trend.rise() > a.limit():
			a.warnings = append(a.warnings, Warning{Code: "pool", Target: a.target, Message: fmt.Sprintf(
				"%s grew by %d above its baseline and stopped, or grows less every round: a pool, not a leak (counts %v)",
				blamed(s.stack), s.trend.rise(), s.trend.mids())})
		}
	}
}

func seconds(ns int64) string { return time.Duration(ns).Round(time.Second).String() }

func blamed(s stacks.Stack) string {
	if i := stacks.Blame(s.Frames); i >= 0 {
		return s.Frames[i].Function
	}
	if s.Key == stacks.AllGoroutines {
		return s.Key
	}
	return stacks.NoFrames
}
