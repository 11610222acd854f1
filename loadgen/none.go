package loadgen

import (
	"context"
	"math"
	"sync/atomic"
	"time"

	"github.com/leakgate/leakgate/record"
)

// NoneConfig says how load that comes from elsewhere is counted. What is nil is not
// known.
type NoneConfig struct {
	Requests    func(context.Context) (float64, error) // answered so far
	Connections func(context.Context) (float64, error) // open now
}

// None sends nothing: each phase only waits, and counts what others send.
type None struct {
	cfg  NoneConfig
	open atomic.Int64
}

// NewNone makes a driver that sends nothing.
func NewNone(cfg NoneConfig) *None { return &None{cfg: cfg} }

// Progress is not known before a phase ends.
func (n *None) Progress() uint64 { return 0 }

// Open is the number of connections that are open now, as far as it is known.
func (n *None) Open() int { return int(n.open.Load()) }

// asking is the time between two questions for the open connections.
const asking = time.Second

// Run waits for the phase to end.
func (n *None) Run(ctx context.Context, phase Phase) record.Load {
	load := record.Load{Planned: phase.Duration, Entries: []record.Entry{{Name: "load from elsewhere"}}}
	before, err := n.requests(ctx)
	began := time.Now()
	for at := time.Duration(0); at < phase.Duration && err == nil; at = time.Since(began) {
		if !rest(ctx, min(asking, phase.Duration-at)) {
			load.Stopped = record.StoppedByUs
			return load
		}
		if n.cfg.Connections != nil {
			var open float64
			if open, err = n.cfg.Connections(ctx); err == nil {
				n.open.Store(int64(open))
				load.Open = append(load.Open, record.Open{At: time.Since(began), Open: int(open)})
				load.Workers = max(load.Workers, int(open))
			}
		}
	}
	after := before
	if err == nil {
		after, err = n.requests(ctx)
	}
	switch {
	case ctx.Err() != nil:
		load.Stopped = record.StoppedByUs
	case err != nil:
		load.Stopped = "counting the load: " + err.Error()
	case n.cfg.Requests == nil:
		load.Uncounted = true
		n.fill(&load, 1)
	case after < before:
		load.Stopped = "counting the load: the number of requests went down, as after a restart"
	default:
		n.fill(&load, uint64(math.Round(after-before)))
	}
	return load
}

func (n *None) requests(ctx context.Context) (float64, error) {
	if n.cfg.Requests == nil {
		return 0, nil
	}
	return n.cfg.Requests(ctx)
}

func (n *None) fill(load *record.Load, sent uint64) {
	load.Sent, load.Answered, load.Succeeded = sent, sent, sent
	e := &load.Entries[0]
	e.Sent, e.Answered, e.Succeeded = sent, sent, sent
}

var _ Driver = (*None)(nil)
