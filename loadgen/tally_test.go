package loadgen

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/leakgate/leakgate/record"
)

func TestErrorKind(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		// net/http, when Client.Timeout is over before the header, and in the body.
		{"header late", `Get "http://127.0.0.1:80/#0": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`, record.TimeoutError},
		{"body late", `context deadline exceeded (Client.Timeout or context cancellation while reading body)`, record.TimeoutError},
		// Nobody was there: not the same as a service that takes too long.
		{"dial late", `Get "http://10.0.0.1/#0": dial tcp 10.0.0.1:80: i/o timeout`, "dial tcp 10.0.0.1:80: i/o timeout"},
		{"handshake late", `Get "https://127.0.0.1/#0": net/http: TLS handshake timeout`, record.TimeoutError},
		// A path that names a timeout is none.
		{"path named timeout", `Get "http://127.0.0.1:80/Client.Timeout#0": EOF`, "EOF"},
		{"refused", `Post "http://127.0.0.1:80/a#1": dial tcp 127.0.0.1:80: connect: connection refused`, "dial tcp 127.0.0.1:80: connect: connection refused"},
		// Our own port differs from request to request.
		{"own port", `Get "http://127.0.0.1:80/#0": read tcp 127.0.0.1:51234->127.0.0.1:80: read: connection reset by peer`, "read tcp 127.0.0.1:80: read: connection reset by peer"},
		{"own port, IPv6", `Get "http://[::1]:80/#0": read tcp [::1]:51234->[::1]:80: read: connection reset by peer`, "read tcp [::1]:80: read: connection reset by peer"},
		{"own port, IPv6 with a zone", `Get "http://[fe80::1%25eth0]/#0": read tcp [fe80::2%eth0]:51234->[fe80::1%eth0]:80: read: connection reset by peer`, "read tcp [fe80::1%eth0]:80: read: connection reset by peer"},
		// Any token is a method.
		{"other method", `X-purge "http://127.0.0.1:80/#0": EOF`, "EOF"},
		// Cut inside a character.
		{"long", strings.Repeat("x", 199) + "é", strings.Repeat("x", 199) + "?"},
	} {
		if got := errorKind(c.in); got != c.want {
			t.Errorf("errorKind(%s) = %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTallyBoundsErrorKinds(t *testing.T) {
	tl := newTally("GET /")
	for i := range 1000 {
		tl.add(&vegeta.Result{Error: fmt.Sprintf("error %d", i)})
	}
	tl.add(&vegeta.Result{Error: "error 3"})
	got := tl.result()
	if len(got.Errors) != maxErrorKinds+1 || got.Errors["other"] != 990 || got.Errors["error 3"] != 2 {
		t.Errorf("1001 errors of 1000 kinds are told apart as %v, want %d kinds and 990 others", got.Errors, maxErrorKinds)
	}
}

func TestTallyResult(t *testing.T) {
	tl := newTally("GET /")
	for _, r := range []*vegeta.Result{
		{Code: 200, Latency: 10 * time.Millisecond, BytesOut: 3},
		{Code: 302, Latency: 20 * time.Millisecond, BytesOut: 3},
		{Code: 404, Latency: 30 * time.Millisecond, BytesOut: 3, Error: "404 Not Found"},
		{Error: `Get "http://x/#0": ` + errAbandoned.Error(), Latency: time.Hour}, // no latency of the service
		{Error: `Get "http://x/#0": context canceled`},                            // went with an abandoned one
	} {
		failed := tl.add(r)
		if want := r.Code == 404; failed != want {
			t.Errorf("add(code %d) = %t, want %t", r.Code, failed, want)
		}
	}
	got := tl.result()
	want := record.Entry{
		Name: "GET /", Sent: 5, Answered: 3, Succeeded: 2, Abandoned: 2, BytesOut: 9,
		Codes: map[string]uint64{"200": 1, "302": 1, "404": 1},
		Mean:  20 * time.Millisecond, Max: 30 * time.Millisecond,
		P50: got.P50, P90: got.P90, P99: got.P99,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("result (-want +got):\n%s", d)
	}
	if got.P50 < 10*time.Millisecond || got.P50 > got.P90 || got.P90 > got.P99 || got.P99 > got.Max {
		t.Errorf("quantiles %v, %v, %v are not in order between 10ms and %v", got.P50, got.P90, got.P99, got.Max)
	}
	if d := cmp.Diff(record.Entry{Name: "idle"}, newTally("idle").result()); d != "" {
		t.Errorf("result of nothing (-want +got):\n%s", d)
	}
}
