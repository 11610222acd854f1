package verdict_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// shared is a healthy run whose load four pods share evenly.
func shared() record.Run {
	run := script{stacks: map[string][]int{"example.com/f": {1, 1, 1}}}.run()
	for i := range run.Loads {
		l := &run.Loads[i]
		l.Connections = 40
		for _, name := range []string{"load-0", "load-1", "load-2", "load-3"} {
			l.Parts = append(l.Parts, record.Part{Name: name, Took: l.Planned, Expected: l.Expected / 4, Sent: l.Sent / 4, Workers: 5,
				Connections: 5, CPU: 0.2, Delay: 20 * time.Microsecond, Late: 30 * time.Millisecond})
		}
	}
	return run
}

// What one of several pods did not do is found, even where the sum looks right.
func TestShares(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(l *record.Load)
		want   string // code; "" for a pass
		says   string
	}{
		{"as it should be", func(*record.Load) {}, "", ""},
		// The others sent more than their parts: the sum is the plan's.
		{"one sent half, the others more", func(l *record.Load) {
			l.Parts[0].Sent, l.Parts[1].Sent = 700, 1300
		}, verdict.CodeSlow, "load-0 sent 700 of the 1000 requests that were its part of round 1"},
		{"one sent a little less", func(l *record.Load) { l.Parts[0].Sent = 950 }, "", ""},
		{"one was out of processor time", func(l *record.Load) { l.Parts[2].Sent, l.Parts[2].CPU = 700, 0.97 }, verdict.CodeGenerator,
			"load-2 sent 700 of the 1000 requests that were its part of round 1; the pod was the bottleneck: leakgate itself used 97% of its processors"},
		{"one was throttled", func(l *record.Load) { l.Parts[2].Sent, l.Parts[2].Throttled = 700, 0.4 }, verdict.CodeGenerator,
			"a generator was held back by its processor limit in 40% of the time"},
		{"one began too late", func(l *record.Load) { l.Parts[3].Late = 2100 * time.Millisecond }, verdict.CodeSkewed,
			"load-3 began round 1 2.1s later than the first pod; at most 2s may lie between the pods"},
		{"one began too early, by our clock", func(l *record.Load) { l.Parts[3].Late = -8 * time.Second }, verdict.CodeSkewed,
			"load-3 began round 1 8s earlier than it was to; at most 2s may lie between the pods"},
		{"one began a little late", func(l *record.Load) { l.Parts[3].Late = 1900 * time.Millisecond }, "", ""},
		// As fast as possible, pods need not send equally much.
		{"max", func(l *record.Load) { l.Asked, l.Expected, l.Parts[0].Expected, l.Parts[0].Sent = 0, 0, 0, 10 }, "", ""},
		{"a pod was killed", func(l *record.Load) { l.Stopped, l.Code, l.Parts = "pod load-1 was deleted", record.Lost, nil }, verdict.CodeGone,
			"pod load-1 was deleted"},
		{"a pod was not scheduled", func(l *record.Load) {
			l.Stopped, l.Code, l.Parts = "pod load-1 was not scheduled", record.NotReady, nil
			l.Sent, l.Answered, l.Succeeded, l.Entries[0] = 0, 0, 0, record.Entry{Name: "GET /"}
		}, verdict.CodeNotReady, "pod load-1 was not scheduled"},
		{"a log was cut off", func(l *record.Load) { l.Stopped, l.Code, l.Parts = "cut off", record.Unread, nil }, verdict.CodeUnread, "cut off"},
	} {
		run := shared()
		c.change(&run.Loads[1])
		v := verdict.Judge(run, policy())
		want := verdict.Pass
		if c.want != "" {
			want = verdict.Inconclusive
		}
		cause := ""
		for _, k := range v.Checks {
			if k.Outcome == verdict.Inconclusive && k.Message != "" && strings.Contains(v.Reason, k.Message) {
				cause = k.Code
			}
		}
		if v.Outcome != want || cause != c.want || !strings.Contains(v.Reason, c.says) {
			t.Errorf("Judge(%s) = %s, %s: %s\nwant %s, %s: %s", c.name, v.Outcome, cause, v.Reason, want, c.want, c.says)
		}
	}
}

// Pods that sent all they had to, but were held back, are worth a warning; without a rate,
// being held back is what they are for.
func TestThrottledWarning(t *testing.T) {
	for _, c := range []struct {
		name      string
		throttled float64
		asked     float64
		want      bool
	}{
		{"never", 0, 200, false}, {"now and then", 0.2, 200, false}, {"often", 0.3, 200, true}, {"often, with rate max", 0.9, 0, false},
	} {
		run := shared()
		run.Loads[1].Parts[1].Throttled, run.Loads[1].Asked = c.throttled, c.asked
		v := verdict.Judge(run, policy())
		got := false
		for _, w := range v.Warnings {
			got = got || w.Code == verdict.CodeGenerator && strings.HasPrefix(w.Message, "load-1 was held back")
		}
		if v.Outcome != verdict.Pass || got != c.want {
			t.Errorf("Judge(%s) = %s, warning: %t, want pass, %t", c.name, v.Outcome, got, c.want)
		}
	}
}
