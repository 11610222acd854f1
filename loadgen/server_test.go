package loadgen

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
)

// server is a real server that remembers its connections and how many handlers
// ran at once.
type server struct {
	*httptest.Server

	mu       sync.Mutex
	open     map[net.Conn]struct{}
	accepted int
	running  int
	peak     int
	requests map[string]int // by path
	protos   map[string]int
}

// newServer makes a server that is closed with the test. start changes it and
// has to start it; nil is plain HTTP/1.1.
func newServer(t *testing.T, h http.HandlerFunc, start func(*httptest.Server)) *server {
	t.Helper()
	s := &server{open: map[net.Conn]struct{}{}, requests: map[string]int{}, protos: map[string]int{}}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.running++
		s.peak = max(s.peak, s.running)
		s.requests[r.URL.Path]++
		s.protos[r.Proto]++
		s.mu.Unlock()
		defer func() {
			s.mu.Lock()
			s.running--
			s.mu.Unlock()
		}()
		h(w, r)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.Config.ConnState = func(c net.Conn, state http.ConnState) {
		s.mu.Lock()
		defer s.mu.Unlock()
		switch state {
		case http.StateNew:
			s.open[c] = struct{}{}
			s.accepted++
		case http.StateClosed:
			delete(s.open, c)
		}
	}
	if start == nil {
		start = (*httptest.Server).Start
	}
	start(s.Server)
	t.Cleanup(s.Close)
	return s
}

// seen is what the server saw so far.
type seen struct {
	accepted, open, running, peak, total int
	requests, protos                     map[string]int
}

func (s *server) seen() seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := seen{accepted: s.accepted, open: len(s.open), running: s.running, peak: s.peak, requests: map[string]int{}, protos: map[string]int{}}
	for k, n := range s.requests {
		out.requests[k] = n
		out.total += n
	}
	for k, n := range s.protos {
		out.protos[k] = n
	}
	return out
}

// soon is how long a busy machine may take for what happens at once.
const soon = 5 * time.Second

// within waits until ok, which has to become true: what the server sees of a
// closed connection comes a moment later.
func within(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for over := time.After(d); !ok(); {
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("not within %v: %s", d, what)
		}
	}
}

// driver is NewVegeta for configs that have to be right.
func driver(t *testing.T, cfg Config) *Vegeta {
	t.Helper()
	v, err := NewVegeta(cfg)
	if err != nil {
		t.Fatalf("NewVegeta: %v", err)
	}
	return v
}

// run sends one phase.
func run(t *testing.T, cfg Config, d time.Duration) record.Load {
	t.Helper()
	return driver(t, cfg).Run(t.Context(), Phase{Duration: d})
}

// runUntil sends one phase that ends with the server's nth request, however
// long a busy machine takes for them.
func runUntil(t *testing.T, s *server, n int, cfg Config) record.Load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	v := driver(t, cfg)
	done := make(chan record.Load, 1)
	go func() { done <- v.Run(ctx, Phase{Duration: time.Minute}) }()
	within(t, 30*time.Second, "enough requests on the server", func() bool { return s.seen().total >= n })
	cancel()
	return <-done
}

// untilGone is a handler that answers only when its client has gone.
func untilGone(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// slow answers after d, unless its client has gone.
func slow(d time.Duration) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), d)
		defer cancel()
		<-ctx.Done()
	}
}
