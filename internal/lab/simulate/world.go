package simulate

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// target is the one process of a simulated run.
const target = "simulated"

// world is a made-up process in a bubble's virtual time, and the driver that loads it. Time
// passes in it when somebody looks.
type world struct {
	rate  int // requests per second
	most  int // in flight at once, as the driver says
	every time.Duration
	began time.Time

	mu       sync.Mutex
	now      time.Duration // up to which time has passed
	services []service
	load     loading
	moment   moment
	scrapes  []scrape
	taken    time.Time // when the last profile was taken
}

// loading is a phase of load.
type loading struct {
	from, to time.Duration
	ramp     time.Duration
	rate     float64
}

// sent is how many requests a load has sent by a moment.
func (l loading) sent(at time.Duration) float64 {
	t := min(max(at, l.from), l.to) - l.from
	if t < l.ramp {
		return l.rate * t.Seconds() * t.Seconds() / (2 * l.ramp.Seconds())
	}
	return l.rate * (t - l.ramp/2).Seconds()
}

// moment is what the process is at: whoever looks at one moment sees the same.
type moment struct {
	at    time.Duration
	drawn bool
	total int
	busy  []int // by service
	rest  []int
}

// step is how much time passes at once, at most, so that requests come evenly.
const step = time.Second

// settledIn is how long a process has run before anybody looks.
const settledIn = 30 * time.Second

// mostInFlight bounds what the driver says of requests in flight.
const mostInFlight = 64

// newWorld makes a process of a kind, within a bubble. With every, it is only scraped.
func newWorld(k kind, rate int, seed uint64, round, every time.Duration) *world {
	rng := rand.New(rand.NewPCG(seed, uint64(rate)))
	w := &world{rate: rate, every: every, began: time.Now()}
	w.services = k.draw(rng, rate*int(round/time.Second))
	w.most = int(uniform(rng, 2, mostInFlight))
	time.Sleep(settledIn)
	return w
}

// pass lets time pass up to now.
func (w *world) pass() {
	for now := time.Since(w.began); w.now < now; {
		to := min(now, w.now+step)
		if w.every > 0 {
			to = min(to, w.now.Truncate(w.every)+w.every)
		}
		requests := int(w.load.sent(to)) - int(w.load.sent(w.now))
		for _, s := range w.services {
			s.step(to-w.now, requests)
		}
		w.now = to
		if w.every > 0 && w.now%w.every == 0 {
			w.scrapes = append(w.scrapes, scrape{at: w.now, total: w.look().total})
		}
	}
}

// traffic is what the process is asked now.
func (w *world) traffic() traffic {
	t := traffic{recent: func(d time.Duration) float64 { return w.load.sent(w.now) - w.load.sent(w.now-d) }}
	if w.now > w.load.from && w.now <= w.load.to {
		t.rate = w.load.rate
	}
	return t
}

// look is what the process is at.
func (w *world) look() *moment {
	m := &w.moment
	if m.drawn && m.at == w.now {
		return m
	}
	m.at, m.drawn, m.total = w.now, true, 0
	m.busy, m.rest = m.busy[:0], m.rest[:0]
	t := w.traffic()
	for _, s := range w.services {
		n := 0
		for _, p := range s.at() {
			n += p.count()
		}
		busy := min(n, s.busy(t))
		m.total += n
		m.busy, m.rest = append(m.busy, busy), append(m.rest, n-busy)
	}
	return m
}

// Run loads the process, in virtual time.
func (w *world) Run(ctx context.Context, phase loadgen.Phase) record.Load {
	w.mu.Lock()
	w.pass()
	w.load = loading{from: w.now, to: w.now + phase.Duration, ramp: phase.Ramp, rate: float64(w.rate)}
	l := w.load
	w.mu.Unlock()
	select {
	case <-time.After(phase.Duration):
	case <-ctx.Done():
	}
	sent := uint64(l.sent(l.to))
	return record.Load{
		Asked: l.rate, Planned: phase.Duration, Workers: w.most, Expected: sent,
		Sent: sent, Answered: sent, Succeeded: sent,
		Entries: []record.Entry{{Name: "GET /", Sent: sent, Answered: sent, Succeeded: sent}},
	}
}

// Progress is not asked for.
func (w *world) Progress() uint64 { return 0 }

// names of the places, each made once: simulated profiles have thousands of them.
type place struct {
	rest, work []stacks.Frame
	key, busy  string
	creator    stacks.Frame
}

// mostServices is of one process.
const mostServices = 256

func places() []place {
	out := make([]place, mostServices)
	for i := range out {
		frame := func(method string, line int) stacks.Frame {
			name := fmt.Sprintf("example.com/shop.(*Worker%d).%s", i, method)
			return stacks.Frame{Function: name, File: "worker.go", Line: line}
		}
		rest, work, creator := frame("run", 1), frame("work", 2), frame("start", 3)
		out[i] = place{
			rest: []stacks.Frame{rest}, work: []stacks.Frame{work, rest},
			key: rest.Function, busy: work.Function + "\n" + rest.Function, creator: creator,
		}
	}
	return out
}

// at is where everybody is in the code.
var at = sync.OnceValue(places)

// profile is the process's goroutine profile.
func (w *world) profile() *stacks.Profile {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass()
	m := w.look()
	p := &stacks.Profile{Total: m.total, Time: w.stamp(), Stacks: make([]stacks.Stack, 0, len(m.rest))}
	for i, n := range m.rest {
		place := &at()[i]
		if n > 0 {
			p.Stacks = append(p.Stacks, stacks.Stack{Key: place.key, Frames: place.rest, State: waits, Count: n})
		}
		if m.busy[i] > 0 {
			p.Stacks = append(p.Stacks, stacks.Stack{Key: place.busy, Frames: place.work, Count: m.busy[i]})
		}
	}
	sortStacks(p)
	return p
}

// waits is the state of who waits.
const waits = "chan receive"

func sortStacks(p *stacks.Profile) {
	slices.SortFunc(p.Stacks, func(a, b stacks.Stack) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Wait, b.Wait))
	})
}

// stamp is when a profile is taken: answers take no time here, and no two are taken at once.
func (w *world) stamp() time.Time {
	now := time.Now()
	if !now.After(w.taken) {
		now = w.taken.Add(time.Microsecond)
	}
	w.taken = now
	return now
}

// dump is the same with wait times and creators, a stack for each wait. It is not taken
// under load, when some would be at work.
func (w *world) dump() *stacks.Profile {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass()
	p := &stacks.Profile{Total: w.look().total}
	for i, s := range w.services {
		place := &at()[i]
		waiting := map[time.Duration]int{}
		for _, here := range s.at() {
			for wait, n := range here.waiting(w.now) {
				waiting[wait] += n
			}
		}
		for wait, n := range waiting {
			p.Stacks = append(p.Stacks, stacks.Stack{
				Key: place.key, Frames: place.rest, State: waits, Count: n, Wait: wait, Waited: waited(n, wait), CreatedBy: &place.creator,
			})
		}
	}
	sortStacks(p)
	return p
}

// collect is a forced collection.
func (w *world) collect() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pass()
	for _, s := range w.services {
		for _, p := range s.at() {
			p.collected(w.now)
		}
	}
}

// waited is how many of some goroutines have waited for as long as a dump tells.
func waited(n int, wait time.Duration) int {
	if wait < stacks.LongWait {
		return 0
	}
	return n
}
