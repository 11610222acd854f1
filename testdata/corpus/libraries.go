package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"gopkg.in/natefinch/lumberjack.v2"
)

// libraryLeaks are misuses of what everybody uses.
func libraryLeaks() []service {
	return []service{
		leak("body-unclosed", "a response body left open, with a transport per request", "net/http.(*persistConn).readLoop", func() http.HandlerFunc {
			up := upstreamServer(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
			return each(func(*http.Request) { _, _ = (&http.Client{Transport: &http.Transport{}}).Get(up) })()
		}),
		leak("transport-per-request", "a transport per request whose idle connections stay", "net/http.(*persistConn).readLoop", func() http.HandlerFunc {
			up := upstreamServer(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "ok") })
			return each(func(*http.Request) {
				if resp, err := (&http.Client{Transport: &http.Transport{}}).Get(up); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
			})()
		}),
		leak("rows-unclosed", "rows that are never closed", "database/sql.(*Rows).awaitDone", func() http.HandlerFunc {
			db := openFake()
			return each(func(*http.Request) {
				ctx, cancel := context.WithCancel(context.Background())
				_ = cancel
				_, _ = db.QueryContext(ctx, "select")
			})()
		}),
		leak("tx-open", "a transaction with neither commit nor rollback", "database/sql.(*Tx).awaitDone", func() http.HandlerFunc {
			db := openFake()
			return each(func(*http.Request) {
				ctx, cancel := context.WithCancel(context.Background())
				_ = cancel
				_, _ = db.BeginTx(ctx, nil)
			})()
		}),
		leak("db-per-request", "a sql.DB opened per request", "database/sql.(*DB).connectionOpener", each(func(*http.Request) { _ = openFake().Ping() })),
		leak("logger-per-request", "a rotating logger per request", "gopkg.in/natefinch/lumberjack.v2.(*Logger).millRun", func() http.HandlerFunc {
			dir, err := os.MkdirTemp("", "corpus")
			if err != nil {
				panic(err)
			}
			var n atomic.Int64
			return each(func(*http.Request) {
				l := &lumberjack.Logger{Filename: filepath.Join(dir, strconv.FormatInt(n.Add(1)%4, 10)), MaxSize: 1}
				_ = l.Rotate()
				l.Close()
			})()
		}),
		leak("cache-per-request", "a cache with a janitor per request, kept in a table", "github.com/patrickmn/go-cache.(*janitor).Run", each(func(*http.Request) {
			c := cache.New(time.Minute, time.Hour)
			sessions.Store(c, true)
		})),
		leak("errgroup", "a group whose producer outlives the error", "main.produce", each(func(*http.Request) {
			g, ctx := errgroup.WithContext(context.Background())
			out := make(chan int)
			g.Go(func() error { return produce(ctx, out) })
			go func() { _ = g.Wait() }()
		})),
		leak("grpc-stream", "a gRPC stream that is neither read to its end nor cancelled", "google.golang.org/grpc/", func() http.HandlerFunc {
			client := healthpb.NewHealthClient(dialHealth())
			return each(func(*http.Request) {
				if s, err := client.Watch(context.Background(), &healthpb.HealthCheckRequest{}); err == nil {
					_, _ = s.Recv()
				}
			})()
		}),
		leak("grpc-conn", "a gRPC connection per request", "google.golang.org/grpc/", func() http.HandlerFunc {
			addr := serveHealth()
			return each(func(r *http.Request) {
				c, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
				if err == nil {
					_, _ = healthpb.NewHealthClient(c).Check(r.Context(), &healthpb.HealthCheckRequest{})
				}
			})()
		}),
		leak("handler-slog", "an asynchronous log handler per request", "main.(*asyncHandler).run", each(func(*http.Request) {
			slog.New(newAsyncHandler()).Info("request")
		})),
	}
}

func produce(_ context.Context, out chan<- int) error {
	out <- 1 // ignores the context
	return nil
}

type asyncHandler struct {
	slog.Handler
	records chan slog.Record
}

func newAsyncHandler() *asyncHandler {
	h := &asyncHandler{Handler: slog.NewTextHandler(io.Discard, nil), records: make(chan slog.Record, 16)}
	go h.run()
	return h
}

func (h *asyncHandler) Handle(_ context.Context, r slog.Record) error { h.records <- r; return nil }

func (h *asyncHandler) run() {
	for r := range h.records {
		_ = h.Handler.Handle(context.Background(), r)
	}
}

func serveHealth() string {
	l := listen()
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, health.NewServer())
	go func() { panic(s.Serve(l)) }()
	return l.Addr().String()
}

func dialHealth() *grpc.ClientConn {
	c, err := grpc.NewClient(serveHealth(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	return c
}

// proxyTo is a reverse proxy, for connections that stay.
func proxyTo(address string, t *http.Transport) http.HandlerFunc {
	u, err := url.Parse(address)
	if err != nil {
		panic(err)
	}
	p := httputil.NewSingleHostReverseProxy(u)
	p.Transport = t
	return p.ServeHTTP
}

// The smallest database driver: every query has one row.
type (
	fakeDriver struct{}
	fakeConn   struct{}
	fakeStmt   struct{}
	fakeRows   struct{ done bool }
	fakeTx     struct{}
)

func openFake() *sql.DB { return sql.OpenDB(fakeDriver{}) }

func (fakeDriver) Connect(context.Context) (driver.Conn, error) { return fakeConn{}, nil }
func (d fakeDriver) Driver() driver.Driver                      { return d }
func (fakeDriver) Open(string) (driver.Conn, error)             { return fakeConn{}, nil }
func (fakeConn) Prepare(string) (driver.Stmt, error)            { return fakeStmt{}, nil }
func (fakeConn) Close() error                                   { return nil }
func (fakeConn) Begin() (driver.Tx, error)                      { return fakeTx{}, nil }
func (fakeStmt) Close() error                                   { return nil }
func (fakeStmt) NumInput() int                                  { return -1 }
func (fakeStmt) Exec([]driver.Value) (driver.Result, error)     { return driver.ResultNoRows, nil }
func (fakeStmt) Query([]driver.Value) (driver.Rows, error)      { return &fakeRows{}, nil }
func (*fakeRows) Columns() []string                             { return []string{"n"} }
func (*fakeRows) Close() error                                  { return nil }
func (fakeTx) Commit() error                                    { return nil }
func (fakeTx) Rollback() error                                  { return nil }

func (r *fakeRows) Next(dest []driver.Value) error {
	if r.done {
		return io.EOF
	}
	r.done = true
	dest[0] = int64(1)
	return nil
}
