package loadgen_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/leakgate/leakgate/loadgen"
)

// streamServer holds connections of every kind, and remembers how they ended.
type streamServer struct {
	*httptest.Server
	grpc string

	open, most   atomic.Int64
	polite, rude atomic.Int64
	mu           sync.Mutex
	said         []string
	headers      http.Header
	watched      []string // services that gRPC clients asked for
	endAfter     time.Duration
}

func newStreamServer(t *testing.T) *streamServer {
	t.Helper()
	s := &streamServer{}
	mux := http.NewServeMux()
	mux.HandleFunc("/ws", s.webSocket)
	mux.HandleFunc("/events", s.events)
	mux.HandleFunc("/poll", s.poll)
	mux.HandleFunc("/plain", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusForbidden) })
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
		s.enter()
		defer s.leave()
		return h(srv, &watching{ss, s})
	}))
	healthpb.RegisterHealthServer(g, health.NewServer())
	reflection.Register(g)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(g.Stop)
	s.grpc = "http://" + l.Addr().String()
	return s
}

type watching struct {
	grpc.ServerStream
	s *streamServer
}

func (w *watching) RecvMsg(m any) error {
	err := w.ServerStream.RecvMsg(m)
	if r, ok := m.(*healthpb.HealthCheckRequest); ok && err == nil {
		w.s.mu.Lock()
		w.s.watched = append(w.s.watched, r.GetService())
		w.s.mu.Unlock()
	}
	return err
}

func (s *streamServer) enter() {
	n := s.open.Add(1)
	for m := s.most.Load(); n > m && !s.most.CompareAndSwap(m, n); m = s.most.Load() {
	}
}
func (s *streamServer) leave() { s.open.Add(-1) }

func (s *streamServer) webSocket(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	s.enter()
	defer s.leave()
	s.mu.Lock()
	s.headers = r.Header
	s.mu.Unlock()
	_ = c.Write(context.Background(), websocket.MessageText, []byte("hello"))
	for {
		_, text, err := c.Read(context.Background())
		if err != nil {
			if websocket.CloseStatus(err) == websocket.StatusNormalClosure {
				s.polite.Add(1)
			} else {
				s.rude.Add(1)
			}
			return
		}
		s.mu.Lock()
		s.said = append(s.said, string(text))
		s.mu.Unlock()
	}
}

func (s *streamServer) events(w http.ResponseWriter, r *http.Request) {
	s.enter()
	defer s.leave()
	fmt.Fprint(w, "data: hello\n\n")
	w.(http.Flusher).Flush()
	var end <-chan time.Time
	if s.endAfter > 0 {
		end = time.After(s.endAfter)
	}
	select {
	case <-r.Context().Done():
		s.rude.Add(1)
	case <-end:
		s.polite.Add(1)
	}
}

func (s *streamServer) poll(w http.ResponseWriter, r *http.Request) {
	s.enter()
	defer s.leave()
	select {
	case <-r.Context().Done():
	case <-time.After(100 * time.Millisecond):
		fmt.Fprintln(w, "news")
	}
}

func streams(t *testing.T, all ...loadgen.Stream) *loadgen.Streams {
	t.Helper()
	d, err := loadgen.NewStreams(loadgen.StreamsConfig{Streams: all, Timeout: 2 * time.Second, UserAgent: "leakgate/test"})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// gone waits until the server has noticed that all connections are over.
func (s *streamServer) gone(t *testing.T) {
	t.Helper()
	for range 200 {
		if s.open.Load() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d connections are still open", s.open.Load())
}

// Every kind is opened, held as many at once as asked for, and closed: none is left
// when the phase is over.
func TestStreamsAreHeld(t *testing.T) {
	for _, kind := range []string{loadgen.WebSocket, loadgen.SSE, loadgen.Poll, loadgen.GRPC} {
		t.Run(kind, func(t *testing.T) {
			s := newStreamServer(t)
			st := loadgen.Stream{Kind: kind, Connections: 20}
			switch kind {
			case loadgen.WebSocket:
				st.URL = strings.Replace(s.URL, "http", "ws", 1) + "/ws"
			case loadgen.SSE:
				st.URL = s.URL + "/events"
			case loadgen.Poll:
				st.URL = s.URL + "/poll"
			case loadgen.GRPC:
				st.URL, st.Method = s.grpc, "/grpc.health.v1.Health/Watch"
			}
			load := streams(t, st).Run(t.Context(), loadgen.Phase{Duration: 1500 * time.Millisecond})
			if load.Sent != 20 || load.Answered != 20 || load.Succeeded != 20 || load.Held != 20 || load.Workers != 20 || load.Stopped != "" {
				t.Errorf("load %+v, want 20 connections that were opened, held and closed", load)
			}
			if e := load.Entries[0]; e.P50 <= 0 || e.Cut != 0 || e.Errors != nil || !strings.HasPrefix(e.Name, kind+" ") {
				t.Errorf("entry %+v, want a time to open, no error and none cut off", e)
			}
			if s.most.Load() != 20 {
				t.Errorf("the server held %d at most, want 20", s.most.Load())
			}
			s.gone(t)
		})
	}
}

// A client that is gone says no goodbye; a polite one does.
func TestStreamsAreCutOff(t *testing.T) {
	s := newStreamServer(t)
	ws := strings.Replace(s.URL, "http", "ws", 1) + "/ws"
	load := streams(t, loadgen.Stream{Kind: loadgen.WebSocket, URL: ws, Connections: 10, Cut: 1}).Run(t.Context(), loadgen.Phase{Duration: 600 * time.Millisecond})
	s.gone(t)
	if load.Entries[0].Cut != 10 || s.rude.Load() != 10 || s.polite.Load() != 0 {
		t.Errorf("%d cut off, the server saw %d rude ends and %d polite ones; want 10, 10 and 0", load.Entries[0].Cut, s.rude.Load(), s.polite.Load())
	}
	s.rude.Store(0)
	streams(t, loadgen.Stream{Kind: loadgen.WebSocket, URL: ws, Connections: 10}).Run(t.Context(), loadgen.Phase{Duration: 600 * time.Millisecond})
	s.gone(t)
	if s.rude.Load() != 0 || s.polite.Load() != 10 {
		t.Errorf("the server saw %d rude ends and %d polite ones; want 0 and 10", s.rude.Load(), s.polite.Load())
	}
}

// Connections that are held for a while are opened again; so are those that the
// server ends.
func TestStreamsAreOpenedAgain(t *testing.T) {
	s := newStreamServer(t)
	load := streams(t, loadgen.Stream{Kind: loadgen.WebSocket, URL: strings.Replace(s.URL, "http", "ws", 1) + "/ws", Connections: 2, Hold: 200 * time.Millisecond}).
		Run(t.Context(), loadgen.Phase{Duration: 1500 * time.Millisecond})
	if load.Sent < 8 || load.Succeeded != load.Sent {
		t.Errorf("%d opened, %d of them in order; want 2 of them every 200 ms", load.Sent, load.Succeeded)
	}
	s.endAfter = 100 * time.Millisecond
	load = streams(t, loadgen.Stream{Kind: loadgen.SSE, URL: s.URL + "/events", Connections: 1}).Run(t.Context(), loadgen.Phase{Duration: time.Second})
	if load.Sent < 3 || load.Succeeded != load.Sent {
		t.Errorf("%d opened, %d in order; want one after the other that the server has ended", load.Sent, load.Succeeded)
	}
}

// What the plan says is said, with its headers.
func TestStreamsSend(t *testing.T) {
	s := newStreamServer(t)
	streams(t, loadgen.Stream{
		Kind: loadgen.WebSocket, URL: strings.Replace(s.URL, "http", "ws", 1) + "/ws", Connections: 1, Send: "subscribe", Every: 100 * time.Millisecond,
		Header: http.Header{"X-Tenant": {"blue"}},
	}).Run(t.Context(), loadgen.Phase{Duration: time.Second})
	s.gone(t)
	if len(s.said) < 4 || s.said[0] != "subscribe" || s.headers.Get("X-Tenant") != "blue" || s.headers.Get("User-Agent") != "leakgate/test" {
		t.Errorf("the server heard %q with %v, want subscribe again and again, from leakgate and tenant blue", s.said, s.headers)
	}
	// gRPC: as JSON, which the server's own description turns into a message.
	d := streams(t, loadgen.Stream{Kind: loadgen.GRPC, URL: s.grpc, Method: "/grpc.health.v1.Health/Watch", Connections: 1, Send: `{"service": "cart"}`})
	if load := d.Run(t.Context(), loadgen.Phase{Duration: 600 * time.Millisecond}); load.Succeeded != 1 || len(s.watched) != 1 || s.watched[0] != "cart" {
		t.Errorf("load %+v, the server was asked for %q; want cart", load, s.watched)
	}
}

// What cannot be opened says why.
func TestStreamsFail(t *testing.T) {
	s := newStreamServer(t)
	for _, c := range []struct {
		name   string
		stream loadgen.Stream
		want   string
	}{
		{"no WebSocket", loadgen.Stream{Kind: loadgen.WebSocket, URL: strings.Replace(s.URL, "http", "ws", 1) + "/plain"}, "403 Forbidden instead of a WebSocket"},
		{"refused events", loadgen.Stream{Kind: loadgen.SSE, URL: s.URL + "/plain"}, "403 Forbidden"},
		{"no such gRPC method", loadgen.Stream{Kind: loadgen.GRPC, URL: s.grpc, Method: "/grpc.health.v1.Health/Nothing"}, "Unimplemented"},
		{"no such message", loadgen.Stream{Kind: loadgen.GRPC, URL: s.grpc, Method: "/grpc.health.v1.Health/Watch", Send: `{"nothing": 1}`}, "send is not a valid grpc.health.v1.HealthCheckRequest"},
		{"nobody there", loadgen.Stream{Kind: loadgen.Poll, URL: "http://127.0.0.1:1/"}, "connection refused"},
	} {
		c.stream.Connections = 1
		load := streams(t, c.stream).Run(t.Context(), loadgen.Phase{Duration: 500 * time.Millisecond})
		found := false
		for text := range load.Entries[0].Errors {
			found = found || strings.Contains(text, c.want)
		}
		if !found || load.Succeeded > 1 { // the last may be closed before its error has come
			t.Errorf("%s: %d in order, errors %v; want one with %q", c.name, load.Succeeded, load.Entries[0].Errors, c.want)
		}
	}
}

// A phase that is stopped leaves nothing behind, at once.
func TestStreamsStop(t *testing.T) {
	s := newStreamServer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	began := time.Now()
	load := streams(t,
		loadgen.Stream{Kind: loadgen.WebSocket, URL: strings.Replace(s.URL, "http", "ws", 1) + "/ws", Connections: 5},
		loadgen.Stream{Kind: loadgen.GRPC, URL: s.grpc, Method: "/grpc.health.v1.Health/Watch", Connections: 5},
		loadgen.Stream{Kind: loadgen.SSE, URL: s.URL + "/events", Connections: 5},
		loadgen.Stream{Kind: loadgen.Poll, URL: s.URL + "/poll", Connections: 5},
	).Run(ctx, loadgen.Phase{Duration: time.Minute})
	if took := time.Since(began); took > 2*time.Second || load.Stopped == "" {
		t.Errorf("the phase went on for %s, stopped %q", took, load.Stopped)
	}
	s.gone(t)
}

// A redirect, as to a login or to production, is followed by no kind of connection.
func TestStreamsFollowNoRedirect(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusFound))
	defer s.Close()
	for kind, url := range map[string]string{
		loadgen.WebSocket: strings.Replace(s.URL, "http", "ws", 1), loadgen.SSE: s.URL, loadgen.Poll: s.URL,
	} {
		load := streams(t, loadgen.Stream{Kind: kind, URL: url, Connections: 1}).Run(t.Context(), loadgen.Phase{Duration: 300 * time.Millisecond})
		if load.Succeeded != 0 || elsewhere.Load() != 0 || load.Entries[0].Errors == nil {
			t.Errorf("%s: load %+v, %d requests elsewhere; want failures alone, and none elsewhere", kind, load, elsewhere.Load())
		}
	}
}

// A poll that is answered at once is asked again after a pause, not in a flood.
func TestPollIsNoFlood(t *testing.T) {
	var asked atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer s.Close()
	streams(t, loadgen.Stream{Kind: loadgen.Poll, URL: s.URL, Connections: 1}).Run(t.Context(), loadgen.Phase{Duration: time.Second})
	if n := asked.Load(); n < 1 || n > 8 {
		t.Errorf("asked %d times in a second, want one in 200 ms", n)
	}
}
