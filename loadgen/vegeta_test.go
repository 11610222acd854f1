package loadgen

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/record"
)

func TestInterleave(t *testing.T) {
	for _, c := range []struct {
		name    string
		weights []int
		want    []int
	}{
		{"one entry", []int{7}, []int{0}},
		// The rare one in the middle of the others, not behind them.
		{"3 to 1", []int{3, 1}, []int{0, 0, 1, 0}},
		{"1 to 3", []int{1, 3}, []int{1, 0, 1, 1}},
		// The order repeats as early as it can.
		{"common divisor", []int{300, 100}, []int{0, 0, 1, 0}},
		{"uniform", []int{5, 5, 5}, []int{0, 1, 2}},
		{"5 to 1 to 1", []int{5, 1, 1}, []int{0, 0, 1, 0, 2, 0, 0}},
	} {
		if got := interleave(c.weights); !slices.Equal(got, c.want) {
			t.Errorf("interleave(%s) = %v, want %v", c.name, got, c.want)
		}
	}
}

// Every stretch of the order holds each entry's share: after n requests an
// entry is within one request of n × weight / sum.
func TestInterleaveIsEven(t *testing.T) {
	for _, weights := range [][]int{{3, 1}, {1, 100}, {5, 3, 2}, {7, 11, 13}, {1, 1, 8}} {
		order := interleave(weights)
		total := 0
		for _, w := range weights {
			total += w
		}
		if len(order) != total {
			t.Errorf("interleave(%v) has %d requests, want %d", weights, len(order), total)
		}
		counts := make([]int, len(weights))
		for n, i := range order {
			counts[i]++
			for j, w := range weights {
				if share := float64((n+1)*w) / float64(total); math.Abs(float64(counts[j])-share) > 1 {
					t.Fatalf("interleave(%v): entry %d was sent %d times in %d requests, want about %.1f", weights, j, counts[j], n+1, share)
				}
			}
		}
	}
}

func TestInterleaveIsBounded(t *testing.T) {
	order := interleave([]int{999_983, 1_000_003}) // primes
	if len(order) != maxOrder {
		t.Errorf("interleave(large primes) has %d requests, want %d", len(order), maxOrder)
	}
	ones := 0
	for _, i := range order {
		ones += i
	}
	if d := ones - maxOrder/2; d < -10 || d > 10 {
		t.Errorf("interleave(large primes) sends the second %d times of %d, want about half", ones, maxOrder)
	}
	// A file of many requests is never cut short.
	if order := interleave(slices.Repeat([]int{1}, maxOrder+5)); len(order) != maxOrder+5 {
		t.Errorf("interleave(%d equals) has %d requests", maxOrder+5, len(order))
	}
}

func TestNewVegetaRefuses(t *testing.T) {
	for _, c := range []struct {
		name string
		in   Request
		want string
	}{
		{"method", Request{Method: "GET IT", URL: "http://a.example/"}, `request 1: net/http: invalid method "GET IT"`},
		{"URL", Request{Method: "GET", URL: "http://a.example/%zz"}, "invalid URL escape"},
		{"no host", Request{Method: "GET", URL: "/cart"}, `request 1: "/cart" is not an http or https URL with a host`},
		{"other scheme", Request{Method: "GET", URL: "ftp://u:secret@a.example/"}, `request 1: "ftp://u:xxxxx@a.example/" is not an http or https URL with a host`},
	} {
		_, err := NewVegeta(Config{Requests: []Request{{Method: "GET", URL: "http://a.example/"}, c.in}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("NewVegeta(wrong %s) = %v, want %q", c.name, err, c.want)
		}
	}
	if _, err := NewVegeta(Config{}); !errors.Is(err, ErrNoRequests) {
		t.Errorf("NewVegeta(nothing) = %v, want %v", err, ErrNoRequests)
	}
}

func TestNewVegetaDefaults(t *testing.T) {
	requests := []Request{{URL: "http://a.example/"}}
	for _, c := range []struct {
		name string
		rate float64
		want int
	}{
		{"rate", 10, defaultConnections},
		{"max", 0, defaultMaxConnections},
	} {
		v := driver(t, Config{Requests: requests, Rate: c.rate})
		if v.cfg.Connections != c.want || v.cfg.Timeout != 5*time.Second {
			t.Errorf("%s: %d connections, timeout %v; want %d, 5s", c.name, v.cfg.Connections, v.cfg.Timeout, c.want)
		}
		if v.names[0] != "GET http://a.example/" {
			t.Errorf("%s: the entry is called %q, want its method and URL", c.name, v.names[0])
		}
	}
}

// shop answers in all the ways that are counted apart.
func shop(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/ok":
		io.WriteString(w, "hello")
	case "/order":
		io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
	case "/moved":
		http.Redirect(w, r, "/landing", http.StatusFound)
	case "/broken":
		http.Error(w, "sorry", http.StatusInternalServerError)
	case "/cut": // the connection ends amid the body
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "abc")
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	default:
		http.NotFound(w, r)
	}
}

func TestRunCounts(t *testing.T) {
	// A machine that is too busy to send every entry once gets more time.
	for d := 400 * time.Millisecond; !runCounts(t, d); d *= 5 {
		if d > 20*time.Second {
			t.Fatalf("fewer than 13 requests were sent at 300/s in %v", d)
		}
	}
}

// runCounts runs one phase and checks what was counted. It returns false, and
// checks nothing, when not every entry was sent.
func runCounts(t *testing.T, d time.Duration) bool {
	srv := newServer(t, shop, nil)
	v := driver(t, Config{Rate: 300, Connections: 8, Requests: []Request{
		{Method: "GET", URL: srv.URL + "/ok", Weight: 5, Name: "ok"},
		{Method: "POST", URL: srv.URL + "/order", Body: []byte("sku=1"), Weight: 3, Name: "order"},
		{Method: "GET", URL: srv.URL + "/moved", Name: "moved"},
		{Method: "GET", URL: srv.URL + "/broken", Weight: 2, Name: "broken"},
		{Method: "GET", URL: srv.URL + "/nowhere", Name: "nowhere"},
		{Method: "GET", URL: srv.URL + "/cut", Name: "cut"},
	}})
	load := v.Run(t.Context(), Phase{Duration: d})
	if load.Sent < 13 { // the sum of the weights
		return false
	}
	if want := uint64(300 * d.Seconds()); load.Expected != want || load.Asked != 300 || load.Planned != d || load.Stopped != "" {
		t.Errorf("load = %+v, want %d requests expected, 300/s asked for %v, not stopped", load, want, d)
	}
	if v.Progress() != load.Sent {
		t.Errorf("Progress() = %d after %d requests", v.Progress(), load.Sent)
	}

	// What is counted is what the server saw, in the shares asked for.
	got := srv.seen()
	var names []string
	var sum record.Load
	for i, e := range load.Entries {
		names = append(names, e.Name)
		sum.Sent, sum.Answered, sum.Succeeded = sum.Sent+e.Sent, sum.Answered+e.Answered, sum.Succeeded+e.Succeeded
		if path := v.cfg.Requests[i].URL[len(srv.URL):]; int(e.Sent) != got.requests[path] {
			t.Errorf("%s: %d sent, the server saw %d", e.Name, e.Sent, got.requests[path])
		}
		if share := float64(load.Sent) * float64(max(v.cfg.Requests[i].Weight, 1)) / 13; math.Abs(float64(e.Sent)-share) > 1 {
			t.Errorf("%s: %d of %d sent, want %.1f", e.Name, e.Sent, load.Sent, share)
		}
		if e.Sent == 0 || e.Mean <= 0 || e.P50 <= 0 || e.P50 > e.P90 || e.P90 > e.P99 || e.P99 > e.Max {
			t.Errorf("%s: latencies are not in order: %+v", e.Name, e)
		}
	}
	if want := []string{"ok", "order", "moved", "broken", "nowhere", "cut"}; !slices.Equal(names, want) {
		t.Fatalf("entries are %v, want %v", names, want)
	}
	if sum.Sent != load.Sent || sum.Answered != load.Answered || sum.Succeeded != load.Succeeded {
		t.Errorf("load counts %d sent, %d answered, %d succeeded; its entries %d, %d, %d", load.Sent, load.Answered, load.Succeeded, sum.Sent, sum.Answered, sum.Succeeded)
	}
	if got.requests["/landing"] != 0 {
		t.Errorf("%d redirects were followed", got.requests["/landing"])
	}

	all := func(n, each uint64) map[string]uint64 { return map[string]uint64{fmt.Sprint(each): n} }
	for i, c := range []struct{ in, out, code, answered, succeeded uint64 }{
		{5, 0, 200, 1, 1},
		{0, 5, 201, 1, 1},
		{0, 0, 302, 1, 1}, // answered, and not followed
		{6, 0, 500, 1, 0},
		{19, 0, 404, 1, 0},
		{3, 0, 0, 0, 0}, // what did arrive is counted
	} {
		e := load.Entries[i]
		want := record.Entry{
			Name: e.Name, Sent: e.Sent, Answered: c.answered * e.Sent, Succeeded: c.succeeded * e.Sent,
			BytesIn: c.in * e.Sent, BytesOut: c.out * e.Sent, Codes: all(e.Sent, c.code),
			Mean: e.Mean, P50: e.P50, P90: e.P90, P99: e.P99, Max: e.Max,
		}
		if c.code == 0 {
			want.Codes, want.Errors = nil, map[string]uint64{"unexpected EOF": e.Sent}
		}
		if e.Name == "moved" {
			want.BytesIn = e.BytesIn // net/http's page about it
		}
		if d := cmp.Diff(want, e); d != "" {
			t.Errorf("%s (-want +got):\n%s", e.Name, d)
		}
	}
	return true
}

func TestRunSendsTheRequest(t *testing.T) {
	type request struct {
		Method, URI, Body, Agent, Token, Host string
		Seq                                   bool
	}
	var mu sync.Mutex
	got := map[string]request{}
	srv := newServer(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, seq := r.Header["X-Vegeta-Seq"]
		mu.Lock()
		defer mu.Unlock()
		got[r.URL.Path] = request{
			Method: r.Method, URI: r.RequestURI, Body: string(body), Seq: seq, Host: r.Host,
			Agent: strings.Join(r.Header["User-Agent"], ", "), Token: strings.Join(r.Header["X-Token"], ", "),
		}
	}, nil)
	host := strings.TrimPrefix(srv.URL, "http://")
	load := runUntil(t, srv, 20, Config{Connections: 4, UserAgent: "leakgate/test", Requests: []Request{
		{Method: "GET", URL: srv.URL + "/plain?q=1#part"},
		{Method: "PUT", URL: srv.URL + "/full", Body: []byte("a body"), Header: http.Header{"X-Token": {"a", "b"}, "User-Agent": {"own"}, "Host": {"shop.example"}}},
		// As a file of targets may spell it.
		{Method: "DELETE", URL: srv.URL + "/lower", Header: http.Header{"user-agent": {"own"}, "host": {"shop.example"}, "x-token": {"c"}}},
		{URL: srv.URL + "/default"},
	}})
	if load.Succeeded != load.Sent || load.Sent < 10 {
		t.Fatalf("load = %+v, want some 20 requests, all successful", load)
	}
	mu.Lock()
	defer mu.Unlock()
	want := map[string]request{
		"/plain":   {Method: "GET", URI: "/plain?q=1", Agent: "leakgate/test", Host: host},
		"/full":    {Method: "PUT", URI: "/full", Body: "a body", Agent: "own", Token: "a, b", Host: "shop.example"},
		"/lower":   {Method: "DELETE", URI: "/lower", Agent: "own", Token: "c", Host: "shop.example"},
		"/default": {Method: "GET", URI: "/default", Agent: "leakgate/test", Host: host},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("requests on the wire (-want +got):\n%s", d)
	}
}

// Names that net/http writes by itself are respelt, others are not, and the
// caller's header stays as it is.
func TestWireHeader(t *testing.T) {
	in := http.Header{"host": {"a"}, "user-AGENT": {"b"}, "content-length": {"3"}, "x-id": {"c"}, "X-Id": {"d"}}
	before := in.Clone()
	want := http.Header{"Host": {"a"}, "User-Agent": {"b"}, "Content-Length": {"3"}, "x-id": {"c"}, "X-Id": {"d"}}
	if d := cmp.Diff(want, wireHeader(in)); d != "" {
		t.Errorf("wireHeader (-want +got):\n%s", d)
	}
	if d := cmp.Diff(before, in); d != "" {
		t.Errorf("wireHeader edited its argument (-before +after):\n%s", d)
	}
}

// Without a User-Agent of the config's, net/http's stands.
func TestRunWithoutUserAgent(t *testing.T) {
	var agent atomic.Value
	srv := newServer(t, func(_ http.ResponseWriter, r *http.Request) { agent.Store(r.UserAgent()) }, nil)
	run(t, Config{Rate: 50, Requests: []Request{{URL: srv.URL}}}, 100*time.Millisecond)
	if got, _ := agent.Load().(string); !strings.HasPrefix(got, "Go-http-client/") {
		t.Errorf("User-Agent = %q, want net/http's", got)
	}
}

func TestRunConnectionRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	load := run(t, Config{Rate: 100, Requests: []Request{{URL: "http://" + addr}}}, 100*time.Millisecond)
	e := load.Entries[0]
	if len(e.Errors) != 1 || load.Sent == 0 || load.Answered != 0 || load.Succeeded != 0 || e.Codes != nil {
		t.Fatalf("load = %+v, want one kind of error", load)
	}
	for kind, n := range e.Errors {
		if !strings.HasPrefix(kind, "dial tcp "+addr+": ") || !strings.Contains(kind, "refused") || n != load.Sent {
			t.Errorf("errors = %v, want %d refused by %s", e.Errors, load.Sent, addr)
		}
	}
}

func TestRunTimeout(t *testing.T) {
	for _, c := range []struct {
		name    string
		handler http.HandlerFunc
		in      uint64 // bytes per request
	}{
		{"no header", untilGone, 0},
		{"body that does not end", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "abc")
			http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := newServer(t, c.handler, nil)
			load := run(t, Config{Rate: 50, Timeout: 50 * time.Millisecond, Requests: []Request{{URL: srv.URL}}}, 100*time.Millisecond)
			e := load.Entries[0]
			want := map[string]uint64{record.TimeoutError: load.Sent}
			if load.Sent == 0 || load.Answered != 0 || !maps.Equal(e.Errors, want) {
				t.Errorf("load = %+v, want every request to time out", load)
			}
			if e.BytesIn > c.in*load.Sent {
				t.Errorf("%d bytes in, want at most %d", e.BytesIn, c.in*load.Sent)
			}
		})
	}
}

func TestRunGroups(t *testing.T) {
	srv := newServer(t, func(http.ResponseWriter, *http.Request) {}, nil)
	requests := []Request{
		{Method: "GET", URL: srv.URL + "/1", Name: "item"},
		{Method: "GET", URL: srv.URL + "/1", Name: "item"},
		{Method: "GET", URL: srv.URL + "/3", Name: "other"},
	}
	// Equal entries stay apart, unless they are grouped.
	apart := run(t, Config{Rate: 100, Requests: requests}, 100*time.Millisecond)
	if len(apart.Entries) != 3 {
		t.Errorf("%d lines for 3 requests, want 3", len(apart.Entries))
	}
	together := run(t, Config{Rate: 100, Requests: Group(requests)}, 100*time.Millisecond)
	if len(together.Entries) != 2 || together.Entries[0].Name != "item" || together.Entries[1].Name != "other" {
		t.Fatalf("entries = %+v, want item and other", together.Entries)
	}
	if got := together.Entries[0].Sent + together.Entries[1].Sent; got != together.Sent || together.Entries[0].Sent < together.Entries[1].Sent {
		t.Errorf("entries = %+v, want two in three to be items", together.Entries)
	}
}

func TestErrorGuard(t *testing.T) {
	for _, c := range []struct {
		name    string
		limit   float64
		failed  func(n int) bool
		mayFail bool
		want    int // requests until it stops; 0: goes on
	}{
		// Everything fails: not before there is enough to say so.
		{"all fail", 0.5, func(int) bool { return true }, false, stopAfter},
		// The same failures, expected.
		{"all may fail", 0.5, func(int) bool { return true }, true, 0},
		{"no limit", 0, func(int) bool { return true }, false, 0},
		// Exactly the limit is allowed.
		{"every second fails", 0.5, func(n int) bool { return n%2 == 1 }, false, 0},
		// 200 good ones, then none: 201 of 401.
		{"breaks later", 0.5, func(n int) bool { return n >= 200 }, false, 401},
		{"none fail", 0.5, func(int) bool { return false }, false, 0},
	} {
		g := errorGuard{limit: c.limit}
		got := 0
		for n := range 1000 {
			if g.add(c.failed(n), c.mayFail) != "" {
				got = n + 1
				break
			}
		}
		if got != c.want {
			t.Errorf("errorGuard(%s) stops after %d requests, want %d", c.name, got, c.want)
		}
	}
}

func TestRunStopsOnErrors(t *testing.T) {
	srv := newServer(t, shop, nil)
	cfg := Config{Rate: 1000, Connections: 4, StopErrors: 0.5, Requests: []Request{{URL: srv.URL + "/broken"}}}

	load := run(t, cfg, time.Minute)
	if want := "the load was stopped: 100 of the first 100 requests failed"; load.Stopped != want {
		t.Errorf("Stopped = %q, want %q", load.Stopped, want)
	}
	// A few more were on their way.
	if load.Sent < stopAfter || load.Sent > stopAfter+10 || load.Succeeded != 0 || load.Answered < stopAfter {
		t.Errorf("sent %d, answered %d, succeeded %d; want about %d, none successful", load.Sent, load.Answered, load.Succeeded, stopAfter)
	}

	cfg.Requests[0].MayFail = true
	load = runUntil(t, srv, 3*stopAfter, cfg) // some of which it has seen by now
	if load.Stopped != "context" || load.Sent <= stopAfter {
		t.Errorf("with MayFail: stopped %q after %d requests, want it to go on", load.Stopped, load.Sent)
	}
}

func TestRunRamps(t *testing.T) {
	srv := newServer(t, shop, nil)
	v := driver(t, Config{Rate: 400, Requests: []Request{{URL: srv.URL + "/ok"}}})
	load := v.Run(t.Context(), Phase{Duration: 200 * time.Millisecond, Ramp: 200 * time.Millisecond})
	if load.Expected != 40 || load.Sent == 0 || load.Sent > 40 { // without the ramp: 80
		t.Errorf("%d requests of %d in a ramp to 400/s over 200ms, want up to 40", load.Sent, load.Expected)
	}
}

// One driver runs its phases one after another, each from zero.
func TestRunTwice(t *testing.T) {
	srv := newServer(t, shop, nil)
	v := driver(t, Config{Rate: 100, Requests: []Request{{URL: srv.URL + "/ok"}}})
	for range 2 {
		load := v.Run(t.Context(), Phase{Duration: 100 * time.Millisecond})
		if load.Sent == 0 || load.Sent > 10 || load.Succeeded != load.Sent || v.Progress() != load.Sent {
			t.Errorf("load = %+v, progress %d; want up to 10, all successful", load, v.Progress())
		}
	}
}
