package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/websocket"
	"github.com/hashicorp/yamux"
	"github.com/sony/gobreaker/v2"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// fineConnections are healthy: connections and upstreams that take their time.
func fineConnections() []service {
	return []service{
		healthy("ws-pongwait", "one request in four makes a WebSocket client that falls silent; the gorilla pumps end when no pong came for seven seconds", wsPongWait),
		healthy("yamux-linger", "a yamux stream per request over one session, whose two ends close it up to two seconds after the answer", yamuxLinger),
		healthy("proxy-idle", "a TCP proxy that does not notice clients who leave without QUIT, but closes what was idle for six seconds", proxyIdle),
		healthy("hedged", "a second replica is asked after ten milliseconds, and the loser ends up to four seconds later", hedged),
		healthy("breaker", "deliveries to an upstream that is down for four of every eleven seconds, behind gobreaker: they pile up until it opens", breaker),
		healthy("otel-shutdown", "a tracer provider with a batch processor for every second request, shut down behind the answer by a slow exporter", otelShutdown),
	}
}

// WebSocket clients that fall silent.

type gateway struct{ upgrader websocket.Upgrader }

type wsPeer struct {
	conn *websocket.Conn
	send chan string
	gone chan struct{}
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, err := g.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	p := &wsPeer{c, make(chan string, 8), make(chan struct{})}
	go p.writePump()
	p.readPump()
}

func (p *wsPeer) readPump() {
	defer p.conn.Close()
	defer close(p.gone)
	const wait = 7 * time.Second
	_ = p.conn.SetReadDeadline(time.Now().Add(wait))
	p.conn.SetPongHandler(func(string) error { return p.conn.SetReadDeadline(time.Now().Add(wait)) })
	for {
		_, m, err := p.conn.ReadMessage()
		if err != nil {
			return
		}
		p.send <- string(m)
	}
}

func (p *wsPeer) writePump() {
	ping := time.NewTicker(2 * time.Second)
	defer ping.Stop()
	for {
		select {
		case m := <-p.send:
			_ = p.conn.WriteMessage(websocket.TextMessage, []byte(m))
		case <-ping.C:
			_ = p.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
		case <-p.gone:
			return
		}
	}
}

func wsPongWait() http.HandlerFunc {
	l := listen()
	go func() { panic(http.Serve(l, &gateway{})) }()
	return numbered(func(n int, r *http.Request) {
		if n%4 != 0 {
			return
		}
		c, _, err := websocket.DefaultDialer.Dial("ws://"+l.Addr().String(), nil)
		if err != nil {
			return
		}
		_ = c.WriteMessage(websocket.TextMessage, []byte("hello"))
		_, _, _ = c.ReadMessage()
		time.AfterFunc(9*time.Second, func() { c.Close() }) // it is in a tunnel until then
	})
}

// Streams over one session.

func yamuxLinger() http.HandlerFunc {
	quiet := yamux.DefaultConfig()
	quiet.LogOutput = io.Discard
	near, far := net.Pipe()
	server, err := yamux.Server(far, quiet)
	if err != nil {
		panic(err)
	}
	client, err := yamux.Client(near, quiet)
	if err != nil {
		panic(err)
	}
	go acceptStreams(server)
	return numbered(func(int, *http.Request) {
		s, err := client.OpenStream()
		if err != nil {
			return
		}
		fmt.Fprintln(s, "GET a")
		_, _ = bufio.NewReader(s).ReadString('\n')
		go closeLater(s)
	})
}

func acceptStreams(server *yamux.Session) {
	for {
		s, err := server.AcceptStream()
		if err != nil {
			return
		}
		go answerStream(s)
	}
}

func answerStream(s *yamux.Stream) {
	defer s.Close()
	for lines := bufio.NewScanner(s); lines.Scan(); {
		fmt.Fprintln(s, "OK")
	}
}

func closeLater(s *yamux.Stream) {
	time.Sleep(time.Duration(rand.IntN(2000)) * time.Millisecond)
	s.Close()
}

// A proxy with an idle timeout.

type idleProxy struct{ upstream string }

func (p *idleProxy) handle(c net.Conn) {
	defer c.Close()
	u, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer u.Close()
	var both sync.WaitGroup
	both.Go(func() { p.forward(u, c) })
	p.forward(c, u)
	c.Close()
	both.Wait()
}

func (p *idleProxy) forward(to, from net.Conn) {
	b := make([]byte, 1024)
	for {
		_ = from.SetReadDeadline(time.Now().Add(6 * time.Second))
		n, err := from.Read(b)
		if err != nil {
			return
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

func proxyIdle() http.HandlerFunc {
	l := listen()
	p := &idleProxy{startUpstream("lines")}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				panic(err)
			}
			go p.handle(c)
		}
	}()
	return numbered(func(n int, _ *http.Request) { askLine(l.Addr().String(), n%4 != 0) })
}

// Two replicas, of which the faster counts.

func askReplica(slow bool, answer chan<- string) {
	took := time.Duration(2+rand.IntN(20)) * time.Millisecond
	if slow {
		took = time.Duration(1500+rand.IntN(2500)) * time.Millisecond
	}
	time.Sleep(took)
	answer <- strings.Repeat("x", 64)
}

func hedged() http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		answer := make(chan string, 2)
		slowFirst := rand.IntN(2) == 0
		go askReplica(slowFirst, answer)
		select {
		case a := <-answer:
			fmt.Fprintln(w, a)
		case <-time.After(10 * time.Millisecond):
			go askReplica(!slowFirst, answer)
			fmt.Fprintln(w, <-answer)
		}
	}
}

// Deliveries behind a circuit breaker.

type hookSender struct {
	started time.Time
	breaker *gobreaker.CircuitBreaker[int]
	failed  atomic.Int64
}

func (s *hookSender) down() bool {
	at := time.Since(s.started) % (11 * time.Second)
	return at > 2*time.Second && at < 6*time.Second
}

func (s *hookSender) post() (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 1200*time.Millisecond)
	defer cancel()
	took := time.Duration(20+rand.IntN(80)) * time.Millisecond
	if s.down() {
		took = time.Hour
	}
	t := time.NewTimer(took)
	defer t.Stop()
	select {
	case <-t.C:
		return http.StatusOK, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (s *hookSender) deliver() {
	for wait := 500 * time.Millisecond; wait < 4*time.Second; wait *= 2 {
		_, err := s.breaker.Execute(s.post)
		if err == nil {
			return
		}
		if errors.Is(err, gobreaker.ErrOpenState) {
			break // dropped: the sender will send it again
		}
		time.Sleep(wait)
	}
	s.failed.Add(1)
}

func breaker() http.HandlerFunc {
	s := &hookSender{started: time.Now(), breaker: gobreaker.NewCircuitBreaker[int](gobreaker.Settings{
		Name: "hooks", MaxRequests: 3, Timeout: 1500 * time.Millisecond,
		ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures > 10 },
	})}
	return numbered(func(int, *http.Request) { go s.deliver() })
}

// A tracer for each request.

type slowExporter struct{}

func (slowExporter) ExportSpans(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
	select {
	case <-time.After(time.Duration(500+rand.IntN(1500)) * time.Millisecond):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (slowExporter) Shutdown(context.Context) error { return nil }

func shutDown(p *sdktrace.TracerProvider) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = p.Shutdown(ctx)
}

func otelShutdown() http.HandlerFunc {
	return numbered(func(n int, r *http.Request) {
		if n%2 != 0 {
			return
		}
		p := sdktrace.NewTracerProvider(sdktrace.WithBatcher(slowExporter{}))
		_, span := p.Tracer("holdout").Start(r.Context(), "request")
		span.End()
		go shutDown(p)
	})
}
