package verdict_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// heldRun is two rounds in which connections are held; each gives how many
// goroutines the target has a quarter, half and three quarters into the time.
func heldRun(open int, grows [3]float64) record.Run {
	const f = "example.com/chat.(*Hub).serve"
	run := script{stacks: map[string][]int{f: {4, 4, 4}}, requests: uint64(open), workers: open}.run()
	for i := range run.Loads {
		l := &run.Loads[i]
		l.Asked, l.Expected, l.Held, l.Opened = 0, 0, open, l.Sent
		for s := 2 * time.Second; s < 20*time.Second; s += time.Second {
			l.Open = append(l.Open, record.Open{At: s, Open: open})
		}
		if l.Kind != record.Round {
			continue
		}
		for s := time.Second; s <= 20*time.Second; s += time.Second {
			part := min(max(int((s-6*time.Second)/(4*time.Second+time.Second/2)), 0), 2)
			run.Samples = append(run.Samples, record.Sample{At: l.Start + s, Target: target, Goroutines: 4 + int(float64(open)*grows[part])})
		}
		for seq, n := range []float64{grows[0], grows[2]} {
			p := &stacks.Profile{}
			add(p, "example.com/chat.(*Conn).read", open)
			add(p, "example.com/chat.(*Conn).tick", max(0, int(float64(open)*(n-1))))
			run.Captures = append(run.Captures, record.Capture{At: l.Start + time.Duration(6+12*seq)*time.Second, Target: target, Kind: record.Holding, Round: l.Round, Seq: seq + 1, Profile: p})
		}
	}
	return run
}

func TestConnections(t *testing.T) {
	for _, c := range []struct {
		name string
		run  record.Run
		want verdict.Outcome
	}{
		{"two goroutines each, all the time", heldRun(500, [3]float64{2, 2, 2}), verdict.Pass},
		// A ticker per message: each connection has one more every few seconds.
		{"more and more of them", heldRun(500, [3]float64{2, 3, 4}), verdict.Fail},
		// Its twin: a goroutine that comes up late, and no other after it.
		{"one that comes up late", heldRun(500, [3]float64{2, 3, 3}), verdict.Pass},
		{"a few more or less", heldRun(500, [3]float64{2, 2.01, 2.005}), verdict.Pass},
	} {
		v := verdict.Judge(c.run, policy())
		if v.Outcome != c.want || len(v.Connections) != 1 {
			t.Errorf("Judge(%s) = %s (%s), %+v; want %s", c.name, v.Outcome, v.Headline, v.Connections, c.want)
			continue
		}
		if v.Unit != "connection" || c.want == verdict.Pass && !strings.Contains(v.Headline, "in 1000 connections over 2 rounds") {
			t.Errorf("Judge(%s) says %q, want 1000 connections", c.name, v.Headline)
		}
		if c.want != verdict.Fail {
			continue
		}
		if len(v.Findings) != 1 || v.Findings[0].Function != "example.com/chat.(*Conn).tick" || !slices.Equal(v.Findings[0].Counts, []int{500, 1500}) || v.Findings[0].Evidence[0] != verdict.Held {
			t.Errorf("Judge(%s) finds %+v, want the ticks, 500 early and 1500 late", c.name, v.Findings)
		}
	}
}

// work is heldRun with goroutines that are still there some time after the round.
func work(run record.Run, left int) record.Run {
	for _, l := range run.Loads {
		if l.Kind == record.Round {
			run.Samples = append(run.Samples, record.Sample{At: l.End + 3*time.Second, Target: target, Goroutines: 4 + left})
		}
	}
	slices.SortStableFunc(run.Samples, func(a, b record.Sample) int { return cmp.Compare(a.At, b.At) })
	return run
}

// Goroutines that come up while connections are held, and are there after them, are
// slow work; what a rule covers may come up; and what was not seen is no pass.
func TestConnectionsExcused(t *testing.T) {
	growing := [3]float64{2, 3, 4}
	v := verdict.Judge(work(heldRun(500, growing), 900), policy())
	if v.Outcome != verdict.Pass || !slices.ContainsFunc(v.Warnings, func(w verdict.Warning) bool { return strings.Contains(w.Message, "slow work") }) {
		t.Errorf("Judge(work that goes on) = %s, warnings %v; want a pass that says so", v.Outcome, v.Warnings)
	}
	if v := verdict.Judge(work(heldRun(500, growing), 10), policy()); v.Outcome != verdict.Fail {
		t.Errorf("Judge(gone with the connections) = %s, want fail", v.Outcome)
	}
	p := policy()
	p.Ignore = []verdict.Rule{{Function: `Conn\)\.tick$`, Reason: "by design", Max: 2000}}
	if v := verdict.Judge(heldRun(500, growing), p); v.Outcome != verdict.Pass || len(v.Ignored) != 1 || v.Ignored[0].Growth != 1000 {
		t.Errorf("Judge(ignored) = %s, ignored %+v; want a pass that counts it", v.Outcome, v.Ignored)
	}
	p.Ignore[0].Max = 1200
	if v := verdict.Judge(heldRun(500, growing), p); v.Outcome != verdict.Fail {
		t.Errorf("Judge(more than the rule's most) = %s, want fail", v.Outcome)
	}
	// Connections that others hold are not closed after a round.
	others := work(heldRun(500, growing), 1500)
	for i := range others.Loads {
		others.Loads[i].Held, others.Loads[i].Opened = 0, 0
	}
	if v := verdict.Judge(others, policy()); check(v, "connections").Outcome != verdict.Fail {
		t.Errorf("Judge(connections of others) = %s, want the check to fail", v.Headline)
	}
	// A rule for one stack is none for the next.
	p.Ignore[0].Max = 2000
	run := heldRun(500, growing)
	for _, c := range run.Captures {
		if c.Kind == record.Holding {
			add(c.Profile, "example.com/chat.(*Conn).other", 100+400*(c.Seq-1))
		}
	}
	if v := verdict.Judge(run, p); v.Outcome != verdict.Fail || len(v.Findings) != 1 || v.Findings[0].Function != "example.com/chat.(*Conn).other" || len(v.Ignored) != 1 {
		t.Errorf("Judge(a rule for one of two) = %s, finds %+v, want the other", v.Outcome, v.Findings)
	}
	// What was there before the round is not what outlasts it.
	run = work(heldRun(100, [3]float64{2, 2.4, 2.8}), 60)
	for i, c := range run.Captures {
		if c.Kind == record.Settling || c.Kind == record.Baseline && c.Round == 0 {
			add(run.Captures[i].Profile, "example.com/chat.(*Pool).work", 60)
		}
	}
	if v := verdict.Judge(run, policy()); v.Outcome != verdict.Fail {
		t.Errorf("Judge(beside a pool) = %s (%s), want fail", v.Outcome, v.Headline)
	}
	run = heldRun(500, growing)
	run.Samples = slices.DeleteFunc(run.Samples, func(s record.Sample) bool { return s.At%(15*time.Second) != 0 })
	if v := verdict.Judge(run, policy()); v.Outcome != verdict.Inconclusive || check(v, "connections").Code != verdict.CodeGap {
		t.Errorf("Judge(a sample every 15 s) = %s (%s), want it inconclusive", v.Outcome, v.Headline)
	}
}

// Fewer connections than the plan wants are no verdict.
func TestTooFewConnections(t *testing.T) {
	run := heldRun(300, [3]float64{2, 2, 2})
	for i := range run.Loads {
		run.Loads[i].Held = 500
	}
	v := verdict.Judge(run, policy())
	if c := check(v, "held"); v.Outcome != verdict.Inconclusive || c.Code != verdict.CodeSlow || !strings.Contains(c.Message, "held 300 of 500 connections") {
		t.Errorf("Judge(300 of 500) = %s, held %+v; want it inconclusive", v.Outcome, c)
	}
}

// Rounds whose requests nobody counts are judged by themselves, and claim nothing
// per request.
func TestUncounted(t *testing.T) {
	const f = "example.com/shop.f"
	uncounted := func(s script) record.Run {
		run := s.run()
		for i := range run.Loads {
			l := &run.Loads[i]
			l.Uncounted, l.Sent, l.Answered, l.Succeeded, l.Asked, l.Expected = true, 1, 1, 1, 0, 0
			l.Entries = []record.Entry{{Name: "load.sh", Sent: 1, Answered: 1, Succeeded: 1}}
		}
		return run
	}
	known := policy()
	known.Uncounted = true
	v := verdict.Judge(uncounted(script{stacks: map[string][]int{f: {5, 5, 5}}}), known)
	if v.Outcome != verdict.Pass || v.Requests != 0 || v.Sensitivity != nil || v.Headline != "no goroutine leak in 2 rounds of load on 1 target" {
		t.Errorf("Judge(level) = %s, %q, sensitivity %+v; want a pass that claims nothing", v.Outcome, v.Headline, v.Sensitivity)
	}
	grown := script{stacks: map[string][]int{f: {5, 405, 805}}, looks: map[string][]int{f: {805}}, lookFrom: 150 * time.Second}
	v = verdict.Judge(uncounted(grown), policy())
	if v.Outcome != verdict.Fail || v.Findings[0].Per1000 != 0 || !strings.Contains(v.Headline, "+800 after 2 rounds of load") {
		t.Errorf("Judge(grown) = %s, %q; want a fail by rounds", v.Outcome, v.Headline)
	}
	// A pool of hundreds may grow so in two rounds: without requests to compare, more
	// are needed.
	if n := verdict.Next(uncounted(script{stacks: map[string][]int{f: {5, 105, 205}}}), policy()); n.Action != verdict.Load {
		t.Errorf("Next(grown by 200 in 2 rounds) = %v %q, want another round", n.Action, n.Why)
	}
	p := known
	p.Detect = 1000
	if v := verdict.Judge(uncounted(script{stacks: map[string][]int{f: {5, 5, 5}}}), p); v.Outcome != verdict.Inconclusive || !strings.Contains(v.Reason, "nobody counts") {
		t.Errorf("Judge(with a demand) = %s, %q; want it inconclusive", v.Outcome, v.Reason)
	}
}
