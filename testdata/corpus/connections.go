package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

// connections are healthy: they are kept, reused, and closed in time.
func connections() []service {
	hello := func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Millisecond); fmt.Fprintln(w, "hello") }
	get := func(c *http.Client, up string) {
		if resp, err := c.Get(up); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	}
	return []service{
		healthy("keepalive", "an upstream over the default client", func() http.HandlerFunc {
			up := upstreamServer(hello)
			return each(func(*http.Request) { get(http.DefaultClient, up) })()
		}),
		healthy("keepalive-many", "an upstream with a hundred idle connections for 90 s", func() http.HandlerFunc {
			up := upstreamServer(hello)
			c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 100, IdleConnTimeout: 90 * time.Second}}
			return each(func(*http.Request) { get(c, up) })()
		}),
		healthy("proxy", "a reverse proxy that keeps idle connections for two minutes", func() http.HandlerFunc {
			return proxyTo(upstreamServer(hello), &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: 2 * time.Minute})
		}),
		healthy("http2", "an upstream over HTTP/2", func() http.HandlerFunc {
			s := httptest.NewUnstartedServer(http.HandlerFunc(hello))
			s.EnableHTTP2 = true
			s.StartTLS()
			c := s.Client()
			return each(func(*http.Request) { get(c, s.URL) })()
		}),
		healthy("grpc", "an upstream over one gRPC connection", func() http.HandlerFunc {
			client := healthpb.NewHealthClient(dialHealth())
			return each(func(r *http.Request) { _, _ = client.Check(r.Context(), &healthpb.HealthCheckRequest{}) })()
		}),
		healthy("grpc-stream", "the twin of grpc-stream, cancelled", func() http.HandlerFunc {
			client := healthpb.NewHealthClient(dialHealth())
			return each(func(*http.Request) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if s, err := client.Watch(ctx, &healthpb.HealthCheckRequest{}); err == nil {
					_, _ = s.Recv()
				}
			})()
		}),
		healthy("transport-closed", "the twin of transport-per-request, closed", func() http.HandlerFunc {
			up := upstreamServer(hello)
			return each(func(*http.Request) {
				t := &http.Transport{}
				get(&http.Client{Transport: t}, up)
				t.CloseIdleConnections()
			})()
		}),
		healthy("sql-pool", "a database pool with rows that are closed", func() http.HandlerFunc {
			db := openFake()
			db.SetMaxIdleConns(10)
			return each(func(r *http.Request) {
				if rows, err := db.QueryContext(r.Context(), "select"); err == nil {
					rows.Close()
				}
			})()
		}),
		healthy("sql-tx", "transactions that are committed", func() http.HandlerFunc {
			db := openFake()
			return each(func(r *http.Request) {
				if tx, err := db.BeginTx(r.Context(), nil); err == nil {
					_ = tx.Commit()
				}
			})()
		}),
		healthy("websocket", "a WebSocket per request to a server of its own, closed", func() http.HandlerFunc {
			up := upstreamServer(func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, nil)
				if err != nil {
					return
				}
				defer c.CloseNow()
				_ = c.Write(r.Context(), websocket.MessageText, []byte("hello"))
				_, _, _ = c.Read(r.Context())
			})
			return each(func(r *http.Request) {
				c, _, err := websocket.Dial(r.Context(), up, nil)
				if err != nil {
					return
				}
				_, _, _ = c.Read(r.Context())
				c.CloseNow()
			})()
		}),
		healthy("connections-90s", "new connections to a server that keeps them for 90 s, one in ten", func() http.HandlerFunc {
			hold := holdConnections(90 * time.Second)
			var n atomic.Int64
			return func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1)%10 == 0 {
					hold()
				}
				fmt.Fprintln(w, "ok")
			}
		}).slow(),
		healthy("connections-90s-each", "new connections to a server that keeps them for 90 s", holdEach(90*time.Second)).slow(),
		healthy("connections-10s", "new connections to a server that keeps them for ten seconds", holdEach(10*time.Second)),
	}
}

func holdEach(d time.Duration) func() http.HandlerFunc {
	return func() http.HandlerFunc {
		hold := holdConnections(d)
		return each(func(*http.Request) { hold() })()
	}
}

// holdConnections opens connections to a server that keeps each for a while.
func holdConnections(d time.Duration) func() {
	l := listen()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				panic(err)
			}
			go holdConnection(c, d)
		}
	}()
	return func() {
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			time.AfterFunc(d, func() { c.Close() })
		}
	}
}

func holdConnection(c net.Conn, d time.Duration) {
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(d))
	_, _ = c.Read(make([]byte, 1))
}
