package gate

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// movement is what profiles under load show: a worker leaves its place while there is work,
// and what is leaked never does. It keeps, of every target, the fewest goroutines at every
// place over all profiles of one round's load.
type movement struct {
	mu     sync.Mutex
	round  int // that is loaded; 0: none
	began  time.Duration
	floors map[string]*floor // by target
}

// floor is the movement of one target.
type floor struct {
	least stacks.Floor
	last  time.Duration // when the last profile was asked for
}

// begin opens a round's load.
func (m *movement) begin(round int, at time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.round, m.began, m.floors = round, at, map[string]*floor{}
}

// due reports for which round a profile of a target is due; 0 for none.
func (m *movement) due(target string, at time.Duration) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	f := m.floors[target]
	if m.round == 0 || at < m.began+movementAfter || f != nil && at < f.last+movementEvery {
		return 0
	}
	if f == nil {
		f = &floor{}
		m.floors[target] = f
	}
	f.last = at
	return m.round
}

// add takes a profile in. It reports whether it has to be kept, since the floor is made of
// it; one that came after its round is dropped.
func (m *movement) add(target string, round int, p *stacks.Profile) (kept bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.round != round || m.floors[target] == nil {
		return false
	}
	f := &m.floors[target].least
	f.Add(p)
	return f.Profiles() == 1
}

// end closes the round's load, and returns it.
func (m *movement) end() (round int, floors map[string]*floor) {
	m.mu.Lock()
	defer m.mu.Unlock()
	round, floors = m.round, m.floors
	m.round, m.floors = 0, nil
	return round, floors
}

// recordMovement records what a round's load showed of every target.
func (g *Gate) recordMovement() {
	round, floors := g.movement.end()
	for _, t := range g.processes() {
		f := floors[t.Name()]
		if f == nil || f.least.Profiles() == 0 {
			continue
		}
		p := f.least.Profile()
		g.Writer.Derived(record.Capture{
			At: g.now(), Target: t.Name(), Kind: record.Loaded, Round: round, Seq: f.least.Profiles(), Profile: p,
		}, stacks.Encode)
	}
}

// countMoving is count, and reads a profile for the movement where one is due. Where a
// target has no other count than that of its profile, one request serves both. A profile
// that cannot be read is no gap that the verdict needs.
func (g *Gate) countMoving(ctx context.Context, t Source) (record.Sample, bool, error) {
	p, ok := t.(Process)
	if !ok {
		return g.count(ctx, t)
	}
	round := g.movement.due(t.Name(), g.now())
	if round == 0 {
		return g.count(ctx, t)
	}
	total, err := g.move(ctx, p, round)
	if err == nil && !g.tellsCount(t.Name()) {
		return record.Sample{Target: t.Name(), Goroutines: total}, false, nil
	}
	if err != nil {
		var e *probe.Error
		if !errors.As(err, &e) || ctx.Err() != nil || !g.tellsCount(t.Name()) && e.Code != probe.CodeTooLarge {
			return record.Sample{}, false, err // as a count by profile fails
		}
		g.gap(e, record.Loaded, round, false)
	}
	return g.count(ctx, t)
}

// move reads a profile for the movement, and returns how many goroutines it has.
func (g *Gate) move(ctx context.Context, t Process, round int) (int, error) {
	_, p, err := t.Goroutines(ctx)
	if err != nil {
		return 0, err
	}
	if !g.movement.add(t.Name(), round, p) {
		defer t.Release(p)
	}
	return p.Total, nil
}

// tellsCount reports whether a target has metrics that count its goroutines, its own or as
// Prometheus knows them.
func (g *Gate) tellsCount(name string) bool {
	for _, t := range g.Writer.Run().Targets {
		if t.Name == name {
			return t.Counter != ""
		}
	}
	return false
}
