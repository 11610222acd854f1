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

// k6Known are metrics of which a summary of k6 has at least one.
var k6Known = [...]string{"http_reqs", "iterations", "checks", "checks_total", "vus_max", "browser_http_req_failed"}

// k6Form is k6's summaries.
var k6Form = summaryForm{"k6", readK6}

// readK6 reads what k6 writes: with --new-machine-readable-summary, with
// --summary-export, or as its handleSummary's data.
//
// HTTP requests are counted as such, and http_req_failed says which of them failed.
// Of other protocols k6 counts no requests: there, iterations stand for them, and
// only the script's checks say which of them failed, since an iteration that threw an
// error counts as any other. A check that failed is a request that failed, also
// where http_req_failed says otherwise. What none of these tells is no success, and an
// error.
func readK6(text []byte) (summary, bool, error) {
	var doc fields
	if !object(text, having(&doc, func(f fields) bool { return isK6(k6Metrics(f)) || isK6(k6Results(f)) })) {
		return summary{}, false, nil
	}
	r := k6Report{metrics: k6Metrics(doc)}
	if !isK6(r.metrics) {
		r.metrics = k6Results(doc)
		if v, err := k6Version(doc); err != nil || v != k6Schema {
			return summary{}, false, fmt.Errorf("k6's summary has the version %s, and %s is known",
				quoted(doc["version"]), k6Schema)
		}
	}
	s, err := r.summary()
	return s, err == nil, err
}

// k6Metrics are the metrics of the older forms, by their names. Beside its values a
// metric of handleSummary has its type; that of --summary-export is its values.
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

// k6Results are the metrics of the machine-readable form, those of checks among them.
// One that is there twice has no values.
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

// k6List is a list of objects, also where it is an object of them.
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

// k6Version is the major version of the summary's schema.
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

// toldOf is of how many requests checks tell something. Where there are more checks than
// requests, each comes to several, and those that fell short are not known.
func (r k6Rate) toldOf(requests uint64) uint64 {
	if requests == 0 || r.total <= requests {
		return r.total
	}
	each := (r.total + requests - 1) / requests
	return r.total / each
}

// untold is why it is not known which requests failed; nil if it is.
func (r k6Report) untold(http, checks k6Rate, iterations uint64) error {
	other, told := r.other(), http.told && iterations <= http.total
	switch {
	case http.total == 0 && r.metrics["http_reqs"] == nil && r.metrics["iterations"] == nil: // checks alone
		return errors.New("k6 counted neither HTTP requests nor iterations")
	case checks.total > 0 && !told && max(http.total, iterations)/2 > checks.total:
		return fmt.Errorf("k6 counted %d iterations, %d HTTP requests and %d checks, and does not tell of most "+
			"whether they failed: add a check to what each iteration does", iterations, http.total, checks.total)
	case checks.total > 0:
		return nil
	case http.total == 0 && iterations > 0:
		return errors.New("k6 counted iterations alone, and an iteration that fails counts too: " + addCheck)
	case other != "":
		return fmt.Errorf("k6 measured %s beside %d HTTP requests, and does not tell whether it failed: %s",
			other, http.total, addCheck)
	case iterations > http.total:
		return fmt.Errorf("k6 counted %d iterations and %d HTTP requests, and does not tell what the other "+
			"iterations did: %s", iterations, http.total, addCheck)
	case !http.told:
		return fmt.Errorf("k6 counted %d HTTP requests, and http_req_failed, which says how many of them failed, "+
			"is missing: %s, or remove setResponseCallback(null)", http.total, addCheck)
	}
	return nil
}

// addCheck is what makes k6 tell more.
const addCheck = "add a check to the script"

// k6Rate is how many of what k6 counted were so.
type k6Rate struct {
	failed, total uint64
	told          bool // which of them failed is known
}

// failures are how many of n requests failed, if those that were checked stand for all:
// at least as many as there are failed checks, since each may be another request's.
func (c k6Rate) failures(n uint64) uint64 {
	if c.total == 0 {
		return 0
	}
	return min(n, max(c.failed, part(float64(c.failed)/float64(c.total), n)))
}

// http is what k6 counted of HTTP, a browser's requests among them.
func (r k6Report) http() (k6Rate, error) {
	n, _, err := r.count("http_reqs")
	if err != nil {
		return k6Rate{}, err
	}
	sum := k6Rate{total: n, told: true}
	failed, total, given, err := r.rate("http_req_failed", n)
	switch {
	case err != nil:
		return sum, err
	case given && total != n:
		return sum, fmt.Errorf("k6 counted %d HTTP requests, and those of http_req_failed add up to %d", n, total)
	case given:
		sum.failed = failed
	case n > 0:
		if sum.failed, sum.told, err = r.byStatus(n); err != nil {
			return sum, err
		}
	}
	failed, total, given, err = r.rate("browser_http_req_failed", 0)
	if given {
		sum.failed, sum.total = sum.failed+failed, sum.total+total
	}
	return sum, err
}

// byStatus learns of requests by their statuses, where a script asks for these by
// thresholds, as in http_reqs{status:200}: what is not among the good ones failed.
func (r k6Report) byStatus(n uint64) (failed uint64, told bool, err error) {
	good, expected := uint64(0), false
	for name := range r.metrics {
		tags, ok := strings.CutPrefix(name, "http_reqs{")
		if !ok {
			continue
		}
		key, value, _ := strings.Cut(strings.TrimSuffix(tags, "}"), ":")
		known := key == "expected_response" && value == "true"
		if status, err := strconv.Atoi(value); !known && (key != "status" || err != nil) {
			continue
		} else if told = true; !known && (status < 200 || status > 399) {
			continue
		}
		c, _, err := r.count(name)
		if err != nil {
			return 0, false, err
		}
		if known { // says it all
			good, expected = c, true
		} else if !expected {
			good += c
		}
	}
	if good > n {
		return 0, false, fmt.Errorf("k6 counted %d HTTP requests, and %d with a status of success", n, good)
	}
	if !told {
		return 0, false, nil
	}
	return n - good, true, nil
}

// checks is how many checks the script made, and how many of them failed. The rate of
// checks is that of those that passed.
func (r k6Report) checks() (k6Rate, error) {
	passed, total, given, err := r.rate("checks", 0)
	if err != nil || given {
		return k6Rate{failed: total - passed, total: total}, err
	}
	n, counted, err := r.count("checks_total")
	if err != nil {
		return k6Rate{}, err
	}
	failed, total, given, err := r.rate("checks_failed", n)
	if err != nil {
		return k6Rate{}, err
	}
	passed, total2, given2, err := r.rate("checks_succeeded", n)
	switch {
	case err != nil:
		return k6Rate{}, err
	case given && given2 && (total != total2 || failed+passed != total):
		return k6Rate{}, fmt.Errorf("k6 says that %d of %d checks failed and %d of %d succeeded",
			failed, total, passed, total2)
	case given2 && !given:
		failed, total, given = total2-passed, total2, true
	}
	if counted && given && n != total || counted && !given && n > 0 {
		return k6Rate{}, fmt.Errorf("k6 counted %d checks, and those that failed or succeeded add up to %d", n, total)
	}
	return k6Rate{failed: failed, total: total}, nil
}

// count reads a counter.
func (r k6Report) count(metric string) (uint64, bool, error) {
	m, ok := r.metrics[metric]
	if !ok {
		return 0, false, nil
	}
	n, given, err := m.count("count", "k6's "+metric)
	if err == nil && !given {
		err = fmt.Errorf("k6's %s has no count", metric)
	}
	return n, given, err
}

// rate reads a metric that is a share of what was so: as counts, called passes and
// fails or, of the machine-readable form, matches and total, and as a share of them.
// The share alone will do where it is known of how many.
func (r k6Report) rate(metric string, of uint64) (so, total uint64, given bool, err error) {
	m, ok := r.metrics[metric]
	if !ok {
		return 0, 0, false, nil
	}
	what := "k6's " + metric
	so, total, given, err = k6Counts(m, what)
	if err != nil || given && total == 0 { // a share of nothing is null
		return 0, 0, given, err
	}
	share, shared, err := m.share("rate", what+" rate")
	if err == nil && !shared {
		share, shared, err = m.share("value", what+" value")
	}
	switch {
	case err != nil:
		return 0, 0, false, err
	case !given && !shared:
		return 0, 0, false, fmt.Errorf("%s has neither counts nor a rate", what)
	case !given && of == 0 && r.metrics["http_reqs"] == nil && share > 0:
		return 0, 0, false, fmt.Errorf("%s is a rate of %g, and it is not known of how many", what, share)
	case !given && metric == "checks_succeeded": // what is rounded is no success
		return of - part(1-share, of), of, true, nil
	case !given && metric == "checks":
		return 0, 0, false, fmt.Errorf("%s has no counts of passes and fails", what)
	case !given:
		return part(share, of), of, true, nil
	case shared && total > 0 && math.Abs(share-float64(so)/float64(total)) > rateSlack:
		return 0, 0, false, fmt.Errorf("%s is a rate of %g, and its counts are %d of %d", what, share, so, total)
	}
	return so, total, true, nil
}

// k6Counts reads the counts of a rate.
func k6Counts(m fields, what string) (so, total uint64, given bool, err error) {
	passes, ok1, err1 := m.count("passes", what+" passes")
	fails, ok2, err2 := m.count("fails", what+" fails")
	matches, ok3, err3 := m.count("matches", what+" matches")
	total, ok4, err4 := m.count("total", what+" total")
	if err = errors.Join(err1, err2, err3, err4); err != nil {
		return 0, 0, false, err
	}
	switch {
	case ok1 && ok2 && ok4 && passes+fails != total:
		err = fmt.Errorf("%s has %d passes and %d fails, and a total of %d", what, passes, fails, total)
	case ok1 && ok3 && passes != matches:
		err = fmt.Errorf("%s has %d passes, and %d matches", what, passes, matches)
	case ok1 && ok2:
		return passes, passes + fails, true, nil
	case ok3 && ok4 && matches > total:
		err = fmt.Errorf("%s has %d matches of a total of %d", what, matches, total)
	case ok3 && ok4:
		return matches, total, true, nil
	case ok1 || ok2 || ok3 || ok4:
		err = fmt.Errorf("%s has one count, and not the one that goes with it", what)
	}
	return 0, 0, false, err
}

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
