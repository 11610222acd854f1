package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/robfig/cron/v3"
	"golang.org/x/sync/singleflight"
)

// leaksOfLibraries are leaks on the stacks of libraries, or through them.
func leaksOfLibraries() []service {
	return []service{
		leak("redis-pubsub", "one request in three subscribes with go-redis, looks at PubSub.Channel for a moment and forgets Close", "github.com/redis/go-redis/v9", redisPubSub),
		leak("cron-per-report", "one request in twenty starts a cron scheduler for its report, which starts short jobs every two seconds and is never stopped", "github.com/robfig/cron/v3.(*Cron).run", cronPerReport),
		leak("lost-reply", "one request in six misses the cache and calls through singleflight.DoChan; a third of the replies are lost, and the call waits in a global table", "main.(*rpcClient).call", lostReply),
		leak("custom-context", "one request in three derives from the service's own Context type and returns early without cancel", "context.(*cancelCtx).propagateCancel", customContext),
		leak("sql-exhausted", "rows forgotten on an error path use up a pool of six connections; from then on everything behind the answers waits for one", "main.(*ledger).", sqlExhausted),
	}
}

// Announcements over Redis.

func redisPubSub() http.HandlerFunc {
	rdb := redis.NewClient(&redis.Options{Addr: startUpstream("redis"), Protocol: 2})
	return numbered(func(n int, r *http.Request) {
		if n%3 != 0 {
			_, _ = rdb.Get(r.Context(), "announcement").Result()
			return
		}
		news := rdb.Subscribe(context.Background(), "announcements").Channel()
		select {
		case <-news:
		case <-time.After(15 * time.Millisecond):
		}
	})
}

// Reports that repeat.

type printedReport struct{ sent atomic.Int64 }

func (r *printedReport) send() {
	time.Sleep(60 * time.Millisecond)
	r.sent.Add(1)
}

func cronPerReport() http.HandlerFunc {
	return numbered(func(n int, _ *http.Request) {
		if n%20 == 0 {
			c := cron.New()
			_, _ = c.AddFunc("@every 2s", (&printedReport{}).send)
			c.Start()
		}
	})
}

// Calls whose replies are matched by number.

type rpcClient struct {
	mu      sync.Mutex
	next    int
	pending map[int]chan string
	wire    chan int
}

var backend = &rpcClient{pending: map[int]chan string{}, wire: make(chan int, 64)}

func (c *rpcClient) call() string {
	reply := make(chan string, 1)
	c.mu.Lock()
	c.next++
	id := c.next
	c.pending[id] = reply
	c.mu.Unlock()
	c.wire <- id
	return <-reply
}

func (c *rpcClient) readLoop() {
	for id := range c.wire {
		if id%3 == 0 {
			continue // the reply is lost
		}
		time.Sleep(time.Millisecond)
		c.mu.Lock()
		c.pending[id] <- "value"
		delete(c.pending, id)
		c.mu.Unlock()
	}
}

func lostReply() http.HandlerFunc {
	go backend.readLoop()
	var flights singleflight.Group
	return numbered(func(n int, _ *http.Request) {
		if n%6 != 0 {
			return // a hit
		}
		done := flights.DoChan(fmt.Sprint(n), func() (any, error) { return backend.call(), nil })
		select {
		case <-done:
		case <-time.After(25 * time.Millisecond): // stale is good enough
		}
	})
}

// A Context of the service's own: what is done when the service drains.

type appContext struct {
	drained chan struct{}
	values  sync.Map
}

func (*appContext) Deadline() (time.Time, bool) { return time.Time{}, false }
func (c *appContext) Done() <-chan struct{}     { return c.drained }
func (c *appContext) Value(key any) any         { v, _ := c.values.Load(key); return v }

func (c *appContext) Err() error {
	select {
	case <-c.drained:
		return context.Canceled
	default:
		return nil
	}
}

func customContext() http.HandlerFunc {
	app := &appContext{drained: make(chan struct{})}
	validate := func(n int) bool { return n%3 != 0 }
	return numbered(func(n int, _ *http.Request) {
		ctx, cancel := context.WithCancel(app)
		if !validate(n) {
			return // before the defer
		}
		defer cancel()
		_ = ctx.Err()
	})
}

// A ledger in a database.

type ledger struct{ db *sql.DB }

// statement forgets its rows where the report turns out to be empty.
func (l *ledger) statement(empty bool) {
	rows, err := l.db.Query("select statement")
	if err != nil || empty {
		return
	}
	defer rows.Close()
	for rows.Next() {
		var n int
		_ = rows.Scan(&n)
	}
}

func (l *ledger) audit() { _, _ = l.db.Exec("insert audit") }

func sqlExhausted() http.HandlerFunc {
	l := &ledger{sql.OpenDB(memDriver{})}
	l.db.SetMaxOpenConns(6)
	l.db.SetMaxIdleConns(6)
	return numbered(func(n int, _ *http.Request) {
		go l.audit()
		if n%3 == 0 {
			go l.statement(n%6 == 0)
		}
	})
}

// A driver whose every query has one row.
type (
	memDriver struct{}
	memConn   struct{}
	memStmt   struct{}
	memRows   struct{ done bool }
)

func (memDriver) Connect(context.Context) (driver.Conn, error) { return memConn{}, nil }
func (d memDriver) Driver() driver.Driver                      { return d }
func (memDriver) Open(string) (driver.Conn, error)             { return memConn{}, nil }
func (memConn) Prepare(string) (driver.Stmt, error)            { return memStmt{}, nil }
func (memConn) Close() error                                   { return nil }
func (memConn) Begin() (driver.Tx, error)                      { return nil, driver.ErrSkip }
func (memStmt) Close() error                                   { return nil }
func (memStmt) NumInput() int                                  { return -1 }
func (memStmt) Exec([]driver.Value) (driver.Result, error)     { return driver.ResultNoRows, nil }
func (memStmt) Query([]driver.Value) (driver.Rows, error)      { return &memRows{}, nil }
func (*memRows) Columns() []string                             { return []string{"n"} }
func (*memRows) Close() error                                  { return nil }

func (r *memRows) Next(dest []driver.Value) error {
	if r.done {
		return io.EOF
	}
	r.done = true
	dest[0] = int64(1)
	return nil
}
