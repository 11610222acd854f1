package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leakgate/leakgate/verdict"
)

// plays is a Starter whose runs take a minute, and end as their plan's name says; one that
// is told to end does so.
type plays struct {
	mu      sync.Mutex
	started []Task
	most    int // runs at once
	now     int
}

const playTime = time.Minute

func (p *plays) start(ctx context.Context, t Task, started func(int)) Result {
	p.mu.Lock()
	p.started = append(p.started, t)
	p.now++
	p.most = max(p.most, p.now)
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.now--
		p.mu.Unlock()
	}()
	started(0)
	select {
	case <-time.After(playTime):
	case <-ctx.Done():
		return Result{Code: codeInterrupted}
	}
	outcome, code := verdict.Pass, codePass
	switch name := filepath.Base(t.Plan); {
	case strings.HasPrefix(name, "fail"):
		outcome, code = verdict.Fail, codeFail
	case strings.HasPrefix(name, "unclear"):
		outcome, code = verdict.Inconclusive, codeInconclusive
	}
	if err := os.MkdirAll(t.Dir, 0o755); err != nil {
		return Result{Err: err}
	}
	text := fmt.Sprintf(`{"outcome": %q, "headline": "a headline", "findings": []}`, outcome)
	if err := os.WriteFile(filepath.Join(t.Dir, verdictFile), []byte(text), 0o644); err != nil {
		return Result{Err: err}
	}
	return Result{Code: code}
}

func (p *plays) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.started)
}

const testToken = "a token of the tests"

// config is a server's with plans of some names.
func config(t *testing.T, p *plays, names ...string) Config {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(dir, name+planEnding), []byte(goodPlan), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return Config{
		Plans: dir, State: t.TempDir(), Start: p.start, Timeout: time.Hour,
		Parallel: 2, Queue: 2, Keep: 5, KeepTotal: 50,
		Token: func() ([]byte, error) { return []byte(testToken), nil },
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

const goodPlan = "name: shop\ntargets: [{pprof: http://127.0.0.1:1/debug/pprof}]\n" +
	"load:\n  requests: [GET http://127.0.0.1:1/]\n"

func open(t *testing.T, cfg Config) *Server {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func shut(t *testing.T, s *Server) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func ask(t *testing.T, s *Server, plan, key string) Run {
	t.Helper()
	r, _, err := s.submit(order{job: job{plan: plan, key: key}})
	if err != nil {
		t.Fatalf("submit(%s, %q): %v", plan, key, err)
	}
	return r
}

// state is a run's now.
func state(t *testing.T, s *Server, id string) string {
	t.Helper()
	r, _, err := s.get(id)
	if err != nil {
		return err.Error()
	}
	if r.State == Finished {
		return string(r.Outcome)
	}
	return string(r.State)
}

func TestThreeAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config(t, &plays{}, "pass", "fail", "unclear"))
		defer shut(t, s)
		for _, want := range []string{"pass", "fail", "unclear"} {
			r := ask(t, s, want, "")
			got, err := s.wait(t.Context(), r.ID, 2*playTime)
			if err != nil || got.State != Finished {
				t.Fatalf("wait(%s) = %s, %v", want, got.State, err)
			}
			if want == "unclear" {
				want = "inconclusive"
			}
			if got.answer() != want {
				t.Errorf("answer = %s, want %s", got.answer(), want)
			}
		}
	})
}

func TestOneRunPerPlan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plays{}
		s := open(t, config(t, p, "a", "b"))
		defer shut(t, s)
		first, second, other := ask(t, s, "a", ""), ask(t, s, "a", ""), ask(t, s, "b", "")
		synctest.Wait()
		// The second of one plan waits, although there is room; another plan passes it.
		for _, c := range []struct{ id, want string }{{first.ID, "running"}, {second.ID, "queued"}, {other.ID, "running"}} {
			if got := state(t, s, c.id); got != c.want {
				t.Errorf("%s is %s, want %s", c.id, got, c.want)
			}
		}
		time.Sleep(playTime)
		synctest.Wait()
		if got := state(t, s, second.ID); got != "running" {
			t.Errorf("the second is %s after the first, want running", got)
		}
		time.Sleep(playTime)
		synctest.Wait()
		if p.most != 2 {
			t.Errorf("%d runs at once, want 2", p.most)
		}
	})
}

func TestPostedRunsBesideMountedOfTheSameName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plays{}
		s := open(t, config(t, p, "a"))
		defer shut(t, s)
		ask(t, s, "a", "k")
		r, created, err := s.submit(order{job: job{plan: "a", posted: true, key: "k"}, text: []byte(goodPlan)})
		if err != nil || !created || r.State != Queued {
			t.Errorf("submit = %s, %v, %v; want a new run that waits for the service", r.State, created, err)
		}
	})
}

func TestKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plays{}
		s := open(t, config(t, p, "a", "unclear"))
		defer shut(t, s)
		first := ask(t, s, "unclear", "sha256:1")
		if again := ask(t, s, "unclear", "sha256:1"); again.ID != first.ID {
			t.Errorf("a retry started %s beside %s", again.ID, first.ID)
		}
		if other := ask(t, s, "a", "sha256:1"); other.ID == first.ID {
			t.Error("another plan with the same key is the same run")
		}
		time.Sleep(playTime)
		synctest.Wait()
		if again := ask(t, s, "unclear", "sha256:1"); again.ID != first.ID {
			t.Errorf("a retry after the end started %s beside %s", again.ID, first.ID)
		}
		// A person asks for it once more; a retry while that runs is the same run again.
		more, created, err := s.submit(order{job: first.job(), again: true})
		if err != nil || !created || more.ID == first.ID {
			t.Fatalf("again = %s, %v, %v", more.ID, created, err)
		}
		if same, created, _ := s.submit(order{job: first.job(), again: true}); created || same.ID != more.ID {
			t.Errorf("again while it runs = %s, %v; want %s", same.ID, created, more.ID)
		}
		if latest, _ := s.latest(first.job()); latest.ID != more.ID {
			t.Errorf("latest = %s, want %s", latest.ID, more.ID)
		}
		synctest.Wait()
		if n := p.count(); n != 3 {
			t.Errorf("%d runs were started, want 3", n)
		}
	})
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config(t, &plays{}, "a", "b"))
		defer shut(t, s)
		for range 3 { // one runs, two wait
			ask(t, s, "a", "")
		}
		if _, _, err := s.submit(order{job: job{plan: "a"}}); !errors.Is(err, errFull) {
			t.Errorf("one more of the plan: %v, want %v", err, errFull)
		}
		// Another plan need not wait, and so needs no place in the queue.
		if r := ask(t, s, "b", ""); r.State != Running {
			t.Errorf("another plan is %s, want running", r.State)
		}
		if _, _, err := s.submit(order{job: job{plan: "b"}}); !errors.Is(err, errFull) {
			t.Errorf("one more of the other: %v, want %v", err, errFull)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plays{}
		s := open(t, config(t, p, "a"))
		defer shut(t, s)
		running, waiting := ask(t, s, "a", ""), ask(t, s, "a", "")
		for _, id := range []string{waiting.ID, running.ID} {
			if _, err := s.cancel(id); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if r, _, _ := s.get(id); r.answer() != "inconclusive" || r.Headline != "could not tell: cancelled by DELETE" {
				t.Errorf("cancelled: %s, %q", r.answer(), r.Headline)
			}
		}
		if n := p.count(); n != 1 {
			t.Errorf("%d runs were started, want 1", n)
		}
		if _, err := s.cancel(running.ID); !errors.Is(err, errFinished) {
			t.Errorf("cancelled twice: %v", err)
		}
		if _, err := s.cancel("20261125-204818-5c71b8cf"); !errors.Is(err, errNoRun) {
			t.Errorf("cancelled another: %v", err)
		}
	})
}

// TestCancelThatCannotBeStored: on disk it is still queued, and so it is in memory.
func TestCancelThatCannotBeStored(t *testing.T) {
	for _, c := range []struct {
		name   string
		broken bool
		want   string
	}{{"stored", false, "inconclusive"}, {"not stored", true, "queued"}} {
		synctest.Test(t, func(t *testing.T) {
			s := open(t, config(t, &plays{}, "a"))
			defer shut(t, s)
			ask(t, s, "a", "")
			waiting := ask(t, s, "a", "")
			if c.broken {
				name := s.store.path(waiting.ID, runFile)
				if err := errors.Join(os.Remove(name), os.MkdirAll(filepath.Join(name, "x"), 0o700)); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := s.cancel(waiting.ID); (err != nil) != c.broken {
				t.Errorf("%s: cancel = %v", c.name, err)
			}
			if got := state(t, s, waiting.ID); got != c.want {
				t.Errorf("%s: %s, want %s", c.name, got, c.want)
			}
		})
	}
}

func TestTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, &plays{}, "a")
		cfg.Timeout = playTime / 2
		s := open(t, cfg)
		defer shut(t, s)
		r, err := s.wait(t.Context(), ask(t, s, "a", "").ID, playTime)
		if err != nil || r.Headline != "could not tell: the run took longer than --run-timeout" {
			t.Errorf("%q, %v", r.Headline, err)
		}
	})
}

func TestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config(t, &plays{}, "a"))
		r := ask(t, s, "a", "")
		if got, err := s.wait(t.Context(), r.ID, playTime/2); err != nil || got.State != Running {
			t.Errorf("too short: %s, %v", got.State, err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if got, err := s.wait(gone, r.ID, playTime); err != nil || got.State != Running {
			t.Errorf("a client that left: %s, %v", got.State, err)
		}
		go func() { time.Sleep(time.Second); s.Stop() }()
		if got, err := s.wait(t.Context(), r.ID, playTime); !errors.Is(err, errStopping) && got.State != Finished {
			t.Errorf("a server that stops: %s, %v", got.State, err)
		}
		shut(t, s)
	})
}

// TestRestart: what ended can be read, what waited runs, and what was under way is
// inconclusive, whether the server was stopped or killed.
func TestRestart(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprintf("killed %v", killed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := config(t, &plays{}, "fail", "a")
				s := open(t, cfg)
				done := ask(t, s, "fail", "k")
				time.Sleep(playTime)
				synctest.Wait()
				running, waiting := ask(t, s, "a", ""), ask(t, s, "a", "")
				synctest.Wait()
				why := "could not tell: interrupted: leakgate serve was stopped while it ran"
				if killed { // the state as it is on disk now
					copied := t.TempDir()
					if err := os.CopyFS(copied, os.DirFS(cfg.State)); err != nil {
						t.Fatal(err)
					}
					shut(t, s)
					cfg.State = copied
					why = "could not tell: interrupted: leakgate serve was restarted while it ran"
				} else {
					shut(t, s)
				}
				s = open(t, cfg)
				defer shut(t, s)
				if r, _, err := s.get(running.ID); err != nil || r.answer() != "inconclusive" || r.Headline != why {
					t.Errorf("under way: %s, %q, %v; want %q", r.answer(), r.Headline, err, why)
				}
				if got := state(t, s, done.ID); got != "fail" {
					t.Errorf("done: %s, want fail", got)
				}
				if r := ask(t, s, "fail", "k"); r.ID != done.ID {
					t.Errorf("its key is forgotten: %s, want %s", r.ID, done.ID)
				}
				if got := state(t, s, waiting.ID); got != "running" {
					t.Errorf("waiting: %s, want running", got)
				}
				time.Sleep(playTime)
				synctest.Wait()
				if got := state(t, s, waiting.ID); got != "pass" {
					t.Errorf("waiting, a minute later: %s, want pass", got)
				}
			})
		})
	}
}

// TestRestartWithOtherRules: what waits is run by the rules of the server that runs it.
func TestRestartWithOtherRules(t *testing.T) {
	const not = "could not tell: the run was not started: "
	posted := order{job: job{plan: "shop", posted: true}, text: []byte(goodPlan)}
	exec := order{job: job{plan: "shop", posted: true}, text: []byte(execPlan)}
	mounted := order{job: job{plan: "a"}, variables: map[string]string{"LEAKGATE_PLAN_ADMIN": "http://h"}}
	hook := mounted
	hook.webhook = true
	for _, c := range []struct {
		name   string
		o      order
		change func(t *testing.T, c *Config)
		want   string // headline
	}{
		{"a posted plan", posted, func(*testing.T, *Config) {}, "a headline"},
		{"a posted plan, mounted only", posted, func(_ *testing.T, c *Config) { c.MountedOnly = true },
			not + "this server runs mounted plans only"},
		{"a command", exec, func(*testing.T, *Config) {}, "a headline"},
		{"a command, no longer allowed", exec, func(_ *testing.T, c *Config) { c.AllowExec = false },
			not + "plan:2: load.exec.command runs a command on the server"},
		{"a variable", mounted, func(*testing.T, *Config) {}, "a headline"},
		{"a variable that the server has now", mounted, func(_ *testing.T, c *Config) {
			c.Env = []string{"LEAKGATE_PLAN_ADMIN=http://shop"}
		}, not + "variables: LEAKGATE_PLAN_ADMIN is set by the server"},
		{"a webhook's variable", hook, func(*testing.T, *Config) {}, "a headline"},
		{"a webhook's variable, no longer listed", hook, func(_ *testing.T, c *Config) { c.RequestVariables = nil },
			not + "variables: a webhook must not set LEAKGATE_PLAN_ADMIN"},
		{"a mounted plan that is gone", mounted, func(t *testing.T, c *Config) {
			if err := os.Remove(filepath.Join(c.Plans, "a"+planEnding)); err != nil {
				t.Error(err)
			}
		}, not + `plan "a": no such plan`},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := &plays{}
			cfg := config(t, p, "a")
			cfg.AllowExec, cfg.RequestVariables = true, []string{"LEAKGATE_PLAN_ADMIN"}
			s := open(t, cfg)
			ask(t, s, "a", "") // both names are taken, so that the next one waits
			if _, _, err := s.submit(order{job: job{plan: "shop", posted: true}, text: []byte(goodPlan)}); err != nil {
				t.Fatal(err)
			}
			waiting, _, err := s.submit(c.o)
			if err != nil || waiting.State != Queued {
				t.Fatalf("%s: %s, %v", c.name, waiting.State, err)
			}
			synctest.Wait()
			shut(t, s)
			before := p.count()
			c.change(t, &cfg)
			s = open(t, cfg)
			defer shut(t, s)
			r, err := s.wait(t.Context(), waiting.ID, 2*playTime)
			if err != nil || !strings.HasPrefix(r.Headline, c.want) {
				t.Errorf("%s: %q, %v; want %q", c.name, r.Headline, err, c.want)
			}
			if started := p.count() > before; started == strings.HasPrefix(c.want, not) {
				t.Errorf("%s: started %v", c.name, started)
			}
		})
	}
}

func TestNothingStartsWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plays{}
		s := open(t, config(t, p, "a"))
		ask(t, s, "a", "")
		ask(t, s, "a", "")
		synctest.Wait()
		s.Stop()
		if _, _, err := s.submit(order{job: job{plan: "a"}}); !errors.Is(err, errStopping) {
			t.Errorf("submit = %v, want %v", err, errStopping)
		}
		shut(t, s)
		if n := p.count(); n != 1 {
			t.Errorf("%d runs were started, want 1", n)
		}
	})
}

// TestPassThatCannotBeStored: after a restart it would be inconclusive, and so it is at once.
func TestPassThatCannotBeStored(t *testing.T) {
	for _, c := range []struct {
		plan string
		want string
	}{{"pass", "inconclusive"}, {"fail", "fail"}} {
		synctest.Test(t, func(t *testing.T) {
			cfg := config(t, &plays{}, c.plan)
			s := open(t, cfg)
			r := ask(t, s, c.plan, "")
			time.Sleep(playTime / 2)
			synctest.Wait()
			name := s.store.path(r.ID, runFile)
			if err := errors.Join(os.Remove(name), os.MkdirAll(filepath.Join(name, "x"), 0o700)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(playTime)
			synctest.Wait()
			if got := state(t, s, r.ID); got != c.want {
				t.Errorf("%s, not stored = %s, want %s", c.plan, got, c.want)
			}
			shut(t, s)
		})
	}
}

func TestKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, &plays{}, "a", "b")
		cfg.Keep, cfg.KeepTotal = 2, 3
		s := open(t, cfg)
		defer shut(t, s)
		var ids []string
		for _, plan := range []string{"a", "a", "a", "b", "b"} {
			r, err := s.wait(t.Context(), ask(t, s, plan, "k"+fmt.Sprint(len(ids))).ID, 2*playTime)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, r.ID)
		}
		// The first goes as the third of its plan, the second as the fourth of all.
		for i, want := range []bool{false, false, true, true, true} {
			_, _, err := s.get(ids[i])
			_, onDisk := os.Stat(s.store.path(ids[i], runFile))
			if got := err == nil; got != want || (onDisk == nil) != want {
				t.Errorf("run %d is kept: %v, on disk %v; want %v", i, got, onDisk, want)
			}
		}
		if _, ok := s.latest(job{plan: "a", key: "k0"}); ok {
			t.Error("the key of a run that is gone is still known")
		}
	})
}

func TestStateIsOneServers(t *testing.T) {
	cfg := config(t, &plays{})
	s := open(t, cfg)
	defer shut(t, s)
	if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), "another leakgate serve uses it") {
		t.Errorf("a second server on the same state: %v", err)
	}
}

// TestBrokenRunIsLeftOut: one unreadable record must not keep the server from starting.
func TestBrokenRunIsLeftOut(t *testing.T) {
	cfg := config(t, &plays{})
	id := "20261125-204818-5c71b8cf"
	dir := filepath.Join(cfg.State, "runs", id)
	err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, runFile), []byte("{"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, cfg)
	defer shut(t, s)
	if runs := s.list(""); len(runs) != 0 {
		t.Errorf("runs = %v", runs)
	}
	if _, err := os.Stat(filepath.Join(dir, runFile)); err != nil {
		t.Errorf("it was touched: %v", err)
	}
}
