package verdict

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

const staleHint = "something between leakgate and the target keeps copies: go around it, or exclude pprof and metrics from its cache"

// fresh asks whether every profile was a new one. Go writes into a profile when it was
// taken; a copy has the time of its original.
func fresh(run record.Run, target string, limits FreshThresholds) Check {
	c := Check{Name: "fresh", Target: target, Outcome: Pass, Unit: "copies"}
	var last record.Capture
	for _, p := range inTime(run, target) {
		if p.Profile.Time.IsZero() {
			continue
		}
		if last.Profile != nil && !p.Profile.Time.After(last.Profile.Time) {
			c.Measured++
			if c.Measured == 1 {
				c.Outcome, c.Code, c.Hint = Inconclusive, CodeStale, staleHint
				c.Message = fmt.Sprintf("the profile of %s into the run was taken at %s, not after the one before (%s): a copy",
					p.At.Round(time.Second), p.Profile.Time.Format("15:04:05.000"), last.Profile.Time.Format("15:04:05.000"))
			}
		}
		last = p
	}
	if w, ok := grouped(run, target, limits); ok && c.Outcome == Pass {
		c.Outcome, c.Code, c.Hint, c.Measured = Inconclusive, CodeStale, staleHint, 1
		c.Message = fmt.Sprintf("profiles of one moment (%s into the run) fall in two groups, one of which is what an earlier moment showed: copies",
			w.At.Round(time.Second))
	}
	return c
}

// grouped looks for a window whose captures alternate between two levels, where nothing
// else says when they were taken: the lower one is, stack by stack, what an earlier window
// had, and a higher one comes before and after it.
func grouped(run record.Run, target string, limits FreshThresholds) (record.Capture, bool) {
	earlier := []*stacks.Profile{}
	captures := slices.DeleteFunc(inTime(run, target), func(c record.Capture) bool { return c.Count != nil || onlyCounted(c.Profile) })
	for len(captures) > 0 {
		n := 1
		for n < len(captures) && captures[n].Kind == captures[0].Kind && captures[n].Round == captures[0].Round {
			n++
		}
		w := captures[:n]
		captures = captures[n:]
		for i := 1; i+1 < len(w); i++ {
			p := w[i].Profile
			if p.Time.IsZero() && limits.farBelow(p, w[i-1].Profile) && limits.farBelow(p, w[i+1].Profile) &&
				slices.ContainsFunc(earlier, func(e *stacks.Profile) bool { return sameStacks(e, p) }) {
				return w[i], true
			}
		}
		for _, c := range w {
			earlier = append(earlier, c.Profile)
		}
	}
	return record.Capture{}, false
}

// onlyCounted reports whether a profile is but a number, which comes again by itself.
func onlyCounted(p *stacks.Profile) bool {
	return len(p.Stacks) == 1 && p.Stacks[0].Key == stacks.AllGoroutines
}

func (l FreshThresholds) farBelow(p, other *stacks.Profile) bool {
	return p.Total < other.Total && !l.alike(p.Total, other.Total)
}

func sameStacks(a, b *stacks.Profile) bool {
	if a.Total != b.Total || len(a.Stacks) != len(b.Stacks) {
		return false
	}
	counts := a.Count()
	for k, n := range b.Count() {
		if counts[k] != n {
			return false
		}
	}
	return true
}

// alike reports whether two counts may be of the same process at about the same time.
func (l FreshThresholds) alike(a, b int) bool {
	return math.Abs(float64(a-b)) <= max(l.FewApart, l.CountsApart*float64(max(a, b)))
}

// comparison is what metrics and profiles say of one window.
type comparison struct {
	kind           record.Kind
	round          int
	pairs, differ  int
	profiles       map[time.Duration]bool // by their moments
	samples        map[time.Duration]bool
	metric, counts int // of the first pair that differs
	at             time.Duration
}

// contradicts reports whether nothing in a window agrees.
func (w comparison) contradicts(l FreshThresholds) bool {
	return len(w.profiles) >= l.Moments && len(w.samples) >= l.Moments && w.differ == w.pairs
}

// compare holds every window's profiles against the metrics of the same moment.
func compare(run record.Run, target string, limits FreshThresholds) []comparison {
	var out []comparison
	captures := inTime(run, target)
	var samples []record.Sample
	for _, s := range run.Samples {
		if s.Target == target && s.Metric {
			samples = append(samples, s)
		}
	}
	for i, p := range captures {
		if p.Kind == record.Leaked || p.Kind == record.Confirm && !lastOfLook(captures, i, limits) {
			continue
		}
		n := len(out) - 1
		if n < 0 || out[n].kind != p.Kind || out[n].round != p.Round {
			out = append(out, comparison{kind: p.Kind, round: p.Round, profiles: map[time.Duration]bool{}, samples: map[time.Duration]bool{}})
			n++
		}
		for _, s := range samples {
			if s.At >= p.At-limits.Near && s.At <= p.At+limits.Near {
				out[n].add(p, s, limits)
			}
		}
	}
	return out
}

func (w *comparison) add(p record.Capture, s record.Sample, limits FreshThresholds) {
	w.pairs++
	w.profiles[p.At], w.samples[s.At] = true, true
	if limits.alike(s.Goroutines, p.Profile.Total) {
		return
	}
	if w.differ == 0 {
		w.metric, w.counts, w.at = s.Goroutines, p.Profile.Total, p.At
	}
	w.differ++
}

// lastOfLook reports whether a capture is one of the last of its long look.
func lastOfLook(captures []record.Capture, i int, limits FreshThresholds) bool {
	after := 0
	for _, c := range captures[i+1:] {
		if c.Kind == record.Confirm && c.Round == captures[i].Round {
			after++
		}
	}
	return after < limits.LastLooks
}

// sameCounts asks whether metrics and profiles tell of the same process at the same
// time. Where they agreed at first, one of the two stands still.
func sameCounts(run record.Run, t record.Target, limits FreshThresholds) Check {
	c := Check{Name: "counts agree", Target: t.Name, Outcome: Pass, Unit: "windows in which metrics and profile differ"}
	agreed := false
	for _, w := range compare(run, t.Name, limits) {
		if !w.contradicts(limits) {
			agreed = agreed || w.pairs > w.differ
			continue
		}
		c.Measured++
		if c.Measured > 1 {
			continue
		}
		c.Outcome, c.Code = Inconclusive, CodeCounts
		c.Message = fmt.Sprintf("%s says %d goroutines, the profile of the same moment has %d (%s into the run)", t.Counter, w.metric, w.counts, w.at.Round(time.Second))
		c.Hint = "do targets[].pprof and targets[].metrics lead to the same process?"
		if agreed {
			c.Code, c.Hint = CodeStale, staleHint
			c.Message += "; they agreed before: one of the two is a copy"
		}
	}
	return c
}
