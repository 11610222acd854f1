package probe_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leakgate/leakgate/probe"
)

// server answers queries as Prometheus does, from samples that a test puts in. It
// knows time() and range selectors, whose matchers it does not look at.
type server struct {
	*httptest.Server

	mu      sync.Mutex
	series  []*stored
	queries []string
	headers http.Header
	skew    time.Duration
	refuse  string // an error of the API
	warn    string // a warning of the API
	number  string // the value of any query that is no range
}

type stored struct {
	labels map[string]string
	values []sampled
}

type sampled struct {
	at time.Time
	v  float64
}

func newServer(t *testing.T) *server {
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(s.answer))
	t.Cleanup(s.Close)
	return s
}

// put adds samples of a series, as many seconds ago as said.
func (s *server) put(name, instance string, ago time.Duration, v float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Now().Add(s.skew - ago)
	for _, x := range s.series {
		if x.labels["__name__"] == name && x.labels["instance"] == instance {
			x.values = append(x.values, sampled{at, v})
			return
		}
	}
	labels := map[string]string{"__name__": name, "instance": instance, "job": "shop"}
	if name == "go_info" {
		labels["version"] = "go1.26.8"
	}
	s.series = append(s.series, &stored{labels: labels, values: []sampled{{at, v}}})
}

// scraped puts a few samples of an instance, a second apart.
func (s *server) scraped(instance string, goroutines float64) {
	for ago := 3 * time.Second; ago >= 0; ago -= time.Second {
		s.put("go_goroutines", instance, ago, goroutines)
		s.put("process_start_time_seconds", instance, ago, 1000)
		s.put("go_info", instance, ago, 1)
		s.put("go_threads", instance, ago, 9)
	}
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	query := r.FormValue("query")
	s.queries, s.headers = append(s.queries, query), r.Header
	w.Header().Set("Content-Type", "application/json")
	if s.refuse != "" {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, s.refuse)
		return
	}
	now := time.Now().Add(s.skew)
	if query == "time()" {
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"scalar","result":[%f,"0"]}}`, float64(now.UnixMilli())/1000)
		return
	}
	if !strings.HasSuffix(query, "]") {
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%f,%q]}]}}`, float64(now.UnixMilli())/1000, s.number)
		return
	}
	stretch, err := time.ParseDuration(query[strings.LastIndex(query, "[")+1 : len(query)-1])
	if err != nil {
		panic(err)
	}
	type stream struct {
		Metric map[string]string `json:"metric"`
		Values [][2]any          `json:"values"`
	}
	all := []stream{}
	for _, x := range s.series {
		st := stream{Metric: x.labels}
		for _, v := range x.values {
			if now.Sub(v.at) <= stretch {
				st.Values = append(st.Values, [2]any{float64(v.at.UnixMilli()) / 1000, fmt.Sprint(v.v)})
			}
		}
		if len(st.Values) > 0 {
			all = append(all, st)
		}
	}
	answer := map[string]any{"status": "success", "data": map[string]any{"resultType": "matrix", "result": all}}
	if s.warn != "" {
		answer["warnings"] = []string{s.warn}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func group(t *testing.T, s *server, cfg probe.PrometheusConfig) *probe.Group {
	t.Helper()
	cfg.URL = s.URL
	p, err := probe.NewPrometheus(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return probe.NewGroup(p, "shop", `{job="shop"}`)
}

func discover(t *testing.T, g *probe.Group) []*probe.Series {
	t.Helper()
	all, err := g.Discover(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Instances are found by asking, whatever the metric is called, and each says who
// it is.
func TestDiscover(t *testing.T) {
	s := newServer(t)
	s.skew = 90 * time.Second // of its clock
	s.scraped("a:80", 12)
	s.put("go_goroutine_count", "b:80", 2*time.Second, 7) // OpenTelemetry
	s.put("go_goroutine_count", "b:80", time.Second, 8)
	s.put("go_goroutines", "gone:80", 2*time.Minute, 5) // a replica of before
	s.put("go_goroutines", "gone:80", 119*time.Second, 5)
	s.put("process_start_time_seconds", "exporter:80", 0, 5) // no Go
	all := discover(t, group(t, s, probe.PrometheusConfig{Tenant: "team-a", Bearer: "t0k3n"}))
	if len(all) != 2 || all[0].Name() != "shop/a:80" || all[1].Name() != "shop/b:80" || all[0].Every() != time.Second {
		t.Fatalf("found %v, want a and b, scraped every second", all)
	}
	got, err := all[0].Identify(t.Context())
	if err != nil || got.Counter != "go_goroutines" || got.Identity.Start != 1000 || got.GoVersion != "go1.26.8" || !got.CountOnly || got.Group != "shop" {
		t.Errorf("Identify = %+v, %v; want go_goroutines, since 1000, go1.26.8, in a group", got, err)
	}
	c, _, err := all[1].Count(t.Context())
	if err != nil || c.Goroutines != 8 || !c.Metric || time.Since(c.Taken) > 5*time.Second || time.Since(c.Taken) < 0 {
		t.Errorf("Count = %+v, %v; want 8, taken a second ago by the clock here", c, err)
	}
	if s.headers.Get("X-Scope-OrgID") != "team-a" || s.headers.Get("Authorization") != "Bearer t0k3n" {
		t.Errorf("headers %v lack the tenant or the token", s.headers)
	}
	if q := s.queries[1]; !strings.HasPrefix(q, `{__name__=~"go_goroutines|go_sched_goroutines_goroutines|`) || !strings.HasSuffix(q, `,job="shop"}[300s]`) {
		t.Errorf("asked %q, want all counters of the job", q)
	}
}

// One instance has the name in the plan.
func TestDiscoverOne(t *testing.T) {
	s := newServer(t)
	s.scraped("a:80", 12)
	if all := discover(t, group(t, s, probe.PrometheusConfig{})); len(all) != 1 || all[0].Name() != "shop" {
		t.Errorf("found %v, want one named shop", all)
	}
}

func TestDiscoverRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		fill   func(*server)
		want   string
		hinted bool
	}{
		{"nothing", func(*server) {}, "no goroutine count", true},
		{"one sample", func(s *server) { s.put("go_goroutines", "a", 0, 3) }, "only one sample", true},
		{"gone", func(s *server) {
			s.put("go_goroutines", "a", 4*time.Minute, 3)
			s.put("go_goroutines", "a", 4*time.Minute-time.Second, 3)
		}, "no longer scraped", true},
		{"not a selector", func(s *server) {
			s.refuse = `{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\": 1:8: parse error: unexpected <op:+>"}`
		}, "parse error", true},
		{"an answer in part", func(s *server) {
			s.scraped("a", 3)
			s.warn = "store at 10.0.0.7 did not answer"
		}, "store at 10.0.0.7", true},
	} {
		s := newServer(t)
		c.fill(s)
		_, err := group(t, s, probe.PrometheusConfig{}).Discover(t.Context())
		var e *probe.Error
		if !errors.As(err, &e) || !strings.Contains(e.Got, c.want) || (e.Hint != "") != c.hinted {
			t.Errorf("Discover(%s) = %v, want an error with %q and a hint", c.name, err, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	s := newServer(t)
	p, err := probe.NewPrometheus(probe.PrometheusConfig{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		value string
		want  float64
		ok    bool
	}{{"12.5", 12.5, true}, {"0", 0, true}, {"NaN", 0, false}, {"+Inf", 0, false}} {
		s.number = c.value
		if n, err := p.Number(t.Context(), "sum(x)"); n != c.want || (err == nil) != c.ok {
			t.Errorf("Number = %v, %v for %s; want %v, and no error: %v", n, err, c.value, c.want, c.ok)
		}
	}
}

// A fresh profile is one that was scraped after it was asked for, each once.
func TestFreshSamples(t *testing.T) {
	s := newServer(t)
	s.scraped("a:80", 12)
	a := discover(t, group(t, s, probe.PrometheusConfig{}))[0]
	scrapes := time.AfterFunc(50*time.Millisecond, func() { s.put("go_goroutines", "a:80", 0, 13) })
	defer scrapes.Stop()
	raw, p, err := a.Goroutines(t.Context())
	if err != nil || p.Total != 13 || raw != nil {
		t.Errorf("Goroutines = %+v, %v; want the 13 that came after the call", p, err)
	}
	again := time.AfterFunc(300*time.Millisecond, func() { s.put("go_goroutines", "a:80", 0, 14) })
	defer again.Stop()
	if _, p, err = a.Goroutines(t.Context()); err != nil || p.Total != 14 {
		t.Errorf("Goroutines = %+v, %v; want the next sample, 14", p, err)
	}
}

// An instance that is no longer scraped, and one that was not there before.
func TestInstancesChange(t *testing.T) {
	s := newServer(t)
	s.scraped("a:80", 12)
	g := group(t, s, probe.PrometheusConfig{})
	a := discover(t, g)[0]
	s.put("go_goroutines", "b:80", 0, 3)
	_, err := wait(func() (probe.Error, bool) { return failure(a.Count(t.Context())) })
	if err.Code != probe.CodeInstances || !strings.Contains(err.Got, `instance="b:80"`) {
		t.Errorf("Count = %+v, want that b was not there at the start", err)
	}
	s.mu.Lock()
	s.series = s.series[:0]
	s.mu.Unlock()
	s.put("go_goroutines", "a:80", 9*time.Second, 12)
	_, err = wait(func() (probe.Error, bool) {
		e, failed := failure(a.Count(t.Context()))
		return e, failed && e.Code == ""
	})
	if !strings.Contains(err.Got, "no sample for 9s, though it is scraped every 1s") {
		t.Errorf("Count = %+v, want that there was no sample for 9s", err)
	}
}

func failure(_, _ any, err error) (probe.Error, bool) {
	var e *probe.Error
	if errors.As(err, &e) {
		return *e, true
	}
	return probe.Error{}, false
}

// wait asks until something is so: the group asks the server only now and then.
func wait[T any](f func() (T, bool)) (bool, T) {
	for range 100 {
		if v, ok := f(); ok {
			return true, v
		}
		time.Sleep(20 * time.Millisecond)
	}
	v, ok := f()
	return ok, v
}
