package gate

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// rig is a gate on made-up services, within a bubble.
type rig struct {
	*Gate
	driver  *generator
	watcher *watcher
}

// newRig makes a gate with the defaults of a plan but for shorter times.
func newRig(sources ...Source) *rig {
	r := &rig{driver: &generator{}, watcher: &watcher{}}
	for _, s := range sources {
		switch s := s.(type) {
		case process:
			r.driver.services = append(r.driver.services, s.fake)
		case scraped:
			r.driver.services = append(r.driver.services, s.fake)
		}
	}
	r.Gate = New(Config{
		Settings: Settings{
			Warmup: 5 * time.Second, Round: 10 * time.Second, Quiet: 2 * time.Second, Timeout: 30 * time.Second,
			Attribute: true,
		},
		Policy: verdict.DefaultPolicy(), Driver: r.driver, Began: time.Now(), Observer: r.watcher,
		Discover: func(context.Context) ([]Source, []Found) { return sources, nil },
		Writer:   record.InMemory(record.Header{Plan: "test", Started: time.Now()}),
		Mask:     func(text string) string { return strings.ReplaceAll(text, "secret", "***") },
	})
	return r
}

// bubble runs f in virtual time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, f)
	})
}

// run plays the run to its end, in which no write may fail.
func (r *rig) run(t *testing.T, ctx context.Context) record.Run {
	t.Helper()
	run, err := r.Run(ctx)
	if err != nil {
		t.Fatalf("recording: %v", err)
	}
	return run
}

func (r *rig) judge(run record.Run) verdict.Verdict { return verdict.Judge(run, r.Policy) }

// watcher keeps what an observer is told.
type watcher struct {
	Silent
	begun []string
	said  []string
}

func (w *watcher) Begin(p record.Phase, _ time.Duration, _ string) {
	name := string(p.Kind)
	if p.Round > 0 {
		name += fmt.Sprint(p.Round)
	}
	w.begun = append(w.begun, name)
}

func (w *watcher) Say(text string) { w.said = append(w.said, text) }

// phasesOf are the phases that were recorded.
func phasesOf(run record.Run) string {
	var out []string
	for _, p := range run.Phases {
		name := string(p.Kind)
		if p.Round > 0 {
			name += fmt.Sprint(p.Round)
		}
		out = append(out, name)
	}
	return strings.Join(out, " ")
}

// capturesOf are the captures of one kind, of a target.
func capturesOf(run record.Run, kind record.Kind, target string) []record.Capture {
	return slices.DeleteFunc(slices.Clone(run.Captures), func(c record.Capture) bool {
		return c.Kind != kind || c.Target != target
	})
}

const healthyRounds = "preflight warmup baseline round1 settle1 round2 settle2"

func TestRun(t *testing.T) {
	// A target that Prometheus scrapes every 5 s.
	byScrape := func(f *fake) Source { return scraped{f, 5 * time.Second} }
	byProfile := func(f *fake) Source { return process{f} }
	for _, c := range []struct {
		name    string
		source  func(f *fake) Source
		service func(f *fake)
		config  func(c *Config)
		want    verdict.Outcome
		phases  string // the first of them
	}{
		{name: "nothing happens", want: verdict.Pass, phases: healthyRounds},
		{name: "a leak", service: func(f *fake) { f.leaks = 5 }, want: verdict.Fail, phases: healthyRounds},
		{name: "a pool of 200", service: func(f *fake) { f.pool = 200 }, want: verdict.Pass, phases: healthyRounds},
		{name: "a leak beside a pool of 200", service: func(f *fake) { f.pool, f.leaks = 200, 5 }, want: verdict.Fail},
		{name: "counted by metrics",
			service: func(f *fake) { f.counter, f.metrics = "go_goroutines", true }, want: verdict.Pass},
		{name: "a leak, counted by metrics", want: verdict.Fail,
			service: func(f *fake) { f.counter, f.metrics, f.leaks = "go_goroutines", true, 5 }},
		{name: "work that goes on for 100 s", service: func(f *fake) { f.lasts = 100 * time.Second }, want: verdict.Pass},
		{name: "a leak beside work that goes on for 20 s", want: verdict.Fail,
			service: func(f *fake) { f.lasts, f.leaks = 20*time.Second, 5 }},
		{name: "what a collection frees", service: func(f *fake) { f.freed = 200 }, want: verdict.Pass},
		{name: "a leak beside what a collection frees", want: verdict.Fail,
			service: func(f *fake) { f.freed, f.leaks = 200, 5 }},
		{name: "scraped", source: byScrape, want: verdict.Pass, phases: healthyRounds},
		{name: "a leak, scraped", source: byScrape, service: func(f *fake) { f.leaks = 1 }, want: verdict.Fail},
		{name: "nothing is proven", service: func(f *fake) { f.proves = true }, want: verdict.Pass, phases: healthyRounds},
		{name: "one goroutine is proven to leak", want: verdict.Fail,
			service: func(f *fake) { f.proves, f.leaks = true, 1900 }},
		{name: "no warm-up", config: func(c *Config) { c.Warmup = 0 },
			want: verdict.Pass, phases: "preflight baseline round1"},
		{name: "a leak without a warm-up", service: func(f *fake) { f.leaks = 5 },
			config: func(c *Config) { c.Warmup = 0 }, want: verdict.Fail, phases: "preflight baseline round1"},
		{name: "nobody watches, and nothing is secret", want: verdict.Pass,
			config: func(c *Config) { c.Observer, c.Mask = nil, nil }},
	} {
		bubble(t, c.name, func(t *testing.T) {
			f := newFake("shop")
			if c.service != nil {
				c.service(f)
			}
			source := c.source
			if source == nil {
				source = byProfile
			}
			r := newRig(source(f))
			if c.config != nil {
				c.config(&r.Config)
				r.Gate = New(r.Config)
			}
			run := r.run(t, t.Context())
			v := r.judge(run)
			if v.Outcome != c.want {
				t.Errorf("outcome %s (%s), want %s; phases %s", v.Outcome, v.Headline, c.want, phasesOf(run))
			}
			if run.End.Reason != record.Complete {
				t.Errorf("ended %s: %s", run.End.Reason, run.End.Message)
			}
			if !strings.HasPrefix(phasesOf(run), c.phases) {
				t.Errorf("phases %s, want %s first", phasesOf(run), c.phases)
			}
			if got := strings.Join(r.watcher.begun, " "); c.name[0] != 'o' && r.Observer == r.watcher && got != phasesOf(run) {
				t.Errorf("the observer was told of %s, recorded is %s", got, phasesOf(run))
			}
		})
	}
}

// After a decision, nothing is asked that is not about the answer: of a pass, nothing.
func TestNothingAfterTheDecision(t *testing.T) {
	for _, c := range []struct {
		name  string
		leaks int
		want  string // phases from the last settling or long look on
	}{
		{"a pass", 0, ""},
		{"a fail", 5, "trial1 trial2"},
	} {
		bubble(t, c.name, func(t *testing.T) {
			f := newFake("shop")
			f.leaks = c.leaks
			r := newRig(process{f})
			run := r.run(t, t.Context())
			decided := run.Phases[0]
			for _, p := range run.Phases {
				if p.Kind == record.Settling || p.Kind == record.Confirm {
					decided = p
				}
			}
			after := []string{}
			for _, p := range run.Phases {
				if p.Start >= decided.End {
					after = append(after, fmt.Sprintf("%s%d", p.Kind, p.Round))
				}
			}
			if got := strings.ReplaceAll(strings.Join(after, " "), "evidence0", "evidence"); got != c.want {
				t.Errorf("after the decision: %q, want %q", got, c.want)
			}
			for _, s := range f.calls {
				allowed := c.leaks > 0 && slices.Contains([]string{"total", "dump", "profile"}, s.what)
				if s.at > decided.End && !allowed {
					t.Errorf("%s was asked for %s after the decision", s.what, s.at-decided.End)
				}
			}
			for _, s := range run.Samples {
				if s.At > decided.End {
					t.Errorf("a sample %s after the decision", s.At-decided.End)
				}
			}
		})
	}
}

func TestWindows(t *testing.T) {
	const scrape = 5 * time.Second
	for _, c := range []struct {
		name   string
		source func(f *fake) Source
		size   int
		every  time.Duration
	}{
		{"a process", func(f *fake) Source { return process{f} }, windowSize, windowEvery},
		{"scraped", func(f *fake) Source { return scraped{f, scrape} }, countedWindow, scrape},
	} {
		bubble(t, c.name, func(t *testing.T) {
			r := newRig(c.source(newFake("shop")))
			run := r.run(t, t.Context())
			for _, kind := range []record.Kind{record.Baseline, record.Settling} {
				all := capturesOf(run, kind, "shop")
				windows := 1
				if kind == record.Settling {
					windows = 2
				}
				if len(all) != windows*c.size {
					t.Errorf("%d captures of %s, want %d of %d", len(all), kind, windows, c.size)
				}
				for i, s := range all {
					if s.Seq != i%c.size+1 || s.Seq > 1 && s.At-all[i-1].At != c.every {
						t.Errorf("%s: capture %d has the number %d, %s into the run", kind, i, s.Seq, s.At)
					}
				}
			}
			// A round settles at least as long as the baseline did, less a poll.
			base := run.Settles[0].After
			for _, s := range run.Settles {
				if !s.Quiet || s.After < base-settleEvery || s.Last != 3 {
					t.Errorf("settled %+v, the baseline after %s", s, base)
				}
			}
		})
	}
}

// Every sample of a scrape is recorded once, at the time of the scrape.
func TestSamplesOfScrapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(scraped{newFake("shop"), 5 * time.Second})
		run := r.run(t, t.Context())
		last := time.Duration(-1)
		for _, s := range run.Samples {
			if !s.Metric { // a poll while settling
				continue
			}
			if s.At <= last || s.At%(5*time.Second) != 0 {
				t.Errorf("a sample at %s, after one at %s", s.At, last)
			}
			last = s.At
		}
		if last < 0 {
			t.Error("no sample of a scrape")
		}
	})
}

func TestSettle(t *testing.T) {
	for _, c := range []struct {
		name    string
		service func(f *fake)
		quiet   bool
		says    string // in the note
	}{
		// 100 goroutines leave within 10 s.
		{"drains in time", func(f *fake) { f.drains, f.drain = 100, 10 }, true, ""},
		// The same number, a quarter as fast.
		{"still falls", func(f *fake) { f.drains, f.drain = 100, 2.5 },
			false, "falling by 2.5 per second: back at its baseline of"},
		{"up and down", func(f *fake) {
			f.profiles = func(p *stacks.Profile) { p.Total += int(time.Since(f.began)/time.Second) * 4 }
		}, false, "still changing after 30s"},
	} {
		bubble(t, c.name, func(t *testing.T) {
			f := newFake("shop")
			c.service(f)
			r := newRig(process{f})
			run := r.run(t, t.Context())
			s := run.Settles[len(run.Settles)-1]
			if s.Quiet != c.quiet {
				t.Errorf("settled %+v, want quiet: %t", s, c.quiet)
			}
			var notes []string
			for _, n := range run.Notes {
				if n.Code == "not-settled" {
					notes = append(notes, n.Message)
				}
			}
			text := strings.Join(notes, "\n")
			if (c.says == "") != (text == "") || !strings.Contains(text, c.says) || len(notes) != len(r.watcher.said) {
				t.Errorf("notes %q, said %q, want %q", notes, r.watcher.said, c.says)
			}
		})
	}
}

// Rounds are looked at after the same delay as the baseline, which took long to settle here.
func TestSameDelay(t *testing.T) {
	for _, c := range []struct {
		name   string
		drains int // goroutines of the warm-up that leave, ten a second
		least  time.Duration
		most   time.Duration
	}{
		{"a quick baseline", 0, 2 * time.Second, 4 * time.Second},
		{"a slow one", 100, 9 * time.Second, 13 * time.Second},
	} {
		bubble(t, c.name, func(t *testing.T) {
			f := newFake("shop")
			f.profiles = func(p *stacks.Profile) {
				p.Total += max(0, c.drains-int(10*(f.now()-5*time.Second).Seconds()))
			}
			run := newRig(process{f}).run(t, t.Context())
			for _, s := range run.Settles {
				if s.After < c.least || s.After > c.most {
					t.Errorf("%s %d settled after %s, want %s to %s", s.Kind, s.Round, s.After, c.least, c.most)
				}
			}
		})
	}
}

// A long look ends when the verdict says so, and looks all targets over at its end.
func TestLongLook(t *testing.T) {
	for _, c := range []struct {
		name    string
		service func(f *fake)
		until   time.Duration // about
	}{
		{"a leak", func(f *fake) { f.leaks = 5 }, 128 * time.Second}, // 150 s after its first round,
		{"work that ends in it", func(f *fake) { f.lasts = 100 * time.Second }, 100 * time.Second},
	} {
		bubble(t, c.name, func(t *testing.T) {
			f := newFake("shop")
			c.service(f)
			r := newRig(process{f}, process{newFake("other")})
			run := r.run(t, t.Context())
			all := capturesOf(run, record.Confirm, "shop")
			if len(all) < 10 {
				t.Fatalf("%d captures of a long look; phases %s", len(all), phasesOf(run))
			}
			loaded := run.Loads[len(run.Loads)-1].End
			if took := all[len(all)-1].At - loaded; took < c.until-10*time.Second || took > c.until+10*time.Second {
				t.Errorf("the long look ended %s after the load, want about %s", took, c.until)
			}
			for i := 1; i < len(all); i++ {
				if d := all[i].At - all[i-1].At; all[i].Round == all[i-1].Round && d != mostLook {
					t.Errorf("%s between two captures, want %s", d, mostLook)
				}
			}
			if n := len(capturesOf(run, record.Confirm, "other")); n != 0 {
				t.Errorf("%d captures of a target that is not suspected", n)
			}
			memories := 0
			for _, m := range run.Memories {
				if m.Kind == record.Confirm {
					memories++
				}
			}
			if want := len(all) / collectEvery; memories != want {
				t.Errorf("%d collections in the long look, want %d", memories, want)
			}
		})
	}
}
