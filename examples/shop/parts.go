package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// pool runs jobs on workers that it starts when a job finds none idle, up to a
// limit, and keeps: after the first load it is larger than before, for good.
type pool struct {
	ctx   context.Context
	jobs  chan func()
	limit int

	mu      sync.Mutex
	started int
}

func newPool(ctx context.Context, limit int) *pool {
	return &pool{ctx: ctx, jobs: make(chan func()), limit: limit}
}

func (p *pool) do(job func()) {
	select {
	case p.jobs <- job:
		return
	default:
	}
	p.mu.Lock()
	if p.started < p.limit {
		p.started++
		go p.work()
	}
	p.mu.Unlock()
	select {
	case p.jobs <- job:
	case <-p.ctx.Done():
		job()
	}
}

func (p *pool) work() {
	for {
		select {
		case job := <-p.jobs:
			job()
		case <-p.ctx.Done():
			return
		}
	}
}

// cache forgets what was not asked for in a minute. Its janitor starts with
// the first entry and ends with the last.
type cache struct {
	mu      sync.Mutex
	entries map[string]cached
	janitor bool
}

type cached struct {
	value string
	used  time.Time
}

func newCache() *cache { return &cache{entries: map[string]cached{}} }

func (c *cache) get(key string, load func() string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[key]
	if !ok {
		e.value = load()
	}
	e.used = time.Now()
	c.entries[key] = e
	if !c.janitor {
		c.janitor = true
		go c.clean()
	}
	return e.value
}

func (c *cache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
}

func (c *cache) clean() {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for now := range tick.C {
		c.mu.Lock()
		for k, e := range c.entries {
			if now.Sub(e.used) > time.Minute {
				delete(c.entries, k)
			}
		}
		if len(c.entries) == 0 {
			c.janitor = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
	}
}

// pricing is the upstream: list prices over HTTP.
func pricing() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /list/{sku}", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, map[string]int{"price": 100 * len(r.PathValue("sku"))})
	})
	return mux
}

// upstream calls the pricing service over kept-alive connections.
type upstream struct {
	url    string
	client *http.Client
	open   atomic.Int64
}

func newUpstream(url string) *upstream {
	u := &upstream{url: url}
	u.client = &http.Client{Transport: u.transport(), Timeout: 5 * time.Second}
	return u
}

func (u *upstream) transport() *http.Transport {
	return &http.Transport{DialContext: u.dial, MaxIdleConnsPerHost: 8, IdleConnTimeout: 90 * time.Second}
}

func (u *upstream) close() { u.client.CloseIdleConnections() }

// list asks for a list price. With leak, it makes a transport of its own and
// forgets to close the answer's body.
func (u *upstream) list(ctx context.Context, sku string, leak bool) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url+"/list/"+sku, nil)
	if err != nil {
		return 0, err
	}
	client := u.client
	if leak {
		client = &http.Client{Transport: u.transport()}
		req = req.WithContext(context.WithoutCancel(ctx))
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	if !leak {
		defer resp.Body.Close()
	}
	var answer struct{ Price int }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("list price of %s: %w", sku, err)
	}
	if !leak {
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	return answer.Price, nil
}

// dial counts the open connections to the upstream.
func (u *upstream) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	u.open.Add(1)
	return &meteredConn{Conn: c, upstream: u}, nil
}

// meteredConn is a connection to the upstream that is counted while open.
type meteredConn struct {
	net.Conn
	upstream *upstream
	received atomic.Int64
	once     sync.Once
}

// Read counts what arrives.
func (c *meteredConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.received.Add(int64(n))
	return n, err
}

// Close takes the connection off the count.
func (c *meteredConn) Close() error {
	c.once.Do(func() { c.upstream.open.Add(-1) })
	return c.Conn.Close()
}
