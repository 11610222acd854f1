package main

import (
	"context"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// What a request asks for.
const (
	askGoroutine = "goroutine"
	askHeap      = "heap"
	askIndex     = "index"
	askMetrics   = "metrics"
	askLoad      = "load"
	askOther     = "other"
)

// query is a request as the proxy sees it.
type query struct {
	*http.Request
	ask  string // what it asks for
	n    int    // which of the requests for this it is, from 0
	all  int    // which of all requests it is, from 0
	at   moment // where the run is
	time time.Time

	stage *stage
}

// profile reports whether the request asks for the goroutine profile that decides, not
// for a dump for people.
func (q *query) profile() bool { return q.ask == askGoroutine && q.URL.Query().Get("debug") == "" }

// since reports whether the run has come to a moment.
func (q *query) since(m moment) bool { return q.at.order() >= m.order() }

// answer is what a service answered.
type answer struct {
	status int
	header http.Header
	body   []byte
	err    error // nobody answered
}

// serve is the proxy's behaviour: it answers a request in its own way.
type serve func(w http.ResponseWriter, q *query)

// get asks a replica what the query asks.
func (q *query) get(replica int) answer { return q.getPath(replica, q.URL.RequestURI()) }

func (q *query) getPath(replica int, path string) answer {
	s := q.stage.replica(replica)
	host, client := s.admin, q.stage.probes
	if q.ask == askLoad {
		host, client = s.load, q.stage.loads
	}
	req, err := http.NewRequestWithContext(q.Context(), q.Method, "http://"+host+path, q.Body)
	if err != nil {
		return answer{err: err}
	}
	maps.Copy(req.Header, q.Header)
	req.Header.Del("Accept-Encoding") // a fault edits what is plain
	resp, err := client.Do(req)
	if err != nil {
		return answer{err: err}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{status: resp.StatusCode, header: resp.Header, body: body, err: err}
}

// write answers with what a service answered; the connection is cut if none did.
func (a answer) write(w http.ResponseWriter) {
	if a.err != nil {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), a.header)
	w.Header().Del("Content-Length")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that has left does not matter
}

// forward is what a proxy without a fault does.
func forward(w http.ResponseWriter, q *query) { q.get(0).write(w) }

// proxy counts and classifies requests, and lets a serve answer them.
type proxy struct {
	stage *stage
	serve serve

	mu     sync.Mutex
	counts map[string]int
	total  int
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := &query{Request: r, ask: classify(r.URL), at: p.stage.clock.at(), time: time.Now(), stage: p.stage}
	p.mu.Lock()
	kind := q.ask
	if q.profile() {
		kind = "profile"
	}
	q.n, q.all = p.counts[kind], p.total
	p.counts[kind]++
	p.total++
	p.mu.Unlock()
	p.serve(w, q)
}

func classify(u *url.URL) string {
	path := u.Path
	switch {
	case strings.HasSuffix(path, "/goroutine"):
		return askGoroutine
	case strings.HasSuffix(path, "/heap"):
		return askHeap
	case strings.HasSuffix(path, "/debug/pprof/"):
		return askIndex
	case strings.HasSuffix(path, "/metrics"):
		return askMetrics
	case strings.HasPrefix(path, "/work"):
		return askLoad
	}
	return askOther
}

// startProxy listens on a port of its own until ctx ends.
func startProxy(ctx context.Context, s *stage, how serve) (address string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	p := &proxy{stage: s, serve: how, counts: map[string]int{}}
	server := &http.Server{Handler: p, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	s.refuse = func(ctx context.Context, d time.Duration) {
		l.Close()
		sleep(ctx, d)
		if again, err := listen(l.Addr().String()); err == nil {
			go func() { _ = server.Serve(again) }()
		}
	}
	return l.Addr().String(), nil
}

// newClients are the proxy's connections to services: those for load are used again, and
// close soon, as those of the gate do; no other leaves anything in the service.
func newClients() (probes, loads *http.Client) {
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	const soon = 200 * time.Millisecond
	probes = &http.Client{CheckRedirect: stay,
		Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
	loads = &http.Client{CheckRedirect: stay,
		Transport: &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: soon, DisableCompression: true}}
	return probes, loads
}

// Parts of faults.

// from applies a behaviour from a moment on.
func from(m moment, then serve) serve {
	return func(w http.ResponseWriter, q *query) {
		if q.since(m) {
			then(w, q)
			return
		}
		forward(w, q)
	}
}

// only applies a behaviour to requests for some things.
func only(then serve, asks ...string) serve {
	return func(w http.ResponseWriter, q *query) {
		if slices.Contains(asks, q.ask) {
			then(w, q)
			return
		}
		forward(w, q)
	}
}

// profiles applies a behaviour to the goroutine profiles that decide.
func profiles(then serve) serve {
	return func(w http.ResponseWriter, q *query) {
		if q.profile() {
			then(w, q)
			return
		}
		forward(w, q)
	}
}

// change lets a function edit what the service answers.
func change(edit func(q *query, a *answer)) serve {
	return func(w http.ResponseWriter, q *query) {
		a := q.get(0)
		if a.err == nil && a.status == http.StatusOK {
			edit(q, &a)
		}
		a.write(w)
	}
}
