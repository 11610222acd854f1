package stacks

import (
	"slices"
	"testing"
	"time"
)

func TestFloor(t *testing.T) {
	at := func(function string, line, n int) Stack {
		frames := []Frame{{Function: function, Line: line}}
		return Stack{Key: key(frames), Frames: frames, Count: n, Labels: map[string]int{"tenant=a": n}}
	}
	of := func(second int64, all ...Stack) *Profile {
		p := &Profile{Stacks: all, Time: time.Unix(second, 0), Own: 1, BuildID: "b"}
		for _, s := range all {
			p.Total += s.Count
		}
		return p
	}
	for _, c := range []struct {
		name     string
		profiles []*Profile
		want     map[string]int
	}{
		// Leaked goroutines never leave: more come, and the fewest is the first count.
		{"a leak", []*Profile{of(1, at("main.leak", 1, 10)), of(2, at("main.leak", 1, 20))}, map[string]int{"main.leak": 10}},
		// The pool's twin: the same counts at rest, and some were away in between.
		{"a pool", []*Profile{of(1, at("main.pool", 1, 10)), of(2, at("main.pool", 1, 3)), of(3, at("main.pool", 1, 20))},
			map[string]int{"main.pool": 3}},
		{"all were away once", []*Profile{of(1, at("main.pool", 1, 10)), of(2), of(3, at("main.pool", 1, 10))},
			map[string]int{}},
		{"came after the first", []*Profile{of(1), of(2, at("main.new", 1, 5))}, map[string]int{}},
		// From one line to another is a move as well.
		{"another line", []*Profile{of(1, at("main.loop", 1, 5), at("main.loop", 2, 5)), of(2, at("main.loop", 2, 9))},
			map[string]int{"main.loop": 5}},
		{"one profile", []*Profile{of(1, at("main.leak", 1, 10))}, map[string]int{"main.leak": 10}},
	} {
		var f Floor
		for _, p := range c.profiles {
			f.Add(p)
		}
		p := f.Profile()
		total := 0
		for _, n := range c.want {
			total += n
		}
		if got := p.Count(); len(got) != len(c.want) || p.Total != total {
			t.Errorf("Floor(%s) = %v of %d, want %v", c.name, got, p.Total, c.want)
		}
		for k, n := range c.want {
			if p.Count()[k] != n {
				t.Errorf("Floor(%s): %d of %s, want %d", c.name, p.Count()[k], k, n)
			}
		}
		last := c.profiles[len(c.profiles)-1]
		if f.Profiles() != len(c.profiles) || !p.Time.Equal(last.Time) || p.BuildID != "b" || p.Own != 1 {
			t.Errorf("Floor(%s) is of %d profiles, taken at %s by %q", c.name, f.Profiles(), p.Time, p.BuildID)
		}
		if slices.ContainsFunc(p.Stacks, func(s Stack) bool { return s.Labels != nil }) {
			t.Errorf("Floor(%s) has labels", c.name)
		}
	}
}

// A floor does not change the profiles that it was made of, and is read back as it was written.
func TestFloorOfRealProfiles(t *testing.T) {
	r := NewReader(nil)
	var f Floor
	var first *Profile
	for _, data := range [][]byte{manyStacks(t, 50), manyStacks(t, 80), manyStacks(t, 30)} {
		p, err := r.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = p
		}
		f.Add(p)
	}
	again, err := Parse(manyStacks(t, 50))
	if err != nil {
		t.Fatal(err)
	}
	sameProfile(t, again, first)
	got, err := Parse(Encode(f.Profile()))
	if err != nil {
		t.Fatal(err)
	}
	sameProfile(t, f.Profile(), got)
	if want := 30; len(got.Stacks) > want {
		t.Errorf("the floor has %d stacks, want %d at most", len(got.Stacks), want)
	}
}
