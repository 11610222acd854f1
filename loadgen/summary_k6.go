package loadgen

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// k6Missed is k6's exit status when a threshold was missed.
const k6Missed = 99

// k6Schema is the major version of k6's machine-readable summary that is read.
const k6Schema = "1"

// k6Known are metrics of which every k6 summary has at least one.
var k6Known = [...]string{"http_reqs", "iterations", "checks", "checks_total", "vus_max", "browser_http_req_failed"}

// k6Form is k6's summaries.
var k6Form = summaryForm{"k6", readK6}

// readK6 reads what k6 writes with --new-machine-readable-summary or --summary-export, or
// what it passes to handleSummary.
//
// HTTP requests are counted, and http_req_failed says which of them failed. For other
// protocols k6 counts no requests: iterations stand in for them, and only the script's
// checks say which failed, since k6 counts an iteration that threw an error like any other.
// A failed check is a failed request, even if http_req_failed says otherwise. A request
// about which none of these says anything is not a success, but an error.
func readK6(text []byte) (summary, bool, error) {
	var doc fields
	if !object(text, having(&doc, func(f fields) bool { return isK6(k6Metrics(f)) || isK6(k6Results(f)) })) {
		return summary{}, false, nil
	}
	r := k6Report{metrics: k6Metrics(doc)}
	if !isK6(r.metrics) {
		r.metrics = k6Results(doc)
		if v, err := k6Version(doc); err != nil || v != k6Schema {
			return summary{}, false, fmt.Errorf("k6's summary has version %s; leakgate reads version %s",
				quoted(doc["version"]), k6Schema)
		}
	}
	s, err := r.summary()
	return s, err == nil, err
}

// k6Metrics returns the metrics of the older formats, by name. A metric of handleSummary
// has a type beside its values; one of --summary-export consists of its values.
func k6Metrics(doc fields) map[string]fields {
	all := doc.object("metrics")
	metrics := make(map[string]fields, len(all))
	for name := range all {
		m := all.object(name)
		if v := m.object("values"); v != nil {
			m = v
		}
		metrics[name] = m
	}
	return metrics
}

// k6Results returns the metrics of the machine-readable format, including those of checks.
// A metric that is listed twice gets no values.
func k6Results(doc fields) map[string]fields {
	results := doc.object("results")
	metrics := map[string]fields{}
	for _, raw := range []json.RawMessage{results["metrics"], results.object("checks")["metrics"]} {
		for _, m := range k6List(raw) {
			var name string
			if json.Unmarshal(m["name"], &name) != nil {
				continue
			}
			values := m.object("values")
			if _, twice := metrics[name]; twice {
				values = fields{}
			}
			metrics[name] = values
		}
	}
	return metrics
}

// k6List reads a list of objects, or an object of objects.
func k6List(raw json.RawMessage) []fields {
	var list []fields
	if json.Unmarshal(raw, &list) == nil {
		return list
	}
	var named map[string]fields
	_ = json.Unmarshal(raw, &named)
	for name, m := range named {
		if m == nil {
			continue
		}
		if !m.given("name") {
			m["name"] = json.RawMessage(strconv.Quote(name))
		}
		list = append(list, m)
	}
	return list
}

func isK6(metrics map[string]fields) bool {
	return slices.ContainsFunc(k6Known[:], func(name string) bool { return metrics[name] != nil })
}

// k6Version returns the major version of the summary's schema.
func k6Version(doc fields) (string, error) {
	if !doc.given("version") {
		return k6Schema, nil
	}
	var version string
	err := json.Unmarshal(doc["version"], &version)
	major, _, _ := strings.Cut(version, ".")
	return strings.TrimPrefix(major, "v"), err
}

// k6Report is what k6 measured.
type k6Report struct{ metrics map[string]fields }

func (r k6Report) summary() (summary, error) {
	s := summary{missed: k6Missed}
	http, err := r.http()
	if err != nil {
		return s, err
	}
	checks, err := r.checks()
	if err != nil {
		return s, err
	}
	iterations, _, err := r.count("iterations")
	if err != nil {
		return s, err
	}
	if err := r.untold(http, checks, iterations); err != nil {
		return s, err
	}
	s.requests = max(http.total, iterations) // an iteration stands for what else it did
	told := checks.toldOf(s.requests)
	if http.told {
		told += http.total
	}
	unknown := s.requests - min(s.requests, told) // an iteration that threw an error comes to no check
	s.failed = min(s.requests, unknown+max(http.failed, checks.failures(s.requests)))
	times := "http_req_duration"
	if http.total < s.requests {
		times = "iteration_duration"
	}
	return s, r.rest(&s, times)
}

// untold returns an error if it is unknown which requests failed.
func (r k6Report) untold(http, checks k6Rate, iterations uint64) error {
	other, told := r.other(), http.told && iterations <= http.total
	switch {
	case http.total == 0 && r.metrics["http_reqs"] == nil && r.metrics["iterations"] == nil: // checks alone
		return errors.New("k6 counted neither HTTP requests nor iterations")
	case checks.total > 0 && !told && max(http.total, iterations)/2 > checks.total:
		return fmt.Errorf("k6 counted %d iterations, %d HTTP requests and %d checks, so most iterations "+
			"may have failed unnoticed: add a check to what each iteration does", iterations, http.total, checks.total)
	case checks.total > 0:
		return nil
	case http.total == 0 && iterations > 0:
		return errors.New("k6 counted only iterations, and it counts failed ones too: " + addCheck)
	case other != "":
		return fmt.Errorf("k6 measured %s besides %d HTTP requests, but not whether those calls failed: %s",
			other, http.total, addCheck)
	case iterations > http.total:
		return fmt.Errorf("k6 counted %d iterations but only %d HTTP requests; nothing shows whether the other "+
			"iterations failed: %s", iterations, http.total, addCheck)
	case !http.told:
		return fmt.Errorf("k6 counted %d HTTP requests, but http_req_failed, which says how many of them failed, "+
			"is missing: %s, or remove setResponseCallback(null)", http.total, addCheck)
	}
	return nil
}

// addCheck is a hint: checks make k6 report failures.
const addCheck = "add a check to the script"

// other names what k6 measured of a protocol of which it counts no requests.
func (r k6Report) other() string {
	first := ""
	for name := range r.metrics {
		if !strings.HasPrefix(name, "grpc_") && !strings.HasPrefix(name, "ws_") {
			continue
		}
		if first == "" || name < first {
			first = name
		}
	}
	return first
}

// rest reads what decides less: times, in milliseconds, and the number of users.
func (r k6Report) rest(s *summary, times string) error {
	for name, into := range map[string]*time.Duration{
		"avg": &s.mean, "med": &s.p50, "p(90)": &s.p90, "p(99)": &s.p99, "max": &s.max,
	} {
		d, err := r.metrics[times].duration(name, "k6's "+times+" "+name, time.Millisecond)
		if err != nil {
			return err
		}
		*into = d
	}
	users, _, err := r.metrics["vus_max"].number("value", "k6's vus_max")
	if err != nil {
		return err
	}
	s.workers = int(min(users, math.MaxInt32))
	return nil
}
