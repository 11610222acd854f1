package stacks

import "maps"

// Floor is the fewest goroutines that were seen at every place over several profiles. A
// goroutine that never leaves its place is in it; a place that was empty in one of the
// profiles is not. The zero value is ready for the first profile.
type Floor struct {
	profiles int
	last     Profile // without stacks
	least    map[where]*Stack
}

// Add takes a profile in. Of the first one, the floor keeps the stacks; of later ones, nothing.
func (f *Floor) Add(p *Profile) {
	f.profiles++
	f.last = *p
	f.last.Stacks = nil
	if f.profiles == 1 {
		f.least = make(map[where]*Stack, len(p.Stacks))
		for _, s := range p.Stacks {
			s.Labels = nil
			f.least[s.where()] = &s
		}
		return
	}
	seen := make(map[where]int, len(p.Stacks))
	for _, s := range p.Stacks {
		seen[s.where()] += s.Count
	}
	maps.DeleteFunc(f.least, func(w where, s *Stack) bool {
		s.Count = min(s.Count, seen[w])
		return s.Count == 0
	})
}

// Profiles is how many profiles the floor is of.
func (f *Floor) Profiles() int { return f.profiles }

// Profile is the floor as a profile, taken when the last one was. It has no labels: which
// goroutines stayed is not known, only how many.
func (f *Floor) Profile() *Profile {
	p := f.last
	p.Stacks = make([]Stack, 0, len(f.least))
	p.Total = 0
	for _, s := range f.least {
		p.Stacks = append(p.Stacks, *s)
		p.Total += s.Count
	}
	p.sort()
	return &p
}
