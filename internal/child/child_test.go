package child_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/leakgate/leakgate/internal/child"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A child says its line, and ends when it is told to.
func TestStart(t *testing.T) {
	cmd := exec.Command("sh", "-c", "echo here; cat >/dev/null; exit 7")
	line, stop, err := child.Start(cmd)
	if err != nil || strings.TrimSpace(line) != "here" {
		t.Fatalf("Start = %q, %v; want here", line, err)
	}
	stop()
	if code := cmd.ProcessState.ExitCode(); code != 7 { // by its own exit, not by a signal
		t.Errorf("the child ended with %d, want 7", code)
	}
}

// One that does not heed the end of its input is killed.
func TestStubborn(t *testing.T) {
	cmd := exec.Command("sh", "-c", "echo here; exec sleep 600")
	_, stop, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	if cmd.ProcessState.ExitCode() != -1 {
		t.Errorf("the child ended with %d, want to be killed", cmd.ProcessState.ExitCode())
	}
}

func TestSilentChild(t *testing.T) {
	if _, _, err := child.Start(exec.Command("true")); err == nil || !strings.Contains(err.Error(), "did not say where it listens") {
		t.Errorf("Start(true) = %v, want an error that says what is missing", err)
	}
	if _, _, err := child.Start(exec.Command(os.TempDir() + "/no such program")); err == nil {
		t.Error("Start of no program is no error")
	}
}
