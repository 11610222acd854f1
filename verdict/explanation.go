package verdict

import (
	"cmp"
	"slices"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// maxExplanations is how many stacks a verdict explains: those that are nearest to a leak.
const maxExplanations = 1000

// explanations are of every stack that was above its baseline: leaks first, then what came
// closest to one.
func explanations(all []assessment, outcome Outcome) []Explanation {
	type near struct {
		Explanation
		rank      int
		closeness float64
	}
	var list []near
	for _, a := range all {
		for _, x := range a.suspects {
			list = append(list, near{a.explain(x), classOrder(a.explainedClass(x)), x.trend.Closeness()})
		}
	}
	slices.SortStableFunc(list, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(b.closeness, a.closeness), cmp.Compare(a.Function, b.Function))
	})
	out := make([]Explanation, 0, min(len(list), maxExplanations))
	for i, n := range list[:min(len(list), maxExplanations)] {
		n.Nearest = i == 0 && outcome == Pass
		out = append(out, n.Explanation)
	}
	return out
}

// What a stack is taken for in an explanation, beside the classes of its history.
const (
	classLikely  = "likely"
	classIgnored = "ignored"
)

// explainedClass is what a stack is taken for.
func (a assessment) explainedClass(x suspect) string {
	switch {
	case x.rule != nil && (x.class != trend.Steady || x.proven > 0):
		return classIgnored
	case x.leaks() && !x.pending:
		return trend.Leak.String()
	case x.pending || a.likely(x):
		return classLikely
	}
	return x.class.String()
}

// classOrder is the order of the classes, the nearest to a leak first.
func classOrder(class string) int {
	return slices.Index([]string{
		trend.Leak.String(), classLikely, trend.Undecided.String(), classIgnored, trend.Draining.String(), trend.Pool.String(),
		trend.Noise.String(), trend.Steady.String(),
	}, class)
}

// explain says how the verdict on one stack came about.
func (a assessment) explain(x suspect) Explanation {
	out := Explanation{ID: x.shortName(), Target: a.target, Function: blamed(x.stack), Class: a.explainedClass(x), Asked: []Question{}}
	if i := stacks.Blame(x.stack.Frames); i >= 0 {
		out.File, out.Line = x.stack.Frames[i].File, x.stack.Frames[i].Line
	}
	out.Windows = seenIn(x.trend)
	for r := 1; r <= a.history.rounds(); r++ {
		if l, ok := a.history.look(x.id, x.key, r); ok {
			age := x.trend.UpTo(r).Aged(l).Seconds()
			out.Looks = append(out.Looks, Looked{Round: r, Seconds: tenth(l.Watched.Seconds()), Age: tenth(age), Lowest: l.Lowest, Last: l.Last})
		}
	}
	for _, q := range x.trail.Asked {
		out.Asked = append(out.Asked, Question{
			Rule: q.Name, Question: q.Question, Answer: q.Answer, Statistic: rounded(q.Statistic), Limit: rounded(q.Limit), Unit: q.Unit, Threshold: q.Threshold,
		})
	}
	out.Reason, out.Change = a.reason(x, out.Class)
	return out
}

// seenIn are the windows of a history, with what was seen under load before them.
func seenIn(t trend.Trend) []Seen {
	out := make([]Seen, len(t.Bands))
	for i, b := range t.Bands {
		out[i] = Seen{Low: b.Low, Middle: b.Middle, High: b.High}
		if i > 0 && !t.Uncounted {
			out[i].Requests = t.Requests[i-1]
		}
		if i > 0 && i <= len(t.Floors) {
			out[i].Floor, out[i].Profiles = t.Floors[i-1].Least, t.Floors[i-1].Profiles
		}
	}
	return out
}
