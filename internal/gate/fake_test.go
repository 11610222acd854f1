package gate

import (
	"context"
	"fmt"
	"sync"
	"syscall"
	"time"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// fake is a made-up service in virtual time. What is not set is that of a healthy one with
// three goroutines that never move.
type fake struct {
	name     string
	leaks    int           // one goroutine in so many requests of the first entry; 0: none
	pool     int           // workers, which leave their place while there is load
	lasts    time.Duration // how long work goes on that one request in ten of the first entry leaves behind
	freed    int           // goroutines per round that a collection frees
	drain    float64       // goroutines per second that leave, of drains
	drains   int           // goroutines that a round leaves behind, beside
	counter  string        // the metric that counts goroutines; empty: the profile is counted
	metrics  bool          // of its own
	proves   bool          // offers the goroutineleak profile
	takes    time.Duration // how long a profile takes
	profiles func(p *stacks.Profile)
	// answer is asked before every answer, with what is asked for, for which time, and when:
	// an error is what comes instead. The service is locked then.
	answer func(what string, n int, at time.Duration) error

	mu      sync.Mutex
	began   time.Time
	loading bool
	trying  bool // requests are loaded alone
	tried   bool // they were
	leaked  int
	rounds  int
	garbage int
	left    int
	endedAt time.Duration
	until   []time.Duration // when work ends that goes on
	taken   time.Time       // when the last profile was taken
	start   float64
	build   string
	asked   map[string]int
	calls   []call
}

// call is something that was asked of a service.
type call struct {
	at   time.Duration
	what string
}

func newFake(name string) *fake {
	return &fake{name: name, start: 1000, build: "b1", began: time.Now(), asked: map[string]int{}}
}

func (f *fake) now() time.Duration { return time.Since(f.began) }

// ask notes that something is asked for, and says what comes instead of an answer.
func (f *fake) ask(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked[what]++
	f.calls = append(f.calls, call{f.now(), what})
	if f.answer == nil {
		return nil
	}
	return f.answer(what, f.asked[what], f.now())
}

// serve answers requests of each entry.
func (f *fake) serve(sent []int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loading = true
	for range sent[0] {
		f.rounds++ // of requests
		if f.leaks > 0 && f.rounds%f.leaks == 0 {
			f.leaked++
		}
		if f.lasts > 0 && f.rounds%10 == 0 {
			f.until = append(f.until, f.now()+f.lasts)
		}
	}
}

// rest is the end of a load; of the warm-up, nothing is left that drains.
func (f *fake) rest(phase loadgen.Phase) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loading, f.endedAt = false, f.now()
	f.garbage = f.freed
	f.tried, f.trying = f.tried || phase.Only != nil, false
	if phase.Round > 0 {
		f.left = f.drains
	}
}

// later is now, or just after a moment that was not before it: answers take no time here,
// and no two profiles are taken at once.
func later(last, now time.Time) time.Time {
	if now.After(last) {
		return now
	}
	return last.Add(time.Microsecond)
}

// profile is what the service is at.
func (f *fake) profile() *stacks.Profile {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken = later(f.taken, time.Now())
	p := &stacks.Profile{BuildID: f.build, Time: f.taken}
	add := func(function string, n int, creator string) {
		if n <= 0 {
			return
		}
		at := stacks.Frame{Function: "example.com/shop." + function, File: "shop.go", Line: 7}
		s := stacks.Stack{Key: at.Function, Frames: []stacks.Frame{at}, State: "chan receive", Count: n}
		if creator != "" {
			s.CreatedBy = &stacks.Frame{Function: creator, File: "shop.go", Line: 3}
		}
		p.Stacks = append(p.Stacks, s)
		p.Total += n
	}
	add("main", 3, "")
	add("leak", f.leaked, "example.com/shop.leaky")
	add("finalized", f.garbage, "")
	if n := f.left - int(f.drain*(f.now()-f.endedAt).Seconds()); !f.loading {
		add("drains", n, "")
	}
	working := 0
	for _, u := range f.until {
		if u > f.now() {
			working++
		}
	}
	add("work", working, "")
	busy := 0
	if f.loading {
		busy = f.pool / 2
	}
	add("pool", f.pool-busy, "")
	add("handler", busy, "")
	if f.profiles != nil {
		f.profiles(p)
	}
	return p
}

func (f *fake) Name() string         { return f.name }
func (f *fake) Every() time.Duration { return 0 }

func (f *fake) Identify(context.Context) (record.Target, error) {
	t := record.Target{Name: f.name, Counter: f.counter, Profiles: []string{"goroutine"}}
	if f.proves {
		t.Profiles = append(t.Profiles, probe.LeakProfile)
	}
	t.Identity = f.seen()
	return t, f.ask("identify")
}

func (f *fake) seen() record.Identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	return record.Identity{Target: f.name, Start: f.start}
}

func (f *fake) Count(ctx context.Context) (record.Sample, record.Identity, error) {
	if f.counter == "" {
		n, err := f.Total(ctx)
		return record.Sample{Target: f.name, Goroutines: n}, record.Identity{Target: f.name}, err
	}
	err := f.ask("count")
	return record.Sample{Target: f.name, Goroutines: f.profile().Total, Metric: true}, f.seen(), err
}

func (f *fake) Identity(_ context.Context, collect bool) (record.Identity, error) {
	if !collect {
		return f.seen(), f.ask("identity")
	}
	err := f.ask("collect")
	if err == nil {
		f.mu.Lock()
		f.garbage = 0
		f.mu.Unlock()
	}
	return f.seen(), err
}

func (f *fake) Memory(context.Context) (record.Memory, record.Identity, []byte, error) {
	err := f.ask("memory")
	s := f.seen()
	return record.Memory{Target: f.name, Heap: 1 << 20}, s, nil, err
}

func (f *fake) Goroutines(ctx context.Context) ([]byte, *stacks.Profile, error) {
	if err := f.ask("profile"); err != nil {
		return nil, nil, err
	}
	if err := sleep(ctx, f.takes); err != nil {
		return nil, nil, lost(f.name, "profile", err)
	}
	p := f.profile()
	for i := range p.Stacks {
		p.Stacks[i].CreatedBy = nil
	}
	return []byte("a profile"), p, nil
}

func (f *fake) Total(ctx context.Context) (int, error) {
	if err := f.ask("total"); err != nil {
		return 0, err
	}
	if err := sleep(ctx, f.takes); err != nil {
		return 0, lost(f.name, "profile", err)
	}
	return f.profile().Total, nil
}

// process is a fake that has stacks.
type process struct{ *fake }

func (p process) Measured() bool { return p.metrics }

func (p process) Leaked(context.Context) ([]byte, *stacks.Profile, error) {
	if err := p.ask("proof"); err != nil {
		return nil, nil, err
	}
	all := p.profile()
	out := &stacks.Profile{Time: all.Time}
	for _, s := range all.Stacks {
		if s.Frames[0].Function == "example.com/shop.leak" {
			out.Stacks, out.Total = append(out.Stacks, s), s.Count
		}
	}
	return []byte("a profile"), out, nil
}

func (p process) Dump(context.Context) ([]byte, *stacks.Profile, error) {
	dump := p.profile()
	for i, s := range dump.Stacks { // all have waited for long: nothing takes work here
		dump.Stacks[i].Wait, dump.Stacks[i].Waited = 2*time.Minute, s.Count
	}
	return []byte("goroutine 1 [running]:\n"), dump, p.ask("dump")
}

func (p process) Release(*stacks.Profile) {}

// scraped is a fake of which only a scraper knows how many goroutines it has.
type scraped struct {
	*fake
	every time.Duration
}

func (s scraped) Every() time.Duration { return s.every }

func (s scraped) Identify(ctx context.Context) (record.Target, error) {
	t, err := s.fake.Identify(ctx)
	t.CountOnly, t.Every, t.Profiles, t.Counter = true, s.every, nil, "go_goroutines"
	return t, err
}

// Count is of the last scrape.
func (s scraped) Count(context.Context) (record.Sample, record.Identity, error) {
	n := s.profile().Total
	taken := s.began.Add(s.now().Truncate(s.every))
	return record.Sample{Target: s.name, Goroutines: n, Metric: true, Taken: taken}, s.seen(), s.ask("count")
}

func (s scraped) Goroutines(ctx context.Context) ([]byte, *stacks.Profile, error) {
	if err := s.ask("profile"); err != nil {
		return nil, nil, err
	}
	if err := sleep(ctx, s.now().Truncate(s.every)+s.every-s.now()); err != nil {
		return nil, nil, lost(s.name, "scrape", err)
	}
	return nil, stacks.Counted(s.profile().Total), nil
}

func (s scraped) Total(ctx context.Context) (int, error) {
	_, p, err := s.Goroutines(ctx)
	if err != nil {
		return 0, err
	}
	return p.Total, nil
}

// lost is the error of something that did not come.
func lost(target, what string, err error) *probe.Error {
	return &probe.Error{Target: target, Asked: what, Got: "no answer", Hint: "look", Err: err}
}

// answers are the errors that targets make.
func lostAnswer(name string) error { return lost(name, "profile", context.DeadlineExceeded) }
func goneAnswer(name string) error { return lost(name, "profile", syscall.ECONNREFUSED) }
func staleAnswer(name string) error {
	return &probe.Error{Target: name, Asked: "profile", Got: "a copy", Code: probe.CodeStale}
}
func largeAnswer(name string) error {
	return &probe.Error{Target: name, Asked: "profile", Got: "too large", Code: probe.CodeTooLarge}
}
func oddAnswer(name string) error {
	return &probe.Error{Target: name, Asked: "profile", Got: "nonsense", Err: stacks.ErrInconsistent}
}

// testRate is the requests per second of a made-up load, evenly of two entries.
const testRate = 200

// generator is a driver that loads made-up services.
type generator struct {
	services []*fake
	phases   []loadgen.Phase
	fails    bool // no request is answered
}

func (d *generator) Progress() uint64 { return 7 }

func (d *generator) Run(ctx context.Context, phase loadgen.Phase) record.Load {
	const step = 100 * time.Millisecond
	d.phases = append(d.phases, phase)
	rate, share := float64(testRate), [2]float64{0.5, 0.5}
	if phase.Only != nil {
		rate, share = phase.Rate, [2]float64{}
		for _, i := range phase.Only {
			share[i] = 1 / float64(len(phase.Only))
		}
	}
	for _, s := range d.services {
		s.mu.Lock()
		s.trying = phase.Only != nil
		s.mu.Unlock()
	}
	var sent [2]uint64
	l := record.Load{Asked: rate, Planned: phase.Duration, Workers: 4, Connections: 8}
	for start := time.Now(); time.Since(start) < phase.Duration; {
		if sleep(ctx, step) != nil {
			l.Stopped = record.StoppedByUs
			break
		}
		var now [2]int
		for i := range sent {
			due := uint64(rate * share[i] * time.Since(start).Seconds())
			now[i], sent[i] = int(due-sent[i]), due
		}
		for _, s := range d.services {
			s.serve(now[:])
		}
	}
	for _, s := range d.services {
		s.rest(phase)
	}
	l.Sent = sent[0] + sent[1]
	l.Expected = uint64(rate * phase.Duration.Seconds())
	for i, n := range sent {
		e := record.Entry{Name: fmt.Sprintf("GET http://shop/%d", i), Sent: n, Answered: n, Succeeded: n}
		if d.fails {
			e.Answered, e.Succeeded, e.Errors = 0, 0, map[string]uint64{"secret refused": n}
		}
		l.Answered, l.Succeeded = l.Answered+e.Answered, l.Succeeded+e.Succeeded
		l.Entries = append(l.Entries, e)
	}
	return l
}
