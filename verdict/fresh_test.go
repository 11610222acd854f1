package verdict_test

import (
	"slices"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// stamp gives every capture of a run the time at which it was taken.
func stamp(run *record.Run) {
	for i := range run.Captures {
		p := *run.Captures[i].Profile
		p.Time = run.Started.Add(run.Captures[i].At)
		run.Captures[i].Profile = &p
	}
}

// A leak whose profiles are copies now and then is no pass, whatever the copies show.
func TestFresh(t *testing.T) {
	leak := map[string][]int{"example.com/f": {5, 405, 805}}
	healthy := map[string][]int{"example.com/f": {5, 5, 5}}
	for _, c := range []struct {
		name   string
		stacks map[string][]int
		change func(*record.Run)
		stale  bool
	}{
		{"new ones", healthy, stamp, false},
		{"a leak, new ones", leak, stamp, false},
		// Text, and what other tools make, has no time.
		{"without times", healthy, func(*record.Run) {}, false},
		{"always the first", leak, func(r *record.Run) {
			stamp(r)
			for i := range r.Captures {
				r.Captures[i].Profile = r.Captures[0].Profile
			}
		}, true},
		{"the first again, once in a window", leak, func(r *record.Run) {
			stamp(r)
			r.Captures[12].Profile = r.Captures[0].Profile
		}, true},
		{"the one before", leak, func(r *record.Run) {
			stamp(r)
			r.Captures[12].Profile = r.Captures[11].Profile
		}, true},
		// The time was lost on the way, the counts tell.
		{"one in three, without times", leak, func(r *record.Run) {
			for _, i := range []int{6, 11, 13} {
				r.Captures[i].Profile = r.Captures[0].Profile
			}
		}, true},
		// Work comes and goes within a window: at rest it looks as it did before, and
		// each profile says that it is a new one.
		{"bursts of work", healthy, func(r *record.Run) {
			for _, i := range []int{5, 7, 9, 10, 12, 14} {
				busy := *r.Captures[i].Profile
				busy.Stacks = slices.Clone(busy.Stacks)
				add(&busy, "example.com/burst", 300)
				r.Captures[i].Profile = &busy
			}
			stamp(r)
		}, false},
	} {
		run := script{stacks: c.stacks}.run()
		c.change(&run)
		v := verdict.Judge(run, policy())
		k := check(v, "fresh")
		if got := k.Code == verdict.CodeStale; got != c.stale || c.stale && (v.Outcome != verdict.Inconclusive || k.Hint == "") {
			t.Errorf("Judge(%s) = %s (%s), check %+v; want stale: %t", c.name, v.Outcome, v.Headline, k, c.stale)
		}
	}
}

// Who answered has to be known for as long as what they answered decides.
func TestIdentified(t *testing.T) {
	at := func(d time.Duration, s record.Identity) record.Identity {
		s.At, s.Target = d, target
		return s
	}
	for _, c := range []struct {
		name       string
		first      record.Identity
		identities func(last time.Duration) []record.Identity
		want       string // code
	}{
		{"start time", record.Identity{Start: 1000}, func(l time.Duration) []record.Identity { return []record.Identity{at(l, record.Identity{Start: 1000})} }, ""},
		{"nothing", record.Identity{}, func(time.Duration) []record.Identity { return nil }, verdict.CodeIdentity},
		{"version alone", record.Identity{GoVersion: "go1.26"}, func(l time.Duration) []record.Identity {
			return []record.Identity{at(l, record.Identity{GoVersion: "go1.26"})}
		}, verdict.CodeIdentity},
		{"until the last round", record.Identity{Start: 1000}, func(l time.Duration) []record.Identity {
			return []record.Identity{at(l-time.Second, record.Identity{Start: 1000})}
		}, verdict.CodeIdentity},
		{"dumps", record.Identity{Listeners: []string{"0x7f01"}}, func(l time.Duration) []record.Identity {
			return []record.Identity{at(l, record.Identity{Listeners: []string{"0x7f01", "0x7f02"}})}
		}, ""},
		{"dumps of another process", record.Identity{Listeners: []string{"0x7f01"}}, func(l time.Duration) []record.Identity {
			return []record.Identity{at(l, record.Identity{Listeners: []string{"0x7f09"}})}
		}, verdict.CodeRestarted},
		{"profiles of another build", record.Identity{Start: 1000, Build: "abc"}, func(l time.Duration) []record.Identity {
			return []record.Identity{at(l, record.Identity{Start: 1000})}
		}, verdict.CodeReplaced},
		{"profiles of the same build", record.Identity{Start: 1000, Build: "def"}, func(l time.Duration) []record.Identity {
			return []record.Identity{at(l, record.Identity{Start: 1000})}
		}, ""},
		{"collections of the same", record.Identity{TotalAlloc: 5}, func(l time.Duration) []record.Identity {
			return []record.Identity{at(l, record.Identity{TotalAlloc: 9, Continuity: record.Unbroken})}
		}, ""},
		// It has allocated more than the one before, and is another all the same.
		{"collections of another", record.Identity{TotalAlloc: 5}, func(l time.Duration) []record.Identity {
			return []record.Identity{at(l, record.Identity{TotalAlloc: 9, Continuity: record.Broken})}
		}, verdict.CodeRestarted},
	} {
		run := script{stacks: map[string][]int{"example.com/f": {5, 5, 5}}}.run()
		c.first.Target = target
		run.Targets[0].Identity, run.Identities = c.first, c.identities(end(run))
		last := *run.Captures[14].Profile
		last.BuildID = "def"
		run.Captures[14].Profile = &last
		v := verdict.Judge(run, policy())
		got := ""
		for _, k := range v.Checks {
			if slices.Contains([]string{verdict.CodeIdentity, verdict.CodeRestarted, verdict.CodeReplaced}, k.Code) {
				got = k.Code
			}
		}
		if got != c.want || (v.Outcome == verdict.Pass) != (c.want == "") {
			t.Errorf("Judge(%s) = %s (%s), code %q; want %q", c.name, v.Outcome, v.Headline, got, c.want)
		}
	}
	// A leak that is there all the same is one, whoever answered.
	run := script{stacks: map[string][]int{"example.com/f": {5, 4005, 8005}}, looks: map[string][]int{"example.com/f": {8005}}, lookFrom: 150 * time.Second}.run()
	run.Targets[0].Identity, run.Identities = record.Identity{Target: target}, nil
	if v := verdict.Judge(run, policy()); v.Outcome != verdict.Fail {
		t.Errorf("Judge(leak without identity) = %s (%s), want fail", v.Outcome, v.Headline)
	}
}
