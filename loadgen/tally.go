package loadgen

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/leakgate/leakgate/record"
)

// maxErrorKinds bounds the errors told apart per entry; a broken service can
// make every message different.
const maxErrorKinds = 10

// tally sums up the results of one entry in constant memory.
type tally struct {
	record.Entry
	latency vegeta.LatencyMetrics
	codes   map[uint16]uint64
}

func newTally(name string) *tally {
	return &tally{Entry: record.Entry{Name: name, Errors: map[string]uint64{}}, codes: map[uint16]uint64{}}
}

// add counts a result. It reports whether the request failed.
func (t *tally) add(r *vegeta.Result) bool {
	t.Sent++
	t.BytesOut += r.BytesOut
	if hungUp(r.Error) {
		t.Abandoned++
		return false
	}
	t.latency.Add(r.Latency)
	t.Max = max(t.Max, r.Latency)
	if r.Code == 0 {
		t.Errors[t.kind(r.Error)]++
		return true
	}
	t.Answered++
	t.codes[r.Code]++
	if r.Code >= 200 && r.Code < 400 {
		t.Succeeded++
		return false
	}
	return true
}

// hungUp reports whether it was us who ended a request. Only abandoned requests are
// cancelled, but one can take another with it: net/http (Go 1.26) hands on the
// connection of an answer without a body before it tells the one who asked, whose
// hanging up then ends the next request on it.
func hungUp(text string) bool {
	return strings.HasSuffix(text, errAbandoned.Error()) || strings.HasSuffix(text, context.Canceled.Error())
}

func (t *tally) kind(text string) string {
	k := errorKind(text)
	if _, known := t.Errors[k]; !known && len(t.Errors) >= maxErrorKinds {
		return "other"
	}
	return k
}

var (
	method    = regexp.MustCompile(`^\S+ "[^"]*": `)
	localPort = regexp.MustCompile(`(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+(%[^\]]*)?\]):\d+->`)
	tookLong  = regexp.MustCompile(`Client\.Timeout|deadline exceeded|i/o timeout|TLS handshake timeout`)
)

// mostOwnLimit is the share of requests that may fail for it before a phase of load
// counts as stopped: as many as load.success lets fail by default.
const mostOwnLimit = 0.01

// ownLimitStop says that too many requests failed for a limit of leakgate's own.
func ownLimitStop(tallies []*tally) string {
	var sent, failed uint64
	for _, t := range tallies {
		sent, failed = sent+t.Sent, failed+t.Errors[record.OwnLimitError]
	}
	if float64(failed) <= mostOwnLimit*float64(sent) {
		return ""
	}
	return fmt.Sprintf("%d of %d requests were not sent because of %s: raise it, or lower load.connections", failed,
		sent, record.OwnLimitError)
}

// ownLimit is how dialling ends there: only what this process opens can say so, as
// the texts of EMFILE and ENFILE.
var ownLimit = regexp.MustCompile(`too many open files( in system)?$`)

// errorKind takes from an error what differs from request to request.
func errorKind(text string) string {
	text = method.ReplaceAllString(text, "")                             // first: a path may be called anything
	if tookLong.MatchString(text) && !strings.HasPrefix(text, "dial ") { // one that never connected met no service
		return record.TimeoutError
	}
	text = localPort.ReplaceAllString(text, "")
	if ownLimit.MatchString(text) {
		return record.OwnLimitError
	}
	if len(text) > 200 {
		text = text[:200]
	}
	return strings.ToValidUTF8(text, "?")
}

// result closes the tally.
func (t *tally) result() record.Entry {
	e := t.Entry
	if len(e.Errors) == 0 {
		e.Errors = nil
	}
	if len(t.codes) > 0 {
		e.Codes = map[string]uint64{}
		for c, n := range t.codes {
			e.Codes[strconv.Itoa(int(c))] = n
		}
	}
	if n := e.Sent - e.Abandoned; n > 0 {
		e.Mean = t.latency.Total / time.Duration(n)
		e.P50, e.P90, e.P99 = t.latency.Quantile(0.50), t.latency.Quantile(0.90), t.latency.Quantile(0.99)
	}
	return e
}
