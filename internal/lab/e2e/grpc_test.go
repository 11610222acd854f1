//go:build grpc

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// overGRPC is a plan whose load is a command that is given the address of the
// service's gRPC.
func overGRPC(t *testing.T, url, load string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	addr, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`name: rpc
targets: [{name: service, pprof: %[1]s/debug/pprof, metrics: %[1]s/metrics}]
load:
  rate: 200/s
  warmup: 3s
  round: 5s
  %[2]s
settle: {timeout: 20s, quiet: 1s, confirm: 5s}
`, url, strings.ReplaceAll(load, "ADDRESS", strings.TrimSpace(string(addr))))
}

// ghz sends what each round asks for, and its summary is read back.
func TestGhz(t *testing.T) {
	ghz := os.Getenv("GHZ")
	if ghz == "" {
		t.Fatal("GHZ names no ghz: run make grpc-test, which installs it")
	}
	load := `exec: {command: [sh, -c, '` + ghz + ` --insecure --call grpc.health.v1.Health.Check -c 10 --rps $LEAKGATE_RATE --duration $LEAKGATE_DURATION --duration-stop wait -O json ADDRESS']}`
	for _, c := range []struct {
		service string
		want    int
	}{{"grpc-leaks", 1}, {"grpc-fine", 0}} {
		t.Run(c.service, func(t *testing.T) {
			url := corpus(t, c.service)
			code, out, v := run(t, overGRPC(t, url, load), "--verbose")
			t.Logf("\n%s", out)
			if code != c.want {
				t.Fatalf("run ended with %d, want %d", code, c.want)
			}
			if want := uint64(v.Rounds) * 1000; v.Requests < want*9/10 || v.Requests > want*11/10 {
				t.Errorf("%d requests were counted in %d rounds, want about %d", v.Requests, v.Rounds, want)
			}
			if n := v.Load[0].Codes["OK"]; n != v.Requests {
				t.Errorf("%d requests ended with OK, want all %d", n, v.Requests)
			}
			if c.want == 1 && (len(v.Findings) != 1 || v.Findings[0].Function != "main.awaitAudit" || v.Findings[0].Per1000 < 900 || v.Findings[0].Per1000 > 1100) {
				t.Errorf("findings %+v, want main.awaitAudit, one per request", v.Findings)
			}
		})
	}
}

// A command that sends nothing is no load, and no verdict.
func TestExecThatFails(t *testing.T) {
	url := corpus(t, "grpc-fine")
	code, out, v := run(t, overGRPC(t, url, `exec: {command: [sh, -c, "echo no route to host >&2; exit 3"]}`))
	if code != 3 || !strings.Contains(v.Reason, "no route to host") {
		t.Errorf("run ended with %d (%s), want 3 and why\n%s", code, v.Reason, out)
	}
}

// gRPC streams are held by leakgate itself.
func TestGRPCStreams(t *testing.T) {
	url := corpus(t, "grpc-fine")
	load := `streams: [{grpc: "http://ADDRESS", method: /grpc.health.v1.Health/Watch, connections: 100, cut: 50%}]`
	if code, out, _ := run(t, overGRPC(t, url, load), "--verbose"); code != 0 || !strings.Contains(out, "held                     100 connections") {
		t.Errorf("run ended with %d, want 0 and 100 connections held\n%s", code, out)
	}
}
