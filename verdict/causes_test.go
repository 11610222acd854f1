package verdict_test

import (
	"slices"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// grower is a stack of a made-up run: where its goroutines wait, which function they were
// started with, and who started them.
type grower struct {
	function, entry, creator string
	line                     int // of the go statement
	counts                   []int
}

func (g grower) stack(n int) stacks.Stack {
	frames := []stacks.Frame{{Function: g.function, File: "shop.go", Line: 42}}
	if g.entry != "" {
		frames = append(frames, stacks.Frame{Function: g.entry, File: "shop.go", Line: 7})
	}
	key := ""
	for _, f := range frames {
		key += f.Function + "\n"
	}
	return stacks.Stack{Key: key, Frames: frames, Count: n}
}

// grown is a run in which stacks grew, with a long look that begins so long after the last
// round and in which nothing moves, and a dump before it by
// which all have waited.
func grown(look time.Duration, all ...grower) record.Run {
	run := script{stacks: map[string][]int{"example.com/shop.idle": slices.Repeat([]int{3}, len(all[0].counts))}}.run()
	profile := func(round int) *stacks.Profile {
		p := &stacks.Profile{}
		for _, g := range all {
			if n := g.counts[min(round, len(g.counts)-1)]; n > 0 {
				p.Stacks = append(p.Stacks, g.stack(n))
				p.Total += n
			}
		}
		return p
	}
	for i, c := range run.Captures {
		run.Captures[i].Profile = profile(c.Round)
	}
	last := len(all[0].counts) - 1
	end := run.Loads[len(run.Loads)-1].End
	dump := profile(last)
	for i, s := range dump.Stacks {
		dump.Stacks[i].Wait, dump.Stacks[i].Waited = 2*time.Minute, s.Count
		for _, g := range all {
			if g.creator != "" && g.stack(0).Key == s.Key {
				dump.Stacks[i].CreatedBy = &stacks.Frame{Function: g.creator, File: "shop.go", Line: g.line}
			}
		}
	}
	run.Captures = append(run.Captures, record.Capture{At: end + 6*time.Second, Target: target, Kind: record.Evidence, Round: last, Seq: 1, Profile: dump})
	for i := range 5 {
		at := end + look + time.Duration(i)*time.Second
		run.Captures = append(run.Captures, record.Capture{At: at, Target: target, Kind: record.Confirm, Round: last, Seq: i + 1, Profile: profile(last)})
	}
	run.Identities = append(run.Identities, record.Identity{At: end + look + time.Minute, Target: target, Start: 1000})
	return run
}

// Stacks that grow by one cause are one finding, and those of different causes are not,
// however alike they grow.
func TestCauses(t *testing.T) {
	alike := []int{0, 400, 800, 1200, 1600}
	double := []int{0, 800, 1600, 2400, 3200}
	other := []int{0, 400, 600, 1200, 1700}
	for _, c := range []struct {
		name string
		all  []grower
		want int // findings
	}{
		// A connection's two goroutines, by two statements of one function.
		{"two go statements of one function", []grower{
			{function: "lib.(*conn).read", creator: "lib.(*pool).dial", line: 10, counts: alike},
			{function: "lib.(*conn).write", creator: "lib.(*pool).dial", line: 11, counts: alike}}, 1},
		{"two for each", []grower{
			{function: "lib.(*conn).read", creator: "lib.(*pool).dial", line: 10, counts: alike},
			{function: "lib.(*conn).beat", creator: "lib.(*pool).dial.func1", line: 11, counts: double}}, 1},
		{"a handler waits for those that it started", []grower{
			{function: "shop.handle", entry: "lib.serve", creator: "lib.loop", line: 5, counts: alike},
			{function: "shop.handle.func1", creator: "shop.handle", line: 33, counts: double}}, 1},
		{"three of a chain", []grower{
			{function: "shop.a", creator: "shop.start", line: 1, counts: alike},
			{function: "shop.b", creator: "shop.a", line: 2, counts: alike},
			{function: "shop.c", creator: "shop.b", line: 3, counts: alike}}, 1},
		// One statement that starts whatever it is given.
		{"a function that starts all", []grower{
			{function: "shop.a", creator: "shop.spawn", line: 9, counts: alike},
			{function: "shop.b", creator: "shop.spawn", line: 9, counts: alike}}, 2},
		{"handlers of one server", []grower{
			{function: "shop.a", entry: "net/http.(*conn).serve", creator: "net/http.(*Server).Serve", line: 9, counts: alike},
			{function: "shop.b", entry: "net/http.(*conn).serve", creator: "net/http.(*Server).Serve", line: 9, counts: alike}}, 2},
		{"started by different functions", []grower{
			{function: "shop.a", creator: "shop.handleA", line: 9, counts: alike},
			{function: "shop.b", creator: "shop.handleB", line: 9, counts: alike}}, 2},
		{"not in the same rounds", []grower{
			{function: "lib.(*conn).read", creator: "lib.(*pool).dial", line: 10, counts: alike},
			{function: "lib.(*conn).write", creator: "lib.(*pool).dial", line: 11, counts: other}}, 2},
		// No dump tells: two methods of one value.
		{"methods of one type", []grower{{function: "lib.(*conn).read", counts: alike}, {function: "lib.(*conn).write", counts: alike}}, 1},
		{"functions of one package", []grower{{function: "lib.read", counts: alike}, {function: "lib.write", counts: alike}}, 2},
	} {
		v := verdict.Judge(grown(150*time.Second, c.all...), policy())
		if v.Outcome != verdict.Fail || len(v.Findings) != c.want {
			t.Errorf("%s: %s with %d findings (%s), want a fail with %d", c.name, v.Outcome, len(v.Findings), v.Headline, c.want)
			continue
		}
		members := 0
		for _, f := range v.Findings {
			members += 1 + len(f.Members)
			for _, m := range f.Members {
				if m.Ratio <= 0 || m.ID == f.ID || len(m.Stack) == 0 {
					t.Errorf("%s: a member %+v", c.name, m)
				}
			}
		}
		if members != len(c.all) {
			t.Errorf("%s: %d stacks in all findings, want %d", c.name, members, len(c.all))
		}
	}
}

// One leak that is sure hides no other: what grew in every round and stayed is likely, what
// did not is counted.
func TestEveryLeak(t *testing.T) {
	all := []grower{
		{function: "shop.sure", counts: []int{0, 2000, 4000}},
		{function: "shop.likely", counts: []int{0, 60, 118}},
		{function: "shop.once", counts: []int{0, 0, 70}},
	}
	v := verdict.Judge(grown(150*time.Second, all...), policy())
	got := map[string]verdict.Class{}
	for _, f := range v.Findings {
		got[f.Function] = f.Class
	}
	if v.Outcome != verdict.Fail || len(got) != 2 || got["shop.sure"] != verdict.Confirmed || got["shop.likely"] != verdict.Likely || v.Unclear != 1 {
		t.Errorf("%s: %v, and %d unclear; want a sure one, a likely one and one that is unclear", v.Headline, got, v.Unclear)
	}
	if v.Findings[0].Class != verdict.Confirmed {
		t.Errorf("the first finding is %+v, want the confirmed one", v.Findings[0])
	}
	// What is likely fails nothing, and is shown.
	p := policy()
	p.MaxRounds = 2
	v = verdict.Judge(grown(150*time.Second, all[1]), p)
	if v.Outcome != verdict.Inconclusive || len(v.Findings) != 1 || v.Findings[0].Class != verdict.Likely {
		t.Errorf("likely alone: %s with %+v, want inconclusive with a likely one", v.Outcome, v.Findings)
	}
}

// The look adds what the age of the first round's goroutines lacks of the plan's time.
func TestAgeShortensTheLook(t *testing.T) {
	leak := grower{function: "shop.leak", counts: []int{0, 2000, 4000, 6000, 8000, 10000, 12000}}
	slow := grower{function: "shop.slow", counts: []int{0, 3, 6, 9, 12, 15, 18}} // too few to tell that none went
	for _, c := range []struct {
		name string
		all  []grower
		look time.Duration
		want verdict.Action
		red  bool
	}{
		{"six rounds, 25 s of looking", []grower{leak}, 25 * time.Second, verdict.Stop, true},
		{"six rounds, 5 s of looking", []grower{leak}, 5 * time.Second, verdict.Watch, false},
		{"too few to tell, 25 s", []grower{slow}, 25 * time.Second, verdict.Watch, false},
		{"too few to tell, 150 s", []grower{slow}, 150 * time.Second, verdict.Stop, true},
	} {
		run := grown(c.look, c.all...)
		if s := verdict.Next(run, policy()); s.Action != c.want {
			t.Errorf("%s: Next = %v (%s), want %v", c.name, s.Action, s.Why, c.want)
		}
		if v := verdict.Judge(run, policy()); (v.Outcome == verdict.Fail) != c.red {
			t.Errorf("%s: Judge = %s (%s)", c.name, v.Outcome, v.Headline)
		}
	}
}

// Every stack that was ever above its baseline is explained: with each question, and what
// would have changed the answer.
func TestExplanations(t *testing.T) {
	all := []grower{
		{function: "shop.pool", counts: []int{0, 80, 80, 80, 80}},
		{function: "shop.leak", counts: []int{0, 2000, 4000, 6000, 8000}},
		{function: "shop.level", counts: []int{50, 50, 50, 50, 50}},
		{function: "shop.burst", counts: []int{5, 90, 5, 5, 5}},
	}
	v := verdict.Judge(grown(150*time.Second, all...), policy())
	got := map[string]string{}
	for _, e := range v.Explanations {
		got[e.Function] = e.Class
		if e.ID == "" || e.Reason == "" || e.Change == "" || len(e.Asked) == 0 || len(e.Windows) != 5 || e.Nearest {
			t.Errorf("%s is explained by %+v", e.Function, e)
		}
	}
	if len(got) != 3 || got["shop.pool"] != "pool" || got["shop.leak"] != "leak" || got["shop.burst"] != "steady" || v.Explanations[0].Function != "shop.leak" {
		t.Errorf("explained: %v, first %s; want the leak first, the pool and the burst", got, v.Explanations[0].Function)
	}
	if v.Findings[0].ID != v.Explanations[0].ID {
		t.Errorf("the finding is %s, its explanation %s", v.Findings[0].ID, v.Explanations[0].ID)
	}
	// Of a pass, the nearest miss is marked.
	v = verdict.Judge(grown(150*time.Second, all[0], all[2], all[3]), policy())
	if v.Outcome != verdict.Pass || !v.Explanations[0].Nearest || v.Explanations[0].Function != "shop.pool" {
		t.Errorf("%s: nearest is %+v, want the pool", v.Outcome, v.Explanations[0])
	}
}

// Of stacks of one place that a rule covers one by one, the place makes no leak; and what
// came and went is not ignored growth.
func TestRulesAndPlaces(t *testing.T) {
	var all []grower
	for _, f := range []string{"lib.a", "lib.b", "lib.c"} {
		all = append(all, grower{function: "shop.f", entry: "shop.start", creator: f, counts: []int{0, 600, 1200}})
	}
	run := grown(150*time.Second, all[0], grower{function: "shop.burst", counts: []int{0, 50, 0}})
	for i, c := range run.Captures { // three stacks of one place
		for _, s := range c.Profile.Stacks {
			for _, f := range []string{"lib.x", "lib.y"} {
				if len(s.Frames) == 2 {
					o := s
					o.Frames = []stacks.Frame{s.Frames[0], {Function: f, File: "/go/src/lib.go", Line: 1, Std: true}, s.Frames[1]}
					o.Key = s.Frames[0].Function + "\n" + f + "\n" + s.Frames[1].Function + "\n"
					run.Captures[i].Profile.Stacks = append(run.Captures[i].Profile.Stacks, o)
					run.Captures[i].Profile.Total += o.Count
				}
			}
		}
	}
	p := policy()
	p.Ignore = []verdict.Rule{{Function: `^shop\.f$`, Reason: "known", Max: 1500}, {Function: `^shop\.burst$`, Reason: "known"}}
	if v := verdict.Judge(run, p); v.Outcome != verdict.Pass || len(v.Ignored) != 3 {
		t.Errorf("Judge = %s (%s) with %d ignored, want a pass with three", v.Outcome, v.Headline, len(v.Ignored))
	}
	p.Ignore = nil
	if v := verdict.Judge(run, p); v.Outcome != verdict.Fail {
		t.Errorf("Judge without rules = %s (%s), want fail", v.Outcome, v.Headline)
	}
}
