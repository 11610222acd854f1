package loadgen

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// ended is the part of an open connection that records its end.
type ended struct {
	once sync.Once
	ch   chan struct{}
	why  error
}

func newEnded() *ended { return &ended{ch: make(chan struct{})} }

func (e *ended) done() <-chan struct{} { return e.ch }
func (e *ended) err() error            { return e.why }
func (e *ended) end(why error)         { e.once.Do(func() { e.why = why; close(e.ch) }) }

// farewell is how long to wait for the other side to close a connection.
const farewell = time.Second

// transport is the HTTP client of one connection.
func transport(cfg StreamsConfig, conns *connections) *http.Transport {
	tc := cfg.TLS
	if tc != nil {
		tc = tc.Clone()
	}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DialContext: conns.dial, TLSClientConfig: tc,
		TLSHandshakeTimeout: cfg.Timeout, DisableCompression: true, ForceAttemptHTTP2: false,
	}
}

func request(ctx context.Context, cfg StreamsConfig, s Stream) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL, nil)
	if err != nil {
		return nil, err
	}
	req.Header = headers(cfg, s)
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req, nil
}

func headers(cfg StreamsConfig, s Stream) http.Header {
	h := s.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	if cfg.UserAgent != "" && h.Get("User-Agent") == "" {
		h.Set("User-Agent", cfg.UserAgent)
	}
	return h
}

// again does something once, or at an interval until it fails or ctx is cancelled.
func again(ctx context.Context, every time.Duration, do func() bool) {
	if !do() || every <= 0 {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if !do() {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
