// Package blame finds out which requests leak a stack, by trials that load some of a plan's
// requests and leave the others out. Trials are a group test: one that leaks nothing clears
// all of its requests, and a few of them together single out one request of ninety.
package blame

import (
	"cmp"
	"math"
	"slices"

	"github.com/leakgate/leakgate/internal/stat"
)

// Trial is what loading some requests did to a stack.
type Trial struct {
	Requests []int    // of the plan, that were to be loaded
	Sent     []uint64 // by request of the plan; 0 for those that were left out
	Leaked   int      // goroutines
}

// Stack is a leaking stack: what the rounds did, and the trials after them.
type Stack struct {
	Leaked float64  // goroutines, in the rounds
	Sent   []uint64 // by request of the plan, in the rounds
	Trials []Trial
}

// Answer is what trials say of one stack.
type Answer struct {
	Leaks   []Rate // of one request each, or of several that leak together; the largest first
	Any     bool   // every request leaks it alike: Leaks has one Rate, of those that were tried alone
	Unclear []int  // requests that may leak it, or not
	Cleared []int  // requests that do not
	// Together: none of the requests leaks by itself. Leaks is empty where it is not known
	// which do with each other.
	Together bool
}

// Resolved reports whether there is nothing left to find out.
func (a Answer) Resolved() bool {
	return len(a.Unclear) == 0 && len(a.Leaks) > 0 && a.Leaks[0].Sent > 0
}

// group is trials of the same requests, taken together.
type group struct {
	requests []int
	sent     []uint64
	leaked   int
	times    int
}

func (g group) has(request int) bool { return slices.Contains(g.requests, request) }

// total is how many requests a group sent.
func (g group) total() (n uint64) {
	for _, s := range g.sent {
		n += s
	}
	return n
}

// groups takes trials of the same requests together.
func (s Stack) groups() (out []group) {
	for _, t := range s.Trials {
		requests := t.Requests
		if len(requests) == 0 {
			continue
		}
		i := slices.IndexFunc(out, func(g group) bool { return slices.Equal(g.requests, requests) })
		if i < 0 {
			out = append(out, group{requests: requests, sent: make([]uint64, len(t.Sent))})
			i = len(out) - 1
		}
		for r, n := range t.Sent {
			out[i].sent[r] += n
		}
		out[i].leaked += t.Leaked
		out[i].times++
	}
	return out
}

// requestsOf are the requests that were sent.
func requestsOf(sent []uint64) (out []int) {
	for r, n := range sent {
		if n > 0 {
			out = append(out, r)
		}
	}
	return out
}

// expected is how many goroutines a group would have leaked if one of its requests leaked
// all that the rounds did.
func (s Stack) expected(g group, request int) float64 {
	if s.Sent[request] == 0 {
		return 0
	}
	return s.Leaked * float64(g.sent[request]) / float64(s.Sent[request])
}

// most is that of the request of a group for which it is largest.
func (s Stack) most(g group) (n float64) {
	for _, r := range g.requests {
		n = max(n, s.expected(g, r))
	}
	return n
}

// leaked reports whether a group took part in a leak.
func (s Stack) leaked(g group, l Thresholds) bool {
	return g.leaked >= l.Least && float64(g.leaked) >= l.Partly*s.most(g)
}

// clears reports whether a group shows that one of its requests leaks nothing beyond what
// others of it do.
func (s Stack) clears(g group, request int, others float64, l Thresholds) bool {
	e := s.expected(g, request)
	return e >= l.Enough && float64(g.leaked)-others < l.Partly*e
}

// Decode says which requests leak a stack.
func (s Stack) Decode(l Thresholds) Answer {
	groups, loaded := s.groups(), requestsOf(s.Sent)
	if len(groups) == 0 {
		return Answer{}
	}
	if every, alone := s.every(groups, loaded, l); every {
		if alone < min(len(loaded), l.Samples) {
			return Answer{Unclear: loaded}
		}
		return Answer{Any: true, Leaks: []Rate{s.pooled(groups, l)}}
	}
	if r, ok := s.single(groups, loaded, l); ok {
		return s.besides(groups, loaded, r, l)
	}
	cleared := map[int]bool{}
	for _, g := range groups {
		for _, r := range g.requests {
			cleared[r] = cleared[r] || s.clears(g, r, 0, l)
		}
	}
	definite := s.definite(groups, loaded, cleared, l)
	for _, r := range loaded {
		if !cleared[r] && !slices.Contains(definite, r) && s.excused(groups, r, definite, l) {
			cleared[r] = true
		}
	}
	var out Answer
	for _, r := range loaded {
		switch {
		case slices.Contains(definite, r):
			out.Leaks = append(out.Leaks, s.rateOf(groups, []int{r}, l))
		case cleared[r]:
			out.Cleared = append(out.Cleared, r)
		default:
			out.Unclear = append(out.Unclear, r)
		}
	}
	slices.SortStableFunc(out.Leaks, func(a, b Rate) int { return cmp.Compare(b.Each, a.Each) })
	if len(out.Cleared) == len(loaded) && len(loaded) > 1 {
		out.Together = true
		pairs := s.pairs(groups, loaded, l)
		if len(pairs) == 1 && slices.ContainsFunc(groups, func(g group) bool { return g.has(pairs[0][0]) && g.has(pairs[0][1]) }) {
			out.Leaks = []Rate{s.rateOf(groups, pairs[0], l)}
			out.Cleared = slices.DeleteFunc(out.Cleared, func(r int) bool { return slices.Contains(pairs[0], r) })
		}
	}
	return out
}

// single is the one request that explains all groups, if one does so much better than any
// other: by the likelihood of what each group leaked, if it alone leaks.
func (s Stack) single(groups []group, loaded []int, l Thresholds) (int, bool) {
	best, next, which := math.Inf(-1), math.Inf(-1), -1
	for _, r := range loaded {
		switch fit := s.likelihood(groups, r, l); {
		case fit > best:
			best, next, which = fit, best, r
		case fit > next:
			next = fit
		}
	}
	if which < 0 || best-next < math.Log(l.Odds) {
		return 0, false
	}
	var leaked, sent, noise []float64
	all, without := 0, 0
	for _, g := range groups {
		all += g.leaked
		if !g.has(which) {
			without += g.leaked
			continue
		}
		leaked, sent, noise = append(leaked, float64(g.leaked)), append(sent, float64(g.sent[which])), append(noise, 0)
	}
	explains := all-without >= l.Least && float64(without) <= l.Partly*float64(all)
	return which, explains && stat.Dispersion(leaked, sent, noise) >= l.Alike
}

// likelihood is the logarithm of how likely it is that the groups leaked what they did if a
// request alone leaks, and next to nothing happens besides; but for what is the same for
// all requests.
func (s Stack) likelihood(groups []group, request int, l Thresholds) (fit float64) {
	leaked, sent := 0.0, 0.0
	for _, g := range groups {
		if g.has(request) {
			leaked, sent = leaked+float64(g.leaked), sent+float64(g.sent[request])
		}
	}
	for _, g := range groups {
		mean := l.Besides
		if g.has(request) {
			mean += leaked / sent * float64(g.sent[request])
		}
		fit += float64(g.leaked)*math.Log(mean) - mean
	}
	return fit
}

// besides is the answer where one request explains all that leaked: another is cleared if it
// was loaded enough without that one.
func (s Stack) besides(groups []group, loaded []int, which int, l Thresholds) Answer {
	out := Answer{Leaks: []Rate{s.rateOf(groups, []int{which}, l)}}
	for _, r := range loaded {
		if r == which {
			continue
		}
		expected, leaked := 0.0, 0
		for _, g := range groups {
			if g.has(r) && !g.has(which) {
				expected, leaked = expected+s.expected(g, r), leaked+g.leaked
			}
		}
		if expected >= l.Enough && float64(leaked) < l.Partly*expected {
			out.Cleared = append(out.Cleared, r)
		} else {
			out.Unclear = append(out.Unclear, r)
		}
	}
	return out
}

// every reports whether the groups look as they would if every request leaked alike: each
// leaked, and in proportion to what it sent. It counts the requests that were tried alone:
// without any, two requests of which each half has one look the same.
func (s Stack) every(groups []group, loaded []int, l Thresholds) (every bool, alone int) {
	var leaked, sent, noise []float64
	for _, g := range groups {
		n := float64(g.total())
		leaked, sent, noise = append(leaked, float64(g.leaked)), append(sent, n), append(noise, 0)
		if len(g.requests) == 1 {
			alone++
		}
		if g.leaked < l.Least {
			return false, 0
		}
	}
	return len(loaded) > 1 && len(groups) > 1 && stat.Dispersion(leaked, sent, noise) >= l.Alike, alone
}

// definite are requests without which a leak has no explanation: the only one of a group
// that leaked, or of all, that is not cleared.
func (s Stack) definite(groups []group, loaded []int, cleared map[int]bool, l Thresholds) (out []int) {
	all := group{requests: loaded, sent: make([]uint64, len(s.Sent))}
	open := func(g group) []int {
		return slices.DeleteFunc(slices.Clone(g.requests), func(r int) bool { return cleared[r] })
	}
	if left := open(all); len(left) == 1 {
		for _, g := range groups {
			if g.has(left[0]) {
				all.leaked += g.leaked
				all.sent[left[0]] += g.sent[left[0]]
			}
		}
		groups = append(slices.Clip(groups), all)
	}
	for _, g := range groups {
		if left := open(g); len(left) == 1 && s.leaked(g, l) && !slices.Contains(out, left[0]) {
			out = append(out, left[0])
		}
	}
	return out
}

// excused reports whether the definite requests of some group account for all that it leaked,
// so that another of its requests leaks nothing.
func (s Stack) excused(groups []group, request int, definite []int, l Thresholds) bool {
	return slices.ContainsFunc(groups, func(g group) bool {
		if !g.has(request) {
			return false
		}
		others := 0.0
		for _, d := range definite {
			if g.has(d) {
				others += s.rateOf(groups, []int{d}, l).Each * float64(g.sent[d])
			}
		}
		return others > 0 && s.clears(g, request, others, l)
	})
}

// pairs are two requests each that explain all groups: those that have both leak, and no
// other does.
func (s Stack) pairs(groups []group, loaded []int, l Thresholds) (out [][]int) {
	for i, a := range loaded {
		for _, b := range loaded[i+1:] {
			fits := !slices.ContainsFunc(groups, func(g group) bool {
				both := g.has(a) && g.has(b)
				return both != s.leaked(g, l) && s.most(g) >= l.Enough
			})
			if fits {
				out = append(out, []int{a, b})
			}
		}
	}
	return out
}
