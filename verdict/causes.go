package verdict

import (
	"cmp"
	"slices"

	"github.com/leakgate/leakgate/internal/stat"
)

// One cause often grows several stacks: a leaked connection is two goroutines or three, the
// generation of a consumer group a dozen. They grow in the same rounds, by the same number
// or a fixed ratio, and one of them started the others or one function started them all.

// causes makes one finding of all stacks that grow by one cause.
func (a assessment) causes(leaks []suspect) []Finding {
	all := make([]Finding, len(leaks))
	for i, x := range leaks {
		all[i] = a.finding(x)
	}
	group := make([]int, len(leaks)) // the first of the leaks that have the same cause
	for i := range leaks {
		group[i] = i
		for j := range i {
			if sameGrowth(a.subject, leaks[i], leaks[j]) && related(all[i], all[j]) && compatible(all, group, group[i], group[j]) {
				joinGroups(group, group[i], group[j])
			}
		}
	}
	var out []Finding
	for i := range leaks {
		if group[i] != i {
			continue
		}
		var members []Finding
		for j := range leaks {
			if group[j] == i {
				members = append(members, all[j])
			}
		}
		out = append(out, oneOf(members))
	}
	return out
}

// compatible reports whether no two stacks of two groups were blamed on different requests.
func compatible(all []Finding, group []int, a, b int) bool {
	for i, x := range all {
		for j, y := range all {
			if group[i] == a && group[j] == b && !sameRequests(x, y) {
				return false
			}
		}
	}
	return true
}

// joinGroups makes two groups one, named by the lower.
func joinGroups(group []int, a, b int) {
	low := min(a, b)
	for i, g := range group {
		if g == a || g == b {
			group[i] = low
		}
	}
}

// oneOf is one finding of several with one cause: the one that a reader should open
// first, with the others as its members, the largest growth first. It is as sure as the
// surest of them.
func oneOf(all []Finding) Finding {
	rank(all)
	f := all[0]
	for _, o := range all[1:] {
		m := Member{
			ID: o.ID, Function: o.Function, File: o.File, Line: o.Line, State: o.State, Creator: o.Creator,
			Counts: o.Counts, Leaked: o.Leaked, Stack: o.Stack,
		}
		if f.Leaked > 0 {
			m.Ratio = rounded(float64(o.Leaked) / float64(f.Leaked))
		}
		f.Members = append(f.Members, m)
	}
	slices.SortStableFunc(f.Members, func(a, b Member) int { return cmp.Compare(b.Leaked, a.Leaked) })
	return f
}

// sameGrowth reports whether two stacks grew in the same rounds, by a fixed ratio.
func sameGrowth(s subject, x, y suspect) bool {
	if y.trend.Rise() > x.trend.Rise() {
		x, y = y, x
	}
	if x.id != byKey || y.id != byKey || y.trend.Rise() <= 0 {
		return false
	}
	ratio := float64(x.trend.Rise()) / float64(y.trend.Rise())
	if ratio > s.limits.Cause.MostRatio {
		return false
	}
	var grown, exposure, noise []float64
	for i := 1; i < len(x.trend.Bands); i++ {
		a, b := x.trend.Bands[i].Middle-x.trend.Bands[i-1].Middle, y.trend.Bands[i].Middle-y.trend.Bands[i-1].Middle
		grown, exposure, noise = append(grown, float64(max(0, a))), append(exposure, float64(max(0, b))), append(noise, 0)
		if (a > 0) != (b > 0) {
			return false
		}
	}
	return stat.Dispersion(grown, exposure, noise) >= s.limits.Cause.Uneven
}

// related reports whether one of two stacks' goroutines started the others', or one
// function started both, by two go statements. A statement that starts whatever it is given,
// as a server's loop or a group of workers has, is no cause.
func related(a, b Finding) bool {
	if startedBy(a, b) || startedBy(b, a) {
		return true
	}
	x, y := entryOf(a), entryOf(b)
	if x == "" || y == "" || x == y {
		return false
	}
	if a.Creator != "" && b.Creator != "" {
		return outermost(a.Creator) == outermost(b.Creator) && a.Created != b.Created
	}
	return receiver(x) != "" && receiver(x) == receiver(y) // no dump tells: two methods of one value
}

// startedBy reports whether the goroutines of a were started from a function on b's stack.
func startedBy(a, b Finding) bool {
	if a.Creator == "" {
		return false
	}
	return slices.ContainsFunc(b.Stack, func(f Frame) bool {
		return !f.Std && outermost(f.Function) == outermost(a.Creator)
	}) && entryOf(a) != entryOf(b)
}

// sameRequests reports whether trials blamed the same requests for two stacks, or could not
// tell of one of them.
func sameRequests(a, b Finding) bool {
	x, y := a.blamedRequests(), b.blamedRequests()
	return len(x) == 0 || len(y) == 0 || slices.Equal(x, y)
}
