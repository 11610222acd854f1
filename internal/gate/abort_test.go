package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// sometimes fails what is asked for, one of several words, in a stretch of the run, at most so many times.
func sometimes(what string, from, to time.Duration, most int, err error) func(f *fake) {
	return func(f *fake) {
		failed := 0
		f.answer = func(asked string, _ int, at time.Duration) error {
			if !strings.Contains(what, asked) || at < from || at > to || failed >= most {
				return nil
			}
			failed++
			return err
		}
	}
}

// changes makes something of a service another from a moment on.
func changes(at time.Duration, change func(f *fake)) func(f *fake) {
	return func(f *fake) {
		f.answer = func(_ string, _ int, now time.Duration) error {
			if now >= at {
				change(f)
			}
			return nil
		}
	}
}

// Whatever makes a run worthless ends it, with a code and a hint; what only looks like it
// does not.
func TestAborts(t *testing.T) {
	const always = 1 << 30
	metrics := func(then func(f *fake)) func(f *fake) {
		return func(f *fake) {
			f.counter, f.metrics = "go_goroutines", true
			then(f)
		}
	}
	for _, c := range []struct {
		name    string
		service func(f *fake)
		config  func(r *rig)
		code    string // empty: the run goes to its end
		says    string
		phases  string // that were recorded, in full
	}{
		{name: "unreachable", service: sometimes("identify", 0, 0, always, lostAnswer("shop")),
			code: verdict.CodeUnreachable, says: "shop: profile: no answer", phases: "preflight"},
		{name: "something other than a target answers",
			service: sometimes("identify", 0, 0, always, errors.New("a secret plan")),
			code:    codeError, says: "a *** plan", phases: "preflight"},
		{name: "a selector stands for nothing", config: func(r *rig) {
			r.Discover = func(context.Context) ([]Source, []Found) {
				return nil, []Found{{Target: record.Target{Name: "shop"}, Err: lostAnswer("shop")}}
			}
		}, code: verdict.CodeUnreachable, phases: "preflight"},

		{name: "lost under load", service: sometimes("total profile", 14*time.Second, time.Hour, always, lostAnswer("shop")),
			code: verdict.CodeLost, says: "shop: lost after", phases: "preflight warmup baseline round1"},
		{name: "does not answer twice under load",
			service: metrics(sometimes("count", 14*time.Second, time.Hour, 2, lostAnswer("shop"))),
			phases:  healthyRounds},
		{name: "does not answer three times under load",
			service: metrics(sometimes("count", 14*time.Second, time.Hour, 3, lostAnswer("shop"))),
			code:    verdict.CodeLost, phases: "preflight warmup baseline round1"},
		{name: "its metrics cannot be understood",
			service: metrics(sometimes("count", 14*time.Second, time.Hour, 3, errors.New("odd"))),
			code:    verdict.CodeLost, says: "shop: lost after 16s: sample: odd", phases: "preflight warmup baseline round1"},
		{name: "a copy under load", service: metrics(sometimes("count", 14*time.Second, time.Hour, 1, staleAnswer("shop"))),
			code: probe.CodeStale, says: "a copy", phases: "preflight warmup baseline round1"},

		{name: "a window's profile fails twice",
			service: sometimes("profile", 5*time.Second, time.Hour, 2, lostAnswer("shop")),
			phases:  healthyRounds},
		{name: "a window's profile fails three times",
			service: sometimes("profile", 5*time.Second, time.Hour, 3, lostAnswer("shop")),
			code:    verdict.CodeGap, phases: "preflight warmup baseline"},
		{name: "a poll fails for good", service: sometimes("collect", 6*time.Second, time.Hour, always, lostAnswer("shop")),
			code: verdict.CodeGap, phases: "preflight warmup baseline"},
		{name: "nobody listens in a window",
			service: sometimes("profile", 5*time.Second, time.Hour, always, goneAnswer("shop")),
			code:    verdict.CodeLost, phases: "preflight warmup baseline"},
		// A moment of half a second, in which the window begins.
		{name: "nobody listens for a moment",
			service: sometimes("profile", 5*time.Second, 7800*time.Millisecond, always, goneAnswer("shop")),
			phases:  healthyRounds},
		{name: "no answer for the same moment",
			service: sometimes("profile", 5*time.Second, 7800*time.Millisecond, always, lostAnswer("shop")),
			code:    verdict.CodeGap, phases: "preflight warmup baseline"},
		{name: "a window's profile is a copy",
			service: sometimes("profile", 5*time.Second, time.Hour, 1, staleAnswer("shop")),
			code:    probe.CodeStale, phases: "preflight warmup baseline"},
		{name: "a window's profile is too large",
			service: sometimes("profile", 5*time.Second, time.Hour, 1, largeAnswer("shop")),
			code:    probe.CodeTooLarge, phases: "preflight warmup baseline"},
		{name: "profiles contradict themselves",
			service: sometimes("profile", 5*time.Second, time.Hour, always, oddAnswer("shop")),
			code:    verdict.CodeCounts, phases: "preflight warmup baseline"},
		{name: "a window ends in an error of another kind",
			service: sometimes("profile", 5*time.Second, time.Hour, always, errors.New("odd")),
			code:    codeError, says: "odd", phases: "preflight warmup baseline"},
		{name: "a window's metrics fail",
			service: metrics(sometimes("count", 6*time.Second, 9*time.Second, always, lostAnswer("shop"))),
			code:    verdict.CodeGap, phases: "preflight warmup baseline"},
		{name: "memory cannot be read",
			service: sometimes("memory", 0, time.Hour, always, lostAnswer("shop")), phases: healthyRounds},
		{name: "memory ends in an error of another kind",
			service: sometimes("memory", 0, time.Hour, always, errors.New("odd")),
			code:    codeError, phases: "preflight warmup baseline"},
		{name: "who it is cannot be seen after a window",
			service: sometimes("identity", 8*time.Second, 9*time.Second, always, lostAnswer("shop")),
			code:    verdict.CodeGap, phases: "preflight warmup baseline"},
		{name: "no proof", service: func(f *fake) {
			f.proves = true
			sometimes("proof", 0, time.Hour, always, lostAnswer("shop"))(f)
		}, code: verdict.CodeGap, phases: "preflight warmup baseline"},
		{name: "no capture in the long look", service: func(f *fake) {
			f.leaks = 5
			sometimes("profile", 60*time.Second, time.Hour, always, lostAnswer("shop"))(f)
		}, code: verdict.CodeGap, phases: "preflight warmup baseline round1 settle1 round2 settle2 round3 settle3 confirm3"},
		{name: "no collection in the long look", service: func(f *fake) {
			f.leaks = 5
			sometimes("memory", 60*time.Second, time.Hour, always, lostAnswer("shop"))(f)
		}, code: verdict.CodeGap, phases: "preflight warmup baseline round1 settle1 round2 settle2 round3 settle3 confirm3"},
		{name: "who it is cannot be seen after the long look", service: func(f *fake) {
			f.leaks = 5
			sometimes("identity", 170*time.Second, time.Hour, always, lostAnswer("shop"))(f)
		}, code: verdict.CodeGap, phases: "preflight warmup baseline round1 settle1 round2 settle2 round3 settle3 confirm3"},

		{name: "restarted", service: changes(15*time.Second, func(f *fake) { f.start = 2000 }),
			code: verdict.CodeRestarted, says: "restarted", phases: "preflight warmup baseline round1"},
		{name: "the clock drifts", service: changes(15*time.Second, func(f *fake) { f.start = 1001 }), phases: healthyRounds},
		{name: "another build", service: changes(15*time.Second, func(f *fake) { f.start, f.build = 2000, "b2" }),
			code: verdict.CodeReplaced, says: "another build", phases: "preflight warmup baseline round1"},

		{name: "over the cap", service: func(f *fake) { f.leaks = 1 }, config: func(r *rig) { r.Goroutines = 1000 },
			code: verdict.CodeStopped, says: "safety.goroutines is 1000", phases: "preflight warmup baseline round1"},
		{name: "below the cap", service: func(f *fake) { f.pool = 900 }, config: func(r *rig) { r.Goroutines = 1000 },
			phases: healthyRounds},
		{name: "no request is answered", config: func(r *rig) { r.driver.fails = true },
			code: verdict.CodeRefused, phases: "preflight warmup"},
	} {
		bubble(t, c.name, func(t *testing.T) {
			f := newFake("shop")
			if c.service != nil {
				c.service(f)
			}
			r := newRig(process{f})
			if c.config != nil {
				c.config(r)
			}
			run := r.run(t, t.Context())
			if run.End.Code != c.code || !strings.Contains(run.End.Message, c.says) {
				t.Errorf("ended %s by %q: %s; want %q: %s", run.End.Reason, run.End.Code, run.End.Message, c.code, c.says)
			}
			want := verdict.Pass
			if c.code != "" {
				want = verdict.Inconclusive
			}
			if v := r.judge(run); v.Outcome != want {
				t.Errorf("outcome %s: %s, want %s", v.Outcome, v.Headline, want)
			}
			if got := phasesOf(run); got != c.phases {
				t.Errorf("phases %s, want %s", got, c.phases)
			}
		})
	}
}

// What a driver says of the load is masked, and why the gate stopped it is said.
func TestLoadIsMasked(t *testing.T) {
	bubble(t, "errors", func(t *testing.T) {
		r := newRig(process{newFake("shop")})
		r.driver.fails = true
		run := r.run(t, t.Context())
		for _, e := range run.Loads[0].Entries {
			if len(e.Errors) != 1 || e.Errors["*** refused"] == 0 {
				t.Errorf("errors %v, want them without the secret", e.Errors)
			}
		}
	})
	bubble(t, "stopped", func(t *testing.T) {
		f := newFake("shop")
		f.leaks = 1
		r := newRig(process{f})
		r.Goroutines = 1000
		run := r.run(t, t.Context())
		if got := run.Loads[len(run.Loads)-1].Stopped; !strings.Contains(got, "safety.goroutines") {
			t.Errorf("the load was stopped by %q, want the plan's cap", got)
		}
		if r.Sent() != 7 {
			t.Errorf("Sent() = %d, want what the driver says", r.Sent())
		}
	})
}

// An interrupt ends a run within a second, wherever it is, and is no gap.
func TestInterrupts(t *testing.T) {
	leaking := func(f *fake) { f.leaks, f.proves = 5, false }
	for _, c := range []struct {
		at     time.Duration
		source func(f *fake) Source
		last   string // phase that was recorded
		reason string
	}{
		{at: 0, last: "preflight"},
		{at: 3 * time.Second, last: "warmup"},
		{at: 6 * time.Second, last: "baseline"},
		{at: 12 * time.Second, last: "round1"},
		{at: 20 * time.Second, last: "settle1"},
		{at: 100 * time.Second, last: "confirm3"},
		{at: 6 * time.Second, last: "baseline", source: func(f *fake) Source { return scraped{f, 5 * time.Second} }},
		// Once it is decided, the answer stands.
		{at: 174 * time.Second, last: "trial1", reason: record.Complete},
	} {
		bubble(t, fmt.Sprintf("%s into the run", c.at), func(t *testing.T) {
			f := newFake("shop")
			leaking(f)
			f.takes = time.Millisecond
			var source Source = process{f}
			if c.source != nil {
				source = c.source(f)
			}
			ctx, cancel := context.WithTimeout(t.Context(), c.at)
			defer cancel()
			r := newRig(source)
			began := time.Now()
			run := r.run(t, ctx)
			if took := time.Since(began); took > c.at+time.Second {
				t.Errorf("ended %s after the interrupt", took-c.at)
			}
			reason := c.reason
			if reason == "" {
				reason = record.Interrupted
			}
			all := strings.Fields(phasesOf(run))
			if run.End.Reason != reason || all[len(all)-1] != c.last {
				t.Errorf("ended %s (%s) in %s, want %s in %s", run.End.Reason, run.End.Message, all[len(all)-1], reason, c.last)
			}
			if i := slices.IndexFunc(run.Gaps, func(g record.Gap) bool { return g.Needed }); i >= 0 {
				t.Errorf("an interrupt is a gap: %+v", run.Gaps[i])
			}
		})
	}
}

func TestPause(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings Settings
		took     time.Duration
		want     time.Duration
	}{
		{"a cheap count", Settings{Round: 20 * time.Second}, 10 * time.Millisecond, time.Second},
		{"a costly one", Settings{Round: 20 * time.Second}, 100 * time.Millisecond, 2500 * time.Millisecond},
		{"six a round at least", Settings{Round: 12 * time.Second}, time.Second, 2 * time.Second},
		{"held connections, a short round", Settings{Round: 4 * time.Second, Held: true}, 0, 200 * time.Millisecond},
		{"held connections, a shorter one", Settings{Round: time.Second, Held: true}, 0, leastEvery},
		{"held connections, a long round", Settings{Round: time.Minute, Held: true}, 0, time.Second},
		{"connections of others", Settings{Round: 4 * time.Second, Connections: true}, 0, 200 * time.Millisecond},
	} {
		g := &Gate{Config: Config{Settings: c.settings}}
		if got := g.pause(c.took); got != c.want {
			t.Errorf("pause(%s) = %s, want %s", c.name, got, c.want)
		}
	}
}

// Silent is told of everything, and says nothing.
func TestSilent(t *testing.T) {
	var o Observer = Silent{}
	o.Begin(record.Phase{}, 0, "")
	o.Sample(record.Sample{})
	o.Load(record.Load{})
	o.Say("")
}

// A process whose profile cannot be read is not known to be another build.
func TestLookAtBuild(t *testing.T) {
	bubble(t, "no answer", func(t *testing.T) {
		f := newFake("shop")
		f.answer = func(what string, _ int, at time.Duration) error {
			if at >= 15*time.Second {
				f.start = 2000
				if what == "profile" {
					return lostAnswer("shop")
				}
			}
			return nil
		}
		f.counter, f.metrics = "go_goroutines", true
		f.profiles = func(p *stacks.Profile) { p.BuildID = "" }
		run := newRig(process{f}, scraped{newFake("other"), time.Second}).run(t, t.Context())
		if run.End.Code != verdict.CodeRestarted {
			t.Errorf("ended by %q: %s, want %q", run.End.Code, run.End.Message, verdict.CodeRestarted)
		}
	})
}
