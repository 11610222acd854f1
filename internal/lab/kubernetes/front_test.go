package kubernetes

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
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

// A front hands requests round, and leaves out replicas that take no connections.
func TestFront(t *testing.T) {
	dir, err := os.MkdirTemp("", "lab-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	for _, pod := range []string{"a", "b", "gone"} {
		l, err := net.Listen("unix", filepath.Join(dir, pod+".sock"))
		if err != nil {
			t.Fatal(err)
		}
		if pod == "gone" {
			l.(*net.UnixListener).SetUnlinkOnClose(false) // as a container that was killed leaves it
			l.Close()
			continue
		}
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, pod)
		}))
		server.Listener.Close()
		server.Listener = l
		server.Start()
		t.Cleanup(server.Close)
	}
	url := startFront(t, dir)
	seen := map[string]int{}
	for range 30 {
		resp, err := http.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		seen[string(body)]++
	}
	if seen["a"]+seen["b"] != 30 || seen["a"] < 10 || seen["b"] < 10 {
		t.Errorf("30 requests went to %v, want at least a third to each of a and b, and none elsewhere", seen)
	}
}
