package verdict_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// counted is a run of instances of which only the number of goroutines is known,
// at baseline and after each round; looks are what a long look sees.
func counted(instances map[string][]int, looks map[string]int) record.Run {
	var names []string
	rounds := 0
	for name, counts := range instances {
		names, rounds = append(names, name), len(counts)-1
	}
	slices.Sort(names)
	run := script{stacks: map[string][]int{"x": make([]int, rounds+1)}}.run()
	run.Targets, run.Captures, run.Identities = nil, nil, nil
	for _, name := range names {
		run.Targets = append(run.Targets, record.Target{Name: name, Group: "shop", CountOnly: true, Every: time.Second, Counter: "go_goroutines", Identity: record.Identity{Target: name, Start: 1000}})
		for r, n := range instances[name] {
			kind := record.Settling
			if r == 0 {
				kind = record.Baseline
			}
			for seq := range 3 {
				at := run.Loads[r].End + time.Duration(seq)*time.Second
				run.Captures = append(run.Captures, record.Capture{At: at, Target: name, Kind: kind, Round: r, Seq: seq + 1, Profile: stacks.Counted(n)})
				run.Identities = append(run.Identities, record.Identity{At: at, Target: name, Start: 1000})
			}
		}
		if n, ok := looks[name]; ok {
			for i := range 31 {
				at := run.Loads[rounds].End + time.Duration(5*i)*time.Second
				run.Captures = append(run.Captures, record.Capture{At: at, Target: name, Kind: record.Confirm, Round: rounds, Seq: i + 1, Profile: stacks.Counted(n)})
				run.Identities = append(run.Identities, record.Identity{At: at, Target: name, Start: 1000})
			}
		}
	}
	return run
}

func TestInstances(t *testing.T) {
	for _, c := range []struct {
		name      string
		instances map[string][]int
		looks     map[string]int
		want      verdict.Outcome
		blamed    string // target of the first finding
	}{
		{name: "both level", instances: map[string][]int{"shop/a": {20, 20, 20}, "shop/b": {30, 30, 30}}, want: verdict.Pass},
		{name: "one leaks", instances: map[string][]int{"shop/a": {20, 20, 20}, "shop/b": {30, 4030, 8030}}, looks: map[string]int{"shop/b": 8030}, want: verdict.Fail, blamed: "shop/b"},
		// Twenty goroutines in each of five instances after every round: a pool of one of
		// them could look like that, and no pool holds what all of them do.
		{name: "all leak a little", instances: map[string][]int{
			"shop/a": {20, 41, 62, 80, 104, 121, 141}, "shop/b": {20, 41, 60, 83, 104, 122, 142}, "shop/c": {20, 40, 62, 83, 100, 123, 143},
			"shop/d": {20, 41, 62, 83, 104, 125, 146}, "shop/e": {20, 42, 62, 83, 104, 125, 146},
		}, looks: map[string]int{"shop/a": 141, "shop/b": 142, "shop/c": 143, "shop/d": 146, "shop/e": 146}, want: verdict.Fail, blamed: "shop (all 5)"},
		// The same beside a pool of one of them, full after the first round.
		{name: "all leak a little, and one has a pool", instances: map[string][]int{
			"shop/a": {20, 421, 442, 460, 484, 501, 521}, "shop/b": {20, 41, 60, 83, 104, 122, 142}, "shop/c": {20, 40, 62, 83, 100, 123, 143},
			"shop/d": {20, 41, 62, 83, 104, 125, 146}, "shop/e": {20, 42, 62, 83, 104, 125, 166},
		}, looks: map[string]int{"shop/a": 521, "shop/b": 142, "shop/c": 143, "shop/d": 146, "shop/e": 166}, want: verdict.Fail, blamed: "shop (all 5)"},
		// Three goroutines in each: a pool that still fills looks the same.
		{name: "all grow a little", instances: map[string][]int{
			"shop/a": {20, 21, 22, 22, 24, 25, 26}, "shop/b": {20, 21, 21, 23, 24, 24, 26}, "shop/c": {20, 20, 22, 23, 23, 25, 26},
			"shop/d": {20, 21, 22, 23, 24, 25, 26}, "shop/e": {20, 22, 22, 23, 24, 25, 26},
		}, looks: map[string]int{"shop/a": 26, "shop/b": 26, "shop/c": 26, "shop/d": 26, "shop/e": 26}, want: verdict.Inconclusive},
		// Its twin: each moves as much, and not the same way.
		{name: "all move a little", instances: map[string][]int{
			"shop/a": {20, 24, 22, 20, 24, 21, 23}, "shop/b": {20, 18, 21, 19, 17, 20, 18}, "shop/c": {20, 20, 22, 21, 23, 21, 20},
			"shop/d": {20, 21, 18, 20, 19, 21, 20}, "shop/e": {20, 18, 19, 23, 20, 19, 21},
		}, want: verdict.Pass},
	} {
		run := counted(c.instances, c.looks)
		v := verdict.Judge(run, policy())
		if v.Outcome != c.want {
			t.Errorf("Judge(%s) = %s (%s), want %s", c.name, v.Outcome, v.Headline, c.want)
			continue
		}
		if c.blamed == "" {
			continue
		}
		if len(v.Findings) == 0 || v.Findings[0].Target != c.blamed || v.Findings[0].Function != stacks.AllGoroutines || v.Findings[0].Note == "" {
			t.Errorf("Judge(%s) finds %+v, want all goroutines of %s, with a note", c.name, v.Findings, c.blamed)
		}
		if n := len(v.Findings); n != 1 {
			t.Errorf("Judge(%s) has %d findings, want the instances', or that of all", c.name, n)
		}
	}
	v := verdict.Judge(counted(map[string][]int{"shop/a": {20, 20, 20}, "shop/b": {30, 30, 31}}, nil), policy())
	if c := checkOf(v, "growth", "shop (all 2)"); !strings.Contains(c.Message, "average over 2 instances: 25.0, 25.0, 25.5") {
		t.Errorf("the check of both says %q, want their mean", c.Message)
	}
	if !slices.ContainsFunc(v.Warnings, func(w verdict.Warning) bool { return w.Code == "count-only" && w.Target == "shop" }) {
		t.Errorf("warnings %v lack that it is only counted", v.Warnings)
	}
}

// What is to be watched are processes, not the group.
func TestWatchInstances(t *testing.T) {
	instances := map[string][]int{}
	for i := range 5 {
		instances[fmt.Sprintf("shop/%d", i)] = []int{20, 21, 22, 23, 24, 25, 26}
	}
	s := verdict.Next(counted(instances, nil), policy())
	slices.Sort(s.Targets)
	if s.Action != verdict.Watch || len(slices.Compact(s.Targets)) != 5 || s.Targets[0] != "shop/0" {
		t.Errorf("Next = %v of %v (%s), want to watch the five instances", s.Action, s.Targets, s.Why)
	}
}

// What one instance does nearly alone is judged by what it shows itself: what others add
// by chance takes it beyond a limit, which is no reason to blame all of them.
func TestOneInstanceAlone(t *testing.T) {
	for _, c := range []struct {
		name  string
		other []int
		want  verdict.Action
	}{
		{"one", []int{20, 21, 22, 23}, verdict.Load},
		{"both", []int{20, 119, 218, 317}, verdict.Watch},
	} {
		run := counted(map[string][]int{"shop/a": {20, 119, 218, 317}, "shop/b": c.other}, nil)
		for i := range run.Loads { // one in four, and a little less
			l := &run.Loads[i]
			l.Expected, l.Sent, l.Answered, l.Succeeded = 400, 400, 400, 400
			l.Asked, l.Entries = 20, []record.Entry{{Name: "GET /", Sent: 400, Answered: 400, Succeeded: 400}}
		}
		if s := verdict.Next(run, policy()); s.Action != c.want {
			t.Errorf("Next(%s) = %v of %v (%s), want %v", c.name, s.Action, s.Targets, s.Why, c.want)
		}
	}
}

func checkOf(v verdict.Verdict, name, target string) verdict.Check {
	for _, c := range v.Checks {
		if c.Name == name && c.Target == target {
			return c
		}
	}
	return verdict.Check{}
}

// Of a count that moves by itself, less is claimed than of one that stands still, and
// what is claimed is true.
func TestCountOnlySensitivity(t *testing.T) {
	claim := func(counts ...int) int {
		v := verdict.Judge(counted(map[string][]int{"shop/a": counts}, nil), policy())
		if v.Outcome != verdict.Pass {
			t.Fatalf("Judge(%v) = %s, want a pass", counts, v.Headline)
		}
		return v.Sensitivity.OneIn
	}
	still, moving := claim(300, 300, 300, 300, 300, 300, 300), claim(300, 311, 292, 309, 290, 310, 296)
	if still < 20 || moving >= still/4 {
		t.Errorf("claims 1 in %d of a count that stands still, 1 in %d of one that moves by a dozen; want much less of that", still, moving)
	}
	if moving > 0 {
		each := 4000 / moving
		leaking := []int{300, 311 + each, 292 + 2*each, 309 + 3*each, 290 + 4*each, 310 + 5*each, 296 + 6*each}
		v := verdict.Judge(counted(map[string][]int{"shop/a": leaking}, map[string]int{"shop/a": leaking[6]}), policy())
		if v.Outcome != verdict.Fail {
			t.Errorf("Judge(one in %d, as claimed) = %s, want fail", moving, v.Headline)
		}
	}
}
