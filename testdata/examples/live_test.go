package examples

import (
	"bufio"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	rollouts "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
)

const liveToken = "0123456789abcdef"

// live starts leakgate serve, the binary that $LEAKGATE names, with one plan. Skips the test
// if there is none.
func live(t *testing.T) (address string) {
	t.Helper()
	binary := os.Getenv("LEAKGATE")
	if binary == "" {
		t.Skip("$LEAKGATE does not name a binary")
	}
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	plan := `targets: [{name: canary, pprof: "${LEAKGATE_PLAN_ADMIN}/debug/pprof"}]
load:
  rate: 200/s
  delivered: 0.5
  warmup: 500ms
  round: 1s
  requests: ["GET ${LEAKGATE_PLAN_SERVICE}/price/mug"]
settle: {timeout: 5s, quiet: 500ms, confirm: 2s}
`
	for name, text := range map[string]string{"token": liveToken, "plans/shop.yaml": plan} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = l.Addr().String()
	l.Close()
	cmd := exec.Command(binary, "serve", "--address", address, "--token-file", token,
		"--state", filepath.Join(dir, "state"), "--plans", filepath.Join(dir, "plans"), "--mounted-only",
		"--request-variables", "LEAKGATE_PLAN_SERVICE,LEAKGATE_PLAN_ADMIN")
	cmd.Stderr = t.Output()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() })
	for range 100 {
		if answer, err := http.Get("http://" + address + "/readyz"); err == nil {
			answer.Body.Close()
			return address
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("leakgate serve does not answer")
	return ""
}

// shop starts the sample service, and returns its addresses.
func shop(t *testing.T, leak string) (service, admin string) {
	t.Helper()
	cmd := exec.Command(os.Getenv("LEAKGATE"), "demo-service", "--leak", leak)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	var at struct{ Shop, Admin string }
	if err := json.Unmarshal([]byte(line), &at); err != nil {
		t.Fatalf("%q: %v", strings.TrimSpace(line), err)
	}
	return at.Shop, at.Admin
}

// TestArgoLive: Argo's provider, the example's template and the real server, through errors
// as Argo goes through them.
func TestArgoLive(t *testing.T) {
	address := live(t)
	healthy, healthyAdmin := shop(t, "")
	leaking, leakingAdmin := shop(t, "send")
	for _, c := range []struct {
		name, service, admin string
		want                 rollouts.AnalysisPhase
	}{
		{"healthy", healthy, healthyAdmin, rollouts.AnalysisPhaseSuccessful},
		{"leaking", leaking, leakingAdmin, rollouts.AnalysisPhaseFailed},
		{"away", "http://127.0.0.1:1", "http://127.0.0.1:1", rollouts.AnalysisPhaseInconclusive},
	} {
		args := arguments()
		args["service"], args["admin"], args["revision"], args["token"] = c.service, c.admin, c.name, liveToken
		m, errors := metric(t, args), 0
		var got rollouts.Measurement
		for {
			got = measure(t, m, "http://"+address+"/runs?wait=2s")
			if got.Phase != rollouts.AnalysisPhaseError || errors == int(m.ConsecutiveErrorLimit.IntValue()) {
				break
			}
			errors++
		}
		t.Logf("%s: %s, %q after %d errors", c.name, got.Phase, got.Value, errors)
		if got.Phase != c.want {
			t.Errorf("%s: %s (%s), want %s", c.name, got.Phase, got.Message, c.want)
		}
	}
}
