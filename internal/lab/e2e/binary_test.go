//go:build prometheus || grpc || streams

package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/leakgate/leakgate/internal/child"
	"github.com/leakgate/leakgate/verdict"
)

// leakgate is the binary that is tested.
var leakgate string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "leakgate-e2e-")
	if err != nil {
		panic(err)
	}
	leakgate = filepath.Join(dir, "leakgate")
	if out, err := exec.Command("go", "build", "-o", leakgate, "github.com/leakgate/leakgate/cmd/leakgate").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("building leakgate: %v\n%s", err, out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// service is a sample shop in a process of its own.
type service struct {
	Shop  string `json:"shop"`
	Admin string `json:"admin"`

	cmd *exec.Cmd
}

// serve starts a shop. It ends with the test.
func serve(t *testing.T, args ...string) *service {
	t.Helper()
	s := &service{cmd: exec.CommandContext(t.Context(), leakgate, append([]string{"demo-service"}, args...)...)}
	line, stop, err := child.Start(s.cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	if err := json.Unmarshal([]byte(line), s); err != nil {
		t.Fatal(err)
	}
	return s
}

// run runs a command of leakgate in a folder of its own, and returns its exit code,
// what it printed, and the verdict if there is one.
func run(t *testing.T, plan string, args ...string) (int, string, verdict.Verdict) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(plan), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), leakgate, append([]string{"run", "plan.yaml"}, args...)...)
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Fatal(err)
	}
	var v verdict.Verdict
	text, err := os.ReadFile(filepath.Join(dir, "leakgate-out", "verdict.json"))
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	if err != nil {
		t.Fatalf("no verdict: %v\n%s", err, out.String())
	}
	return cmd.ProcessState.ExitCode(), out.String(), v
}

// freeAddress is an address on loopback where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
