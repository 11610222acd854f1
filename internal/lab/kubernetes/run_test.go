package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
// with its long look has six minutes.
const runLimit = 10 * time.Minute

// command runs a command of leakgate, and returns its exit code and what it printed.
func (g *gate) command(args ...string) (int, string) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), runLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, leakgate, args...)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "KUBECONFIG="+g.kubeconfig)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if e := (*exec.ExitError)(nil); err != nil && !errors.As(err, &e) {
		g.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
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

// codes are the causes of a run that could not tell, the first first.
func (e ended) codes() []string {
	var out []string
	for _, c := range e.verdict.Checks {
		if c.Outcome == verdict.Inconclusive && c.Code != "" {
			out = append(out, c.Code)
		}
	}
	return out
}

// ours are parts of names of functions that would be of the observer's making: the pods
// have no code of Kubernetes, and nothing that answers a probe may be counted.
var ours = []string{"portforward", "k8s.io/", "spdystream", "net/http/pprof", "net/http.(*conn).serve"}

// foreign returns the findings that are not the shop's own leak.
func (e ended) foreign() []string {
	var out []string
	for _, f := range e.verdict.Findings {
		for _, o := range ours {
			if strings.Contains(f.Function, o) {
				out = append(out, f.Function)
			}
		}
	}
	return out
}
