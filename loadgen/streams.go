package loadgen

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leakgate/leakgate/record"
)

// Stream describes connections of one kind that are opened, held and closed.
type Stream struct {
	Kind        string // WebSocket, SSE, Poll or GRPC
	URL         string
	Method      string // of GRPC: /package.Service/Method
	Header      http.Header
	Connections int           // held at once
	Hold        time.Duration // how long each is held; 0: until the end of the phase
	Cut         float64       // share that is cut off instead of closed
	Send        string        // message to send once open; for GRPC as JSON
	Every       time.Duration // interval at which it is repeated; 0: it is sent once
	Name        string        // in results; kind and URL if empty

	open    opener   // of its kind
	encoded *encoded // Send for GRPC, once the type of the message is known
}

func (s Stream) name() string {
	return cmp.Or(s.Name, s.Kind+" "+s.URL+s.Method)
}

// StreamsConfig describes connections that last.
type StreamsConfig struct {
	Streams   []Stream
	Timeout   time.Duration // to open one; 5s if 0
	TLS       *tls.Config   // nil: the system's roots
	UserAgent string
}

// Streams sends load that consists of connections instead of requests. When a phase is
// over, all of them are closed.
type Streams struct {
	cfg    StreamsConfig
	opened atomic.Uint64
	open   atomic.Int64
}

// NewStreams checks a config and returns its driver.
func NewStreams(cfg StreamsConfig) (*Streams, error) {
	if len(cfg.Streams) == 0 {
		return nil, ErrNoRequests
	}
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Second)
	cfg.Streams = slices.Clone(cfg.Streams)
	for i, s := range cfg.Streams {
		kind, known := streamKindOf(s.Kind)
		if !known {
			return nil, fmt.Errorf("stream %d: %q is not a kind of stream; known: %s", i, s.Kind,
				strings.Join(StreamKinds(), ", "))
		}
		cfg.Streams[i].open, cfg.Streams[i].encoded = kind.open, &encoded{}
	}
	return &Streams{cfg: cfg}, nil
}

// Progress is the number of connections opened so far in the phase that runs.
func (s *Streams) Progress() uint64 { return s.opened.Load() }

// Names are the names of the lines in the results.
func (s *Streams) Names() []string {
	var names []string
	for _, st := range s.cfg.Streams {
		names = append(names, st.name())
	}
	return names
}

// Open is the number of connections that are open now.
func (s *Streams) Open() int { return int(s.open.Load()) }

const (
	// openShare is the share of a phase in which connections are opened, one after another;
	// closeShare is the share in which they are closed.
	openShare, closeShare = 0.2, 0.1
	mostOpening           = 10 * time.Second
	mostClosing           = 2 * time.Second
	// sampling is the time between two counts of the open connections, or a twentieth of
	// a short phase.
	sampling = 500 * time.Millisecond
	// pause is how long to wait before a connection is opened again that could not be
	// opened, or that the server has closed.
	pause = 200 * time.Millisecond
)

// Plateau returns the part of a phase in which all connections are open.
func Plateau(phase time.Duration) (from, to time.Duration) {
	return min(time.Duration(openShare*float64(phase)), mostOpening),
		phase - min(time.Duration(closeShare*float64(phase)), mostClosing)
}

// Run holds the streams' connections for one phase.
func (s *Streams) Run(ctx context.Context, phase Phase) record.Load {
	s.opened.Store(0)
	load := record.Load{Planned: phase.Duration}
	began := time.Now()
	var wg sync.WaitGroup
	tallies := make([]*streamTally, len(s.cfg.Streams))
	for i, st := range s.cfg.Streams {
		tallies[i] = &streamTally{Entry: record.Entry{Name: st.name(), Errors: map[string]uint64{}}}
		if phase.Only != nil && !slices.Contains(phase.Only, i) {
			continue
		}
		if phase.Took != nil {
			tallies[i].took = func(latency time.Duration) { phase.Took(i, latency) }
		}
		connections := phase.Share.of(st.Connections, i)
		load.Held += connections
		for n := range connections {
			wg.Go(func() { s.slot(ctx, st, tallies[i], phase.Duration, began, float64(n)/float64(connections)) })
		}
	}
	stop := make(chan struct{})
	counted := make(chan []record.Open)
	go func() { counted <- s.count(began, min(sampling, max(time.Millisecond, phase.Duration/20)), stop) }()
	wg.Wait()
	close(stop)
	load.Open = <-counted
	if ctx.Err() != nil {
		load.Stopped = record.StoppedByUs
	}
	for _, t := range tallies {
		e := t.result()
		load.Sent, load.Answered, load.Succeeded, load.Abandoned = load.Sent+e.Sent, load.Answered+e.Answered,
			load.Succeeded+e.Succeeded, load.Abandoned+e.Abandoned
		load.Entries = append(load.Entries, e)
	}
	for _, o := range load.Open {
		load.Workers = max(load.Workers, o.Open)
	}
	load.Connections, load.Opened = load.Held, load.Sent
	return load
}

// Try opens one connection of each stream, one after another, and closes it.
func (s *Streams) Try(ctx context.Context) []Tried {
	out := make([]Tried, len(s.cfg.Streams))
	for i, st := range s.cfg.Streams {
		conns := newConnections(Config{Timeout: s.cfg.Timeout})
		opening, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
		start := time.Now()
		c, err := st.open(opening, s.cfg, st, conns)
		cancel()
		out[i].Latency = time.Since(start)
		if err != nil {
			out[i].Error = errorKind(err.Error())
		} else {
			c.close()
		}
		conns.closeAll()
	}
	return out
}

// count records the number of open connections at an interval, until it is stopped.
func (s *Streams) count(began time.Time, every time.Duration, stop <-chan struct{}) []record.Open {
	var out []record.Open
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			out = append(out, record.Open{At: time.Since(began), Open: s.Open()})
		case <-stop:
			return out
		}
	}
}

// slot keeps one connection open. Its turn to be opened and to be closed is at, from 0 to
// 1.
func (s *Streams) slot(ctx context.Context, st Stream, t *streamTally, phase time.Duration, began time.Time,
	at float64) {
	from, to := Plateau(phase)
	if !rest(ctx, time.Duration(at*float64(from))) {
		return
	}
	end := began.Add(to + time.Duration(at*float64(phase-to)))
	for time.Until(end) > 0 && ctx.Err() == nil {
		until := end
		if st.Hold > 0 {
			if u := time.Now().Add(st.Hold); u.Before(end) {
				until = u
			}
		}
		if again := s.hold(ctx, st, t, until); again {
			rest(ctx, min(pause, time.Until(end)))
		}
	}
}

// hold opens a connection and keeps it open until the given time. It reports whether the
// connection ended earlier, so that another has to be opened.
func (s *Streams) hold(ctx context.Context, st Stream, t *streamTally, until time.Time) bool {
	conns := newConnections(Config{Timeout: s.cfg.Timeout})
	defer conns.closeAll()
	opening, cancel := context.WithTimeout(ctx, s.cfg.Timeout)
	start := time.Now()
	c, err := st.open(opening, s.cfg, st, conns)
	cancel()
	if ctx.Err() != nil && err != nil {
		return false
	}
	s.opened.Add(1)
	t.opened(time.Since(start), err)
	if err != nil {
		return true
	}
	s.open.Add(1)
	defer s.open.Add(-1)
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done(): // cut off, which is not the service's fault
		cutOff(c, conns)
		t.closed(nil, true)
		return false
	case <-c.done():
		err := c.err()
		t.closed(err, false)
		return true
	case <-timer.C:
	}
	cut := st.Cut > 0 && rand.Float64() < st.Cut
	if cut {
		cutOff(c, conns)
	} else {
		c.close()
	}
	t.closed(nil, cut)
	return false
}

// cutOff ends a connection as if the client had vanished, and waits until this side has
// noticed.
func cutOff(c held, conns *connections) {
	conns.closeAll()
	<-c.done()
}

// rest waits, and reports whether it was not interrupted by the end of the phase.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

var _ Driver = (*Streams)(nil)
