package loadgen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"

	"github.com/leakgate/leakgate/record"
)

// summary is what a load generator says of its requests.
type summary struct {
	requests, failed uint64
	codes            map[string]uint64
	errors           map[string]uint64
	mean, p50, p90   time.Duration
	p99, max         time.Duration
	thresholds       bool // it ends with an error when a threshold of its own is missed
}

// fill puts the summary into a load of one entry.
func (s summary) fill(load *record.Load) {
	e := &load.Entries[0]
	e.Sent, e.Succeeded = s.requests, s.requests-min(s.failed, s.requests)
	unanswered := uint64(0)
	for _, n := range s.errors {
		unanswered += n
	}
	e.Answered = s.requests - min(unanswered, s.requests)
	e.Codes, e.Errors = s.codes, s.errors
	e.Mean, e.P50, e.P90, e.P99, e.Max = s.mean, s.p50, s.p90, s.p99, s.max
	load.Sent, load.Answered, load.Succeeded = e.Sent, e.Answered, e.Succeeded
}

// forms are the summaries that are known, in the order in which they are tried.
var forms = []struct {
	name string
	read func([]byte) (summary, bool, error)
}{{"k6", readK6}, {"ghz", readGhz}, {"vegeta", readVegeta}, {"wrk", readWrk}}

// readSummary reads a summary of a known form; found is false if there is none.
func readSummary(form string, text []byte) (s summary, found bool, err error) {
	if form == "none" {
		return s, false, nil
	}
	for _, f := range forms {
		if form != "" && form != "auto" && form != f.name {
			continue
		}
		if s, found, err = f.read(text); found && err == nil {
			return s, true, nil
		}
	}
	if form != "" && form != "auto" && err == nil {
		err = fmt.Errorf("there is no summary of %s in %d bytes", form, len(text))
	}
	if form == "" || form == "auto" {
		err = nil // it only looked like one
	}
	return s, false, err
}

// object is the last JSON object in a text that may have a log around it.
func object(text []byte, into any) bool {
	for start := bytes.IndexByte(text, '{'); start >= 0; {
		dec := json.NewDecoder(bytes.NewReader(text[start:]))
		if dec.Decode(into) == nil {
			return true
		}
		next := bytes.IndexByte(text[start+1:], '{')
		if next < 0 {
			return false
		}
		start += 1 + next
		if start > maxOutput {
			return false
		}
	}
	return false
}

// readK6 reads what k6 writes with --summary-export, or its handleSummary's data.
func readK6(text []byte) (summary, bool, error) {
	type metric struct {
		Count  *float64           `json:"count"`
		Value  *float64           `json:"value"`
		Values map[string]float64 `json:"values"`
		Avg    float64            `json:"avg"`
		Med    float64            `json:"med"`
		P90    float64            `json:"p(90)"`
		P99    float64            `json:"p(99)"`
		Max    float64            `json:"max"`
	}
	var doc struct {
		Metrics map[string]metric `json:"metrics"`
	}
	if !object(text, &doc) || len(doc.Metrics) == 0 {
		return summary{}, false, nil
	}
	number := func(m metric, name string, direct *float64) (float64, bool) {
		if direct != nil {
			return *direct, true
		}
		v, ok := m.Values[name]
		return v, ok
	}
	for _, names := range [][3]string{{"http_reqs", "http_req_failed", "http_req_duration"}, {"grpc_reqs", "grpc_req_failed", "grpc_req_duration"}, {"iterations", "", "iteration_duration"}} {
		m, ok := doc.Metrics[names[0]]
		if !ok {
			continue
		}
		n, ok := number(m, "count", m.Count)
		if !ok {
			continue
		}
		s := summary{requests: uint64(max(0, n)), thresholds: true}
		f := doc.Metrics[names[1]]
		if share, ok := number(f, "rate", f.Value); ok {
			s.failed = uint64(math.Round(share * n))
		}
		d := doc.Metrics[names[2]]
		ms := func(direct float64, name string) time.Duration {
			if direct == 0 {
				direct = d.Values[name]
			}
			return time.Duration(direct * float64(time.Millisecond))
		}
		s.mean, s.p50, s.p90, s.p99, s.max = ms(d.Avg, "avg"), ms(d.Med, "med"), ms(d.P90, "p(90)"), ms(d.P99, "p(99)"), ms(d.Max, "max")
		return s, true, nil
	}
	return summary{}, false, nil
}

// readGhz reads what ghz prints with --format json.
func readGhz(text []byte) (summary, bool, error) {
	var doc struct {
		Count         *uint64           `json:"count"`
		Average       time.Duration     `json:"average"`
		Slowest       time.Duration     `json:"slowest"`
		Status        map[string]uint64 `json:"statusCodeDistribution"`
		Errors        map[string]uint64 `json:"errorDistribution"`
		Distributions []struct {
			Percentage int           `json:"percentage"`
			Latency    time.Duration `json:"latency"`
		} `json:"latencyDistribution"`
	}
	if !object(text, &doc) || doc.Count == nil || doc.Status == nil && doc.Errors == nil {
		return summary{}, false, nil
	}
	s := summary{requests: *doc.Count, codes: doc.Status, mean: doc.Average, max: doc.Slowest}
	for code, n := range doc.Status {
		if code != "OK" {
			s.failed += n
		}
	}
	for _, d := range doc.Distributions {
		switch d.Percentage {
		case 50:
			s.p50 = d.Latency
		case 90:
			s.p90 = d.Latency
		case 99:
			s.p99 = d.Latency
		}
	}
	if n := doc.Status["Unavailable"]; n > 0 { // nobody was there
		s.errors = map[string]uint64{"Unavailable": n}
	}
	return s, true, nil
}

// readVegeta reads what `vegeta report -type=json` prints.
func readVegeta(text []byte) (summary, bool, error) {
	var doc struct {
		Requests  *uint64           `json:"requests"`
		Success   float64           `json:"success"`
		Codes     map[string]uint64 `json:"status_codes"`
		Latencies struct {
			Mean, Max time.Duration
			P50       time.Duration `json:"50th"`
			P90       time.Duration `json:"90th"`
			P99       time.Duration `json:"99th"`
		} `json:"latencies"`
	}
	if !object(text, &doc) || doc.Requests == nil || doc.Codes == nil {
		return summary{}, false, nil
	}
	l := doc.Latencies
	s := summary{requests: *doc.Requests, mean: l.Mean, max: l.Max, p50: l.P50, p90: l.P90, p99: l.P99, codes: map[string]uint64{}}
	s.failed = uint64(math.Round((1 - doc.Success) * float64(*doc.Requests)))
	for code, n := range doc.Codes {
		if code == "0" {
			s.errors = map[string]uint64{"no answer": n}
			continue
		}
		s.codes[code] = n
	}
	return s, true, nil
}

var (
	wrkRequests = regexp.MustCompile(`(?m)^\s*(\d+) requests in `)
	wrkFailed   = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkSocket   = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// readWrk reads what wrk prints.
func readWrk(text []byte) (summary, bool, error) {
	m := wrkRequests.FindSubmatch(text)
	if m == nil {
		return summary{}, false, nil
	}
	count := func(b []byte) uint64 {
		n, err := strconv.ParseUint(string(b), 10, 64)
		if err != nil {
			return 0
		}
		return n
	}
	s := summary{requests: count(m[1])}
	if f := wrkFailed.FindSubmatch(text); f != nil {
		s.failed = count(f[1])
	}
	if e := wrkSocket.FindSubmatch(text); e != nil {
		for i, kind := range []string{"connect", "read", "write", "timeout"} {
			n := count(e[i+1])
			if n == 0 {
				continue
			}
			if s.errors == nil {
				s.errors = map[string]uint64{}
			}
			s.errors[kind] = n
			s.requests, s.failed = s.requests+n, s.failed+n // it counts answers alone
		}
	}
	return s, true, nil
}
