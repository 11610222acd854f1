package stacks

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Profile is a parsed goroutine profile.
type Profile struct {
	Stacks  []Stack // sorted by Count, then Key, then lines; the observer's own left out
	Total   int     // goroutines in Stacks
	Own     int     // goroutines left out because they served this very request
	BuildID string  // of the executable's mapping, where the profile has one
	Binary  string  // path of the executable, where the profile has one

	// Time is when the profile was taken, by the target's own clock; zero where it does
	// not say so. Text has no time.
	Time time.Time
	// Listeners are the addresses of the poll descriptors that goroutines of the target
	// accept connections on, by a debug=2 dump. The system lays them out anew for every
	// process.
	Listeners []string
	// Root is the folder of the toolchain that built the executable, by which functions of
	// the standard library are known; empty where files do not show it.
	Root string
}

// AllGoroutines is the key of goroutines of which only the number is known, and of all
// stacks together.
const AllGoroutines = "(all goroutines)"

// Counted returns the profile of a target of which only the number of goroutines is known.
func Counted(n int) *Profile {
	p := &Profile{Total: n}
	if n > 0 {
		p.Stacks = []Stack{{Key: AllGoroutines, Count: n}}
	}
	return p
}

// Count adds up the goroutines of each key.
func (p *Profile) Count() map[string]int {
	counts := make(map[string]int, len(p.Stacks))
	for _, s := range p.Stacks {
		counts[s.Key] += s.Count
	}
	return counts
}

// collect merges samples of the same place, drops the goroutines of the observer's own
// requests, of which so many were open, and sorts what is left.
func collect(samples []Stack, open int) *Profile {
	p := &Profile{}
	byPlace := map[where]int{}
	for _, s := range samples {
		p.Total += s.Count
		id := s.where()
		i, seen := byPlace[id]
		if !seen {
			byPlace[id] = len(p.Stacks)
			s.Labels = maps.Clone(s.Labels)
			p.Stacks = append(p.Stacks, s)
			continue
		}
		p.Stacks[i].add(s)
	}
	p.finish(open)
	return p
}

// finish drops the observer's own goroutines, and sorts what is left.
func (p *Profile) finish(open int) {
	p.dropOwn(open)
	p.sort()
}

// sort puts the largest stacks first.
func (p *Profile) sort() {
	slices.SortFunc(p.Stacks, func(a, b Stack) int {
		if c := cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Key, b.Key)); c != 0 {
			return c
		}
		return strings.Compare(a.place(), b.place()) // expensive, rarely needed
	})
}
