package loadgen

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
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
	workers          int // requests in flight at once; 0: not said
	missed           int // exit status that only says that a threshold of its own was missed; 0: none
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
	load.Workers = s.workers
	if d := load.Planned.Seconds(); load.Workers == 0 && d > 0 { // by Little's law, if all had been as slow as the slowest
		load.Workers = int(math.Ceil(min(float64(s.requests)/d*s.max.Seconds(), float64(s.requests))))
	}
}

// forms are the summaries that are known, in the order in which they are tried. An
// error is of a summary that is one, and is of no use.
var forms = []struct {
	name string
	read func([]byte) (summary, bool, error)
}{{"k6", readK6}, {"ghz", readGhz}, {"vegeta", readVegeta}, {"wrk", readWrk}}

// readSummary reads a summary of a known form; found is false if there is none.
func readSummary(form string, text []byte) (s summary, found bool, err error) {
	if form == "none" {
		return s, false, nil
	}
	auto := form == "" || form == "auto"
	for _, f := range forms {
		if !auto && form != f.name {
			continue
		}
		if s, found, err = f.read(text); found || err != nil {
			return s, found, err
		}
	}
	if !auto {
		err = fmt.Errorf("there is no summary of %s in %d bytes", form, len(text))
	}
	return summary{}, false, err
}

// maxTries is how many braces of a text are tried as the beginning of an object.
const maxTries = 10_000

// object finds the last JSON object that is accepted in a text that may have a log
// around it, of JSON objects too.
func object(text []byte, accept func([]byte) bool) bool {
	found := false
	for range maxTries {
		start := bytes.IndexByte(text, '{')
		if start < 0 {
			break
		}
		text = text[start:]
		var o json.RawMessage
		if json.NewDecoder(bytes.NewReader(text)).Decode(&o) == nil && accept(o) {
			found = true
			text = text[len(o):]
			continue
		}
		text = text[1:]
	}
	return found
}

// decoded makes a function for object of one that looks at a decoded value.
func decoded[T any](into *T, good func(T) bool) func([]byte) bool {
	return func(text []byte) bool {
		var doc T
		if json.Unmarshal(text, &doc) != nil || !good(doc) {
			return false
		}
		*into = doc
		return true
	}
}

func knownForms() string {
	names := make([]string, len(forms))
	for i, f := range forms {
		names[i] = f.name
	}
	return strings.Join(names, ", ")
}

// k6Metric is one of k6's metrics, as --summary-export writes it or, under values, as
// its handleSummary has it.
type k6Metric struct {
	Count  *float64           `json:"count"`
	Value  *float64           `json:"value"`
	Passes *float64           `json:"passes"`
	Fails  *float64           `json:"fails"`
	Values map[string]float64 `json:"values"`
	Avg    float64            `json:"avg"`
	Med    float64            `json:"med"`
	P90    float64            `json:"p(90)"`
	P99    float64            `json:"p(99)"`
	Max    float64            `json:"max"`
}

func (m k6Metric) number(name string, direct *float64) (float64, bool) {
	if direct != nil {
		return *direct, true
	}
	v, ok := m.Values[name]
	return v, ok
}

func (m k6Metric) time(name string, direct float64) time.Duration {
	if direct == 0 {
		direct = m.Values[name]
	}
	return time.Duration(direct * float64(time.Millisecond))
}

// k6Missed is k6's exit status when a threshold was missed.
const k6Missed = 99

// readK6 reads what k6 writes with --summary-export, or its handleSummary's data. Of
// protocols other than HTTP it counts no requests: there, iterations stand for them,
// and the script's checks say which of them failed. Without checks nothing is
// known: an iteration that threw an error counts as any other.
func readK6(text []byte) (summary, bool, error) {
	type report struct {
		Metrics map[string]k6Metric `json:"metrics"`
	}
	var doc report
	if !object(text, decoded(&doc, func(d report) bool { return len(d.Metrics) > 0 })) {
		return summary{}, false, nil
	}
	s, d := summary{missed: k6Missed}, doc.Metrics["http_req_duration"]
	users := doc.Metrics["vus_max"]
	if n, ok := users.number("value", users.Value); ok {
		s.workers = int(max(0, n))
	}
	m := doc.Metrics["http_reqs"]
	n, ok := m.number("count", m.Count)
	failed := doc.Metrics["http_req_failed"]
	share, _ := failed.number("rate", failed.Value)
	if !ok {
		m, d = doc.Metrics["iterations"], doc.Metrics["iteration_duration"]
		if n, ok = m.number("count", m.Count); !ok {
			return summary{}, false, nil
		}
		checks := doc.Metrics["checks"]
		passes, ok1 := checks.number("passes", checks.Passes)
		fails, ok2 := checks.number("fails", checks.Fails)
		if !ok1 || !ok2 || passes+fails <= 0 {
			return summary{}, false, errors.New("k6 counted iterations alone, and an iteration that fails counts too: add a check to the script")
		}
		share = fails / (passes + fails)
	}
	s.requests = uint64(max(0, n))
	s.failed = uint64(math.Round(min(1, max(0, share)) * max(0, n)))
	s.mean, s.p50, s.p90, s.p99, s.max = d.time("avg", d.Avg), d.time("med", d.Med), d.time("p(90)", d.P90), d.time("p(99)", d.P99), d.time("max", d.Max)
	return s, true, nil
}

// readGhz reads what ghz prints with --format json.
func readGhz(text []byte) (summary, bool, error) {
	type report struct {
		Count   *uint64 `json:"count"`
		Options struct {
			Concurrency int `json:"concurrency"`
		} `json:"options"`
		Average       time.Duration     `json:"average"`
		Slowest       time.Duration     `json:"slowest"`
		Status        map[string]uint64 `json:"statusCodeDistribution"`
		Errors        map[string]uint64 `json:"errorDistribution"`
		Distributions []struct {
			Percentage int           `json:"percentage"`
			Latency    time.Duration `json:"latency"`
		} `json:"latencyDistribution"`
	}
	var doc report
	if !object(text, decoded(&doc, func(d report) bool { return d.Count != nil && (d.Status != nil || d.Errors != nil) })) {
		return summary{}, false, nil
	}
	s := summary{requests: *doc.Count, workers: max(0, doc.Options.Concurrency), codes: doc.Status, mean: doc.Average, max: doc.Slowest}
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
	type report struct {
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
	var doc report
	if !object(text, decoded(&doc, func(d report) bool { return d.Requests != nil && d.Codes != nil })) {
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
	wrkUsers    = regexp.MustCompile(`(?m)^\s*\d+ threads and (\d+) connections`)
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
	if u := wrkUsers.FindSubmatch(text); u != nil {
		s.workers = int(min(count(u[1]), math.MaxInt32))
	}
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
