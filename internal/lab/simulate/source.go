package simulate

import (
	"context"
	"time"

	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// identity is that of the one process there is.
var identity = record.Identity{Target: target, Start: 1}

// raw stands for the bytes of a profile, which nobody keeps.
var raw = []byte("a profile")

// process is a made-up process that can be read, as probe.Target reads one without metrics.
type process struct{ *world }

var _ gate.Process = process{}

func (process) Name() string         { return target }
func (process) Every() time.Duration { return 0 }
func (process) Measured() bool       { return false }

func (process) Identify(context.Context) (record.Target, error) {
	return record.Target{Name: target, Identity: identity}, nil
}

func (p process) Count(ctx context.Context) (record.Sample, record.Identity, error) {
	n, err := p.Total(ctx)
	return record.Sample{Target: target, Goroutines: n}, record.Identity{Target: target}, err
}

func (p process) Identity(_ context.Context, collect bool) (record.Identity, error) {
	if collect {
		p.collect()
	}
	return identity, nil
}

func (p process) Memory(context.Context) (record.Memory, record.Identity, []byte, error) {
	p.collect()
	return record.Memory{Target: target}, identity, nil, nil
}

func (p process) Goroutines(context.Context) ([]byte, *stacks.Profile, error) {
	return raw, p.profile(), nil
}

func (p process) Total(context.Context) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass()
	return p.look().total, nil
}

func (p process) Leaked(context.Context) ([]byte, *stacks.Profile, error) {
	return raw, &stacks.Profile{}, nil // it does not offer it
}

func (p process) Dump(context.Context) ([]byte, *stacks.Profile, error) {
	return raw, p.dump(), nil
}

func (process) Release(*stacks.Profile) {}

// scrape is a count that a scraper took.
type scrape struct {
	at    time.Duration
	total int
}

// scraped is a made-up process of which only a scraper knows how many goroutines it has. It
// answers as probe.Series does: with what was scraped when the server was last asked, which
// is not for every question, and with each scrape once where a new one is waited for.
type scraped struct {
	*world
	asked time.Duration // when the server was asked last
	known int           // scrapes that it told of
	given time.Duration // the last that Goroutines returned
}

var _ gate.Source = (*scraped)(nil)

func (*scraped) Name() string           { return target }
func (s *scraped) Every() time.Duration { return s.every }

// What probe.Series and probe.Group do between two questions.
const (
	askShare, leastAsk, mostAsk    = 5, 200 * time.Millisecond, 2 * time.Second // a scrape's fifth, within bounds
	waitShare, leastWait, mostWait = 5, 100 * time.Millisecond, time.Second
)

// current are the scrapes that are known, the newest last.
func (s *scraped) current() []scrape {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pass()
	if s.known == 0 || s.now-s.asked >= min(max(s.every/askShare, leastAsk), mostAsk) {
		s.asked, s.known = s.now, len(s.scrapes)
	}
	return s.scrapes[:s.known]
}

func (s *scraped) Identify(context.Context) (record.Target, error) {
	return record.Target{Name: target, Counter: "go_goroutines", CountOnly: true, Every: s.every, Identity: identity}, nil
}

func (s *scraped) Count(context.Context) (record.Sample, record.Identity, error) {
	all := s.current()
	last := all[len(all)-1]
	return record.Sample{Target: target, Goroutines: last.total, Metric: true, Taken: s.began.Add(last.at)}, identity, nil
}

func (s *scraped) Identity(context.Context, bool) (record.Identity, error) { return identity, nil }

func (s *scraped) Memory(context.Context) (record.Memory, record.Identity, []byte, error) {
	return record.Memory{Target: target}, identity, nil, nil
}

// Goroutines waits for a count that was scraped after the call, and after the last that it
// returned.
func (s *scraped) Goroutines(ctx context.Context) ([]byte, *stacks.Profile, error) {
	after := max(time.Since(s.began), s.given)
	for {
		for _, c := range s.current() {
			if c.at > after {
				s.given = c.at
				return nil, stacks.Counted(c.total), nil
			}
		}
		select {
		case <-time.After(min(max(s.every/waitShare, leastWait), mostWait)):
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func (s *scraped) Total(ctx context.Context) (int, error) {
	_, p, err := s.Goroutines(ctx)
	if err != nil {
		return 0, err
	}
	return p.Total, nil
}
