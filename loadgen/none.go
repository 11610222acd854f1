package loadgen

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/leakgate/leakgate/record"
)

// NoneConfig says how load that comes from elsewhere is counted. A nil function means
// unknown.
type NoneConfig struct {
	Rate        float64                                // requests per second that are expected; 0: any number
	Requests    func(context.Context) (float64, error) // answered so far
	Connections func(context.Context) (float64, error) // open now
}

// None sends nothing: each phase only waits, and counts what others send. Since they do not
// stop after a phase, each phase counts from the end of the previous one.
type None struct {
	cfg  NoneConfig
	open atomic.Int64

	counted bool      // there was a phase before
	last    float64   // requests at its end
	at      time.Time // when that was
}

// NewNone returns a driver that sends nothing.
func NewNone(cfg NoneConfig) *None { return &None{cfg: cfg} }

// Progress is unknown until a phase ends.
func (n *None) Progress() uint64 { return 0 }

// Open is the number of open connections, as far as it is known.
func (n *None) Open() int { return int(n.open.Load()) }

// asking is the time between two queries for the open connections, or a twentieth of a
// short phase; leastAsking is its minimum.
const (
	asking      = time.Second
	leastAsking = 100 * time.Millisecond
)

// Run waits for the phase to end.
func (n *None) Run(ctx context.Context, phase Phase) record.Load {
	load := record.Load{Planned: phase.Duration, Entries: []record.Entry{{Name: "load from elsewhere"}}}
	var err error
	if !n.counted {
		n.last, err = n.requests(ctx)
		n.at = time.Now()
	}
	if err == nil {
		err = n.wait(ctx, phase, &load)
	}
	now := n.last
	if err == nil {
		now, err = n.requests(ctx)
	}
	switch {
	case ctx.Err() != nil:
		load.Stopped = record.StoppedByUs
		return load
	case err != nil:
		load.Stopped = "counting the load: " + err.Error()
		return load
	}
	before, since := n.last, time.Since(n.at)
	n.counted, n.last, n.at = true, now, time.Now()
	switch {
	case n.cfg.Requests == nil:
		load.Uncounted = true
		n.fill(&load, 1)
	case now < before:
		load.Stopped = "counting the load: the number of requests went down, as it does after a restart"
	case math.Round(now-before) == 0:
		load.Stopped = fmt.Sprintf("counting the load: the number of requests stayed at %.0f: is anybody sending requests, and is load.round longer than the scrape interval?", now)
	default:
		n.fill(&load, uint64(math.Round(now-before)))
		load.Asked = n.cfg.Rate
		load.Expected = uint64(n.cfg.Rate * since.Seconds())
	}
	return load
}

// wait watches the open connections until the phase ends.
func (n *None) wait(ctx context.Context, phase Phase, load *record.Load) error {
	began, every := time.Now(), min(asking, max(leastAsking, phase.Duration/20))
	for at := time.Duration(0); at < phase.Duration; at = time.Since(began) {
		if !rest(ctx, min(every, phase.Duration-at)) {
			return ctx.Err()
		}
		if n.cfg.Connections == nil {
			continue
		}
		open, err := n.cfg.Connections(ctx)
		if err != nil {
			return err
		}
		count, err := counted("open connections", open, mostOpen)
		if err != nil {
			return err
		}
		n.open.Store(int64(count))
		load.Open = append(load.Open, record.Open{At: time.Since(began), Open: int(count)})
		load.Workers = max(load.Workers, int(count))
	}
	return nil
}

func (n *None) requests(ctx context.Context) (float64, error) {
	if n.cfg.Requests == nil {
		return 0, nil
	}
	v, err := n.cfg.Requests(ctx)
	if err != nil {
		return 0, err
	}
	_, err = counted("requests", v, mostRequests)
	return v, err
}

const (
	// mostRequests is where a float64 no longer tells two counts apart: 2^53.
	mostRequests = 1 << 53
	// mostOpen is more connections than a service can have: 65,535 of each of 16,000 clients.
	mostOpen = 1 << 30
)

// counted converts a number to a count, and rejects NaN, infinities, and negative or absurd
// numbers. A number that a query has extrapolated need not be whole.
func counted(what string, v, most float64) (uint64, error) {
	if v >= 0 && v <= most {
		return uint64(math.Round(v)), nil
	}
	return 0, fmt.Errorf("%g is not a number of %s: does the query sum a counter or a gauge?", v, what)
}

func (n *None) fill(load *record.Load, sent uint64) {
	load.Sent, load.Answered, load.Succeeded = sent, sent, sent
	e := &load.Entries[0]
	e.Sent, e.Answered, e.Succeeded = sent, sent, sent
}

var _ Driver = (*None)(nil)
