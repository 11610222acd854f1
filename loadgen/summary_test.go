package loadgen

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// machine is a machine-readable summary of k6 1.5 and later around metrics.
func machine(metrics, checks string) string {
	return `{"version":"1.0.0","config":{"duration":5},"results":{"metrics":[` + metrics + `],"checks":{"metrics":[` + checks + `]}}}`
}

func TestReadSummary(t *testing.T) {
	const vegetaTail = `"errors":[],"latencies":{"mean":1,"max":3}}`
	for _, c := range []struct {
		name, form, text string
		file             string // of testdata, instead of text
		sent, failed     uint64
		unanswered       uint64
		wrong            string // the error; none if empty
	}{
		{name: "k6 1.5", file: "k6_v1schema.json", form: "k6", sent: 500, failed: 200},
		{name: "k6 1.5, with counts", form: "k6", sent: 500, failed: 200, text: machine(
			`{"name":"http_reqs","type":"counter","values":{"count":500}},`+
				`{"name":"http_req_failed","type":"rate","values":{"matches":200,"total":500,"rate":0.4}}`, ``)},
		{name: "k6 1.5, healthy", form: "k6", sent: 500, text: machine(
			`{"name":"http_reqs","type":"counter","values":{"count":500}},{"name":"new_kind","type":"histogram","values":[1,2]},`+
				`{"name":"http_req_failed","type":"rate","values":{"matches":0,"total":500,"rate":0}}`,
			`{"name":"checks_total","type":"counter","values":{"count":500}},`+
				`{"name":"checks_failed","type":"rate","values":{"matches":0,"total":500,"rate":0}}`)},
		{name: "k6 1.5, gRPC", form: "k6", sent: 300, failed: 30, text: machine(
			`{"name":"iterations","type":"counter","values":{"count":300}},{"name":"grpc_req_duration","type":"trend","values":{"avg":2}}`,
			`{"name":"checks_succeeded","type":"rate","values":{"matches":270,"total":300,"rate":0.9}}`)},
		{name: "k6 1.5, gRPC without checks", form: "k6", wrong: "add a check to the script", text: machine(
			`{"name":"iterations","type":"counter","values":{"count":300}},{"name":"grpc_req_duration","type":"trend","values":{"avg":2}}`, ``)},
		{name: "k6 1.5, checks that do not add up", form: "k6", wrong: "k6 counted 400 checks, but its failed and passed checks add up to 500",
			text: machine(`{"name":"iterations","type":"counter","values":{"count":500}}`,
				`{"name":"checks_total","type":"counter","values":{"count":400}},`+
					`{"name":"checks_failed","type":"rate","values":{"matches":0,"total":500,"rate":0}}`)},
		{name: "k6, a metric twice", form: "k6", wrong: "k6's http_reqs has no count", text: machine(
			`{"name":"http_reqs","type":"counter","values":{"count":500}},{"name":"http_reqs","type":"counter","values":{"count":5}}`, ``)},
		{name: "k6, another schema", form: "k6", wrong: `k6's summary has version "2.0.0"; leakgate reads version 1`,
			text: strings.Replace(machine(`{"name":"http_reqs","values":{"count":5}}`, ``), "1.0.0", "2.0.0", 1)},
		// One request of setup(), and iterations of another protocol.
		{name: "k6, few HTTP", file: "k6_mixed_fewhttp.json", sent: 5000, failed: 2500},
		{name: "k6, few HTTP, healthy", sent: 5000, text: `{"metrics": {"http_reqs": {"count": 1}, "http_req_failed": {"value": 0, "passes": 0, "fails": 1},
			"iterations": {"count": 5000}, "grpc_req_duration": {"avg": 1}, "checks": {"passes": 5000, "fails": 0}}}`},
		{name: "k6, few HTTP, unchecked", wrong: "k6 measured grpc_req_duration besides 1 HTTP requests", text: `{"metrics": {"http_reqs": {"count": 1},
			"http_req_failed": {"value": 0, "passes": 0, "fails": 1}, "iterations": {"count": 5000}, "grpc_req_duration": {"avg": 1}}}`},
		{name: "k6, few HTTP, one check", wrong: "k6 counted 5000 iterations, 1 HTTP requests and 1 checks", text: `{"metrics": {"http_reqs": {"count": 1},
			"http_req_failed": {"value": 0, "passes": 0, "fails": 1}, "iterations": {"count": 5000}, "checks": {"passes": 1, "fails": 0}}}`},
		{name: "k6, iterations of nothing known", wrong: "nothing shows whether the other iterations failed", text: `{"metrics": {"http_reqs": {"count": 1},
			"http_req_failed": {"value": 0, "passes": 0, "fails": 1}, "iterations": {"count": 5000}}}`},
		// An iteration that threw an error did not come to its check.
		{name: "k6, iterations that came to no check", sent: 200, failed: 60,
			text: `{"metrics": {"iterations": {"count": 200}, "checks": {"passes": 140, "fails": 0}}}`},
		{name: "k6 without http_req_failed", sent: 500, failed: 400,
			text: `{"metrics": {"http_reqs": {"count": 500}, "iterations": {"count": 500}, "checks": {"passes": 100, "fails": 400}}}`},
		{name: "k6 without http_req_failed and checks", wrong: "remove setResponseCallback(null)",
			text: `{"metrics": {"http_reqs": {"count": 500}, "iterations": {"count": 500}}}`},
		{name: "k6 with statuses", sent: 500, failed: 20,
			text: `{"metrics": {"http_reqs": {"count": 500}, "http_reqs{status:200}": {"count": 480}, "http_reqs{status:503}": {"count": 20}}}`},
		{name: "k6 with more of a status than of all", wrong: "k6 counted 500 HTTP requests, but 600 with a successful status",
			text: `{"metrics": {"http_reqs": {"count": 500}, "http_reqs{status:200}": {"count": 600}}}`},
		// Each answer is 200, and says that nothing was done.
		{name: "k6, checks that fail beside HTTP", sent: 500, failed: 500, text: `{"metrics": {"http_reqs": {"count": 500},
			"http_req_failed": {"value": 0, "passes": 0, "fails": 500}, "checks": {"passes": 500, "fails": 500}}}`},
		{name: "k6, a rate alone", sent: 500, failed: 1, text: `{"metrics": {"http_reqs": {"count": 500}, "http_req_failed": {"value": 0.0001}}}`},
		{name: "k6, requests that do not add up", wrong: "k6 counted 500 HTTP requests, but http_req_failed covers 480",
			text: `{"metrics": {"http_reqs": {"count": 500}, "http_req_failed": {"value": 0, "passes": 0, "fails": 480}}}`},
		{name: "k6, a rate against its counts", wrong: "k6's http_req_failed is a rate of 0, but its counts are 250 of 500",
			text: `{"metrics": {"http_reqs": {"count": 500}, "http_req_failed": {"value": 0, "passes": 250, "fails": 250}}}`},
		{name: "k6, below zero", wrong: `k6's http_reqs is "-500", which is below zero`,
			text: `{"metrics": {"http_reqs": {"count": -500}, "http_req_failed": {"value": 0}}}`},
		{name: "k6, half a request", wrong: `k6's http_reqs is "0.5", which is not a count`,
			text: `{"metrics": {"http_reqs": {"count": 0.5}, "http_req_failed": {"value": 0}}}`},
		{name: "k6, no number", wrong: `k6's http_req_failed rate is "null", which is not a number`,
			text: `{"metrics": {"http_reqs": {"count": 500}, "http_req_failed": {"values": {"rate": null}}}}`},
		{name: "k6, above one", wrong: `k6's http_req_failed rate is "1.5", which is above one`,
			text: `{"metrics": {"http_reqs": {"count": 500}, "http_req_failed": {"rate": 1.5}}}`},
		// A threshold alone makes a rate of nothing, which is null.
		{name: "k6, a rate of nothing", sent: 0, text: `{"metrics": {"http_reqs": {"count": 0}, "http_req_failed": {"passes": 0, "fails": 0, "rate": null}}}`},

		{name: "ghz", file: "ghz.json", sent: 2000, failed: 20},
		{name: "ghz without status codes", file: "ghz_allfail.json", sent: 500, failed: 500, unanswered: 500},
		{name: "ghz, errors of the server", sent: 500, failed: 500, unanswered: 100,
			text: `{"count": 500, "errorDistribution": {"rpc error: code = Internal desc = no": 400, "rpc error: code = Unavailable desc = x": 100}}`},
		{name: "ghz, codes that do not add up", wrong: "ghz counted 500 requests, but its status codes add up to 480",
			text: `{"count": 500, "statusCodeDistribution": {"OK": 480}, "errorDistribution": {}}`},
		{name: "ghz, more errors than failures", wrong: "by ghz's status codes 0 requests failed, but its errors add up to 500",
			text: `{"count": 500, "statusCodeDistribution": {"OK": 500}, "errorDistribution": {"no": 500}}`},
		{name: "ghz, errors of some", wrong: "ghz counted 500 requests, but its errors add up to 300, and there are no status codes",
			text: `{"count": 500, "statusCodeDistribution": {}, "errorDistribution": {"no": 300}}`},
		{name: "ghz that tells nothing", wrong: "ghz counted 500 requests, but neither status codes nor errors",
			text: `{"count": 500, "statusCodeDistribution": {}, "errorDistribution": {}}`},
		{name: "ghz, no count", wrong: `ghz's count is "many", which is not a number`, text: `{"count": "many", "statusCodeDistribution": {"OK": 5}}`},
		{name: "ghz, a code below zero", wrong: `ghz's statusCodeDistribution["OK"] is "-5", which is below zero`,
			text: `{"count": 5, "statusCodeDistribution": {"OK": -5, "Internal": 10}}`},

		{name: "vegeta", file: "vegeta.json", sent: 230, failed: 32, unanswered: 30},
		{name: "vegeta, healthy", sent: 10, text: `{"requests":10,"success":1,"status_codes":{"200":9,"302":1},` + vegetaTail},
		{name: "vegeta, codes that do not add up", wrong: "vegeta counted 10 requests, but its status codes add up to 4",
			text: `{"requests":10,"success":1,"status_codes":{"200":4},` + vegetaTail},
		{name: "vegeta, success against its codes", wrong: "vegeta says that a share of 1 succeeded, but by its status codes 4 of 10 did",
			text: `{"requests":10,"success":1,"status_codes":{"200":4,"500":6},` + vegetaTail},
		{name: "vegeta without success", wrong: "vegeta's success is missing", text: `{"requests":10,"status_codes":{"200":10},` + vegetaTail},
		{name: "vegeta, errors against its codes", wrong: `vegeta lists 1 errors, the first of them "refused", but by its status codes 0 requests failed`,
			text: `{"requests":10,"success":1,"status_codes":{"200":10},"errors":["refused"]}`},
		{name: "vegeta, a time below zero", wrong: `vegeta's latencies.max is "-1", which is below zero`,
			text: `{"requests":1,"success":1,"status_codes":{"200":1},"latencies":{"max":-1}}`},

		{name: "wrk", file: "wrk.txt", sent: 152, failed: 28, unanswered: 8},
		{name: "wrk, healthy", sent: 144, text: "  1 threads and 8 connections\n  144 requests in 4.01s, 5.62KB read\nRequests/sec:     35.87\n"},
		{name: "wrk twice", sent: 7, text: "  144 requests in 4.01s, 5.62KB read\n  Non-2xx or 3xx responses: 20\nRequests/sec: 1\n" +
			"  7 requests in 4.01s, 5.62KB read\nRequests/sec: 2\n"},
		{name: "wrk, more failed than sent", wrong: "wrk counted 10 requests, but 20 Non-2xx or 3xx responses",
			text: "  10 requests in 4.01s, 5.62KB read\n  Non-2xx or 3xx responses: 20\nRequests/sec: 2\n"},
		{name: "wrk, no count", wrong: `wrk's Non-2xx or 3xx responses is "99999999999999999999", which is not a count`,
			text: "  10 requests in 4.01s\n  Non-2xx or 3xx responses: 99999999999999999999\nRequests/sec: 2\n"},
		{name: "wrk, another line of failures", wrong: "wrk's line of Socket errors cannot be read",
			text: "  10 requests in 4.01s\n  Socket errors: 10\nRequests/sec: 2\n"},
		{name: "wrk, cut off", wrong: "wrk's summary is cut off", text: "  1 threads and 8 connections\n  144 requests in 4.01s, 5.62KB read\n"},
		// Some other program, whose words happen to be wrk's.
		{name: "no wrk", form: "wrk", text: "500 requests in 3 s, 500 of them failed\n", wrong: "there is no summary of wrk in 40 bytes"},
		{name: "no ghz", form: "ghz", text: `{"count": 500, "status": "done"}`, wrong: "there is no summary of ghz in 32 bytes"},
	} {
		text := []byte(c.text)
		if c.file != "" {
			var err error
			if text, err = os.ReadFile(filepath.Join("testdata", c.file)); err != nil {
				t.Fatal(err)
			}
		}
		s, found, err := readSummary(c.form, text)
		if c.wrong != "" {
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("readSummary(%s) = %d of %d failed, %v; want an error with %q", c.name, s.failed, s.requests, err, c.wrong)
			}
			continue
		}
		unanswered := uint64(0)
		for _, n := range s.errors {
			unanswered += n
		}
		if err != nil || !found || s.requests != c.sent || s.failed != c.failed || unanswered != c.unanswered {
			t.Errorf("readSummary(%s) = %d of %d failed, %d unanswered, found %t, %v; want %d of %d, %d",
				c.name, s.failed, s.requests, unanswered, found, err, c.failed, c.sent, c.unanswered)
		}
	}
}

// A megabyte of objects within objects is read once, not once for each of them.
func TestReadSummaryIsLinear(t *testing.T) {
	text := strings.Repeat(`{"a":`, maxTries) + strings.Repeat(`{"b":1},`, 1<<18)
	began := time.Now()
	if object([]byte(text), func([]byte) bool { return false }) {
		t.Error("object(braces) = true, want nothing found")
	}
	if d := time.Since(began); d > time.Minute { // of the many that it would take
		t.Errorf("object(braces) took %s", d)
	}
}

func FuzzReadSummary(f *testing.F) {
	for _, name := range []string{"ghz.json", "k6.json", "k6-values.json", "vegeta.json", "wrk.txt", "k6_v1schema.json", "ghz_allfail.json", "k6_mixed_fewhttp.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(machine(`{"name":"http_reqs","values":{"count":5}},{"name":"http_req_failed","values":{"matches":1,"total":5}}`, `{}`)))
	f.Add([]byte(`{"metrics": {"http_reqs": {"count": 5}, "http_req_failed": {"rate": 1e-9}, "checks": {"passes": 1, "fails": 9007199254740992}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, found, err := readSummary("", text)
		if !found || err != nil {
			return
		}
		unanswered := uint64(0)
		for _, n := range s.errors {
			unanswered += n
		}
		if s.failed > s.requests || s.workers < 0 || unanswered > s.failed || min(s.mean, s.p50, s.p90, s.p99, s.max) < 0 {
			t.Errorf("readSummary = %+v", s)
		}
	})
}
