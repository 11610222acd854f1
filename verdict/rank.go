package verdict

import (
	"cmp"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/stacks"
)

// rank puts first what a reader should open first: what is confirmed, then stacks that are
// blamed on code of no module in the cache (the service's own), then those that the
// service's code is part of, then other libraries', then the larger growth.
func rank(fs []Finding) {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(classRank(a.Class), classRank(b.Class)),
			cmp.Compare(unowned(a), unowned(b)),
			cmp.Compare(b.Leaked, a.Leaked),
			strings.Compare(a.Function, b.Function),
			strings.Compare(a.Target, b.Target),
		)
	})
}

func classRank(c Class) int {
	if c == Likely {
		return 1
	}
	return 0
}

// The places of a stack's owner, the first to be read first.
const (
	ownBlamed = iota
	ownInIt
	library
	standard
	otherEnd // of a connection, or the company of a handler: a symptom
)

// unowned is how far a finding is from the service's own code.
func unowned(f Finding) int {
	own, third := false, false
	for _, fr := range f.Stack {
		own = own || !fr.Std && fr.Module == ""
		third = third || !fr.Std
	}
	blamed := stacks.Blame(f.Stack)
	switch {
	case own && f.Stack[blamed].Module == "":
		return ownBlamed
	case own:
		return ownInIt
	case third:
		return library
	case f.Function == "net/http.(*conn).serve" || f.Function == "net/http.(*connReader).backgroundRead":
		return otherEnd
	}
	return standard
}

// shareTargets names on every finding the other targets that have it too.
func (v *Verdict) shareTargets() {
	on := map[string][]string{}
	for _, f := range v.Findings {
		on[f.functions()] = append(on[f.functions()], f.Target)
	}
	for i, f := range v.Findings {
		if t := on[f.functions()]; len(t) > 1 {
			slices.Sort(t)
			v.Findings[i].Targets = t
		}
	}
}

// functions are those of a finding's stack, which tell it from others. Without a
// stack, it is its target's alone.
func (f Finding) functions() string {
	var b strings.Builder
	if len(f.Stack) == 0 {
		return "all of " + f.Target
	}
	for _, fr := range f.Stack {
		b.WriteString(fr.Function + "\n")
	}
	return b.String()
}

// choose keeps so many findings, in their order: first those of a stack and a target
// that no other has shown, then one of each other target and of each other stack, then
// those that come first. A stack that all replicas have hides no other.
func choose(fs []Finding, most int) []Finding {
	keep := make([]bool, len(fs))
	stackSeen, targetSeen := map[string]bool{}, map[string]bool{}
	left := most
	take := func(wanted func(newStack, newTarget bool) bool) {
		for i, f := range fs {
			if left > 0 && !keep[i] && wanted(!stackSeen[f.functions()], !targetSeen[f.Target]) {
				keep[i], stackSeen[f.functions()], targetSeen[f.Target] = true, true, true
				left--
			}
		}
	}
	take(func(newStack, newTarget bool) bool { return newStack && newTarget })
	take(func(_, newTarget bool) bool { return newTarget })
	take(func(newStack, _ bool) bool { return newStack })
	take(func(_, _ bool) bool { return true })
	out := make([]Finding, 0, most)
	for i, f := range fs {
		if keep[i] {
			out = append(out, f)
		}
	}
	return out
}
