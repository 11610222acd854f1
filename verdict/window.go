package verdict

import (
	"cmp"
	"slices"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// band is how many goroutines of one identity were seen in a window.
type band struct{ lo, mid, hi int }

// window is what was captured of one target in one quiet moment. A leaked
// goroutine is in every capture after it leaked, so the lowest count of a
// window holds only what stays, and the spread is the noise.
type window struct {
	captures []record.Capture
	requests uint64 // sent since the window before
}

// history is everything captured of one target: the baseline, a window per
// round, and the long looks.
type history struct {
	target  string
	windows []window                 // the baseline, then one per round
	looks   map[int][]record.Capture // by round, in time order
	proven  map[int][]record.Capture // by round: what the runtime has proven can never wake
	loadEnd map[int]int64            // by round, nanoseconds since the start
	workers int                      // most requests that could be in flight at once
	budget  int                      // rounds that the plan allows

	uncounted bool // nobody knows how many requests a round had

	memo *memo
}

// historyOf gathers a target's captures. Rounds whose window or load is
// missing end the history: nothing is compared across a hole.
func historyOf(run record.Run, target string, budget int) history {
	h := history{memo: newMemo(), target: target, budget: budget, looks: map[int][]record.Capture{}, proven: map[int][]record.Capture{}, loadEnd: map[int]int64{}}
	byRound := map[int][]record.Capture{}
	for _, c := range run.Captures {
		if c.Target != target {
			continue
		}
		switch c.Kind {
		case record.Baseline, record.Settling:
			byRound[c.Round] = append(byRound[c.Round], c)
		case record.Confirm:
			h.looks[c.Round] = append(h.looks[c.Round], c)
		case record.Leaked:
			h.proven[c.Round] = append(h.proven[c.Round], c)
		}
	}
	sent := map[int]uint64{}
	for _, l := range run.Loads {
		h.workers = max(h.workers, l.Workers)
		if l.Kind == record.Round {
			sent[l.Round] += l.Requests()
			h.uncounted = h.uncounted || l.Uncounted
			h.loadEnd[l.Round] = int64(l.End)
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

// trend is the history of one identity: a band per window, and the requests
// that lie between the windows.
type trend struct {
	bands    []band
	requests []uint64 // requests[i] were sent between bands[i] and bands[i+1]
	workers  int
	budget   int   // rounds that the plan allows
	family   int   // stacks that are judged at once
	restless int   // how many of them move by themselves
	span     int64 // nanoseconds from the base window to the last
	steps    int   // goroutines that came or went between the captures of windows
	watched  int64 // nanoseconds that the windows last, in sum
	counted  bool  // of all goroutines together, of which nothing else is known

	uncounted bool // nobody knows how many requests a round had
}

// trends counts every identity in every window.
func (h history) trends(id grouping) map[string]trend {
	if h.memo.trends[id] == nil {
		h.memo.trends[id] = h.count(id)
	}
	return h.memo.trends[id]
}

func (h history) count(id grouping) map[string]trend {
	tally := newTally(id) // of the windows alone: how many there are matters
	perWindow := make([][][]int, len(h.windows))
	for i, w := range h.windows {
		for _, c := range w.captures {
			perWindow[i] = append(perWindow[i], tally.counts(c.Profile))
		}
	}
	out := make(map[string]trend, len(tally.names))
	moving, watched := 0, int64(0)
	for _, w := range h.windows {
		watched += int64(w.captures[len(w.captures)-1].At - w.captures[0].At)
	}
	var values []int
	for n, k := range tally.names {
		t := h.blank(len(tally.names))
		t.bands = make([]band, 0, len(perWindow))
		for _, captures := range perWindow {
			values = values[:0]
			for _, c := range captures {
				values = append(values, at(c, n))
			}
			for i := 1; i < len(values); i++ {
				t.steps += max(values[i]-values[i-1], values[i-1]-values[i])
			}
			t.bands = append(t.bands, bandOf(values))
		}
		t.watched, t.counted = watched, k == stacks.AllGoroutines && len(tally.names) == 1
		t.span = h.at(len(h.windows)-1) - h.at(t.base())
		if t.moves() {
			moving++
		}
		out[k] = t
	}
	for k, t := range out {
		t.restless = moving
		out[k] = t
	}
	return out
}

// of is the trend of one identity; all zero if it was never seen.
func (h history) of(id grouping, key string) trend {
	if t, seen := h.trends(id)[key]; seen {
		return t
	}
	t := h.blank(1)
	t.bands = make([]band, len(h.windows))
	return t
}

// blank is a trend without counts.
func (h history) blank(family int) trend {
	t := trend{workers: h.workers, budget: h.budget, family: family, uncounted: h.uncounted}
	for _, w := range h.windows[min(1, len(h.windows)):] {
		t.requests = append(t.requests, w.requests)
	}
	return t
}

// at is when window i was captured, in nanoseconds since the start.
func (h history) at(i int) int64 { return int64(h.windows[i].captures[0].At) }

// enoughToTrim is how many captures a window needs for its highest to be left
// out of account: one profile may catch work that was just waking up.
const enoughToTrim = 5

// bandOf sorts the counts of a window, and is their band.
func bandOf(values []int) band {
	slices.Sort(values)
	top := len(values) - 1
	if len(values) >= enoughToTrim {
		top--
	}
	return band{lo: values[0], mid: values[len(values)/2], hi: values[top]}
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

// look is how an identity did in the long look after the last round that has
// one: the lowest count seen, and how long it was watched after the load.
func (h history) look(id grouping, key string, round int) (look, bool) {
	captures := h.looks[round]
	if len(captures) == 0 {
		return look{}, false
	}
	l := look{lowest: -1, span: int64(captures[len(captures)-1].At - captures[0].At)}
	for i, c := range captures {
		n := h.memo.count(c.Profile, id, key)
		after := int64(c.At) - h.loadEnd[round]
		held := n
		if i > 0 { // goroutines that wake for a moment are elsewhere in one capture, not in two
			held = max(n, l.last)
		}
		if l.lowest < 0 || held < l.lowest {
			l.lowest, l.lowestAfter = held, after
		}
		l.counts = append(l.counts, n)
		l.last, l.watched = n, max(l.watched, after)
	}
	return l, true
}

type look struct {
	lowest, last int   // goroutines; lowest is what held for two captures in a row
	lowestAfter  int64 // nanoseconds from the end of the load to the lowest count
	watched      int64 // nanoseconds from the end of the load to the last capture
	span         int64 // nanoseconds from the first capture to the last
	counts       []int // of every capture, in time order
}

// sortedKeys returns a map's keys in order: verdicts are deterministic.
func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
