package verdict

import (
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// grouping says which stacks are counted together.
type grouping int

const (
	byKey   grouping = iota // the same functions
	bySite                  // the same blamed function, and the same entry
	byTotal                 // all
	groupings
)

// of is the name of what a stack is counted under.
func (id grouping) of(s stacks.Stack) string {
	switch id {
	case byKey:
		return s.Key
	case bySite:
		return s.Site()
	}
	return stacks.AllGoroutines
}

// tally numbers what the stacks of one history are counted under, so that they are
// counted in lists: with tens of thousands of stacks, a map of their names for each
// profile costs more than everything else.
type tally struct {
	id      grouping
	names   []string
	numbers map[string]int

	known  map[*stacks.Numbers][]int // by a reader's numbers: ours + 1, or 0
	latest *stacks.Numbers           // the reader of the stack before
	ours   []int                     // its entry of known
}

func newTally(id grouping) *tally {
	return &tally{id: id, numbers: map[string]int{}, known: map[*stacks.Numbers][]int{}}
}

// number is the number of what a stack is counted under.
func (t *tally) number(s stacks.Stack) int {
	from, key, site := s.Numbers()
	n := key
	if t.id == bySite {
		n = site
	}
	if from == nil || t.id == byTotal {
		return t.named(t.id.of(s))
	}
	if from != t.latest {
		if t.latest != nil {
			t.known[t.latest] = t.ours
		}
		t.latest, t.ours = from, t.known[from]
	}
	if n >= len(t.ours) {
		t.ours = append(t.ours, make([]int, n+1-len(t.ours))...)
	}
	if t.ours[n] == 0 {
		t.ours[n] = t.named(t.id.of(s)) + 1
	}
	return t.ours[n] - 1
}

func (t *tally) named(name string) int {
	n, ok := t.numbers[name]
	if !ok {
		n = len(t.names)
		t.numbers[name] = n
		t.names = append(t.names, name)
	}
	return n
}

// counts are the goroutines of a profile by number. It may be shorter than the numbers
// that come up later.
func (t *tally) counts(p *stacks.Profile) []int {
	out := make([]int, len(t.names), len(t.names)+len(p.Stacks))
	for _, s := range p.Stacks {
		n := t.number(s)
		for n >= len(out) {
			out = append(out, 0)
		}
		out[n] += s.Count
	}
	return out
}

// at is a count of a list that may be too short.
func at(counts []int, n int) int {
	if n < 0 || n >= len(counts) {
		return 0
	}
	return counts[n]
}

// memo keeps what was worked out of one history.
type memo struct {
	tallies [groupings]*tally
	trends  [groupings]map[string]trend.Trend
	counts  map[profileBy]([]int)
	places  map[profileBy]([][]int)
}

// profileBy is a profile under an identity.
type profileBy struct {
	profile *stacks.Profile
	id      grouping
}

func newMemo() *memo {
	m := &memo{counts: map[profileBy][]int{}, places: map[profileBy][][]int{}}
	for id := range m.tallies {
		m.tallies[id] = newTally(grouping(id))
	}
	return m
}

// count is how many goroutines of a profile are counted under a name.
func (m *memo) count(p *stacks.Profile, id grouping, name string) int {
	where := profileBy{p, id}
	counts, ok := m.counts[where]
	if !ok {
		counts = m.tallies[id].counts(p)
		m.counts[where] = counts
	}
	n, ok := m.tallies[id].numbers[name]
	if !ok {
		return 0
	}
	return at(counts, n)
}

// stacks are the stacks of a profile that are counted under a name.
func (m *memo) stacks(p *stacks.Profile, id grouping, name string) []stacks.Stack {
	where := profileBy{p, id}
	places, ok := m.places[where]
	if !ok {
		t := m.tallies[id]
		for i, s := range p.Stacks {
			n := t.number(s)
			if n >= len(places) {
				places = append(places, make([][]int, n+1-len(places))...)
			}
			places[n] = append(places[n], i)
		}
		m.places[where] = places
	}
	n, ok := m.tallies[id].numbers[name]
	if !ok || n >= len(places) {
		return nil
	}
	out := make([]stacks.Stack, len(places[n]))
	for i, at := range places[n] {
		out[i] = p.Stacks[at]
	}
	return out
}
