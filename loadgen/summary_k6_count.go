package loadgen

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// k6Rate is how many of the requests, or checks, that k6 counted have failed.
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

// toldOf returns for how many requests checks say something. If there are more checks than
// requests, each request has several, and it is unknown which of them got fewer.
func (r k6Rate) toldOf(requests uint64) uint64 {
	if requests == 0 || r.total <= requests {
		return r.total
	}
	each := (r.total + requests - 1) / requests
	return r.total / each
}

// http returns what k6 counted of HTTP, including requests of a browser.
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
		return sum, fmt.Errorf("k6 counted %d HTTP requests, but http_req_failed covers %d", n, total)
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

// byStatus counts failures by status, if the script has thresholds for statuses, such as
// http_reqs{status:200}: a request without a successful status has failed.
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
		return 0, false, fmt.Errorf("k6 counted %d HTTP requests, but %d with a successful status", n, good)
	}
	if !told {
		return 0, false, nil
	}
	return n - good, true, nil
}

// checks returns how many checks the script made, and how many of them failed. k6's rate
// of checks is that of those that passed.
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
		return k6Rate{}, fmt.Errorf("k6 counted %d checks, but its failed and passed checks add up to %d", n, total)
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
		return 0, 0, false, fmt.Errorf("%s is a rate of %g, but the summary does not say of how many", what, share)
	case !given && metric == "checks_succeeded": // what is rounded is no success
		return of - part(1-share, of), of, true, nil
	case !given && metric == "checks":
		return 0, 0, false, fmt.Errorf("%s has no counts of passes and fails", what)
	case !given:
		return part(share, of), of, true, nil
	case shared && total > 0 && math.Abs(share-float64(so)/float64(total)) > rateSlack:
		return 0, 0, false, fmt.Errorf("%s is a rate of %g, but its counts are %d of %d", what, share, so, total)
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
		err = fmt.Errorf("%s has %d passes and %d fails, but a total of %d", what, passes, fails, total)
	case ok1 && ok3 && passes != matches:
		err = fmt.Errorf("%s has %d passes but %d matches", what, passes, matches)
	case ok1 && ok2:
		return passes, passes + fails, true, nil
	case ok3 && ok4 && matches > total:
		err = fmt.Errorf("%s has %d matches of a total of %d", what, matches, total)
	case ok3 && ok4:
		return matches, total, true, nil
	case ok1 || ok2 || ok3 || ok4:
		err = fmt.Errorf("%s has one of its two counts; the other is missing", what)
	}
	return 0, 0, false, err
}
