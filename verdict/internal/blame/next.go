package blame

import (
	"math/bits"
	"slices"
	"time"
)

// Next is a trial to make: which requests, how much faster than in the rounds, for how long.
type Next struct {
	Requests []int
	Faster   float64 // than their share of the plan's rate
	Share    float64 // of all requests that the rounds sent
	Duration time.Duration
}

// Plan says which trial would tell most of some leaking stacks, of rounds that loaded for a
// while, after trials that loaded for spent; false when all is known, or the time is up.
// All stacks have the same Sent, and the same trials.
func Plan(all []Stack, rounds, spent time.Duration, l Thresholds) (Next, bool) {
	left := l.Budget - spent
	if len(all) == 0 || left < l.Shortest {
		return Next{}, false
	}
	loaded := requestsOf(all[0].Sent)
	if len(loaded) <= 1 {
		return Next{}, false
	}
	tried := all[0].groups()
	first := FirstGroups(loaded, l)
	fresh := slices.DeleteFunc(slices.Clone(first), func(g []int) bool { return times(tried, g) > 0 })
	if len(fresh) > 0 {
		each := max(l.Shortest, (left-time.Duration((1-l.FirstShare)*float64(l.Budget)))/time.Duration(len(fresh)))
		return size(all, fresh[0], rounds, min(left, each), l), true
	}
	var open []Stack
	for _, s := range all {
		if !s.Decode(l).Resolved() {
			open = append(open, s)
		}
	}
	for _, s := range open {
		if g := s.wants(first, tried, l); g != nil {
			return size(open, g, rounds, left, l), true
		}
	}
	return Next{}, false
}

// FirstGroups are the groups to begin with: every request alone where they are few, else for
// each binary digit of their numbers those that have it and those that do not.
func FirstGroups(loaded []int, l Thresholds) (out [][]int) {
	digits := bits.Len(uint(len(loaded) - 1))
	if len(loaded) <= l.Single {
		for _, r := range loaded {
			out = append(out, []int{r})
		}
		return out
	}
	for d := range digits {
		var with, rest []int
		for i, r := range loaded {
			if i>>d&1 == 1 {
				with = append(with, r)
			} else {
				rest = append(rest, r)
			}
		}
		out = append(out, with, rest)
	}
	return out
}

// times is how often a group was tried.
func times(tried []group, requests []int) int {
	i := slices.IndexFunc(tried, func(g group) bool { return slices.Equal(g.requests, requests) })
	if i < 0 {
		return 0
	}
	return tried[i].times
}

// wants is the group that would tell most of one stack: one of the first again, where it
// leaked too little to tell; else those that are still open, alone or halved; else two that
// may leak together. Nil when none would.
func (s Stack) wants(first [][]int, tried []group, l Thresholds) []int {
	for _, g := range tried {
		if s.most(g) < l.Enough && g.times < l.Repeats && slices.ContainsFunc(first, func(f []int) bool { return slices.Equal(f, g.requests) }) {
			return g.requests
		}
	}
	a := s.Decode(l)
	if a.Together {
		for _, p := range s.pairs(tried, requestsOf(s.Sent), l) {
			if times(tried, p) == 0 {
				return p
			}
		}
		return nil
	}
	if len(a.Unclear) == 0 {
		return nil
	}
	loaded := requestsOf(s.Sent)
	if len(a.Unclear) <= l.Single || len(a.Unclear) == len(loaded) { // few, or all: then some tell of all
		n := len(a.Unclear)
		if n == len(loaded) {
			n = min(n, l.Samples)
		}
		for _, r := range a.Unclear[:n] {
			if times(tried, []int{r}) == 0 {
				return []int{r}
			}
		}
	}
	const halves = 2
	for _, half := range [][]int{a.Unclear[:len(a.Unclear)/halves], a.Unclear[len(a.Unclear)/halves:]} {
		if len(half) > 0 && times(tried, half) == 0 {
			return half
		}
	}
	return nil
}

// precision is that of a trial's duration, for people.
const precision = 100 * time.Millisecond

// size is how fast and for how long a group is loaded: so that the stack that leaks most
// rarely would leak as many goroutines as are wanted, if it is one of the group's.
func size(all []Stack, requests []int, rounds, most time.Duration, l Thresholds) Next {
	var sent, total uint64
	for r, n := range all[0].Sent {
		total += n
		if slices.Contains(requests, r) {
			sent += n
		}
	}
	out := Next{Requests: requests, Share: float64(sent) / float64(total)}
	out.Faster = min(l.Faster, 1/out.Share)
	rarest := all[0].Leaked
	for _, s := range all {
		rarest = min(rarest, s.Leaked)
	}
	perSecond := max(rarest, 1) / rounds.Seconds()
	out.Duration = time.Duration(l.Wanted / (out.Faster * perSecond) * float64(time.Second)).Round(precision)
	out.Duration = min(max(out.Duration, l.Shortest), l.Longest, most)
	return out
}
