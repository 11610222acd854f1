package kubernetes

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// front stands before the replicas as a Service and its proxy would: each request goes to
// the next replica that takes connections. It keeps none open, so that what it does itself
// leaves nothing in a pod.
type front struct {
	sockets string

	mu    sync.Mutex
	names []string // of sockets, as last seen
	seen  time.Time
	next  int
}

// startFront serves a front on 127.0.0.1 for the length of a test, and returns its address.
func startFront(t *testing.T, sockets string) string {
	t.Helper()
	f := &front{sockets: sockets}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: "pods"}) },
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return f.dial(ctx)
			},
		},
		ErrorLog: log.New(io.Discard, "", 0), // a pod that goes is what the tests are about
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	return server.URL
}

// lookEvery is how often a front looks for new sockets: sooner than a kube-proxy would.
const lookEvery = 200 * time.Millisecond

// choices are the sockets in the order in which they are to be tried.
func (f *front) choices() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	if time.Since(f.seen) > lookEvery {
		f.names, _ = filepath.Glob(filepath.Join(f.sockets, "*.sock")) // the pattern is right
		f.seen = time.Now()
	}
	if len(f.names) == 0 {
		return nil
	}
	f.next = (f.next + 1) % len(f.names)
	return append(f.names[f.next:len(f.names):len(f.names)], f.names[:f.next]...)
}

func (f *front) dial(ctx context.Context) (net.Conn, error) {
	var dialer net.Dialer
	err := error(&net.OpError{Op: "dial", Net: "unix", Err: net.ErrClosed})
	for _, name := range f.choices() {
		var conn net.Conn
		if conn, err = dialer.DialContext(ctx, "unix", name); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// overSocket is a transport to whoever listens at a socket.
func overSocket(name string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", name)
	}}
}
