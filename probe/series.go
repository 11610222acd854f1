package probe

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/common/model"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// Series is one process as Prometheus knows it: how many goroutines it has, and
// who it is. Its methods may be called from several goroutines.
type Series struct {
	group *Group
	name  string
	id    model.Fingerprint

	mu    sync.Mutex
	given model.Time // of the last fresh profile
}

// Name is the instance's name in reports.
func (s *Series) Name() string { return s.name }

// Group is the name in the plan of the group that it belongs to.
func (s *Series) Group() string { return s.group.name }

// Every is the time between two scrapes.
func (s *Series) Every() time.Duration { return s.group.every }

// current is the newest reading of the instance.
func (s *Series) current(ctx context.Context) (reading, error) {
	g := s.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.refresh(ctx); err != nil {
		return reading{}, err
	}
	r, ok := g.seen[s.id]
	if !ok {
		return reading{}, s.gone("no samples any more")
	}
	if age := time.Now().Add(g.skew).Sub(r.newest()); age > g.stale() {
		return reading{}, s.gone(fmt.Sprintf("no sample for %s, though it is scraped every %s", age.Round(time.Second),
			g.every))
	}
	return *r, nil
}

func (s *Series) gone(got string) *Error {
	return &Error{Target: s.name, Asked: s.group.prom.asked(s.group.selector), Got: got,
		Hint: "is the instance up? check the targets page of Prometheus"}
}

// metrics is a reading as a page of metrics would tell it.
func (s *Series) metrics(r reading) (m metrics, err error) {
	m = metrics{counter: r.counter, goVersion: r.version}
	newest := float64(r.counts[len(r.counts)-1].Value)
	if m.goroutines, err = whole(r.counter, newest, mostGoroutines, "goroutines"); err == nil {
		err = m.fill(r.last, time.Now().Add(s.group.skew))
	}
	if err != nil {
		return m, s.group.impossible(r.labels, err)
	}
	return m, nil
}

// Identify says who the instance is.
func (s *Series) Identify(ctx context.Context) (record.Target, error) {
	out := record.Target{Name: s.name, Metrics: s.group.prom.address, Selector: s.group.selector, Every: s.group.every,
		CountOnly: true}
	r, err := s.current(ctx)
	if err != nil {
		return out, err
	}
	if s.name != s.group.name {
		out.Group = s.group.name
	}
	m, err := s.metrics(r)
	out.Counter, out.Identity = r.counter, s.seen(m)
	return out, err
}

func (s *Series) seen(m metrics) record.Identity {
	return record.Identity{Target: s.name, Start: m.start, GoVersion: m.goVersion, Allocated: m.allocated}
}

// Count is the newest count, with the moment at which it was scraped, and what is
// known of the instance's identity.
func (s *Series) Count(ctx context.Context) (record.Sample, record.Identity, error) {
	r, err := s.current(ctx)
	if err != nil {
		return record.Sample{}, record.Identity{}, err
	}
	m, err := s.metrics(r)
	if err != nil {
		return record.Sample{}, record.Identity{}, err
	}
	return record.Sample{
		Target: s.name, Goroutines: m.goroutines, Resident: m.resident, Threads: m.threads, Metric: true,
		Taken: r.newest().Add(-s.group.skew),
	}, s.seen(m), nil
}

// Identity says who the instance is. No collection can be forced.
func (s *Series) Identity(ctx context.Context, _ bool) (record.Identity, error) {
	r, err := s.current(ctx)
	if err != nil {
		return record.Identity{}, err
	}
	m, err := s.metrics(r)
	return s.seen(m), err
}

// Memory is what Prometheus knows of the instance's memory: resident bytes and
// threads.
func (s *Series) Memory(ctx context.Context) (record.Memory, record.Identity, []byte, error) {
	r, err := s.current(ctx)
	if err != nil {
		return record.Memory{}, record.Identity{}, nil, err
	}
	m, err := s.metrics(r)
	if err != nil {
		return record.Memory{}, record.Identity{}, nil, err
	}
	return record.Memory{Target: s.name, Resident: m.resident, Threads: m.threads}, s.seen(m), nil, nil
}

// Goroutines waits for a sample that was scraped after the call, and after the
// last that it returned: a count alone. There are no bytes of a profile.
func (s *Series) Goroutines(ctx context.Context) ([]byte, *stacks.Profile, error) {
	g := s.group
	after := model.TimeFromUnixNano(time.Now().Add(g.skew).UnixNano())
	for {
		r, err := s.current(ctx)
		if err != nil {
			return nil, nil, err
		}
		for _, c := range r.counts {
			if c.Timestamp <= after || !s.take(c.Timestamp) {
				continue
			}
			n, err := whole(r.counter, float64(c.Value), mostGoroutines, "goroutines")
			if err != nil {
				return nil, nil, g.impossible(r.labels, err)
			}
			return nil, stacks.Counted(n), nil
		}
		select {
		case <-time.After(min(max(g.every/5, 100*time.Millisecond), time.Second)):
		case <-ctx.Done():
			return nil, nil, s.group.prom.failed(s.name, s.group.selector, ctx.Err())
		}
	}
}

// Total is the count of the sample that Goroutines waits for.
func (s *Series) Total(ctx context.Context) (int, error) {
	_, p, err := s.Goroutines(ctx)
	if err != nil {
		return 0, err
	}
	return p.Total, nil
}

// take hands out each sample once.
func (s *Series) take(at model.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at <= s.given {
		return false
	}
	s.given = at
	return true
}
