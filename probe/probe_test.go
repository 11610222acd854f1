package probe_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/stacks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// service serves pprof and a metrics page, and remembers what it was asked.
type service struct {
	*httptest.Server
	metrics string

	mu    sync.Mutex
	asked []string
	conns map[string]bool // remote addresses
}

func newService(t *testing.T, wrap func(http.Handler) http.Handler) *service {
	t.Helper()
	s := &service{conns: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, s.metrics) })
	h := http.Handler(mux)
	if wrap != nil {
		h = wrap(h)
	}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.URL.Path+"?"+r.URL.RawQuery)
		s.conns[r.RemoteAddr] = true
		s.mu.Unlock()
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func target(t *testing.T, cfg probe.Config) *probe.Target {
	t.Helper()
	cfg.Name = "shop-0"
	p, err := probe.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const page = `# TYPE go_goroutines gauge
go_goroutines 42
# TYPE go_info gauge
go_info{version="go1.26.8"} 1
# TYPE process_start_time_seconds gauge
process_start_time_seconds 1.7e+09
# TYPE process_resident_memory_bytes gauge
process_resident_memory_bytes 1.5e+07
`

func TestIdentify(t *testing.T) {
	s := newService(t, nil)
	s.metrics = page
	got, err := target(t, probe.Config{Pprof: s.URL + "/debug/pprof/", Metrics: s.URL + "/metrics"}).Identify(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.GoVersion != "go1.26.8" || got.Identity.Start != 1.7e9 || got.Counter != "go_goroutines" || got.Binary == "" {
		t.Errorf("Identify = %+v, want go1.26.8, started 1.7e9, counted by go_goroutines, with a binary", got)
	}
	if want := "allocs block goroutine heap mutex threadcreate"; strings.Join(got.Profiles, " ") != want {
		t.Errorf("profiles %v, want %s", got.Profiles, want)
	}
	// Without metrics, the memory counters tell restarts.
	got, err = target(t, probe.Config{Pprof: s.URL + "/debug/pprof"}).Identify(t.Context())
	if err != nil || got.TotalAlloc == 0 {
		t.Errorf("Identify without metrics = %+v, %v; want bytes allocated", got, err)
	}
}

// Two looks in a row see the same process, and its counters only grow.
func TestIdentity(t *testing.T) {
	s := newService(t, nil)
	p := target(t, probe.Config{Pprof: s.URL + "/debug/pprof"})
	a, err := p.Identity(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Identity(t.Context(), true)
	if err != nil || b.TotalAlloc <= a.TotalAlloc || b.NumGC <= a.NumGC {
		t.Errorf("second identity %+v after %+v, %v; want counters that grew, by a collection at least", b, a, err)
	}
}

// A target without a heap profile is asked for it once, and is no error.
func TestIdentityWithoutHeap(t *testing.T) {
	s := newService(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/heap") {
				http.NotFound(w, r)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	p := target(t, probe.Config{Pprof: s.URL + "/debug/pprof"})
	for range 3 {
		if _, err := p.Identity(t.Context(), true); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, a := range s.asked {
		if strings.Contains(a, "/heap") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("asked for the heap %d times, want once", n)
	}
}

// A target that had a heap profile and answers 404 is another process, or
// something in front of it: that is no answer to build on.
func TestHeapThatGoes(t *testing.T) {
	gone := false
	s := newService(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if gone {
				http.NotFound(w, r)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	p := target(t, probe.Config{Pprof: s.URL + "/debug/pprof"})
	if _, err := p.Identity(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	gone = true
	if _, err := p.Identity(t.Context(), true); err == nil {
		t.Error("a heap profile that is gone is no error")
	}
}

func TestCounters(t *testing.T) {
	for _, c := range []struct {
		name, page string
		want       int
		err        string
	}{
		{"client_golang", "go_goroutines 7\n", 7, ""},
		{"client_golang with runtime metrics", "go_sched_goroutines_goroutines 8\n", 8, ""},
		{"OpenTelemetry", "# TYPE go_goroutine_count gauge\ngo_goroutine_count{otel_scope_name=\"x\"} 9\n", 9, ""},
		{"OpenTelemetry before", "process_runtime_go_goroutines 10\n", 10, ""},
		{"the preferred of two", "go_sched_goroutines_goroutines 8\ngo_goroutines 7\n", 7, ""},
		{"no count", "up 1\n", 0, "no goroutine count; looked for go_goroutines"},
		// A federated page tells nothing about one process.
		{"several processes", "go_goroutines{instance=\"a\"} 1\ngo_goroutines{instance=\"b\"} 2\n", 0, "go_goroutines has 2 series"},
		{"HTML", "<!doctype html>", 0, "an HTML page, not metrics"},
		{"not metrics", "hello world foo\n", 0, "not metrics"},
	} {
		s := newService(t, nil)
		s.metrics = c.page
		got, _, err := target(t, probe.Config{Pprof: s.URL + "/debug/pprof", Metrics: s.URL + "/metrics"}).Count(t.Context())
		if c.err != "" {
			var e *probe.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.err) {
				t.Errorf("Count(%s) = %v, want a probe.Error with %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil || got.Goroutines != c.want {
			t.Errorf("Count(%s) = %d, %v; want %d", c.name, got.Goroutines, err, c.want)
		}
	}
}

// The observer leaves nothing: no connection is used twice, and the goroutines
// that serve its request are not in the profile. Those of the request before may
// still be on their way out; so one look without any will do, since the look's
// own are there every time.
func TestObserverIsNotCounted(t *testing.T) {
	s := newService(t, nil)
	p := target(t, probe.Config{Pprof: s.URL + "/debug/pprof"})
	const looks = 20
	least := looks
	for range looks {
		_, prof, err := p.Goroutines(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if prof.Own == 0 {
			t.Fatal("the profile does not hold its own request: nothing is tested")
		}
		serving := 0
		for _, st := range prof.Stacks { // client and server share this process; only the server's count
			if st.Entry() == "net/http.(*conn).serve" || st.Entry() == "net/http.(*connReader).backgroundRead" {
				serving += st.Count
			}
		}
		least = min(least, serving)
	}
	if least != 0 {
		t.Errorf("every profile counts at least %d goroutines that serve it, want 0", least)
	}
	if len(s.conns) != looks {
		t.Errorf("%d connections for %d requests, want one each", len(s.conns), looks)
	}
}

func TestAuth(t *testing.T) {
	var got http.Header
	s := newService(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			got = r.Header.Clone()
			h.ServeHTTP(w, r)
		})
	})
	for _, c := range []struct {
		cfg          probe.Config
		header, want string
	}{
		{probe.Config{Bearer: "t0ken"}, "Authorization", "Bearer t0ken"},
		{probe.Config{User: "u", Password: "p"}, "Authorization", "Basic dTpw"},
		{probe.Config{Headers: map[string]string{"X-Scope-OrgID": "team"}}, "X-Scope-OrgID", "team"},
		{probe.Config{}, "Authorization", ""},
	} {
		c.cfg.Pprof = s.URL + "/debug/pprof"
		if _, _, err := target(t, c.cfg).Goroutines(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got.Get(c.header) != c.want {
			t.Errorf("%s = %q, want %q", c.header, got.Get(c.header), c.want)
		}
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(pprof.Index))
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	if _, _, err := target(t, probe.Config{Pprof: s.URL + "/debug/pprof", TLS: &tls.Config{RootCAs: pool}}).Goroutines(t.Context()); err != nil {
		t.Errorf("with its CA: %v", err)
	}
	s.Config.ErrorLog = nil
	_, _, err := target(t, probe.Config{Pprof: s.URL + "/debug/pprof"}).Goroutines(t.Context())
	if err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without its CA: %v, want an error about the certificate", err)
	}
}

func TestErrors(t *testing.T) {
	answers := func(f http.HandlerFunc) string {
		s := httptest.NewServer(f)
		t.Cleanup(s.Close)
		return s.URL
	}
	release := make(chan struct{})
	defer close(release)
	for _, c := range []struct {
		name, base, want, hint string
		is                     error
	}{
		{"404", answers(http.NotFound), "target returned 404 Not Found", `import _ "net/http/pprof"`, nil},
		{"401", answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }), "401 Unauthorized", "targets[].auth", nil},
		{"502", answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }), "502 Bad Gateway", "a proxy answers instead of the target", nil},
		{"redirect", answers(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://user:pw@sso.invalid/x?state=secret", http.StatusFound)
		}), "302 Found to https://***@sso.invalid/x?state=***", "final address", nil},
		{"HTML", answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }), "an HTML page", "login page", nil},
		{"heap instead", answers(func(w http.ResponseWriter, r *http.Request) { pprof.Handler("heap").ServeHTTP(w, r) }), "not a goroutine profile", "without the profile's name", stacks.ErrNotGoroutine},
		{"refused", "http://127.0.0.1:1", "connection refused", "is the target running", nil},
		{"hang", answers(func(w http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}), "no answer within 100ms", "is the target hanging", context.DeadlineExceeded},
		{"said to be too large", answers(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(probe.MaxBody+1))
		}), "the answer is larger than 64 MiB", "does this address serve a profile?", probe.ErrTooLarge},
		{"too large", answers(func(w http.ResponseWriter, _ *http.Request) {
			for junk := make([]byte, 1<<20); ; {
				if _, err := w.Write(junk); err != nil {
					return
				}
			}
		}), "the answer is larger than 64 MiB", "does this address serve a profile?", probe.ErrTooLarge},
	} {
		patience := time.Minute
		if c.is == context.DeadlineExceeded {
			patience = 100 * time.Millisecond
		}
		_, _, err := target(t, probe.Config{Pprof: c.base + "/debug/pprof?token=hunter2", Timeout: patience}).Goroutines(t.Context())
		var e *probe.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v is no probe.Error", c.name, err)
			continue
		}
		if !strings.HasPrefix(e.Error(), "shop-0: GET "+c.base+"/debug/pprof/goroutine") || !strings.Contains(e.Got, c.want) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("%s: %q, hint %q; want the target's name, what was asked, %q and hint %q", c.name, e, e.Hint, c.want, c.hint)
		}
		if strings.Contains(e.Error(), "hunter2") || strings.Contains(e.Error(), "secret") || strings.Contains(e.Error(), "pw") {
			t.Errorf("%s: %q shows a secret", c.name, e)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v is not %v", c.name, err, c.is)
		}
	}
}

func Example() {
	s := httptest.NewServer(http.HandlerFunc(pprof.Index))
	defer s.Close()
	t, err := probe.New(probe.Config{Name: "shop-0", Pprof: s.URL + "/debug/pprof"})
	if err != nil {
		fmt.Println(err)
		return
	}
	raw, p, err := t.Goroutines(context.Background())
	fmt.Println(len(raw) > 0, p.Total > 0, err)
	// Output: true true <nil>
}

// What this process holds is in its answer, with threads from its metrics or
// from its profile.
func TestMemory(t *testing.T) {
	s := newService(t, nil)
	s.metrics = page + "# TYPE go_threads gauge\ngo_threads 11\n"
	keep := make([][]byte, 64)
	for i := range keep {
		keep[i] = make([]byte, 1<<20)
	}
	with := target(t, probe.Config{Pprof: s.URL + "/debug/pprof", Metrics: s.URL + "/metrics"})
	m, identity, raw, err := with.Memory(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m.Heap < 64<<20 || m.Heap > m.Runtime || m.Objects == 0 || m.Stacks == 0 || m.Peak == 0 || m.Threads != 11 || m.Resident != 15e6 {
		t.Errorf("Memory = %+v, want 64 MiB of heap and more, 11 threads, 15 MB resident", m)
	}
	if identity.NumGC == 0 || identity.Start != 1.7e9 || m.Profile == nil || m.Profile.Bytes < 60<<20 {
		t.Errorf("identity %+v, profile %+v: want collections, a start time, and 64 MiB", identity, m.Profile)
	}
	if h, err := stacks.ParseHeap(raw); err != nil || h.Bytes != m.Profile.Bytes {
		t.Errorf("ParseHeap(raw) = %+v, %v; want what Memory parsed", h, err)
	}
	for i := range keep {
		keep[i] = nil
	}
	m, _, _, err = target(t, probe.Config{Pprof: s.URL + "/debug/pprof"}).Memory(t.Context())
	if err != nil || m.Heap > 64<<20 || m.Threads < 2 {
		t.Errorf("Memory = %+v, %v; want less than 64 MiB after the collection, and some threads", m, err)
	}
}

// Without a heap profile there is nothing but threads, and no error.
func TestMemoryLacksHeap(t *testing.T) {
	s := newService(t, func(h http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/heap") {
				http.NotFound(w, r)
				return
			}
			h.ServeHTTP(w, r)
		})
	})
	m, _, raw, err := target(t, probe.Config{Pprof: s.URL + "/debug/pprof"}).Memory(t.Context())
	if err != nil || raw != nil || m.Heap != 0 || m.Threads == 0 {
		t.Errorf("Memory(no heap) = %+v, %d bytes, %v; want threads alone", m, len(raw), err)
	}
}
