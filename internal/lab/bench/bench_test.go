// Package bench compares leakgate with its peers, as ratios within one run:
// the machines that it runs on are noisy, and absolute figures mean little.
package bench

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
)

// serverVariable makes this test binary the server that is loaded.
const serverVariable = "LEAKGATE_BENCH_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(serverVariable) != "" {
		serve()
		return
	}
	os.Exit(m.Run())
}

func serve() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(l.Addr())
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	panic(http.Serve(l, mux))
}

// BenchmarkMaxRate compares the requests that leakgate sends at `rate: max`
// with those of vegeta's own command at the best of several -max-workers.
func BenchmarkMaxRate(b *testing.B) {
	vegeta := cmp.Or(os.Getenv("VEGETA"), "vegeta")
	if _, err := exec.LookPath(vegeta); err != nil {
		b.Skip("no vegeta command: make bench installs it, and names it in VEGETA")
	}
	dir := b.TempDir()
	leakgate := filepath.Join(dir, "leakgate")
	if out, err := exec.Command("go", "build", "-o", leakgate, "github.com/leakgate/leakgate/cmd/leakgate").CombinedOutput(); err != nil {
		b.Fatalf("building leakgate: %v\n%s", err, out)
	}
	addr := start(b)
	best := 0.0
	for _, workers := range []int{16, 32, 64, 128} { // find the peer's best first
		best = max(best, float64(vegetaRate(b, vegeta, addr, workers))*1000+float64(workers))
	}
	workers := int(best) % 1000
	var ratios []float64
	for range b.N { // in turns, so that both meet the machine's moods
		theirs := vegetaRate(b, vegeta, addr, workers)
		ours := leakgateRate(b, leakgate, addr, dir)
		ratios = append(ratios, ours/float64(theirs))
		b.Logf("vegeta -max-workers=%d: %d/s, leakgate: %.0f/s, ratio %.2f", workers, theirs, ours, ours/float64(theirs))
	}
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "leakgate/vegeta")
	b.ReportMetric(0, "ns/op")
}

func start(b *testing.B) string {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), serverVariable+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { stop(); _ = cmd.Wait() })
	line := make([]byte, 64)
	n, err := out.Read(line)
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(line[:n]))
}

const phase = 4 * time.Second

// vegetaRate is the requests per second of vegeta's own command.
func vegetaRate(b *testing.B, vegeta, addr string, workers int) int {
	b.Helper()
	var out bytes.Buffer
	attack := exec.Command(vegeta, "attack", "-rate=0", "-max-workers="+strconv.Itoa(workers), "-duration="+phase.String())
	attack.Stdin = strings.NewReader("GET http://" + addr + "/\n")
	attack.Stdout = &out
	if err := attack.Run(); err != nil {
		b.Fatalf("vegeta attack: %v", err)
	}
	report := exec.Command(vegeta, "report", "-type=json")
	report.Stdin = &out
	text, err := report.Output()
	if err != nil {
		b.Fatalf("vegeta report: %v", err)
	}
	var r struct{ Requests int }
	if err := json.Unmarshal(text, &r); err != nil {
		b.Fatal(err)
	}
	return int(float64(r.Requests) / phase.Seconds())
}

// leakgateRate is the requests per second of a round of a whole run.
func leakgateRate(b *testing.B, leakgate, addr, dir string) float64 {
	b.Helper()
	plan := filepath.Join(dir, "plan.yaml")
	text := fmt.Sprintf(`targets: [{pprof: "http://%[1]s/debug/pprof"}]
load: {rate: max, warmup: 0s, round: %[2]s, requests: ["GET http://%[1]s/"]}
settle: {quiet: 500ms}
`, addr, phase)
	if err := os.WriteFile(plan, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	run := filepath.Join(dir, "run")
	if out, err := exec.Command(leakgate, "run", plan, "--dir", run, "--quiet").CombinedOutput(); err != nil {
		b.Fatalf("leakgate run: %v\n%s", err, out)
	}
	r, err := record.Read(run)
	if err != nil {
		b.Fatal(err)
	}
	most := 0.0
	for _, l := range r.Loads {
		most += float64(l.Sent) / (l.End - l.Start).Seconds() / float64(len(r.Loads))
	}
	return most
}
