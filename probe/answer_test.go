package probe

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// answers serves a body as an answer of the API, and time() as Prometheus does.
func answers(t *testing.T, status int, header http.Header, body string) *Prometheus {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.FormValue("query") == "time()" {
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"scalar","result":[%d,"0"]}}`, time.Now().Unix())
			return
		}
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	p, err := NewPrometheus(PrometheusConfig{URL: s.URL})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// samplesOf are six samples of a series, two seconds apart, the last of just now.
func samplesOf(name, labels string, value ...string) string {
	var b strings.Builder
	now := time.Now().Unix()
	for i := range 6 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "[%d, %s]", now-int64(10-2*i), value[i%len(value)])
	}
	return fmt.Sprintf(`{"metric":{"__name__":%q,%s},"values":[%s]}`, name, labels, b.String())
}

const ofA = `"job":"a","instance":"h:1"`

func matrix(also string, series ...string) string {
	return `{"status":"success"` + also + `,"data":{"resultType":"matrix","result":[` + strings.Join(series, ",") + `]}}`
}

// What the server says of its answer decides whether it is one. Each refused row has a twin
// that is taken.
func TestAnswers(t *testing.T) {
	good := samplesOf("go_goroutines", ofA, `"12"`)
	start := samplesOf("process_start_time_seconds", ofA, `"1.7e9"`)
	for _, c := range []struct {
		name, body string
		status     int
		header     http.Header
		want       string // an error with this; empty: one instance
		hint       string
	}{
		{name: "whole", body: matrix("", good, start)},
		{name: "VictoriaMetrics, whole", body: matrix(`,"isPartial":false,"stats":{"seriesFetched":"1"}`, good)},
		{name: "VictoriaMetrics, in part", body: matrix(`,"isPartial":true`, good), want: "isPartial", hint: "storage nodes"},
		{name: "in part, said last", body: strings.TrimSuffix(matrix("", good), "}") + `,"isPartial":true}`, want: "isPartial", hint: "storage nodes"},
		{name: "Thanos, in part", body: matrix(`,"warnings":["No StoreAPIs matched for this query"]`, good), want: "a warning: No StoreAPIs", hint: "stores"},
		{name: "Cortex, in part", body: matrix(`,"warnings":["Query result may contain partial data"]`, good), want: "may contain partial", hint: "stores"},
		{name: "a warning that writes to the terminal", body: matrix(`,"warnings":["\u001b[31m::error"]`, good), want: `a warning: \x1b[31m::error`, hint: "stores"},
		{name: "M3, in part", body: matrix("", good), header: http.Header{"M3-Results-Limited": {"max_fetch_series_limit_applied"}}, want: "M3-Results-Limited", hint: "stores"},
		{name: "infos", body: matrix(`,"infos":["PromQL info: metric might not be a counter"]`, good)},
		{name: "infos among the warnings", body: matrix(`,"warnings":["PromQL info: metric might not be a counter"]`, good)},
		{name: "no warnings", body: matrix(`,"warnings":null,"infos":[],"error":"","errorType":""`, good)},
		{name: "success with an error", body: matrix(`,"error":"store 3 timed out"`, good), want: "store 3 timed out"},
		{name: "success with a type of error", body: matrix(`,"errorType":"timeout"`, good), want: `of type "timeout"`, hint: "ask for less"},
		{name: "error", status: 422, body: `{"status":"error","errorType":"422","error":"cannot parse query"}`, want: "cannot parse query", hint: "PromQL"},
		{name: "error with 200", body: `{"status":"error","errorType":"bad_data","error":"parse error"}`, want: "parse error", hint: "PromQL"},
		{name: "neither", body: strings.Replace(matrix("", good), "success", "maybe", 1), want: `status "maybe"`, hint: "/api/v1"},
		{name: "no status", body: `{}`, want: `status ""`, hint: "/api/v1"},
		{name: "206", status: 206, body: matrix("", good), want: "206 Partial Content", hint: "part"},
		{name: "401", status: 401, body: `"who are you"`, want: "401 Unauthorized", hint: "prometheus.auth"},
		{name: "503", status: 503, body: ``, want: "503 Service Unavailable", hint: "a proxy answers"},
		{name: "a vector", body: `{"status":"success","data":{"resultType":"vector","result":[]}}`, want: `a "vector" instead of samples`, hint: "selector"},
		{name: "HTML", body: "<html>login</html>", want: "not an answer of Prometheus' HTTP API", hint: "/api/v1"},
		{name: "broken off", body: matrix("", good)[:150], want: "broke off after", hint: "/api/v1"},
		{name: "broken off at the end", body: strings.TrimSuffix(matrix("", good), "}"), want: "broke off after", hint: "/api/v1"},
		{name: "two answers", body: matrix("", good) + matrix("", good), want: "there is more after its end", hint: "/api/v1"},
		{name: "data twice", body: strings.TrimSuffix(matrix("", good), "}") + `,"data":{}}`, want: `"data" twice`, hint: "/api/v1"},
		{name: "another metric", body: matrix("", good, samplesOf("http_requests_total", ofA, `"995"`)), want: "a series that was not asked for: http_requests_total", hint: "change queries"},
		{name: "another job", body: matrix("", good, samplesOf("go_goroutines", `"job":"b","instance":"z:1"`, `"995"`)), want: `a series that job="a" does not match`, hint: "change queries"},
		{name: "no name", body: matrix("", good, `{"metric":{},"values":[[1,"1"]]}`), want: "a series that was not asked for: {}", hint: "change queries"},
		{name: "the same series twice", body: matrix("", good, good), want: "two series of go_goroutines with the same labels", hint: "change queries"},
		{name: "two counts of one instance", body: matrix("", good, samplesOf("go_sched_goroutines_goroutines", ofA, `"12"`))},
		{name: "a histogram beside", body: matrix("", good, `{"metric":{"__name__":"go_goroutines","job":"a","instance":"h:2"},"histograms":[[1,{"count":"1","sum":"1"}]]}`), want: "a histogram instead of a number for go_goroutines", hint: "recording rule"},
		{name: "NaN", body: matrix("", samplesOf("go_goroutines", ofA, `"NaN"`)), want: `instance="h:1", job="a"}, go_goroutines is NaN; a number of goroutines is a whole number from 1`, hint: "recording rule"},
		{name: "marks of failed scrapes", body: matrix("", samplesOf("go_goroutines", ofA, `"12"`, `"NaN"`, `"12"`))},
		{name: "nulls for them", body: matrix("", samplesOf("go_goroutines", ofA, `"12"`, `null`, `"12"`))},
		{name: "infinity", body: matrix("", samplesOf("go_goroutines", ofA, `"12"`, `"+Inf"`)), want: "go_goroutines is +Inf", hint: "recording rule"},
		{name: "less than nothing", body: matrix("", samplesOf("go_goroutines", ofA, `"-5"`)), want: "go_goroutines is -5", hint: "recording rule"},
		{name: "a mean", body: matrix("", samplesOf("go_goroutines", ofA, `"12"`, `"3.5"`)), want: "go_goroutines is 3.5", hint: "recording rule"},
		{name: "beyond everything", body: matrix("", samplesOf("go_goroutines", ofA, `"9e18"`)), want: "go_goroutines is 9e+18", hint: "recording rule"},
		{name: "no number", body: matrix("", samplesOf("go_goroutines", ofA, `"twelve"`)), want: `value is "twelve"`, hint: "/api/v1"},
		{name: "a number for a text", body: matrix("", samplesOf("go_goroutines", ofA, `12`)), want: "no sample in", hint: "/api/v1"},
		{name: "milliseconds", body: matrix("", `{"metric":{"__name__":"go_goroutines","job":"a"},"values":[[1700000000000,"1"]]}`), want: "not seconds since 1970", hint: "/api/v1"},
		{name: "back in time", body: matrix("", `{"metric":{"__name__":"go_goroutines","job":"a"},"values":[[5,"1"],[4,"1"]]}`), want: "go back in time", hint: "/api/v1"},
		{name: "too many series", body: matrix("", strings.Repeat(`{"metric":{"__name__":"go_info"}},`, mostSeries+1)+good), want: "more than 50000 series"},
		{name: "too many samples", body: matrix("", `{"metric":{"__name__":"go_goroutines"},"values":[`+strings.Repeat(`[1,"1"],`, mostSamples)+`[1,"1"]]}`), want: "more than 11000 samples"},
		{name: "a large series", body: matrix("", `{"metric":{"__name__":"go_goroutines","x":"`+strings.Repeat("x", 1<<20)+`"}}`), want: "a series of more than 1 MiB"},
	} {
		if c.status == 0 {
			c.status = http.StatusOK
		}
		all, err := NewGroup(answers(t, c.status, c.header, c.body), "shop", `{job="a"}`).Discover(t.Context())
		if c.want == "" {
			if err != nil || len(all) != 1 {
				t.Errorf("Discover(%s) = %v, %v; want one instance", c.name, all, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Got, c.want) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("Discover(%s) = %v, want an error with %q and the hint %q", c.name, err, c.want, c.hint)
			if e != nil {
				t.Errorf("its hint is %q", e.Hint)
			}
		}
	}
}

// An instance's other numbers are checked when they are used.
func TestInstanceNumbers(t *testing.T) {
	good := samplesOf("go_goroutines", ofA, `"12"`)
	for _, c := range []struct{ metric, value, want string }{
		{"process_start_time_seconds", `"1.7e9"`, ""},
		{"process_start_time_seconds", `"NaN"`, ""},
		{"process_start_time_seconds", `"+Inf"`, ""},
		{"go_threads", `"9"`, ""},
		{"go_threads", `"NaN"`, "go_threads is NaN"},
		{"go_threads", `"-1"`, "go_threads is -1"},
		{"process_resident_memory_bytes", `"1e300"`, "process_resident_memory_bytes is 1e+300"},
		{"go_memstats_alloc_bytes_total", `"-Inf"`, "go_memstats_alloc_bytes_total is -Inf"},
	} {
		all, err := NewGroup(answers(t, 200, nil, matrix("", good, samplesOf(c.metric, ofA, c.value))), "shop", `{job="a"}`).Discover(t.Context())
		if err != nil || len(all) != 1 {
			t.Fatalf("Discover(%s %s) = %v", c.metric, c.value, err)
		}
		_, identity, err := all[0].Count(t.Context())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("Count with %s %s = %v, want %q", c.metric, c.value, err, c.want)
		}
		if math.IsNaN(identity.Start) || math.IsInf(identity.Start, 0) {
			t.Errorf("start time %v, which no JSON can hold", identity.Start)
		}
	}
}

// Numbers and ranges are whole, and numbers, too.
func TestNumbersAndRanges(t *testing.T) {
	vector := func(values ...string) string {
		var all []string
		for _, v := range values {
			all = append(all, `{"metric":{},"value":[1,`+v+`]}`)
		}
		return `{"status":"success","data":{"resultType":"vector","result":[` + strings.Join(all, ",") + `]}}`
	}
	for _, c := range []struct {
		body string
		want float64
		err  string
	}{
		{vector(`"2"`, `"3"`), 5, ""},
		{`{"data":{"result":[1.5,"7"],"resultType":"scalar"},"status":"success"}`, 7, ""},
		{vector(), 0, "nothing"},
		{vector(`"NaN"`), 0, "NaN"},
		{vector(`"1"`, `"-Inf"`), 0, "-Inf"},
		{vector(`null`), 0, "no number for"},
		{`{"status":"success","isPartial":true,"data":{"resultType":"scalar","result":[1,"7"]}}`, 0, "isPartial"},
		{`{"status":"success","data":{"resultType":"string","result":[1,"seven"]}}`, 0, `"seven"`},
		{`{"status":"success","data":{"resultType":"scalar","result":[1]}}`, 0, "no sample"},
		{`{"status":"success","data":null}`, 0, `a "" instead of a number`},
	} {
		got, err := answers(t, 200, nil, c.body).Number(t.Context(), "x")
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("Number(%s) = %v, %v; want %v, %q", c.body, got, err, c.want, c.err)
		}
	}
	ask := func(body string) (int, error) {
		m, err := answers(t, 200, nil, body).Range(t.Context(), "x", time.Unix(0, 0), time.Unix(60, 0), time.Second)
		if err != nil || len(m) != 1 {
			return 0, err
		}
		return len(m[0].Values), nil
	}
	if n, err := ask(matrix("", samplesOf("x", ofA, `"1"`, `"NaN"`))); n != 3 || err != nil {
		t.Errorf("Range = %d values, %v; want the three that are numbers", n, err)
	}
	if _, err := ask(matrix("", samplesOf("x", ofA, `"1"`, `"+Inf"`))); err == nil {
		t.Error("Range takes an infinity")
	}
	if _, err := ask(matrix(`,"isPartial":true`, samplesOf("x", ofA, `"1"`))); err == nil {
		t.Error("Range takes a part for the whole")
	}
	if _, err := ask(vector(`"1"`)); err == nil {
		t.Error("Range takes a vector")
	}
}

// A server behind something that lets only GET pass is asked so.
func TestAsksByGet(t *testing.T) {
	for _, status := range []int{http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				http.Error(w, "no", status)
				return
			}
			fmt.Fprintf(w, `{"status":"success","data":{"resultType":"scalar","result":[1,"%d"]}}`, len(r.FormValue("query")))
		}))
		defer s.Close()
		p, err := NewPrometheus(PrometheusConfig{URL: s.URL + "/"})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := p.Number(t.Context(), "sum(x)"); n != 6 || err != nil {
			t.Errorf("Number after %d = %v, %v; want 6", status, n, err)
		}
	}
}

// The query names the metrics that are needed, and no matcher but the selector's.
func TestAsksForWhatIsNeeded(t *testing.T) {
	for selector, want := range map[string]string{
		"{job=`a`}":                              `,job="a"}`,
		`go_goroutines{job="a"}`:                 `{__name__=~"go_goroutines|process_start_time_seconds|`,
		`{"go.goroutine.count", "my.label"="x"}`: `{__name__=~"go\\.goroutine\\.count|process_start`,
	} {
		if g := NewGroup(nil, "shop", selector); !strings.Contains(g.match, want) {
			t.Errorf("NewGroup(%s) asks for %s, want %s in it", selector, g.match, want)
		}
	}
	for _, selector := range []string{`{job="a" or job="b"}`, `up{job="a"}`} {
		if _, err := NewGroup(answers(t, 200, nil, "{}"), "shop", selector).Discover(t.Context()); err == nil || !strings.Contains(err.Error(), "shop") {
			t.Errorf("Discover(%s) = %v, want an error before anything is asked", selector, err)
		}
	}
}

// FuzzPrometheusAnswer looks for an answer that makes the reader panic, or brings it to
// take what is no sample.
func FuzzPrometheusAnswer(f *testing.F) {
	f.Add(matrix(`,"isPartial":true,"warnings":["a"],"infos":["b"]`, `{"metric":{"__name__":"go_goroutines"},"values":[[1,"2"],[2.5,null],[3,"NaN"]]}`))
	f.Add(`{"status":"success","data":{"resultType":"scalar","result":[1.5,"7"]}}`)
	f.Add(`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"2"],"histogram":[]}]}}`)
	f.Add(`{"status":"error","errorType":"bad_data","error":"x","data":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		a, err := readAnswer(strings.NewReader(body), nil)
		if err != nil {
			return
		}
		for _, s := range a.series {
			for i, p := range s.samples {
				if p.Timestamp < 0 || i > 0 && p.Timestamp < s.samples[i-1].Timestamp {
					t.Fatalf("readAnswer(%q) has samples %v", body, s.samples)
				}
			}
		}
	})
}
