package verdict

import (
	"cmp"
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// window is what was captured of one target in one quiet moment.
type window struct {
	captures []record.Capture
	requests uint64 // sent since the window before
}

// first and last are when its captures were taken, since the start of the run.
func (w window) first() time.Duration { return w.captures[0].At }
func (w window) last() time.Duration  { return w.captures[len(w.captures)-1].At }

// history is everything captured of one target: the baseline, a window per round, and
// what was seen beside them.
type history struct {
	target  string
	limits  *Thresholds
	windows []window                 // the baseline, then one per round
	looks   map[int][]record.Capture // by round, in time order
	proven  map[int][]record.Capture // by round: what the runtime has proven can never wake
	loaded  map[int]record.Capture   // by round: the floors under load
	dumps   []record.Capture         // debug=2, in time order
	loadEnd map[int]time.Duration    // by round, since the start of the run
	workers int                      // most requests that could be in flight at once
	budget  int                      // rounds that the plan allows

	uncounted bool // nobody knows how many requests a round had

	memo *memo
}

// historyOf gathers a target's captures. Rounds whose window or load is missing end the
// history: nothing is compared across a hole.
func historyOf(run record.Run, target string, policy Policy) history {
	h := history{
		memo: newMemo(), target: target, limits: policy.limits(), budget: policy.MaxRounds,
		looks: map[int][]record.Capture{}, proven: map[int][]record.Capture{}, loaded: map[int]record.Capture{},
		loadEnd: map[int]time.Duration{},
	}
	byRound := map[int][]record.Capture{}
	for _, c := range run.Captures {
		if c.Target != target || c.Profile == nil {
			continue
		}
		switch c.Kind {
		case record.Baseline, record.Settling:
			byRound[c.Round] = append(byRound[c.Round], c)
		case record.Confirm:
			h.looks[c.Round] = append(h.looks[c.Round], c)
		case record.Leaked:
			h.proven[c.Round] = append(h.proven[c.Round], c)
		case record.Loaded:
			h.loaded[c.Round] = c
		case record.Evidence:
			h.dumps = append(h.dumps, c)
		}
	}
	sent := map[int]uint64{}
	for _, l := range run.Loads {
		h.workers = max(h.workers, l.Workers)
		if l.Kind == record.Round {
			sent[l.Round] += l.Requests()
			h.uncounted = h.uncounted || l.Uncounted
			h.loadEnd[l.Round] = l.End
		}
	}
	for r := 0; len(byRound[r]) > 0; r++ {
		if r > 0 && sent[r] == 0 {
			break
		}
		h.windows = append(h.windows, window{captures: byRound[r], requests: sent[r]})
	}
	return h
}

// rounds is how many load rounds can be compared.
func (h history) rounds() int { return max(0, len(h.windows)-1) }

// trends counts every identity in every window.
func (h history) trends(id grouping) map[string]trend.Trend {
	if h.memo.trends[id] == nil {
		h.memo.trends[id] = h.count(id)
	}
	return h.memo.trends[id]
}

func (h history) count(id grouping) map[string]trend.Trend {
	tally := newTally(id) // of the windows alone: how many there are matters
	perWindow := make([][][]int, len(h.windows))
	watched := time.Duration(0)
	for i, w := range h.windows {
		for _, c := range w.captures {
			perWindow[i] = append(perWindow[i], tally.counts(c.Profile))
		}
		watched += w.last() - w.first()
	}
	out := make(map[string]trend.Trend, len(tally.names))
	moving := 0
	for n, k := range tally.names {
		t := h.blank(len(tally.names))
		t.Bands, t.Steps = h.bands(perWindow, n)
		t.Watched, t.Counted = watched, k == stacks.AllGoroutines && len(tally.names) == 1
		t.Span = h.windows[len(h.windows)-1].first() - h.windows[t.Base()].first()
		if t.Moves() {
			moving++
		}
		out[k] = t
	}
	for k, t := range out {
		t.Restless = moving
		out[k] = t
	}
	return out
}

// bands are the counts of one number in every window, and how much they moved within them.
func (h history) bands(perWindow [][][]int, n int) (bands []trend.Band, steps int) {
	bands = make([]trend.Band, 0, len(perWindow))
	var values []int
	for _, captures := range perWindow {
		values = values[:0]
		for _, c := range captures {
			values = append(values, at(c, n))
		}
		for i := 1; i < len(values); i++ {
			steps += max(values[i]-values[i-1], values[i-1]-values[i])
		}
		bands = append(bands, h.limits.Growth.BandOf(values))
	}
	return bands, steps
}

// of is the trend of one identity, with all that is known of it; all zero if it was never
// seen.
func (h history) of(id grouping, key string) trend.Trend {
	t, seen := h.trends(id)[key]
	if !seen {
		t = h.blank(1)
		t.Bands = make([]trend.Band, len(h.windows))
	}
	t.Floors, t.Dumps = h.floors(id, key), h.waits(id, key)
	return t
}

// blank is a trend without counts.
func (h history) blank(family int) trend.Trend {
	t := trend.Trend{Limits: &h.limits.Growth, Workers: h.workers, Budget: h.budget, Family: family, Uncounted: h.uncounted}
	for r := 1; r < len(h.windows); r++ {
		t.Requests = append(t.Requests, h.windows[r].requests)
		t.Ends = append(t.Ends, h.loadEnd[r])
	}
	return t
}

// floors are the fewest goroutines of an identity under load, round by round.
func (h history) floors(id grouping, key string) []trend.Floor {
	if len(h.loaded) == 0 {
		return nil
	}
	out := make([]trend.Floor, h.rounds())
	for i := range out {
		if c, ok := h.loaded[i+1]; ok {
			out[i] = trend.Floor{Least: h.memo.count(c.Profile, id, key), Profiles: c.Seq}
		}
	}
	return out
}

// waits are what the dumps after rounds say of how long an identity's goroutines waited.
func (h history) waits(id grouping, key string) []trend.Waits {
	var out []trend.Waits
	for _, c := range h.dumps {
		if c.Round <= 0 || c.Round > h.rounds() {
			continue
		}
		w := trend.Waits{Window: -1, Rested: c.At >= h.loadEnd[c.Round]+stacks.LongWait}
		for i, win := range h.windows[:c.Round+1] {
			if win.last()+stacks.LongWait <= c.At {
				w.Window = i
			}
		}
		for _, s := range h.memo.stacks(c.Profile, id, key) {
			w.Long += s.Waited
		}
		out = append(out, w)
	}
	return out
}

// provenIn is the union of what the readings of one round prove, by key.
func (h history) provenIn(round int) map[string]stacks.Stack {
	out := map[string]stacks.Stack{}
	for _, c := range h.proven[round] {
		counts := c.Profile.Count()
		for _, s := range c.Profile.Stacks {
			s.Count = counts[s.Key]
			if s.Count > out[s.Key].Count {
				out[s.Key] = s
			}
		}
	}
	return out
}

// look is how an identity did in the long look after a round, if there was one.
func (h history) look(id grouping, key string, round int) (trend.Look, bool) {
	captures := h.looks[round]
	if len(captures) == 0 {
		return trend.Look{}, false
	}
	l := trend.Look{Round: round, Span: captures[len(captures)-1].At - captures[0].At}
	for _, c := range captures {
		l.Add(h.memo.count(c.Profile, id, key), c.At-h.loadEnd[round])
	}
	return l, true
}

// newestDump is the target's last dump, if it has one.
func (h history) newestDump() (record.Capture, bool) {
	if len(h.dumps) == 0 {
		return record.Capture{}, false
	}
	return h.dumps[len(h.dumps)-1], true
}

// dumpStacks are the stacks of the latest dump that have a key.
func (h history) dumpStacks(key string) []stacks.Stack {
	c, ok := h.newestDump()
	if !ok {
		return nil
	}
	return h.memo.stacks(c.Profile, byKey, key)
}

// goroutines counts those of some stacks.
func goroutines(all []stacks.Stack) (n int) {
	for _, s := range all {
		n += s.Count
	}
	return n
}

// inTime are the captures that decide, in the order in which they were taken.
func inTime(run record.Run, target string) []record.Capture {
	var out []record.Capture
	for _, p := range run.Captures {
		if p.Target == target && p.Profile != nil && decides(p.Kind) {
			out = append(out, p)
		}
	}
	slices.SortStableFunc(out, func(a, b record.Capture) int { return cmp.Compare(a.At, b.At) })
	return out
}

// decides reports whether the verdict depends on captures of a kind.
func decides(k record.Kind) bool {
	return k == record.Baseline || k == record.Settling || k == record.Confirm || k == record.Leaked
}

// shown is the place of a name that grew most, to show to people: in the latest window
// in which the name was seen.
func (h history) shown(name string) stacks.Stack {
	first := h.windows[0].captures[0].Profile
	for i := len(h.windows) - 1; i >= 0; i-- {
		captures := h.windows[i].captures
		before, after := h.memo.stacks(first, byKey, name), h.memo.stacks(captures[len(captures)-1].Profile, byKey, name)
		if len(before)+len(after) == 0 {
			continue
		}
		return stacks.Diff(&stacks.Profile{Stacks: before}, &stacks.Profile{Stacks: after})[0].Stack
	}
	return stacks.Stack{}
}

// ofSite is the stack to show of a site: of the places that its stacks are shown at, the
// one with most goroutines.
func (h history) ofSite(site string) stacks.Stack {
	var keys []string
	for _, w := range h.windows {
		for _, c := range []record.Capture{w.captures[0], w.captures[len(w.captures)-1]} {
			for _, s := range h.memo.stacks(c.Profile, bySite, site) {
				keys = append(keys, s.Key)
			}
		}
	}
	slices.Sort(keys)
	var best stacks.Stack
	for _, k := range slices.Compact(keys) {
		if s := h.shown(k); s.Site() == site && s.Count > best.Count {
			best = s
		}
	}
	return best
}
