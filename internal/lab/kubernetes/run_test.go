package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// gate is one run of leakgate.
type gate struct {
	t          *testing.T
	dir        string
	kubeconfig string
}

func newGate(t *testing.T, plan string) *gate {
	t.Helper()
	g := &gate{t: t, dir: t.TempDir(), kubeconfig: kubeconfig()}
	if err := os.WriteFile(filepath.Join(g.dir, "plan.yaml"), []byte(plan), 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

// ended is what came of a run.
type ended struct {
	code    int
	out     string
	verdict verdict.Verdict
}

// runLimit is the longest that a command of leakgate may take: a run of the default plan
// with its long look is over within four minutes.
const runLimit = 6 * time.Minute

// command runs a command of leakgate, and returns its exit code and what it printed.
func (g *gate) command(args ...string) (int, string) {
	g.t.Helper()
	var out bytes.Buffer
	return g.start(&out, &out, args), out.String()
}

// commandApart is command, with standard output and standard error apart.
func (g *gate) commandApart(args ...string) (code int, out, complaints string) {
	g.t.Helper()
	var first, second bytes.Buffer
	code = g.start(&first, &second, args)
	return code, first.String(), second.String()
}

// start runs a command of leakgate to its end.
func (g *gate) start(out, complaints io.Writer, args []string) int {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, leakgate, args...)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+g.kubeconfig)
	cmd.Stdout, cmd.Stderr = out, complaints
	err := cmd.Run()
	if e := (*exec.ExitError)(nil); err != nil && !errors.As(err, &e) {
		g.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode()
}

// run runs the plan, with something that happens beside it.
func (g *gate) run(beside func(ctx context.Context)) ended {
	g.t.Helper()
	ctx, cancel := context.WithCancel(g.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if beside != nil {
			beside(ctx)
		}
	}()
	var e ended
	e.code, e.out = g.command("run", "plan.yaml", "--source", "")
	cancel()
	<-done
	text, err := os.ReadFile(filepath.Join(g.dir, "leakgate-out", "verdict.json"))
	if err == nil {
		err = json.Unmarshal(text, &e.verdict)
	}
	if err != nil {
		g.t.Fatalf("no verdict: %v\n%s", err, e.out)
	}
	return e
}

// after waits until a phase is over; the journal tells of it then. It reports whether that
// was before ctx ended.
func (g *gate) after(ctx context.Context, kind record.Kind, round int) bool {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		journal, _ := os.ReadFile(filepath.Join(g.dir, "leakgate-out", record.JournalFile)) // there is none yet
		for line := range bytes.Lines(journal) {
			var e struct {
				Phase *record.Phase `json:"phase"`
			}
			if json.Unmarshal(line, &e) == nil && e.Phase != nil && e.Phase.Kind == kind && e.Phase.Round == round {
				return true
			}
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}

// cause is the code of the check that the verdict's reason is of; empty for a pass.
func (e ended) cause() string {
	for _, c := range e.verdict.Checks {
		if c.Outcome == verdict.Inconclusive && c.Message != "" && strings.Contains(e.verdict.Reason, c.Message) {
			return c.Code
		}
	}
	return ""
}
