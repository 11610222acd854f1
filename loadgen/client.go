package loadgen

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// connections makes and remembers connections, so that none survives a phase.
type connections struct {
	dialer net.Dialer
	socket string
	over   context.Context // ends with the phase; so do all dials
	end    context.CancelFunc

	mu   sync.Mutex
	open map[*conn]struct{}
}

func newConnections(cfg Config) *connections {
	c := &connections{dialer: net.Dialer{Timeout: cfg.Timeout}, socket: cfg.UnixSocket, open: map[*conn]struct{}{}}
	c.over, c.end = context.WithCancel(context.Background())
	return c
}

type conn struct {
	net.Conn
	owner *connections
	once  sync.Once
}

func (c *conn) Close() error {
	c.once.Do(func() {
		c.owner.mu.Lock()
		delete(c.owner.open, c)
		c.owner.mu.Unlock()
	})
	return c.Conn.Close()
}

var errPhaseOver = errors.New("the phase of load is over")

func (c *connections) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	if c.socket != "" {
		network, addr = "unix", c.socket
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.over, cancel)()
	nc, err := c.dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	out := &conn{Conn: nc, owner: c}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over.Err() != nil {
		nc.Close()
		return nil, errPhaseOver
	}
	c.open[out] = struct{}{}
	return out, nil
}

// closeAll ends all connections and dials, and with them all requests in flight.
func (c *connections) closeAll() {
	c.end()
	c.mu.Lock()
	all := make([]*conn, 0, len(c.open))
	for k := range c.open {
		all = append(all, k)
	}
	c.mu.Unlock()
	for _, k := range all {
		k.Close()
	}
}

// client is an http.RoundTripper for one phase. It takes the entry's index
// from the URL's fragment, which is never sent, counts bytes and requests in
// flight, and hangs up on the requests that are to be abandoned.
type client struct {
	transport *http.Transport
	conns     *connections
	entries   []*entry
	agent     string

	inflight atomic.Int64
	peak     atomic.Int64
	stopped  atomic.Bool
}

// entry is the live state of one request of the load.
type entry struct {
	abandon float64
	bytesIn atomic.Uint64
	typical atomic.Int64 // latency to the response's header, nanoseconds, smoothed; 0: none yet
}

// errAbandoned is the error of a request whose client hung up on purpose.
var errAbandoned = errors.New("leakgate: abandoned")

func newClient(cfg Config) *client {
	c := &client{
		conns: newConnections(cfg),
		agent: cfg.UserAgent,
	}
	for _, r := range cfg.Requests {
		c.entries = append(c.entries, &entry{abandon: r.Abandon})
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!cfg.H2C)
	protocols.SetHTTP2(cfg.HTTP2 && !cfg.H2C)
	protocols.SetUnencryptedHTTP2(cfg.H2C)
	tlsConfig := cfg.TLS
	if tlsConfig != nil {
		tlsConfig = tlsConfig.Clone()
	}
	c.transport = &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         c.conns.dial,
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: cfg.Timeout,
		MaxIdleConns:        0,
		MaxIdleConnsPerHost: cfg.Connections,
		Protocols:           protocols,
		DisableCompression:  true,
	}
	return c
}

// stop ends what is in flight and refuses new requests.
func (c *client) stop() {
	c.stopped.Store(true)
	c.conns.closeAll()
}

// close ends the phase: no connection is left when it returns.
func (c *client) close() {
	c.stopped.Store(true)
	c.transport.CloseIdleConnections()
	c.conns.closeAll()
}

// RoundTrip sends one request.
func (c *client) RoundTrip(req *http.Request) (*http.Response, error) {
	if c.stopped.Load() {
		return nil, errPhaseOver
	}
	index, err := strconv.Atoi(req.URL.Fragment)
	if err != nil || index < 0 || index >= len(c.entries) {
		return nil, errors.New("leakgate: request without an entry")
	}
	e := c.entries[index]
	req.Header.Del("X-Vegeta-Seq")
	if c.agent != "" && req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", c.agent)
	}
	n := c.inflight.Add(1)
	for p := c.peak.Load(); n > p && !c.peak.CompareAndSwap(p, n); p = c.peak.Load() {
	}
	if e.abandon > 0 && rand.Float64() < e.abandon {
		defer c.inflight.Add(-1)
		return nil, c.hangUp(req, e)
	}
	began := time.Now()
	resp, err := c.transport.RoundTrip(req)
	if err != nil {
		c.inflight.Add(-1)
		return nil, err
	}
	if old, now := e.typical.Load(), int64(time.Since(began)); old == 0 {
		e.typical.Store(now)
	} else {
		e.typical.Store(old + (now-old)/8)
	}
	resp.Body = &countingBody{ReadCloser: resp.Body, entry: e, client: c}
	return resp, nil
}

// hangUp sends a request and abandons it at a random moment before its response is due, or
// at the first byte of the response if that comes sooner.
func (c *client) hangUp(req *http.Request, e *entry) error {
	ctx, cancel := context.WithCancel(req.Context())
	defer cancel()
	typical := time.Duration(e.typical.Load())
	if typical == 0 {
		typical = 5 * time.Millisecond
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) {
			time.AfterFunc(time.Duration(rand.Int64N(int64(typical)+1)), cancel)
		},
	})
	resp, err := c.transport.RoundTrip(req.WithContext(ctx))
	if err == nil {
		resp.Body.Close()
		return errAbandoned
	}
	if ctx.Err() != nil && req.Context().Err() == nil {
		return errAbandoned
	}
	return err
}

// countingBody counts what is read and notices the end.
type countingBody struct {
	io.ReadCloser
	entry  *entry
	client *client
	n      uint64
	closed bool
}

func (b *countingBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += uint64(n)
	return n, err
}

func (b *countingBody) Close() error {
	if !b.closed {
		b.closed = true
		b.entry.bytesIn.Add(b.n)
		b.client.inflight.Add(-1)
	}
	return b.ReadCloser.Close()
}

// noRedirect returns a redirect as it came: the plan says what is asked for.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
