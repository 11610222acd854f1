package verdict_test

import (
	"slices"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// A load that falls short of its rate says whose fault that was.
func TestShortOfRate(t *testing.T) {
	for _, c := range []struct {
		name string
		load record.Load
		want string
	}{
		{"the service is slow", record.Load{Workers: 50, Connections: 50, CPU: 0.2, Delay: 20 * time.Microsecond}, verdict.CodeSlow},
		{"recorded before connections were", record.Load{Workers: 50}, verdict.CodeSlow},
		{"out of processor time", record.Load{Workers: 50, Connections: 50, CPU: 0.97}, verdict.CodeGenerator},
		{"waits for a processor", record.Load{Workers: 50, Connections: 50, Delay: 2 * time.Millisecond}, verdict.CodeGenerator},
		{"connections to spare", record.Load{Workers: 12, Connections: 50}, verdict.CodeGenerator},
	} {
		run := script{stacks: map[string][]int{"example.com/f": {1, 1, 1}}}.run()
		l := &run.Loads[2]
		l.Sent, l.Answered, l.Succeeded = l.Sent/2, l.Answered/2, l.Succeeded/2
		l.Workers, l.Connections, l.CPU, l.Delay = c.load.Workers, c.load.Connections, c.load.CPU, c.load.Delay
		v := verdict.Judge(run, policy())
		if k := check(v, "rate"); v.Outcome != verdict.Inconclusive || k.Code != c.want || k.Hint == "" {
			t.Errorf("Judge(%s) = %s, check %+v, want inconclusive, %s", c.name, v.Outcome, k, c.want)
		}
	}
}

// Metrics and profiles of one process agree in quiet moments.
func TestCountsAgree(t *testing.T) {
	for _, c := range []struct {
		name  string
		count func(total, window int) int
		want  string // code; "" for a pass
	}{
		{"the same", func(n, _ int) int { return n }, ""},
		{"a few more, for the readers", func(n, _ int) int { return n + 4 }, ""},
		{"another process", func(n, _ int) int { return n + 300 }, verdict.CodeCounts},
		// They agreed at the baseline: one of the two stands still, and which hides a leak.
		{"after the first round", func(n, w int) int {
			if w == 1 {
				return n + 300
			}
			return n
		}, verdict.CodeStale},
	} {
		run := script{stacks: map[string][]int{"example.com/f": {200, 200, 200}}}.run()
		run.Targets[0].Counter = "go_goroutines"
		for _, p := range run.Captures {
			run.Samples = append(run.Samples, record.Sample{At: p.At + time.Second/2, Target: target, Goroutines: c.count(p.Profile.Total, p.Round), Metric: true})
		}
		v := verdict.Judge(run, policy())
		if k := check(v, "counts agree"); (v.Outcome == verdict.Pass) != (c.want == "") || k.Code != c.want {
			t.Errorf("Judge(%s) = %s (%s), check %+v, want %q", c.name, v.Outcome, v.Headline, k, c.want)
		}
	}
}

// Load that nobody counted is no secret, and counted now and then is no load.
func TestUncountedLoad(t *testing.T) {
	uncounted := func(rounds ...int) record.Run {
		run := script{stacks: map[string][]int{"example.com/f": {5, 5, 5}}}.run()
		for i := range run.Loads {
			if l := &run.Loads[i]; l.Kind == record.Round && slices.Contains(rounds, l.Round) {
				l.Uncounted, l.Asked, l.Expected, l.Sent, l.Answered, l.Succeeded = true, 0, 0, 1, 1, 1
				l.Entries = []record.Entry{{Name: "ghz", Sent: 1, Answered: 1, Succeeded: 1}}
			}
		}
		return run
	}
	if v := verdict.Judge(uncounted(1, 2), policy()); v.Outcome != verdict.Inconclusive || check(v, "counted").Code != verdict.CodeUncounted {
		t.Errorf("Judge(uncounted) = %s (%s), want it inconclusive: nobody says that there was load", v.Outcome, v.Headline)
	}
	known := policy()
	known.Uncounted = true
	v := verdict.Judge(uncounted(1, 2), known)
	if v.Outcome != verdict.Pass || !slices.ContainsFunc(v.Warnings, func(w verdict.Warning) bool { return w.Code == verdict.CodeUncounted }) {
		t.Errorf("Judge(uncounted) = %s (%s), warnings %v; want a pass with a warning", v.Outcome, v.Headline, v.Warnings)
	}
	v = verdict.Judge(uncounted(2), policy())
	if v.Outcome != verdict.Inconclusive || check(v, "rate").Code != verdict.CodeUncounted {
		t.Errorf("Judge(one of two rounds uncounted) = %s (%s), want it inconclusive", v.Outcome, v.Headline)
	}
	if v = verdict.Judge(uncounted(), policy()); v.Outcome != verdict.Pass || len(v.Warnings) != 0 {
		t.Errorf("Judge(counted) = %s, warnings %v; want a pass without any", v.Outcome, v.Warnings)
	}
}
