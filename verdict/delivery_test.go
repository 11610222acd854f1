package verdict_test

import (
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
		want  verdict.Outcome
	}{
		{"the same", func(n, _ int) int { return n }, verdict.Pass},
		{"a few more, for the readers", func(n, _ int) int { return n + 4 }, verdict.Pass},
		{"another process", func(n, _ int) int { return n + 300 }, verdict.Inconclusive},
		{"once", func(n, w int) int {
			if w == 1 {
				return n + 300
			}
			return n
		}, verdict.Pass},
	} {
		run := script{stacks: map[string][]int{"example.com/f": {200, 200, 200}}}.run()
		run.Targets[0].Counter = "go_goroutines"
		for _, p := range run.Captures {
			run.Samples = append(run.Samples, record.Sample{At: p.At + time.Second/2, Target: target, Goroutines: c.count(p.Profile.Total, p.Round), Metric: true})
		}
		v := verdict.Judge(run, policy())
		if k := check(v, "counts agree"); v.Outcome != c.want || c.want != verdict.Pass && k.Code != verdict.CodeCounts {
			t.Errorf("Judge(%s) = %s (%s), check %+v, want %s", c.name, v.Outcome, v.Headline, k, c.want)
		}
	}
}
