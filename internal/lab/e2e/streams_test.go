//go:build streams

package e2e

import (
	"fmt"
	"testing"

	"github.com/leakgate/leakgate/verdict"
)

// held is a plan whose load is connections: two thousand of them, unless a test is
// about what each of them gathers.
func held(url, stream string, connections int) string {
	return fmt.Sprintf(`name: held
targets: [{name: service, pprof: %[1]s/debug/pprof, metrics: %[1]s/metrics}]
load:
  warmup: 6s
  round: 12s
  timeout: 10s
  streams: [{%[2]s, connections: %[3]d}]
settle: {timeout: 20s, quiet: 1s, confirm: 10s}
`, url, stream, connections)
}

func TestStreams(t *testing.T) {
	for _, c := range []struct {
		service, stream string
		connections     int
		want            int
		blamed          string
	}{
		{"ws-cut-leaks", "websocket: %s/, cut: 50%%", 2000, 1, "main.pump"},
		{"ws-cut-fine", "websocket: %s/, cut: 50%%", 2000, 0, ""},
		// Clients that all say goodbye do not make it leak.
		{"ws-cut-leaks", "websocket: %s/", 2000, 0, ""},
		{"sse-cut-leaks", "sse: %s/, cut: 1", 2000, 1, "main.produceEvents"},
		{"sse-cut-fine", "sse: %s/, cut: 1", 2000, 0, ""},
		{"ws-messages-leak", "websocket: %s/, send: hello, every: 500ms", 200, 1, "main.followUp"},
		{"ws-messages-fine", "websocket: %s/, send: hello, every: 500ms", 200, 0, ""},
		{"poll-leaks", "poll: %s/", 200, 1, "main.waitForNews"},
		{"poll-fine", "poll: %s/", 200, 0, ""},
	} {
		t.Run(fmt.Sprintf("%s-%d", c.service, c.want), func(t *testing.T) {
			url := corpus(t, c.service)
			code, out, v := run(t, held(url, fmt.Sprintf(c.stream, url), c.connections), "--verbose")
			t.Logf("\n%s", out)
			if code != c.want {
				t.Fatalf("run ended with %d, want %d", code, c.want)
			}
			if c.want == 1 && (len(v.Findings) == 0 || v.Findings[0].Function != c.blamed) {
				t.Errorf("findings %+v, want %s", v.Findings, c.blamed)
			}
			for _, k := range v.Checks {
				if k.Name == "held" && (k.Outcome != verdict.Pass || k.Measured < 0.95*float64(c.connections)) {
					t.Errorf("%.0f connections were held, want %d", k.Measured, c.connections)
				}
			}
		})
	}
}
