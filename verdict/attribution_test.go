package verdict_test

import (
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// tried is a failed run of n requests, of which some leak so many goroutines per
// request when loaded alone, whose trials are played as NextTrial asks for them.
func tried(t *testing.T, names []string, leaks map[string]float64) (verdict.Verdict, []verdict.TrialStep) {
	t.Helper()
	const f = "example.com/shop.f"
	share := uint64(4000 / len(names))
	per := 0.0
	for _, l := range leaks {
		per += l
	}
	grown := int(per * float64(share))
	run := script{stacks: map[string][]int{f: {0, grown, 2 * grown}}, looks: map[string][]int{f: {2 * grown}}, lookFrom: 150 * time.Second}.run()
	for i := range run.Loads {
		run.Loads[i].Entries = nil
		for _, name := range names {
			run.Loads[i].Entries = append(run.Loads[i].Entries, record.Entry{Name: name, Sent: share, Answered: share, Succeeded: share})
		}
	}
	at, n := run.Captures[len(run.Captures)-1].At, 2*grown
	window := func(round int) {
		p := &stacks.Profile{}
		add(p, f, n)
		run.Captures = append(run.Captures, record.Capture{At: at, Target: target, Kind: record.Trying, Round: round, Seq: 1, Profile: p})
	}
	window(0)
	var steps []verdict.TrialStep
	for {
		step, more := verdict.NextTrial(run, policy())
		if !more {
			break
		}
		steps = append(steps, step)
		if len(steps) > 100 {
			t.Fatalf("NextTrial never ends")
		}
		l := record.Load{Kind: record.Trying, Round: len(steps), Planned: step.Duration, Entries: make([]record.Entry, len(names))}
		for i, name := range names {
			l.Entries[i].Name = name
		}
		for _, i := range step.Only {
			sent := uint64(step.Rate * step.Duration.Seconds() / float64(len(step.Only)))
			l.Entries[i].Sent = sent
			l.Sent += sent
			n += int(leaks[names[i]] * float64(sent))
		}
		run.Trials = append(run.Trials, record.Trial{Load: l, Only: step.Only})
		window(len(steps))
	}
	return verdict.Judge(run, policy()), steps
}

func TestAttribution(t *testing.T) {
	many := make([]string, 40)
	for i := range many {
		many[i] = "GET http://shop/" + strings.Repeat("x", i+1)
	}
	for _, c := range []struct {
		name  string
		names []string
		leaks map[string]float64
		want  string
	}{
		{"one of two", []string{"GET http://shop/cart", "POST http://shop/orders"}, map[string]float64{"POST http://shop/orders": 1},
			"POST /orders leaks 1.00 goroutines per request (0.87 to 1.15); GET /cart does not"},
		{"both, one rarely", []string{"GET http://shop/cart", "POST http://shop/orders"}, map[string]float64{"POST http://shop/orders": 1, "GET http://shop/cart": 0.25},
			"POST /orders leaks 1.00 goroutines per request (0.87 to 1.15); GET /cart leaks 0.25 goroutines per request (0.19 to 0.33)"},
		{"other hosts", []string{"GET http://shop/", "GET http://cart/"}, map[string]float64{"GET http://cart/": 1},
			"GET http://cart/ leaks 1.00 goroutines per request (0.87 to 1.15); GET http://shop/ does not"},
		{"the root", []string{"GET http://shop", "GET http://shop/b"}, map[string]float64{"GET http://shop": 1}, "GET / leaks 1.00 goroutines per request (0.87 to 1.15); GET /b does not"},
		{"one of forty", many, map[string]float64{many[26]: 10}, strings.Replace(many[26], "http://shop", "", 1) + " leaks 10.00 goroutines per request"},
	} {
		v, steps := tried(t, c.names, c.leaks)
		if v.Outcome != verdict.Fail || len(v.Findings) != 1 {
			t.Fatalf("%s: Judge = %s (%s)", c.name, v.Outcome, v.Headline)
		}
		if got := v.Findings[0].Attribution(); !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: Attribution = %q, want %q", c.name, got, c.want)
		}
		sum := time.Duration(0)
		for _, s := range steps {
			sum += s.Duration
			if rate := 4000.0 / 20; s.Rate > rate {
				t.Errorf("%s: a trial at %v/s, the plan's rate is %v/s", c.name, s.Rate, rate)
			}
		}
		if sum > verdict.DefaultThresholds().Trials.Budget {
			t.Errorf("%s: %s of trials, at most %s", c.name, sum, verdict.DefaultThresholds().Trials.Budget)
		}
		if c.name == "one of forty" && len(steps) > 14 {
			t.Errorf("%s: %d trials; halving needs about a dozen", c.name, len(steps))
		}
	}
}

// Without a leak, or with one request, there is nothing to attribute; a trial
// that was stopped ends them.
func TestNoAttribution(t *testing.T) {
	const f = "example.com/shop.f"
	if step, more := verdict.NextTrial(script{stacks: map[string][]int{f: {1, 1, 1}}}.run(), policy()); more {
		t.Errorf("NextTrial(healthy) = %+v, want none", step)
	}
	leaking := script{stacks: map[string][]int{f: {0, 4000, 8000}}, looks: map[string][]int{f: {8000}}, lookFrom: 150 * time.Second}.run()
	if step, more := verdict.NextTrial(leaking, policy()); more {
		t.Errorf("NextTrial(one request) = %+v, want none", step)
	}
	for i := range leaking.Loads {
		leaking.Loads[i].Entries = append(leaking.Loads[i].Entries, record.Entry{Name: "GET /b", Sent: 10, Answered: 10, Succeeded: 10})
	}
	if _, more := verdict.NextTrial(leaking, policy()); !more {
		t.Error("NextTrial(two requests) = none, want one")
	}
	leaking.Trials = []record.Trial{{Load: record.Load{Stopped: "safety"}, Only: []int{0}}}
	if step, more := verdict.NextTrial(leaking, policy()); more {
		t.Errorf("NextTrial(after one that was stopped) = %+v, want none", step)
	}
}

// Groups of requests are tried, then their halves: each request is named once, by what is
// known of it in the end.
func TestAttributionNamesEachOnce(t *testing.T) {
	blamed := func(answer verdict.Answer, each float64, names ...string) verdict.Blamed {
		return verdict.Blamed{Requests: names, Answer: answer, Each: each, Sent: 100}
	}
	for _, c := range []struct {
		name   string
		trials []verdict.Blamed
		want   string
	}{
		{"a group, then one of it", []verdict.Blamed{
			blamed(verdict.Leaks, 1, "GET http://h/leak"),
			blamed(verdict.LeaksNot, 0, "GET http://h/a", "GET http://h/b"),
			blamed(verdict.LeaksNot, 0, "GET http://h/a"),
			blamed(verdict.LeaksNot, 0, "GET http://h/b", "GET http://h/c"),
		}, "GET /leak leaks 1.00 goroutines per request; GET /a, GET /b and GET /c do not"},
		// What leaks alone was cleared in a group by chance.
		{"the one that leaks, cleared before", []verdict.Blamed{
			blamed(verdict.Leaks, 0.5, "GET http://h/leak"),
			blamed(verdict.LeaksNot, 0, "GET http://h/leak", "GET http://h/a"),
		}, "GET /leak leaks 0.50 goroutines per request; GET /a does not"},
		{"unclear, then cleared", []verdict.Blamed{
			blamed(verdict.LeaksMaybe, 0, "GET http://h/a", "GET http://h/b"),
			blamed(verdict.LeaksNot, 0, "GET http://h/a"),
		}, "GET /a does not; unclear for GET /b"},
	} {
		if got := (verdict.Finding{Requests: c.trials}).Attribution(); got != c.want {
			t.Errorf("%s: Attribution = %q, want %q", c.name, got, c.want)
		}
	}
}
