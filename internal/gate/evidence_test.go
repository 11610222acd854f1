package gate

import (
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

// countOf is how many goroutines a capture has of a function.
func countOf(c record.Capture, function string) int {
	return c.Profile.Count()["example.com/shop."+function]
}

func TestMovement(t *testing.T) {
	metrics := func(f *fake) { f.counter, f.metrics = "go_goroutines", true }
	for _, c := range []struct {
		name     string
		source   func(f *fake) Source
		service  func(f *fake)
		profiles int // of a round
		pool     int // the fewest workers seen
		gaps     int
	}{
		// Ten seconds of load: a profile a second, but for the first.
		{name: "by profile", profiles: 9, pool: 50},
		{name: "by metrics", service: metrics, profiles: 9, pool: 50},
		{name: "every profile takes half a second", profiles: 6, pool: 50,
			service: func(f *fake) { f.takes = 500 * time.Millisecond }},
		{name: "no profile under load, and metrics", gaps: 18, service: func(f *fake) {
			metrics(f)
			f.answer = func(what string, _ int, _ time.Duration) error {
				if what == "profile" && f.loading {
					return lostAnswer("shop")
				}
				return nil
			}
		}},
		{name: "too large under load", gaps: 18, service: func(f *fake) {
			f.answer = func(what string, _ int, _ time.Duration) error {
				if what == "profile" && f.loading {
					return largeAnswer("shop")
				}
				return nil
			}
		}},
		{name: "one of them fails", profiles: 8, pool: 50, gaps: 2, service: func(f *fake) {
			metrics(f)
			f.answer = func(what string, _ int, at time.Duration) error {
				if what == "profile" && f.loading && (at/time.Second)%13 == 0 {
					return lostAnswer("shop")
				}
				return nil
			}
		}},
		{name: "scraped", source: func(f *fake) Source { return scraped{f, 5 * time.Second} }},
	} {
		bubble(t, c.name, func(t *testing.T) {
			f := newFake("shop")
			f.pool = 100
			if c.service != nil {
				c.service(f)
			}
			var source Source = process{f}
			if c.source != nil {
				source = c.source(f)
			}
			r := newRig(source)
			run := r.run(t, t.Context())
			if v := r.judge(run); v.Outcome != verdict.Pass {
				t.Errorf("outcome %s: %s", v.Outcome, v.Headline)
			}
			all := capturesOf(run, record.Loaded, "shop")
			want := 0
			if c.profiles > 0 {
				want = 2 // rounds
			}
			if len(all) != want {
				t.Errorf("%d captures of load, want %d", len(all), want)
			}
			for i, p := range all {
				due := p.Seq == c.profiles || p.Seq == c.profiles-1
				if p.Round != i+1 || !due || countOf(p, "pool") != c.pool || countOf(p, "main") != 3 {
					t.Errorf("round %d: %d profiles, at least %d of the pool; want %d, %d",
						p.Round, p.Seq, countOf(p, "pool"), c.profiles, c.pool)
				}
				if !strings.HasSuffix(p.File, fmt.Sprintf("loaded-%d-%d.pb.gz", p.Round, p.Seq)) {
					t.Errorf("round %d is kept in %q", p.Round, p.File)
				}
			}
			gaps := 0
			for _, g := range run.Gaps {
				gaps++
				if g.Needed || g.Kind != record.Loaded {
					t.Errorf("a gap that the verdict needs: %+v", g)
				}
			}
			if gaps > c.gaps || gaps < c.gaps*8/10 {
				t.Errorf("%d gaps, want about %d", gaps, c.gaps)
			}
		})
	}
}

// What leaked does not move: the floor of a round is what the round before left, and a little.
func TestMovementOfALeak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake("shop")
		f.leaks = 5 // 200 a round
		r := newRig(process{f})
		run := r.run(t, t.Context())
		for _, p := range capturesOf(run, record.Loaded, "shop") {
			before := run.Captures[slices.IndexFunc(run.Captures, func(c record.Capture) bool {
				return c.Round == p.Round-1 && (c.Kind == record.Settling || c.Kind == record.Baseline)
			})]
			if low, base := countOf(p, "leak"), countOf(before, "leak"); low < base || low > base+100 {
				t.Errorf("round %d: at least %d leaked under load, %d before", p.Round, low, base)
			}
		}
	})
}

// A profile that is under way when the load ends belongs to no round.
func TestMovementIsOfItsRound(t *testing.T) {
	var m movement
	m.begin(1, 10*time.Second)
	for _, c := range []struct {
		at   time.Duration
		want int
	}{
		{10 * time.Second, 0}, {10500 * time.Millisecond, 0}, // in the first second
		{11 * time.Second, 1}, {11500 * time.Millisecond, 0}, {12 * time.Second, 1},
	} {
		if got := m.due("shop", c.at); got != c.want {
			t.Errorf("due(%s) = %d, want %d", c.at, got, c.want)
		}
	}
	p := &stacks.Profile{}
	if !m.add("shop", 1, p) || m.add("shop", 1, p) || m.add("shop", 2, p) || m.add("other", 1, p) {
		t.Error("the first profile of a target that is due has to be kept, and no other")
	}
	if round, floors := m.end(); round != 1 || floors["shop"].least.Profiles() != 2 {
		t.Errorf("end() = %d, %v, want two profiles of round 1", round, floors)
	}
	if m.due("shop", 20*time.Second) != 0 || m.add("shop", 1, p) {
		t.Error("a profile is due, or taken, when no round is loaded")
	}
}

// byCreator is a rule that can only be applied to a dump.
func byCreator(c *Config) {
	c.Policy.Ignore = []verdict.Rule{{CreatedBy: "shop.leaky$", Reason: "known"}}
}

func TestDumps(t *testing.T) {
	failing := func(until time.Duration) func(f *fake) {
		return func(f *fake) {
			f.leaks = 5
			f.answer = func(what string, _ int, at time.Duration) error {
				if what == "dump" && at < until {
					return lostAnswer("shop")
				}
				return nil
			}
		}
	}
	for _, c := range []struct {
		name    string
		service func(f *fake)
		config  func(c *Config)
		dumps   string // the rounds and numbers of those that were taken
		notes   int
		want    verdict.Outcome
	}{
		{name: "a pass has none", dumps: "", want: verdict.Pass},
		{name: "a fail has one before its long look", service: func(f *fake) { f.leaks = 5 }, dumps: "3-1", want: verdict.Fail},
		{name: "a proven leak has one at the end", service: func(f *fake) { f.leaks, f.proves = 5, true }, dumps: "0-1", want: verdict.Fail},
		{name: "a rule names the creator", service: func(f *fake) { f.leaks = 5 }, config: byCreator,
			dumps: "3-1", want: verdict.Pass},
		{name: "the rule names another", service: func(f *fake) { f.leaks = 5 },
			config: func(c *Config) {
				c.Policy.Ignore = []verdict.Rule{{CreatedBy: "nobody", Reason: "known"}}
			}, dumps: "3-1", want: verdict.Fail},
		// Each moment has one try: after the window, after the long look, and at the end.
		{name: "none can be had", service: failing(time.Hour), config: byCreator, dumps: "", notes: 3, want: verdict.Fail},
		{name: "none can be had at first", service: failing(50 * time.Second), config: byCreator, dumps: "3-2", notes: 1,
			want: verdict.Pass},
		{name: "too many goroutines", config: byCreator, notes: 3, want: verdict.Fail,
			service: func(f *fake) {
				f.leaks, f.pool = 5, maxDump
			}},
	} {
		bubble(t, c.name, func(t *testing.T) {
			f := newFake("shop")
			if c.service != nil {
				c.service(f)
			}
			r := newRig(process{f})
			r.Attribute = false
			if c.config != nil {
				c.config(&r.Config)
			}
			run := r.run(t, t.Context())
			var dumps []string
			for _, p := range capturesOf(run, record.Evidence, "shop") {
				dumps = append(dumps, fmt.Sprintf("%d-%d", p.Round, p.Seq))
			}
			notes := 0
			for _, n := range run.Notes {
				if n.Code == "no-dump" {
					notes++
				}
			}
			v := r.judge(run)
			if got := strings.Join(dumps, " "); got != c.dumps || notes != c.notes || v.Outcome != c.want {
				t.Errorf("dumps %q, %d notes, outcome %s (%s), want %q, %d, %s; phases %s, notes %v",
					got, notes, v.Outcome, v.Headline, c.dumps, c.notes, c.want, phasesOf(run), run.Notes)
			}
		})
	}
}

// The verdict may want dumps whatever it wants beside: each is taken once a moment, and then it
// is asked again.
func TestDumpsOnRequest(t *testing.T) {
	const looked = 3 // captures of a long look
	count := func(run record.Run, kind record.Kind) (n int) {
		for _, c := range run.Captures {
			if c.Kind == kind && c.Target == "shop" {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		name  string
		step  func(run record.Run, rounds, looks int) verdict.Step
		fails int    // dumps of the shop that cannot be had, the first ones
		dumps string // target, round and number
		asks  int    // for dumps
	}{
		{name: "before a round, and again and again", dumps: "shop 0-1 shop 1-1", asks: 2,
			step: func(_ record.Run, rounds, _ int) verdict.Step {
				if rounds < 2 {
					return verdict.Step{Action: verdict.Load, Dump: []string{"shop"}}
				}
				return verdict.Step{Action: verdict.Stop}
			}},
		{name: "before a long look, and at its end", dumps: "shop 1-1 shop 1-2", asks: 2,
			step: func(_ record.Run, rounds, looks int) verdict.Step {
				switch {
				case rounds == 0:
					return verdict.Step{Action: verdict.Load}
				case looks < looked:
					return verdict.Step{Action: verdict.Watch, Targets: []string{"shop"}, Until: time.Minute, Dump: []string{"shop"}}
				}
				return verdict.Step{Action: verdict.Stop, Dump: []string{"shop"}}
			}},
		{name: "at the end of a look that goes on", dumps: "other 1-2 shop 1-2", asks: 2,
			step: func(run record.Run, rounds, looks int) verdict.Step {
				switch {
				case rounds == 0:
					return verdict.Step{Action: verdict.Load}
				case count(run, record.Evidence) > 0:
					return verdict.Step{Action: verdict.Stop}
				case looks < looked:
					return verdict.Step{Action: verdict.Watch, Targets: []string{"shop"}, Until: time.Minute}
				}
				return verdict.Step{Action: verdict.Watch, Targets: []string{"shop"}, Dump: []string{"shop", "other"}}
			}},
		{name: "refused before a long look, and asked for once more after it", fails: 2, dumps: "", asks: 2,
			step: func(_ record.Run, rounds, looks int) verdict.Step {
				switch {
				case rounds == 0:
					return verdict.Step{Action: verdict.Load}
				case looks < looked:
					return verdict.Step{Action: verdict.Watch, Targets: []string{"shop"}, Until: time.Minute, Dump: []string{"shop"}}
				}
				return verdict.Step{Action: verdict.Stop, Dump: []string{"shop"}}
			}},
		{name: "a look that a dump prolongs", dumps: "shop 1-2", asks: 1,
			step: func(run record.Run, rounds, looks int) verdict.Step {
				switch {
				case rounds == 0:
					return verdict.Step{Action: verdict.Load}
				case looks < looked:
					return verdict.Step{Action: verdict.Watch, Targets: []string{"shop"}, Until: time.Minute}
				case count(run, record.Evidence) == 0:
					return verdict.Step{Action: verdict.Stop, Dump: []string{"shop"}}
				case looks < 2*looked:
					return verdict.Step{Action: verdict.Watch, Targets: []string{"shop"}, Until: time.Minute}
				}
				return verdict.Step{Action: verdict.Stop}
			}},
		{name: "a second look, for a dump that was refused before the first", fails: 1, dumps: "shop 1-2", asks: 2,
			step: func(run record.Run, rounds, looks int) verdict.Step {
				step := verdict.Step{Action: verdict.Watch, Targets: []string{"shop"}, Until: time.Minute}
				if count(run, record.Evidence) == 0 {
					step.Dump = []string{"shop"}
				}
				switch {
				case rounds == 0:
					step = verdict.Step{Action: verdict.Load}
				case looks == looked && step.Dump != nil, looks == 2*looked:
					step.Action = verdict.Stop
				}
				return step
			}},
	} {
		bubble(t, c.name, func(t *testing.T) {
			shop, other := newFake("shop"), newFake("other")
			shop.answer = func(what string, n int, _ time.Duration) error {
				if what == "dump" && n <= c.fails {
					return lostAnswer("shop")
				}
				return nil
			}
			r := newRig(process{shop}, process{other})
			r.next = func(run record.Run, _ verdict.Policy) verdict.Step {
				rounds := 0
				for _, l := range run.Loads {
					rounds = max(rounds, l.Round)
				}
				return c.step(run, rounds, count(run, record.Confirm))
			}
			run := r.run(t, t.Context())
			var dumps []string
			files := map[string]bool{}
			for _, p := range run.Captures {
				if p.Kind == record.Evidence {
					dumps = append(dumps, fmt.Sprintf("%s %d-%d", p.Target, p.Round, p.Seq))
				}
				if files[p.File] {
					t.Errorf("%s is written twice", p.File)
				}
				files[p.File] = true
			}
			slices.Sort(dumps)
			if got, asks := strings.Join(dumps, " "), shop.asked["dump"]+other.asked["dump"]; got != c.dumps || asks != c.asks {
				t.Errorf("dumps %q after %d questions, want %q after %d; phases %s", got, asks, c.dumps, c.asks, phasesOf(run))
			}
		})
	}
}

func TestTrials(t *testing.T) {
	for _, c := range []struct {
		name    string
		config  func(c *Config)
		answer  func(f *fake) func(what string, n int, at time.Duration) error
		trials  int
		stopped string // of the last trial
		note    bool
	}{
		{name: "both requests alone", trials: 2},
		{name: "not asked for", config: func(c *Config) { c.Attribute = false }},
		{name: "over the cap", config: func(c *Config) { c.Goroutines = 2000 },
			trials: 1, stopped: "safety.goroutines is 2000"},
		{name: "no answer before the first", note: true, answer: func(f *fake) func(string, int, time.Duration) error {
			return func(what string, _ int, at time.Duration) error {
				if what == "total" && at > 173*time.Second { // the look is over
					return lostAnswer("shop")
				}
				return nil
			}
		}},
		{name: "no answer after the first", note: true, trials: 1,
			answer: func(f *fake) func(string, int, time.Duration) error {
				return func(what string, _ int, at time.Duration) error {
					if what == "profile" && f.asked["dump"] > 0 && f.tried {
						return lostAnswer("shop")
					}
					return nil
				}
			}},
	} {
		bubble(t, c.name, func(t *testing.T) {
			f := newFake("shop")
			f.leaks = 20 // rare enough for a trial to take more than a second
			f.profiles = func(p *stacks.Profile) {
				if f.trying {
					p.Total += 2000
				}
			}
			if c.answer != nil {
				f.answer = c.answer(f)
			}
			r := newRig(process{f})
			if c.config != nil {
				c.config(&r.Config)
			}
			run := r.run(t, t.Context())
			if v := r.judge(run); v.Outcome != verdict.Fail || run.End.Reason != record.Complete {
				t.Errorf("outcome %s: %s; ended %s", v.Outcome, v.Headline, run.End.Reason)
			}
			stopped := ""
			for _, x := range run.Trials {
				stopped = x.Stopped
			}
			note := slices.ContainsFunc(run.Notes, func(n record.Note) bool { return n.Code == "no-attribution" })
			asWanted := strings.Contains(stopped, c.stopped) && (stopped == "") == (c.stopped == "")
			if len(run.Trials) != c.trials || !asWanted || note != c.note {
				t.Errorf("%d trials, the last stopped by %q, note: %t; want %d, %q, %t; notes %v",
					len(run.Trials), stopped, note, c.trials, c.stopped, c.note, run.Notes)
			}
			for i, x := range run.Trials {
				got := 0
				for _, p := range capturesOf(run, record.Trying, "shop") {
					if p.Round == i+1 {
						got++
					}
				}
				if got != trialWindow && !c.note {
					t.Errorf("%d captures after trial %d, want %d", got, i+1, trialWindow)
				}
				if x.Round != i+1 || len(x.Only) != 1 {
					t.Errorf("trial %d is number %d, of the entries %v", i+1, x.Round, x.Only)
				}
			}
		})
	}
}

// Goroutines that connections have while they are held are captured twice in each round.
func TestHolding(t *testing.T) {
	for _, c := range []struct {
		name   string
		held   bool
		answer func(f *fake) func(what string, n int, at time.Duration) error
		want   int
		code   string // the run's end
	}{
		{name: "nothing is held", want: 0},
		{name: "held", held: true, want: 4},
		{name: "a copy", held: true, want: 0, code: "profile-stale",
			answer: func(f *fake) func(string, int, time.Duration) error {
				return func(what string, _ int, _ time.Duration) error {
					if what == "profile" && f.loading {
						return staleAnswer("shop")
					}
					return nil
				}
			}},
		{name: "no answer", held: true, want: 0, answer: func(f *fake) func(string, int, time.Duration) error {
			return func(what string, _ int, _ time.Duration) error {
				if what == "profile" && f.loading {
					return lostAnswer("shop")
				}
				return nil
			}
		}},
	} {
		bubble(t, c.name, func(t *testing.T) {
			f := newFake("shop")
			f.counter, f.metrics = "go_goroutines", true
			if c.answer != nil {
				f.answer = c.answer(f)
			}
			r := newRig(process{f})
			r.Held = c.held
			run := r.run(t, t.Context())
			if got := len(capturesOf(run, record.Holding, "shop")); got != c.want || run.End.Code != c.code {
				t.Errorf("%d captures of held connections, ended by %q; want %d, %q", got, run.End.Code, c.want, c.code)
			}
		})
	}
}
