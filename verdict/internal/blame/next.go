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
		if g, shared := s.wants(first, tried, l); g != nil {
			next := size(open, g, rounds, left, l)
			if shared { // of a leak that all requests have, a few show a part
				next = next.longer(1/next.Share, left, l)
			}
			return next, true
		}
	}
	return Next{}, false
}

// FirstGroups are the groups to begin with: every request alone where they are few, else for
// each binary digit of their numbers those that have it and those that do not.
func FirstGroups(loaded []int, l Thresholds) (out [][]int) {
	digits := bits.Len(uint(len(loaded) - 1))
	if len(loaded) <= l.Single {
		return singles(loaded)
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
// may leak together. Nil when none would. It reports whether every request may leak alike.
func (s Stack) wants(first [][]int, tried []group, l Thresholds) (requests []int, shared bool) {
	groups, loaded := s.groups(), requestsOf(s.Sent)
	for _, g := range groups {
		if s.most(g) < l.Enough && g.times < l.Repeats && slices.ContainsFunc(first, func(f []int) bool { return slices.Equal(f, g.requests) }) {
			return g.requests, false
		}
	}
	a := s.Decode(l)
	switch every, _ := s.every(groups, loaded, l); {
	case every:
		return untried(tried, singles(loaded[:min(len(loaded), l.Samples)])), true
	case a.Together:
		return untried(tried, s.pairs(groups, loaded, l)), false
	}
	return untried(tried, split(s.narrowest(groups, a.Unclear, l), l)), false
}

// narrowest are the open requests of the group that leaked and has the fewest of them.
func (s Stack) narrowest(groups []group, open []int, l Thresholds) []int {
	best := open
	for _, g := range groups {
		if !s.leaked(g, l) {
			continue
		}
		left := slices.DeleteFunc(slices.Clone(g.requests), func(r int) bool { return !slices.Contains(open, r) })
		if len(left) > 0 && len(left) < len(best) {
			best = left
		}
	}
	return best
}

// split is a group in halves, or one by one where it is small.
func split(requests []int, l Thresholds) [][]int {
	if len(requests) <= l.Single {
		return singles(requests)
	}
	const halves = 2
	return [][]int{requests[:len(requests)/halves], requests[len(requests)/halves:]}
}

func singles(requests []int) (out [][]int) {
	for _, r := range requests {
		out = append(out, []int{r})
	}
	return out
}

// untried is the first of some groups that was not tried yet.
func untried(tried []group, groups [][]int) []int {
	for _, g := range groups {
		if times(tried, g) == 0 {
			return g
		}
	}
	return nil
}

// longer is a trial that lasts so many times as long.
func (n Next) longer(by float64, most time.Duration, l Thresholds) Next {
	n.Duration = min(time.Duration(float64(n.Duration)*by), l.Longest, most)
	return n
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
