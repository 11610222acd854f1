package verdict

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// finding is what is said of a leaking stack.
func (a assessment) finding(x suspect) Finding {
	f := Finding{
		ID: x.shortName(), Class: Confirmed, Target: a.target, State: x.stack.State, Evidence: evidenceOf(x),
		Counts: x.trend.Middles(), Leaked: x.trend.Rise(), Stack: x.stack.Frames, Note: stacks.Meaning(x.stack),
	}
	if x.class != trend.Leak && x.proven > 0 {
		f.Leaked = x.proven
	}
	if x.pending || !x.leaks() {
		f.Class = Likely
	}
	if i := stacks.Blame(x.stack.Frames); i >= 0 {
		b := x.stack.Frames[i]
		f.Function, f.File, f.Line, f.Module = b.Function, b.File, b.Line, b.Module
	}
	if x.key == stacks.AllGoroutines {
		f.Function = stacks.AllGoroutines
		f.Note = "the target only tells how many goroutines it has: give its pprof in the plan to see which"
	}
	f.Unit, f.Before = unitOf(a.run), min(x.old, f.Leaked)
	f.Per1000 = perThousand(a.subject, x, f.Leaked-f.Before)
	if f.Stack == nil {
		f.Stack = []Frame{}
	}
	if x.look != nil {
		kept := x.look.Last
		f.Kept = &kept
	}
	f.Labels = labelsOf(a.subject, x)
	addDumpEvidence(a.subject, x, &f)
	f.Retains = a.memory.sameCause(&f, a.limits.Memory)
	f.Requests, f.Cleared = attributed(a.subject, x)
	return f
}

// evidenceOf says what a finding rests on.
func evidenceOf(x suspect) (out []string) {
	switch {
	case x.slope:
		out = append(out, Rising)
	case x.class == trend.Leak || x.proven == 0:
		out = append(out, Growing)
	}
	if x.proven > 0 {
		out = append(out, Proven)
	}
	if x.pending {
		out = append(out, Unconfirmed)
	}
	return out
}

// perThousand is a leak per 1,000 requests, with two decimals; 0 where nobody counts them.
func perThousand(s subject, x suspect, leaked int) float64 {
	var requests uint64
	for _, r := range x.trend.Requests {
		requests += r
	}
	if requests == 0 || s.history.uncounted {
		return 0
	}
	const two = 100 // decimals
	return math.Round(float64(leaked)/float64(requests)*thousand*two) / two
}

// maxLabels bounds how many labels a finding lists.
const maxLabels = 10

// labelsOf is how the growth divides over goroutine labels, largest first; over the values of
// the policy's label alone where it names one, with what has none and what is not listed.
func labelsOf(s subject, x suspect) []Label {
	growth, total := growthByLabel(s, x)
	var out []Label
	for _, l := range slices.Sorted(maps.Keys(growth)) {
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
	if s.policy.GroupBy == "" {
		return out
	}
	if more > 0 {
		out = append(out, Label{Label: fmt.Sprintf("%d more values of %s", more, s.policy.GroupBy), Growth: rest})
	}
	if total > 0 {
		out = append(out, Label{Label: "no " + s.policy.GroupBy, Growth: total})
	}
	return out
}

// growthByLabel is growth from the baseline's first profile to the last round's last, by
// label and in all.
func growthByLabel(s subject, x suspect) (growth map[string]int, total int) {
	growth = map[string]int{}
	add := func(c record.Capture, sign int) {
		for _, st := range s.history.memo.stacks(c.Profile, x.id, x.key) {
			total += sign * st.Count
			for l, n := range st.Labels {
				if s.policy.GroupBy == "" || strings.HasPrefix(l, s.policy.GroupBy+"=") {
					growth[l] += sign * n
				}
			}
		}
	}
	first, last := s.history.windows[0].captures, s.history.windows[s.history.rounds()].captures
	add(first[0], -1)
	add(last[len(last)-1], 1)
	return growth, total
}

// addDumpEvidence adds what only a debug=2 dump knows: who started the goroutines, and how
// long they wait.
func addDumpEvidence(s subject, x suspect, f *Finding) {
	for _, c := range s.history.dumps {
		all := s.history.memo.stacks(c.Profile, byKey, x.stack.Key)
		if len(all) == 0 {
			continue
		}
		st := all[0] // they are sorted by their counts
		f.State = cmp.Or(st.State, f.State)
		if st.CreatedBy != nil {
			f.Creator = st.CreatedBy.Function
			f.Created = fmt.Sprintf("%s:%d", st.CreatedBy.File, st.CreatedBy.Line)
		}
		for _, st := range all {
			if st.Wait > 0 {
				f.Wait = st.Wait.String()
				break
			}
		}
	}
}
