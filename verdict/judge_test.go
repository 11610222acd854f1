package verdict_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// still is a long look at a count that does not move, long enough.
func still(f string, n int) script {
	return script{looks: map[string][]int{f: {n}}, lookFrom: 150 * time.Second}
}

// resting is a long look at a count that does not move.
func resting(f string, n int) script { return moving(f, n, 0) }

// moving is a long look of 150 captures at a count that walks up and down by so
// many, over and over.
func moving(f string, n, by int) script {
	counts := make([]int, 0, 151)
	at := n
	for i := range cap(counts) {
		counts = append(counts, at)
		if i/5%2 == 0 {
			at += by
		} else {
			at -= by
		}
	}
	return script{looks: map[string][]int{f: counts}, lookFrom: time.Second}
}

// falls is a long look at a count that is gone after 90 seconds.
func falls(f string, from int) script {
	counts := slices.Repeat([]int{from}, 90)
	return script{looks: map[string][]int{f: append(counts, slices.Repeat([]int{0}, 61)...)}, lookFrom: time.Second}
}

func TestJudge(t *testing.T) {
	const f = "example.com/shop.f"
	for _, c := range []struct {
		name string
		in   script
		look script
		want verdict.Outcome
		warn string // code of a warning that has to be there
	}{
		// 200 workers parked before and after: a pool, not a leak.
		{name: "steady pool", in: script{stacks: map[string][]int{f: {200, 200, 200}}}, want: verdict.Pass},
		// One goroutine kept per request, seen for 150 s without load.
		{name: "leak per request", in: script{stacks: map[string][]int{f: {12, 4012, 8012}}}, look: still(f, 8012), want: verdict.Fail},
		// The same growth, gone 90 s later: idle connections with a timeout.
		{name: "connections held for 90s", in: script{stacks: map[string][]int{f: {12, 4012, 8012}}}, look: falls(f, 8012), want: verdict.Pass, warn: "draining"},
		// The same growth, not watched yet: it could be either.
		{name: "growth without the long look", in: script{stacks: map[string][]int{f: {12, 4012, 8012}}}, want: verdict.Inconclusive},
		// A pool that fills in the first round and stays.
		{name: "lazily grown pool", in: script{stacks: map[string][]int{f: {12, 76, 76, 76}}}, want: verdict.Pass, warn: "pool"},
		// A pool that fills over several rounds, by less each time.
		{name: "pool that fills slowly", in: script{stacks: map[string][]int{f: {0, 1846, 2675, 3048, 3215, 3290, 3324}}}, want: verdict.Pass, warn: "pool"},
		// 1 in 400 requests, with Poisson's scatter.
		{name: "slow leak", in: script{stacks: map[string][]int{f: {3, 12, 24, 31, 44}}}, look: still(f, 44), want: verdict.Fail},
		// As many goroutines as the slow leak at its height, coming and going.
		{name: "noise of the same size", in: script{stacks: map[string][]int{f: {24, 12, 44, 31, 24, 38, 29}}}, want: verdict.Pass},
		// 1 in 2000 requests: two goroutines a round are under any tolerance.
		{name: "leak below the tolerance", in: script{stacks: map[string][]int{f: {0, 2, 4, 6, 8}}}, look: still(f, 8), want: verdict.Fail},
		// Two goroutines once.
		{name: "growth below the tolerance", in: script{stacks: map[string][]int{f: {0, 2, 2, 2}}}, want: verdict.Pass},
		// A leak on a stack that other users' traffic moves too.
		{name: "leak under noise", in: script{stacks: map[string][]int{f: {50, 150, 250, 350, 450}}, noise: map[string]int{f: 20}}, look: still(f, 440), want: verdict.Fail},
		{name: "noise without the leak", in: script{stacks: map[string][]int{f: {50, 60, 45, 55, 65}}, noise: map[string]int{f: 20}}, want: verdict.Pass},
		// The warm-up left a pool half full; the leak beside it on the same stack goes on.
		{name: "leak behind a pool", in: script{stacks: map[string][]int{f: {10, 110, 130, 150, 170, 190}}}, look: still(f, 190), want: verdict.Fail},
		// The baseline still held work of 15 s: a leak has no need to make up for it.
		{name: "leak behind work at baseline", in: script{stacks: map[string][]int{f: {302, 40, 80, 121, 160, 201}}}, look: still(f, 201), want: verdict.Fail},
		{name: "work at baseline", in: script{stacks: map[string][]int{f: {302, 2, 3, 2, 3}}}, want: verdict.Pass},
		// A job that is there in some windows and not in others.
		{name: "a job that comes and goes", in: script{stacks: map[string][]int{f: {29, 29, 4, 28, 4, 28, 29}}}, want: verdict.Pass},
		// A pool that fills at a constant rate: full in the fourth round.
		{name: "pool that is just full", in: script{stacks: map[string][]int{f: {8, 18, 28, 38, 41}}}, look: still(f, 41), want: verdict.Inconclusive},
		{name: "pool that is full", in: script{stacks: map[string][]int{f: {8, 18, 28, 38, 41, 41}}}, want: verdict.Pass, warn: "pool"},
		// One capture of a window caught stragglers on the leaking stack.
		{name: "leak with a straggler", in: script{stacks: map[string][]int{f: {0, 300, 600}}, spike: map[string][]int{f: {0, 350, 0}}, requests: 2000}, look: still(f, 600), want: verdict.Fail},
		{name: "straggler at baseline", in: script{stacks: map[string][]int{f: {100, 400, 700}}, spike: map[string][]int{f: {700, 0, 0}}, requests: 2000}, look: still(f, 700), want: verdict.Fail},
		{name: "stragglers without a leak", in: script{stacks: map[string][]int{f: {100, 100, 100}}, spike: map[string][]int{f: {700, 250, 300}}}, want: verdict.Pass},
		// A pool that filled, and a leak of one in 500 behind it.
		{name: "steady tail behind a pool", in: script{stacks: map[string][]int{f: {0, 400, 550, 600, 608, 616, 624}}}, want: verdict.Inconclusive},
		// One more session of a colleague's in each round is within the tolerance.
		{name: "one more each round", in: script{stacks: map[string][]int{f: {10, 11, 12, 13, 14}}}, look: still(f, 14), want: verdict.Pass},
		// A tenth of what grew stays, far more than any tolerance.
		{name: "leak beside slow work", in: script{stacks: map[string][]int{f: {0, 1000, 2000}}}, look: still(f, 200), want: verdict.Inconclusive},
		// Sessions of others: as many come as go, and the level drifts. The look sees
		// them come and go; a leak on such a stack has to exceed that.
		{name: "sessions that drift", in: script{stacks: map[string][]int{f: {100, 112, 120, 131, 140}}, noise: map[string]int{f: 2}}, look: moving(f, 140, 4), want: verdict.Pass},
		{name: "leak among sessions", in: script{stacks: map[string][]int{f: {100, 140, 180, 220, 260}}, noise: map[string]int{f: 2}}, look: moving(f, 260, 4), want: verdict.Fail},
		// As many workers as were ever busy at once: the largest of many peaks creeps.
		{name: "largest of random peaks", in: script{stacks: map[string][]int{f: {187, 191, 191, 192, 192, 194, 198}}}, look: resting(f, 198), want: verdict.Pass},
		{name: "leak beside steady workers", in: script{stacks: map[string][]int{f: {187, 197, 207, 217, 227, 237, 247}}}, look: resting(f, 247), want: verdict.Fail},
		// One goroutine comes and goes among many that stay: that excuses no more.
		{name: "leak among many that stay", in: script{stacks: map[string][]int{f: {1000, 1030, 1060, 1090, 1120}}, noise: map[string]int{f: 1}}, look: resting(f, 1120), want: verdict.Fail},
		{name: "leak beside many that stand still", in: script{stacks: map[string][]int{f: {400, 408, 416, 424, 432, 440, 448}}}, look: resting(f, 448), want: verdict.Fail},
		// One round's height was not all there to stay, and hides what grows below it.
		{name: "leak below one high round", in: script{stacks: map[string][]int{f: {0, 500, 100, 150, 200, 250, 300}}}, want: verdict.Inconclusive},
		{name: "leak below a lower one", in: script{stacks: map[string][]int{f: {0, 300, 150, 170, 190, 210, 230}}}, want: verdict.Inconclusive},
		// A batch leaks at a time: growth that stopped and went on may again.
		{name: "leak in bursts", in: script{stacks: map[string][]int{f: {0, 40, 80, 80, 120, 160, 160}}}, want: verdict.Inconclusive},
		// A worker per key: the last keys come late.
		{name: "the last of many keys", in: script{stacks: map[string][]int{f: {1488, 2758, 3113, 3213, 3242, 3250, 3254}}}, want: verdict.Pass, warn: "pool"},
		// Growth that the budget ends in the middle of: it cannot be told.
		{name: "growth in the last rounds only", in: script{stacks: map[string][]int{f: {0, 0, 0, 0, 0, 20, 41}}}, want: verdict.Inconclusive},
	} {
		c.in.looks, c.in.lookFrom = c.look.looks, c.look.lookFrom
		p := policy()
		p.MaxRounds = c.in.rounds() // there is no round left to learn more from
		v := verdict.Judge(c.in.run(), p)
		if v.Outcome != c.want {
			t.Errorf("Judge(%s) = %s (%s), want %s", c.name, v.Outcome, v.Headline, c.want)
		}
		if c.warn != "" && !slices.ContainsFunc(v.Warnings, func(w verdict.Warning) bool { return w.Code == c.warn }) {
			t.Errorf("Judge(%s) warns %v, want a %q warning", c.name, v.Warnings, c.warn)
		}
		if (v.Outcome == verdict.Fail) != (len(v.Findings) > 0) && v.Outcome != verdict.Inconclusive {
			t.Errorf("Judge(%s) = %s with %d findings", c.name, v.Outcome, len(v.Findings))
		}
	}
}

// A leak beside slow work on the same stack: one long look leaves a remainder
// that could be a pool's. The next one tells.
func TestRemainder(t *testing.T) {
	const f = "example.com/shop.f"
	growth := script{stacks: map[string][]int{f: {0, 4000, 8000, 12000}}}
	for _, c := range []struct {
		name         string
		left1, left2 int // what the looks after rounds 2 and 3 leave; -1: no look
		want         verdict.Outcome
		next         verdict.Action
	}{
		// 800 of 8000 stay, then 1200 of 12000: a tenth leaks.
		{"remainder grows", 1600, 2400, verdict.Fail, verdict.Stop},
		{"remainder stays", 1600, 1600, verdict.Pass, verdict.Stop},
		{"one look", 1600, -1, verdict.Inconclusive, verdict.Watch},
	} {
		run := growth.run()
		for i, left := range []int{c.left1, c.left2} {
			if left < 0 {
				continue
			}
			p := &stacks.Profile{}
			add(p, f, left)
			run.Captures = append(run.Captures, record.Capture{At: run.Loads[i+2].End + 150*time.Second, Target: target, Kind: record.Confirm, Round: i + 2, Seq: 1, Profile: p})
			run.Identities = append(run.Identities, record.Identity{At: end(run), Target: target, Start: 1000})
		}
		if v := verdict.Judge(run, policy()); v.Outcome != c.want {
			t.Errorf("Judge(%s) = %s (%s), want %s", c.name, v.Outcome, v.Headline, c.want)
		}
		if n := verdict.Next(run, policy()); n.Action != c.next {
			t.Errorf("Next(%s) = %v %q, want %v", c.name, n.Action, n.Why, c.next)
		}
	}
	// After one look with a remainder, the gate loads again.
	run := script{stacks: map[string][]int{f: {0, 4000, 8000}}, looks: map[string][]int{f: {1600}}, lookFrom: 150 * time.Second}.run()
	if n := verdict.Next(run, policy()); n.Action != verdict.Load {
		t.Errorf("Next(remainder) = %v %q, want load", n.Action, n.Why)
	}
}

func TestFinding(t *testing.T) {
	s := script{stacks: map[string][]int{
		"net/http.(*conn).serve": {5, 4005, 8005},
		"example.com/cart.f":     {12, 4012, 8012},
	}, looks: map[string][]int{"net/http.(*conn).serve": {8005}, "example.com/cart.f": {8012}}, lookFrom: 150 * time.Second}
	v := verdict.Judge(s.run(), policy())
	if len(v.Findings) != 2 {
		t.Fatalf("%d findings, want 2", len(v.Findings))
	}
	// Own code comes before the library's, whatever the counts.
	got := v.Findings[0]
	kept := 8012
	want := verdict.Finding{
		ID: got.ID, Class: verdict.Confirmed, Target: target, Function: "example.com/cart.f", File: "shop.go", Line: 42, State: "sleep", Evidence: []string{verdict.Growing},
		Counts: []int{12, 4012, 8012}, Leaked: 8000, Kept: &kept, Per1000: 1000, Unit: "request", Stack: got.Stack,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("finding (-want +got):\n%s", d)
	}
	for _, name := range []string{"baseline", "growth"} {
		if c := check(v, name); c.Outcome != verdict.Fail {
			t.Errorf("check %s = %+v, want fail", name, c)
		}
	}
	if c := check(v, "baseline"); c.Measured != 16000 || c.Limit != 10 || c.Unit != "goroutines" {
		t.Errorf("baseline = %+v, want 16000 of 10 goroutines", c)
	}
}

func check(v verdict.Verdict, name string) verdict.Check {
	for _, c := range v.Checks {
		if c.Name == name {
			return c
		}
	}
	return verdict.Check{}
}

func TestIgnore(t *testing.T) {
	const f = "example.com/pool.(*Pool).worker"
	leak := script{stacks: map[string][]int{f: {12, 4012, 8012}}, looks: map[string][]int{f: {8012}}, lookFrom: 150 * time.Second}
	for _, c := range []struct {
		name string
		rule verdict.Rule
		want verdict.Outcome
		warn bool
	}{
		{"covers", verdict.Rule{Function: `Pool\)\.worker$`, Reason: "ADR-12"}, verdict.Pass, false},
		{"covers another", verdict.Rule{Function: `Pool\)\.other$`, Reason: "ADR-12"}, verdict.Fail, false},
		{"up to a maximum", verdict.Rule{Function: `worker`, Reason: "ADR-12", Max: 9000}, verdict.Pass, false},
		{"above its maximum", verdict.Rule{Function: `worker`, Reason: "ADR-12", Max: 64}, verdict.Fail, false},
		// The run is of 2026-11-01: on its last day a rule still holds.
		{"last day", verdict.Rule{Function: `worker`, Reason: "ADR-12", Until: "2026-11-01"}, verdict.Pass, false},
		{"expired", verdict.Rule{Function: `worker`, Reason: "ADR-12", Until: "2026-10-31"}, verdict.Fail, true},
	} {
		p := policy()
		p.Ignore = []verdict.Rule{c.rule}
		v := verdict.Judge(leak.run(), p)
		if v.Outcome != c.want {
			t.Errorf("Judge(%s) = %s (%s), want %s", c.name, v.Outcome, v.Headline, c.want)
		}
		if c.want == verdict.Pass && (len(v.Ignored) != 1 || v.Ignored[0].Growth != 8000) {
			t.Errorf("Judge(%s) ignored %+v, want 8000 goroutines counted", c.name, v.Ignored)
		}
		if got := slices.ContainsFunc(v.Warnings, func(w verdict.Warning) bool { return w.Code == "ignore-expired" }); got != c.warn {
			t.Errorf("Judge(%s) warns %v, want expired: %v", c.name, v.Warnings, c.warn)
		}
	}
}

// Whatever is wrong with a run, it never passes, and says so with a code.
func TestInvalidRuns(t *testing.T) {
	healthy := script{stacks: map[string][]int{"example.com/shop.f": {200, 200, 200}}}
	last := func(r *record.Run) *record.Load { return &r.Loads[len(r.Loads)-1] }
	for _, c := range []struct {
		name   string
		change func(*record.Run)
		code   string // "": passes
	}{
		{"nothing wrong", func(*record.Run) {}, ""},
		{"killed", func(r *record.Run) { r.End = nil }, verdict.CodeIncomplete},
		{"interrupted", func(r *record.Run) { r.End.Reason = record.Interrupted }, verdict.CodeInterrupted},
		{"aborted", func(r *record.Run) { *r.End = record.End{Reason: record.Aborted, Code: verdict.CodeLost} }, verdict.CodeLost},
		{"start time moved", func(r *record.Run) { r.Identities[1].Start = 2000; r.Identities[2].Start = 2000 }, verdict.CodeRestarted},
		{"start time drifts by a clock tick", func(r *record.Run) { r.Identities[1].Start = 1000.01 }, ""},
		// The boot's time is rounded otherwise.
		{"start time drifts by a second", func(r *record.Run) { r.Identities[1].Start = 1001 }, ""},
		// Two replicas that a balancer's deploy started in the same second.
		{"start time moved by less than a second", func(r *record.Run) { r.Identities[1].Start = 1000.37 }, verdict.CodeFlips},
		// A start time that is computed at every scrape, from the time that it is and for how long it runs.
		{"start time is inexact", func(r *record.Run) { r.Identities[1].Start = 1000.3712 }, ""},
		{"allocations by metrics went down", func(r *record.Run) { r.Targets[0].Allocated = 5 << 20; r.Identities[1].Allocated = 1 << 20 }, verdict.CodeRestarted},
		{"build changed", func(r *record.Run) { r.Targets[0].Build = "a"; r.Identities[1].Build = "b" }, verdict.CodeReplaced},
		{"allocations went down", func(r *record.Run) { r.Targets[0].TotalAlloc = 5 << 20; r.Identities[1].TotalAlloc = 1 << 20 }, verdict.CodeRestarted},
		{"allocations went up", func(r *record.Run) { r.Targets[0].TotalAlloc = 1 << 20; r.Identities[1].TotalAlloc = 5 << 20 }, ""},
		{"two processes take turns", func(r *record.Run) { r.Identities[0].Start = 2000 }, verdict.CodeFlips},
		{"sample missing", func(r *record.Run) {
			r.Gaps = []record.Gap{{Target: target, What: "GET /debug/pprof/goroutine", Error: "no answer within 10s", Needed: true}}
		}, verdict.CodeGap},
		{"sample missing along the way", func(r *record.Run) { r.Gaps = []record.Gap{{Target: target, Error: "reset"}} }, ""},
		{"half the rate", func(r *record.Run) { l := last(r); l.Sent /= 2; l.Answered /= 2; l.Succeeded /= 2; l.Entries = nil }, verdict.CodeSlow},
		{"all 500s", func(r *record.Run) {
			l := last(r)
			l.Succeeded, l.Entries[0].Succeeded, l.Entries[0].Codes = 0, 0, map[string]uint64{"500": l.Sent}
		}, verdict.CodeFailing},
		{"refused", func(r *record.Run) {
			l := last(r)
			l.Answered, l.Succeeded, l.Entries[0].Succeeded, l.Entries[0].Codes = 0, 0, 0, nil
			l.Entries[0].Errors = map[string]uint64{"connect: connection refused": l.Sent}
		}, verdict.CodeRefused},
		{"a black hole", func(r *record.Run) {
			l := last(r)
			l.Answered, l.Succeeded, l.Entries[0].Answered, l.Entries[0].Succeeded, l.Entries[0].Codes = 0, 0, 0, 0, nil
			l.Entries[0].Errors = map[string]uint64{record.TimeoutError: l.Sent}
		}, verdict.CodeRefused},
		{"a request that was never sent", func(r *record.Run) {
			for i := range r.Loads {
				r.Loads[i].Entries = append(r.Loads[i].Entries, record.Entry{Name: "GET /rare"})
			}
		}, verdict.CodeUnsent},
		// 20 of 4000 requests fail: the plan's floor bears it, but nobody looked at that handler.
		{"a request that always fails", func(r *record.Run) {
			for i := range r.Loads {
				r.Loads[i].Entries = append(r.Loads[i].Entries, record.Entry{Name: "GET /moved", Sent: 20, Answered: 20, Codes: map[string]uint64{"404": 20}})
			}
		}, verdict.CodeFailing},
		{"a request that now and then fails", func(r *record.Run) {
			for i := range r.Loads {
				r.Loads[i].Entries = append(r.Loads[i].Entries, record.Entry{Name: "GET /flaky", Sent: 20, Answered: 20, Succeeded: 5, Codes: map[string]uint64{"404": 15, "200": 5}})
			}
		}, ""},
		{"stopped for safety", func(r *record.Run) { last(r).Stopped = "the load was stopped: 100 of the first 100 requests failed" }, verdict.CodeStopped},
		{"too few rounds", func(r *record.Run) { r.Captures = r.Captures[:10]; r.Loads = r.Loads[:2] }, "-"},
		{"no captures at all", func(r *record.Run) { r.Captures = nil }, "-"},
		{"no load", func(r *record.Run) { r.Loads = nil }, "-"},
		{"no target", func(r *record.Run) { r.Targets = nil }, "no-target"},
		{"nothing at all", func(r *record.Run) { *r = record.Run{} }, verdict.CodeIncomplete},
	} {
		run := healthy.run()
		c.change(&run)
		v := verdict.Judge(run, policy())
		if c.code == "" {
			if v.Outcome != verdict.Pass {
				t.Errorf("Judge(%s) = %s (%s), want pass", c.name, v.Outcome, v.Headline)
			}
			continue
		}
		if v.Outcome != verdict.Inconclusive || v.Reason == "" {
			t.Errorf("Judge(%s) = %s, reason %q, want inconclusive with a reason", c.name, v.Outcome, v.Reason)
		}
		if c.code != "-" && !slices.ContainsFunc(v.Checks, func(k verdict.Check) bool { return k.Code == c.code && k.Outcome == verdict.Inconclusive }) {
			t.Errorf("Judge(%s): no check with code %q in %+v", c.name, c.code, v.Checks)
		}
	}
}

// What may be wrong, but need not be, is a warning.
func TestDoubts(t *testing.T) {
	warns := func(run record.Run, code string) bool {
		v := verdict.Judge(run, policy())
		return v.Outcome == verdict.Pass && slices.ContainsFunc(v.Warnings, func(w verdict.Warning) bool { return w.Code == code })
	}
	healthy := script{stacks: map[string][]int{"example.com/shop.f": {1, 1, 1}}}
	run := healthy.run()
	if warns(run, "redirected") || warns(run, "no-identity") {
		t.Errorf("Judge(nothing wrong) warns %v", verdict.Judge(run, policy()).Warnings)
	}
	for i := range run.Loads {
		run.Loads[i].Entries[0].Codes = map[string]uint64{"302": 4000}
	}
	if !warns(run, "redirected") {
		t.Error("Judge(only redirects) does not warn")
	}
	run = healthy.run()
	run.Targets[0].Identity, run.Identities = record.Identity{Target: target}, nil
	p := policy()
	p.Unidentified = []string{target}
	if v := verdict.Judge(run, p); v.Outcome != verdict.Pass || !slices.ContainsFunc(v.Warnings, func(w verdict.Warning) bool { return w.Code == "no-identity" }) {
		t.Errorf("Judge(target without identity, and the plan knows) = %s, want a pass with a warning", v.Headline)
	}
}

// A leak is red even where requests failed; growth across a restart is not.
func TestLeakAndInvalid(t *testing.T) {
	const f = "example.com/shop.f"
	s := script{stacks: map[string][]int{f: {12, 4012, 8012}}, looks: map[string][]int{f: {8012}}, lookFrom: 150 * time.Second}
	run := s.run()
	for i := range run.Loads {
		run.Loads[i].Succeeded, run.Loads[i].Entries[0].Succeeded = 0, 0
	}
	if v := verdict.Judge(run, policy()); v.Outcome != verdict.Fail {
		t.Errorf("Judge(leak while requests fail) = %s, want fail", v.Outcome)
	}
	run = s.run()
	run.Identities[1].Start = 2000
	if v := verdict.Judge(run, policy()); v.Outcome != verdict.Inconclusive || len(v.Findings) != 0 {
		t.Errorf("Judge(growth across a restart) = %s with %d findings, want inconclusive with none", v.Outcome, len(v.Findings))
	}
}

// A success floor of its own excuses a request that fails by design.
func TestEntryFloors(t *testing.T) {
	run := script{stacks: map[string][]int{"example.com/shop.f": {1, 1, 1}}}.run()
	for i := range run.Loads {
		l := &run.Loads[i]
		l.Entries = append(l.Entries, record.Entry{Name: "GET /fails", Sent: 1000, Answered: 1000, Codes: map[string]uint64{"504": 1000}})
	}
	p := policy()
	for _, c := range []struct {
		floors []float64
		want   verdict.Outcome
	}{{nil, verdict.Inconclusive}, {[]float64{-1, 0}, verdict.Pass}, {[]float64{-1, 0.5}, verdict.Inconclusive}} {
		p.Entries = c.floors
		if v := verdict.Judge(run, p); v.Outcome != c.want {
			t.Errorf("Judge(floors %v) = %s (%s), want %s", c.floors, v.Outcome, v.Headline, c.want)
		}
	}
}

func TestNext(t *testing.T) {
	const f = "example.com/shop.f"
	for _, c := range []struct {
		name string
		in   script
		want verdict.Action
		why  string
	}{
		{"one round", script{stacks: map[string][]int{f: {1, 1}}}, verdict.Load, ""},
		{"two level rounds", script{stacks: map[string][]int{f: {1, 1, 1}}}, verdict.Stop, "nothing grows"},
		{"a little growth", script{stacks: map[string][]int{f: {1, 3, 5}}}, verdict.Load, "another round"},
		{"clear growth", script{stacks: map[string][]int{f: {1, 4001, 8001}}}, verdict.Watch, "keeps growing"},
		{"clear growth, still there", script{stacks: map[string][]int{f: {1, 4001, 8001}}, looks: map[string][]int{f: {8001}}, lookFrom: 150 * time.Second}, verdict.Stop, "confirmed"},
		{"clear growth, watched for a minute", script{stacks: map[string][]int{f: {1, 4001, 8001}}, looks: map[string][]int{f: {8001}}, lookFrom: time.Minute}, verdict.Watch, "keeps growing"},
		{"clear growth, gone", script{stacks: map[string][]int{f: {1, 4001, 8001}}, looks: map[string][]int{f: {8001, 1, 1}}, lookFrom: time.Minute}, verdict.Stop, "nothing grows"},
		// One capture in which they were elsewhere: woken together, and back.
		{"clear growth, one dip", script{stacks: map[string][]int{f: {1, 4001, 8001}}, looks: map[string][]int{f: {8001, 3, 8001}}, lookFrom: time.Minute}, verdict.Watch, "keeps growing"},
		// A pool, or a leak of one in 400: as long as there are rounds, they tell.
		{"ten in each of three rounds", script{stacks: map[string][]int{f: {8, 18, 28, 38}}}, verdict.Load, "another round"},
		{"hundreds in each of three rounds", script{stacks: map[string][]int{f: {8, 208, 408, 608}}}, verdict.Watch, "keeps growing"},
		{"grew once, one silent round", script{stacks: map[string][]int{f: {0, 40, 40}}}, verdict.Load, "another round"},
		{"grew once, two silent rounds", script{stacks: map[string][]int{f: {0, 40, 40, 40}}}, verdict.Stop, "nothing grows"},
		{"grew twice, one silent round", script{stacks: map[string][]int{f: {0, 40, 80, 80}}}, verdict.Load, "another round"},
		{"among many that stay", script{stacks: map[string][]int{f: {1000, 1030, 1060}}, noise: map[string]int{f: 1}}, verdict.Load, "another round"},
		// The baseline held slow work: below it, the count may be growing.
		{"growth below the baseline", script{stacks: map[string][]int{f: {106, 60, 101}}}, verdict.Load, "another round"},
		{"growth in the last rounds only", script{stacks: map[string][]int{f: {0, 0, 0, 0, 0, 20, 41}}}, verdict.Watch, "not clear why"},
		{"growth in the last rounds only, watched", script{stacks: map[string][]int{f: {0, 0, 0, 0, 0, 20, 41}}, looks: map[string][]int{f: {41}}, lookFrom: 150 * time.Second}, verdict.Stop, "used up"},
		{"growth in the last rounds only, gone", script{stacks: map[string][]int{f: {0, 0, 0, 0, 0, 20, 41}}, looks: map[string][]int{f: {41, 0, 0}}, lookFrom: time.Minute}, verdict.Stop, "used up"},
		{"a little growth, budget spent", script{stacks: map[string][]int{f: {1, 1, 1, 1, 1, 3, 5}}}, verdict.Stop, "used up"},
	} {
		got := verdict.Next(c.in.run(), policy())
		if got.Action != c.want || !strings.Contains(got.Why, c.why) {
			t.Errorf("Next(%s) = %v %q, want %v with %q", c.name, got.Action, got.Why, c.want, c.why)
		}
	}
}

// Twenty stacks that each drift a little, all the same way, are no noise.
func TestLeakOverManyStacks(t *testing.T) {
	in := script{stacks: map[string][]int{}, noise: map[string]int{}, looks: map[string][]int{}, lookFrom: time.Second}
	for i := range 20 {
		f := "example.com/shop.session" + string(rune('a'+i))
		in.stacks[f] = []int{100, 104, 108, 112, 116, 120, 124}
		in.noise[f] = 1
		in.looks[f] = slices.Repeat([]int{124}, 151)
	}
	if v := verdict.Judge(in.run(), policy()); v.Outcome == verdict.Pass {
		t.Errorf("Judge = %s (%s), with totals %v", v.Outcome, v.Headline, v.Targets[0].Totals)
	}
}

// Stacks that all differ, as a recursion's do, are one leak under their site.
func TestLeakOfManyStacks(t *testing.T) {
	run := script{stacks: map[string][]int{"example.com/shop.f": {1, 1, 1, 1, 1}}}.run()
	depth := 0
	for i := range run.Captures {
		p := run.Captures[i].Profile
		for n := range 20 * run.Captures[i].Round {
			depth = n
			frames := slices.Repeat([]stacks.Frame{{Function: "example.com/tree.walk", File: "tree.go", Line: 7}}, depth+1)
			p.Stacks = append(p.Stacks, stacks.Stack{Key: strings.Repeat("walk\n", depth+1) + "x", Frames: frames, Count: 1})
			p.Total++
		}
	}
	p := policy()
	p.Confirm, p.MaxRounds = 0, 4
	v := verdict.Judge(run, p)
	if v.Outcome != verdict.Fail || len(v.Findings) != 1 || v.Findings[0].Function != "example.com/tree.walk" {
		t.Errorf("Judge = %s with %+v, want one finding of example.com/tree.walk", v.Outcome, v.Findings)
	}
}

func TestSensitivity(t *testing.T) {
	quiet := map[string][]int{"example.com/shop.f": {1, 1, 1}}
	var last int
	for _, requests := range []uint64{400, 4000, 40000} {
		v := verdict.Judge(script{stacks: quiet, requests: requests}.run(), policy())
		if v.Sensitivity == nil || v.Sensitivity.OneIn <= last {
			t.Errorf("sensitivity at %d requests a round = %+v, want more than %d", requests, v.Sensitivity, last)
			continue
		}
		last = v.Sensitivity.OneIn
	}
	// Behind a load balancer, each of four replicas sees a quarter of the leak.
	one := script{stacks: quiet}.run()
	four := one
	for _, name := range []string{"shop-1", "shop-2", "shop-3"} {
		four.Targets = append(slices.Clone(four.Targets), record.Target{Name: name, Identity: record.Identity{Target: name, Start: 1000}})
		for _, c := range one.Captures {
			c.Target = name
			four.Captures = append(slices.Clone(four.Captures), c)
		}
		four.Identities = append(slices.Clone(four.Identities), record.Identity{At: end(one), Target: name, Start: 1000})
	}
	if a, b := verdict.Judge(one, policy()).Sensitivity.OneIn, verdict.Judge(four, policy()).Sensitivity.OneIn; b > a/3 {
		t.Errorf("sensitivity with four replicas 1 in %d, with one 1 in %d: want about a quarter", b, a)
	}
	p := policy()
	p.Detect = 1000000
	v := verdict.Judge(script{stacks: quiet}.run(), p)
	if c := check(v, "sensitivity"); v.Outcome != verdict.Inconclusive || c.Code != "too-weak" || c.Hint == "" {
		t.Errorf("Judge(detect 1/1000000) = %s, check %+v, want inconclusive, too-weak with a hint", v.Outcome, c)
	}
	p.Detect = 100
	if v := verdict.Judge(script{stacks: quiet}.run(), p); v.Outcome != verdict.Pass {
		t.Errorf("Judge(detect 1/100) = %s, want pass", v.Outcome)
	}
}

// What the runtime proves is a leak at one goroutine and needs no long look; one
// that was there before the load is a warning.
func TestProven(t *testing.T) {
	const f = "example.com/shop.f"
	leaked := func(run *record.Run, round, n int) {
		p := &stacks.Profile{}
		add(p, f, n)
		run.Captures = append(run.Captures, record.Capture{Target: target, Kind: record.Leaked, Round: round, Seq: 1, Profile: p})
	}
	for _, c := range []struct {
		name          string
		counts        []int
		before, after int // proven at baseline and after the last round
		want          verdict.Outcome
		evidence      []string
		warn          bool
	}{
		{"one goroutine", []int{0, 0, 1}, 0, 1, verdict.Fail, []string{verdict.Proven}, false},
		{"one goroutine that was there before", []int{1, 1, 1}, 1, 1, verdict.Pass, nil, true},
		{"growth without the long look", []int{12, 4012, 8012}, 0, 8000, verdict.Fail, []string{verdict.Growing, verdict.Proven}, false},
		{"nothing proven", []int{1, 1, 1}, 0, 0, verdict.Pass, nil, false},
		// It leaked between the last window and the reading.
		{"not in any window", []int{0, 0, 0}, 0, 2, verdict.Fail, []string{verdict.Proven}, false},
	} {
		run := script{stacks: map[string][]int{f: c.counts}}.run()
		leaked(&run, 0, c.before)
		leaked(&run, 2, c.after)
		v := verdict.Judge(run, policy())
		var evidence []string
		if len(v.Findings) > 0 {
			evidence = v.Findings[0].Evidence
		}
		if v.Outcome != c.want || !slices.Equal(evidence, c.evidence) {
			t.Errorf("Judge(%s) = %s %v (%s), want %s %v", c.name, v.Outcome, evidence, v.Headline, c.want, c.evidence)
		}
		if got := slices.ContainsFunc(v.Warnings, func(w verdict.Warning) bool { return w.Code == "leaked-before" }); got != c.warn {
			t.Errorf("Judge(%s) warns %v, want leaked-before: %v", c.name, v.Warnings, c.warn)
		}
		p := policy()
		p.FailOld = true
		if v := verdict.Judge(run, p); c.warn && v.Outcome != verdict.Fail {
			t.Errorf("Judge(%s, fail old) = %s, want fail", c.name, v.Outcome)
		} else if c.warn && (v.Findings[0].Per1000 != 0 || v.Findings[0].Before != v.Findings[0].Leaked || !strings.Contains(v.Headline, "since before the load")) {
			t.Errorf("Judge(%s, fail old) says %q, %v per 1,000 requests; want it said that nothing of it came with the load", c.name, v.Headline, v.Findings[0].Per1000)
		}
	}
}

// Where nobody knows how many requests were in flight, two rounds of growth may be a
// pool's as wide as those.
func TestUnknownConcurrency(t *testing.T) {
	const f = "example.com/shop.(*Pool).work"
	judge := func(workers int, counts ...int) verdict.Step {
		run := script{stacks: map[string][]int{f: counts}}.run()
		for i := range run.Loads {
			run.Loads[i].Workers = workers
		}
		return verdict.Next(run, policy())
	}
	if s := judge(20, 40, 540, 1040); s.Action != verdict.Watch {
		t.Errorf("Next(20 in flight) = %v, want the long look", s)
	}
	for _, workers := range []int{0, 400} {
		if s := judge(workers, 40, 540, 1040); s.Action != verdict.Load {
			t.Errorf("Next(%d in flight) = %v, want another round", workers, s)
		}
	}
	if s := judge(0, 40, 540, 1040, 1540, 2040); s.Action != verdict.Watch {
		t.Errorf("Next(not known, four rounds) = %v, want the long look", s)
	}
}

// One replacement shows in the start time, in both memory counters and in the build, one
// after the other: it is one change, and not the turns of a load balancer.
func TestReplacedOnce(t *testing.T) {
	run := script{stacks: map[string][]int{"example.com/f": {5, 5, 5}}}.run()
	at := run.Identities[0].At
	run.Targets[0].Build = "a"
	old := record.Identity{Target: target, Start: 1000, GoVersion: "go1.26", TotalAlloc: 9e6, Allocated: 14e6, NumGC: 4}
	old.At = at - time.Second
	run.Identities = []record.Identity{
		old,
		{At: at, Target: target, Start: 1002.59, GoVersion: "go1.26", Allocated: 2e6},
		{At: at + 1, Target: target, Start: 1002.59, GoVersion: "go1.26", TotalAlloc: 7e6, NumGC: 2, Allocated: 4e6},
		{At: at + 2, Target: target, Build: "b"},
	}
	v := verdict.Judge(run, policy())
	if c := check(v, "same process"); c.Code != verdict.CodeReplaced || c.Measured != 1 {
		t.Errorf("the check is %+v, want one change, to another build", c)
	}
	run.Identities = append(run.Identities, record.Identity{At: at + 3, Target: target, Start: 1000, Allocated: 15e6})
	if c := check(verdict.Judge(run, policy()), "same process"); c.Code != verdict.CodeFlips {
		t.Errorf("the check is %+v, want several processes: the first is back", c)
	}
}
