package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// MaxFindings is how many findings a verdict lists; the rest is counted. A
// person reads five; fifty leave room for one leak on many replicas.
const MaxFindings = 50

func (a *analysis) finding(run record.Run, s suspect) Finding {
	f := Finding{
		Target: a.target, State: s.stack.State, Evidence: []string{Growing},
		Counts: s.trend.mids(), Leaked: s.trend.rise(), Stack: s.stack.Frames,
		Note: stacks.Meaning(s.stack),
	}
	if s.slope {
		f.Evidence = []string{Rising}
	}
	if s.proven > 0 {
		f.Evidence = append(f.Evidence, Proven)
		if s.class != leak {
			f.Evidence, f.Leaked = []string{Proven}, s.proven
		}
	}
	if i := stacks.Blame(s.stack.Frames); i >= 0 {
		b := s.stack.Frames[i]
		f.Function, f.File, f.Line, f.Module = b.Function, b.File, b.Line, b.Module
	}
	if s.key == stacks.AllGoroutines {
		f.Function = stacks.AllGoroutines
		f.Note = "the target only tells how many goroutines it has: give its pprof in the plan to see which"
	}
	var requests uint64
	for _, r := range s.trend.requests {
		requests += r
	}
	f.Unit, f.Before = unitOf(run), min(s.old, f.Leaked)
	if requests > 0 && !a.history.uncounted {
		f.Per1000 = math.Round(float64(f.Leaked-f.Before)/float64(requests)*1e5) / 100
	}
	if slices.ContainsFunc(a.pending, func(o suspect) bool { return o.key == s.key }) {
		f.Evidence = append(f.Evidence, Unconfirmed)
	}
	if f.Stack == nil {
		f.Stack = []Frame{}
	}
	if s.look != nil {
		kept := s.look.last
		f.Kept = &kept
	}
	f.Labels = a.labels(s)
	a.evidence(s, &f)
	f.Retains = a.sameCause(&f)
	f.Requests = a.attribute(run, s)
	return f
}

// maxLabels bounds how many labels a finding lists.
const maxLabels = 10

// labels is how the growth divides over goroutine labels, largest first; over
// the values of the policy's label alone where it names one, with what has none
// and what is not listed.
func (a *analysis) labels(s suspect) []Label {
	growth, total := map[string]int{}, 0
	add := func(c record.Capture, sign int) {
		for _, st := range a.history.memo.stacks(c.Profile, s.id, s.key) {
			total += sign * st.Count
			for l, n := range st.Labels {
				if a.policy.GroupBy == "" || strings.HasPrefix(l, a.policy.GroupBy+"=") {
					growth[l] += sign * n
				}
			}
		}
	}
	first, last := a.history.windows[0].captures, a.history.windows[len(a.history.windows)-1].captures
	add(first[0], -1)
	add(last[len(last)-1], 1)
	var out []Label
	for _, l := range sortedKeys(growth) {
		total -= growth[l]
		if growth[l] > 0 {
			out = append(out, Label{Label: l, Growth: growth[l]})
		}
	}
	slices.SortStableFunc(out, func(a, b Label) int { return cmp.Compare(b.Growth, a.Growth) })
	rest := 0
	for _, l := range out[min(len(out), maxLabels):] {
		rest += l.Growth
	}
	more := len(out) - maxLabels
	out = out[:min(len(out), maxLabels)]
	if a.policy.GroupBy == "" {
		return out
	}
	if more > 0 {
		out = append(out, Label{Label: fmt.Sprintf("%d more values of %s", more, a.policy.GroupBy), Growth: rest})
	}
	if total > 0 {
		out = append(out, Label{Label: "no " + a.policy.GroupBy, Growth: total})
	}
	return out
}

// evidence adds what only a debug=2 dump knows: who started the goroutines,
// and how long they wait.
func (a *analysis) evidence(s suspect, f *Finding) {
	for _, c := range a.dumps {
		all := a.history.memo.stacks(c.Profile, byKey, s.stack.Key)
		if len(all) == 0 {
			continue
		}
		st := all[0] // they are sorted by their counts
		f.State = cmp.Or(st.State, f.State)
		if st.CreatedBy != nil {
			f.Creator = st.CreatedBy.Function
			f.Created = fmt.Sprintf("%s:%d", st.CreatedBy.File, st.CreatedBy.Line)
		}
		if st.Wait > 0 {
			f.Wait = st.Wait.String()
		}
	}
}

// rank puts first what a reader should open first: stacks that are blamed on
// code of no module in the cache (the service's own), then those that the
// service's code is part of, then other libraries', then the larger growth.
func rank(fs []Finding) {
	slices.SortStableFunc(fs, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(unowned(a), unowned(b)),
			cmp.Compare(b.Leaked, a.Leaked),
			strings.Compare(a.Function, b.Function),
			strings.Compare(a.Target, b.Target),
		)
	})
}

func unowned(f Finding) int {
	own, third := false, false
	for _, fr := range f.Stack {
		own = own || !fr.Std && fr.Module == ""
		third = third || !fr.Std
	}
	blamed := stacks.Blame(f.Stack)
	switch {
	case own && f.Stack[blamed].Module == "":
		return 0
	case own:
		return 1
	case third:
		return 2
	case f.Function == "net/http.(*conn).serve" || f.Function == "net/http.(*connReader).backgroundRead":
		return 4 // the other end of a connection, or the company of a handler: a symptom
	}
	return 3
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

// Is reports whether a finding has some evidence.
func (f Finding) Is(evidence string) bool { return slices.Contains(f.Evidence, evidence) }

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
