package loadgen

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/record"
)

// certificate is a client certificate that is its own authority.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// trusting is a client's TLS config that knows the server's own authority.
func trusting(s *server, certs ...tls.Certificate) *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return &tls.Config{RootCAs: roots, Certificates: certs}
}

// What every phase promises: nothing of it is left on the server, over any
// protocol.
func TestRunLeavesNoConnection(t *testing.T) {
	cert, pool := certificate(t)
	socket := filepath.Join(t.TempDir(), "s")
	overTLS := func(s *httptest.Server) { s.StartTLS() }
	http2 := func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }
	for _, c := range []struct {
		name   string
		start  func(*httptest.Server)
		config func(*Config, *server)
		proto  string
	}{
		{name: "HTTP/1.1", proto: "HTTP/1.1"},
		{
			name: "TLS with its own CA", proto: "HTTP/1.1",
			start:  overTLS,
			config: func(c *Config, s *server) { c.TLS = trusting(s) },
		},
		{
			name: "HTTP/2", proto: "HTTP/2.0",
			start:  http2,
			config: func(c *Config, s *server) { c.TLS, c.HTTP2 = trusting(s), true },
		},
		{ // The server offers it, and the plan did not ask for it.
			name: "HTTP/2 not asked for", proto: "HTTP/1.1",
			start:  http2,
			config: func(c *Config, s *server) { c.TLS = trusting(s) },
		},
		{ // And the other way round.
			name: "HTTP/2 not offered", proto: "HTTP/1.1",
			start:  overTLS,
			config: func(c *Config, s *server) { c.TLS, c.HTTP2 = trusting(s), true },
		},
		{
			name: "h2c", proto: "HTTP/2.0",
			start: func(s *httptest.Server) {
				s.Config.Protocols = new(http.Protocols)
				s.Config.Protocols.SetHTTP1(true)
				s.Config.Protocols.SetUnencryptedHTTP2(true)
				s.Start()
			},
			config: func(c *Config, _ *server) { c.H2C = true },
		},
		{
			name: "unix socket", proto: "HTTP/1.1",
			start: func(s *httptest.Server) {
				l, err := net.Listen("unix", socket)
				if err != nil {
					t.Fatal(err)
				}
				s.Listener.Close()
				s.Listener = l
				s.Start()
			},
			config: func(c *Config, _ *server) {
				c.UnixSocket, c.Requests[0].URL = socket, "http://shop.example/"
			},
		},
		{
			name: "client certificate", proto: "HTTP/1.1",
			start: func(s *httptest.Server) {
				s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
				s.StartTLS()
			},
			config: func(c *Config, s *server) { c.TLS = trusting(s, cert) },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := newServer(t, slow(10*time.Millisecond), c.start)
			cfg := Config{Rate: 200, Connections: 8, Requests: []Request{{URL: srv.URL}}}
			if c.config != nil {
				c.config(&cfg, srv)
			}
			load := run(t, cfg, 150*time.Millisecond)
			if load.Sent == 0 || load.Succeeded != load.Sent {
				t.Fatalf("load = %+v, want every request to succeed", load)
			}
			within(t, soon, "the server holds no connection", func() bool { return srv.seen().open == 0 })
			got := srv.seen()
			if want := map[string]int{c.proto: int(load.Sent)}; !cmp.Equal(got.protos, want) {
				t.Errorf("the server saw %v, want %v", got.protos, want)
			}
			if got.accepted == 0 || got.accepted > 16 { // net/http may dial a few that it turns out not to need
				t.Errorf("%d connections for %d requests, 8 at once; want them kept alive", got.accepted, load.Sent)
			}
		})
	}
}

// The twins of the cases above that have to fail.
func TestRunRefusedByTLS(t *testing.T) {
	_, pool := certificate(t)
	wanting := func(s *httptest.Server) {
		s.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
		s.StartTLS()
	}
	for _, c := range []struct {
		name   string
		start  func(*httptest.Server)
		config func(*server) *tls.Config
	}{
		{"unknown authority", (*httptest.Server).StartTLS, func(*server) *tls.Config { return nil }},
		{"no client certificate", wanting, func(s *server) *tls.Config { return trusting(s) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := newServer(t, untilGone, c.start)
			load := run(t, Config{Rate: 50, TLS: c.config(srv), Requests: []Request{{URL: srv.URL}}}, 100*time.Millisecond)
			failed := uint64(0)
			for _, n := range load.Entries[0].Errors {
				failed += n
			}
			if load.Sent == 0 || load.Answered != 0 || failed != load.Sent {
				t.Errorf("load = %+v, want every request to fail", load)
			}
			within(t, soon, "the server holds no connection", func() bool { return srv.seen().open == 0 })
		})
	}
}

func TestRunDoesNotEditTLS(t *testing.T) {
	srv := newServer(t, shop, (*httptest.Server).StartTLS)
	c := trusting(srv)
	run(t, Config{Rate: 50, TLS: c, HTTP2: true, Requests: []Request{{URL: srv.URL + "/ok"}}}, 50*time.Millisecond)
	if c.NextProtos != nil || c.ServerName != "" {
		t.Errorf("the caller's TLS config was edited: %v, %q", c.NextProtos, c.ServerName)
	}
}

// A request that hangs must not hold up the end: ^C in a terminal.
func TestRunEndsWithContext(t *testing.T) {
	for _, c := range []struct {
		name  string
		start func(*httptest.Server)
		http2 bool
	}{
		{"HTTP/1.1", (*httptest.Server).StartTLS, false},
		{"HTTP/2", func(s *httptest.Server) { s.EnableHTTP2 = true; s.StartTLS() }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := newServer(t, untilGone, c.start)
			v := driver(t, Config{Rate: 100, Timeout: time.Minute, TLS: trusting(srv), HTTP2: c.http2, Requests: []Request{{URL: srv.URL}}})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan record.Load, 1)
			go func() { done <- v.Run(ctx, Phase{Duration: time.Minute}) }()
			within(t, soon, "five handlers hang", func() bool { return srv.seen().running >= 5 })
			cancelled := time.Now()
			cancel()
			load := <-done
			if took := time.Since(cancelled); took > soon {
				t.Errorf("Run returned %v after its context ended, want within a second", took)
			}
			// What the end cut off is neither a failure nor an answer.
			if load.Sent != 0 || load.Stopped != "context" || load.Entries[0].Errors != nil {
				t.Errorf("load = %+v, want nothing counted and stopped by the context", load)
			}
			within(t, soon, "the server holds no connection", func() bool { s := srv.seen(); return s.open == 0 && s.running == 0 })
		})
	}
}

func TestRunWithEndedContext(t *testing.T) {
	srv := newServer(t, shop, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	load := driver(t, Config{Requests: []Request{{URL: srv.URL + "/ok"}}}).Run(ctx, Phase{Duration: time.Minute})
	if load.Sent != 0 || load.Stopped != "context" || srv.seen().total != 0 {
		t.Errorf("load = %+v and the server saw %d, want nothing sent", load, srv.seen().total)
	}
}

// A host that answers no SYN holds a dial until the timeout; the end of the
// phase must not wait for it.
func TestEndOfPhaseEndsDial(t *testing.T) {
	t.Run("stop", func(t *testing.T) { endsDial(t, (*client).stop) })
	t.Run("close", func(t *testing.T) { endsDial(t, (*client).close) })
}

func endsDial(t *testing.T, end func(*client)) {
	cfg, err := Config{Timeout: time.Minute, Requests: []Request{{URL: "http://127.0.0.1:9/"}}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(cfg)
	defer c.close()
	dialing := make(chan struct{})
	c.conns.dialer.ControlContext = func(ctx context.Context, _, _ string, _ syscall.RawConn) error {
		close(dialing)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	ended := make(chan error, 1)
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), "GET", cfg.Requests[0].URL+"#0", nil)
		if err == nil {
			_, err = c.RoundTrip(req)
		}
		ended <- err
	}()
	<-dialing
	end(c)
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the request succeeded, want it cut off")
		}
	case <-time.After(soon):
		t.Error("a request that was dialing hangs after the end of its phase")
	}
}

func TestClientRefuses(t *testing.T) {
	cfg, err := Config{Requests: []Request{{URL: "http://127.0.0.1:9/"}}}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(cfg)
	defer c.close()
	try := func(url string) error {
		req, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.RoundTrip(req)
		return err
	}
	for _, url := range []string{"http://127.0.0.1:9/", "http://127.0.0.1:9/#1", "http://127.0.0.1:9/#-1", "http://127.0.0.1:9/#x"} {
		if err := try(url); err == nil || err.Error() != "leakgate: request without an entry" {
			t.Errorf("RoundTrip(%s) = %v, want no entry", url, err)
		}
	}
	c.stop()
	if err := try("http://127.0.0.1:9/#0"); err != errPhaseOver {
		t.Errorf("RoundTrip after stop = %v, want %v", err, errPhaseOver)
	}
}

func TestRunBoundsInFlight(t *testing.T) {
	const most = 4
	for _, c := range []struct {
		name  string
		rate  float64
		http2 bool
	}{
		// 5 ms a request over 4 connections is at most 800/s.
		{"rate far beyond the server", 5000, false},
		{"max", 0, false},
		{"max over HTTP/2", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var srv *server
			full := make(chan struct{}) // closed once that many handlers run at once
			var once sync.Once
			srv = newServer(t, func(w http.ResponseWriter, r *http.Request) {
				if srv.seen().running >= most {
					once.Do(func() { close(full) })
				}
				select {
				case <-full:
				case <-r.Context().Done():
				}
				slow(5*time.Millisecond)(w, r)
			}, func(s *httptest.Server) { s.EnableHTTP2 = c.http2; s.StartTLS() })
			load := runUntil(t, srv, 100, Config{
				Rate: c.rate, Connections: most, Timeout: soon, TLS: trusting(srv), HTTP2: c.http2, Requests: []Request{{URL: srv.URL}},
			})
			if got := srv.seen().peak; got != most || load.Workers != most {
				t.Errorf("%d requests at once on the server, %d in the load; want %d", got, load.Workers, most)
			}
			if load.Succeeded != load.Sent {
				t.Errorf("load = %+v, want every request to succeed", load)
			}
		})
	}
}

func TestRunAbandons(t *testing.T) {
	for _, c := range []struct {
		name    string
		share   float64
		handler http.HandlerFunc
		all     bool // every request is abandoned, and its handler sees it
		none    bool
	}{
		// Every client hangs up on a service that would take forever.
		{name: "all", share: 1, handler: untilGone, all: true},
		// The same load of patient clients.
		{name: "none", share: 0, handler: slow(10 * time.Millisecond), none: true},
		// An answer that comes at once is hung up on as well, or taken back.
		{name: "all, fast service", share: 1, handler: slow(0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			var gone atomic.Int64
			srv := newServer(t, func(w http.ResponseWriter, r *http.Request) {
				c.handler(w, r)
				if r.Context().Err() != nil {
					gone.Add(1)
				}
			}, nil)
			load := run(t, Config{Rate: 200, Connections: 16, Requests: []Request{{URL: srv.URL, Abandon: c.share}}}, 200*time.Millisecond)
			e := load.Entries[0]
			want := uint64(0)
			if !c.none {
				want = load.Sent
			}
			if load.Sent == 0 || load.Abandoned != want || e.Abandoned != want || load.Answered != load.Sent-want || e.Errors != nil {
				t.Errorf("load = %+v, want %d abandoned and the rest answered", load, want)
			}
			within(t, soon, "every handler is over", func() bool { s := srv.seen(); return s.running == 0 && s.open == 0 })
			if c.all {
				within(t, soon, "every handler saw its client go", func() bool { s := srv.seen(); return s.total > 0 && int(gone.Load()) == s.total })
			}
			if got := gone.Load(); c.none && got != 0 {
				t.Errorf("%d handlers saw their client go, want none", got)
			}
		})
	}
}

func TestRunAbandonsAShare(t *testing.T) {
	srv := newServer(t, slow(2*time.Millisecond), nil)
	load := runUntil(t, srv, 400, Config{Connections: 8, Requests: []Request{{URL: srv.URL, Abandon: 0.5, Name: "half"}, {URL: srv.URL, Name: "none"}}})
	half, none := load.Entries[0], load.Entries[1]
	if half.Sent < 40 || half.Abandoned < half.Sent/5 || half.Abandoned > half.Sent*4/5 {
		t.Errorf("abandoned %d of %d, want about half", half.Abandoned, half.Sent)
	}
	if none.Abandoned > none.Sent/20 { // see hungUp for those that go with another
		t.Errorf("abandoned %d of %d, want none", none.Abandoned, none.Sent)
	}
	if half.Succeeded+half.Abandoned != half.Sent || none.Succeeded+none.Abandoned != none.Sent {
		t.Errorf("load = %+v, want all others to succeed", load)
	}
}

// Bodies are counted and dropped: 200 MB of answers must not stay.
func TestRunKeepsNoBodies(t *testing.T) {
	const size, enough = 1 << 20, 200
	body := bytes.Repeat([]byte("x"), size)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var n, during atomic.Int64
	srv := newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == enough { // while the driver still holds whatever it holds
			during.Store(heap())
			cancel()
		}
		w.Header().Set("Content-Length", strconv.Itoa(size))
		w.Write(body)
	}, nil)
	before := heap()
	load := driver(t, Config{Connections: 4, Timeout: time.Minute, Requests: []Request{{URL: srv.URL}}}).Run(ctx, Phase{Duration: time.Minute})
	if load.Succeeded < enough-10 || load.Entries[0].BytesIn < load.Succeeded*size {
		t.Fatalf("load = %+v, want about %d answers of 1 MB", load, enough)
	}
	if grown := during.Load() - before; grown > 20<<20 {
		t.Errorf("the heap grew by %d MB over %d answers of 1 MB, want under 20", grown>>20, load.Sent)
	}
}
