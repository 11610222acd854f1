package serve

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/verdict"
)

// play runs a plan with the fake child, and concludes.
func play(t *testing.T, ctx context.Context, text string, grace time.Duration) (Run, Result) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, planFile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	task := Task{Plan: file, Dir: filepath.Join(dir, outDir), Lock: filepath.Join(dir, childLock),
		Env: []string{"ONLY=this"}}
	res := Child(self, []string{self, fakeRun}, grace)(ctx, task, func(pid int) {
		if pid <= 0 {
			t.Errorf("started with the process id %d", pid)
		}
	})
	return conclude(Run{State: Running}, res, task.Dir, time.Unix(1, 0)), res
}

func TestConclude(t *testing.T) {
	for _, c := range []struct {
		name, plan string
		want       verdict.Outcome
		headline   string
	}{
		{"pass", "# says pass\n", verdict.Pass, "a headline"},
		{"fail", "# says fail\n# exit 1\n", verdict.Fail, "a headline"},
		{"could not tell", "# says inconclusive\n# exit 3\n", verdict.Inconclusive, "a headline"},
		// A code alone is no pass: nobody could read why.
		{"pass without a verdict", "# exit 0\n", verdict.Inconclusive, "could not tell: leakgate run left no verdict"},
		{"fail without a verdict", "# exit 1\n", verdict.Inconclusive, "could not tell: leakgate run left no verdict"},
		{"a verdict of something else", "# says pass\n# exit 1\n", verdict.Inconclusive,
			"ended with 1, and its verdict says pass"},
		{"passed, but could not say so", "# says pass\n# exit 3\n", verdict.Inconclusive,
			"ended with 3, and its verdict says pass"},
		{"wrong plan", "# error plan.yaml:3: no such thing\n# exit 2\n", verdict.Inconclusive,
			"could not tell: leakgate run ended with 2: plan.yaml:3: no such thing"},
		{"crash", "# error leakgate itself crashed\n# exit 3\n", verdict.Inconclusive,
			"came to no verdict: leakgate itself crashed"},
		{"a code of another program", "# says pass\n# exit 7\n", verdict.Inconclusive, "ended with 7"},
		{"interrupted", "# says pass\n# exit 130\n", verdict.Inconclusive, "could not tell: interrupted"},
		{"the environment", "# environment\n# exit 2\n", verdict.Inconclusive, "ended with 2: ONLY=this"},
	} {
		r, _ := play(t, t.Context(), c.plan, time.Second)
		if r.State != Finished || r.Outcome != c.want || !strings.Contains(r.Headline, c.headline) {
			t.Errorf("%s = %s, %s, %q; want %s, %q", c.name, r.State, r.Outcome, r.Headline, c.want, c.headline)
		}
	}
}

func TestConcludeCounts(t *testing.T) {
	r, _ := play(t, t.Context(), "# says fail\n# exit 1\n", time.Second)
	if r.Findings == nil || *r.Findings != 1 {
		t.Errorf("findings = %v, want the one that is confirmed", r.Findings)
	}
	r, _ = play(t, t.Context(), "# exit 3\n", time.Second)
	if r.Findings != nil {
		t.Errorf("findings = %d without a verdict", *r.Findings)
	}
}

// TestChildEnds: a run ends with its input, which is how it learns that the server is gone;
// one that does not is killed.
func TestChildEnds(t *testing.T) {
	for _, c := range []struct {
		name, plan string
		grace      time.Duration
		code       int
	}{
		{"ends by itself", "# waits\n", time.Minute, codeInterrupted}, // whenever it comes to that
		{"has to be killed", "# hangs\n", 300 * time.Millisecond, -1},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		_, res := play(t, ctx, c.plan, c.grace)
		cancel()
		if res.Code != c.code {
			t.Errorf("%s: ended with %d, want %d", c.name, res.Code, c.code)
		}
	}
}

func TestChildDoesNotStart(t *testing.T) {
	task := Task{Lock: filepath.Join(t.TempDir(), childLock)}
	res := Child("/no/such/program", []string{"x"}, time.Second)(t.Context(), task, func(int) { t.Error("it started") })
	r := conclude(Run{}, res, t.TempDir(), time.Now())
	if r.Outcome != verdict.Inconclusive || !strings.Contains(r.Headline, "/no/such/program") {
		t.Errorf("%+v", r)
	}
}

func TestLastBytes(t *testing.T) {
	for _, c := range []struct {
		writes []string
		want   string
	}{
		{[]string{"ab"}, "ab"},
		{[]string{"ab", "cd"}, "abcd"},
		{[]string{"ab", "cde"}, "bcde"},
		{[]string{"ab", "cdefgh"}, "efgh"},
	} {
		l := &lastBytes{most: 4}
		for _, w := range c.writes {
			if n, err := l.Write([]byte(w)); n != len(w) || err != nil {
				t.Errorf("Write(%q) = %d, %v", w, n, err)
			}
		}
		if l.String() != c.want {
			t.Errorf("%q keeps %q, want %q", c.writes, l, c.want)
		}
	}
}

// TestGraceCoversCleaning: a run that is killed while it deletes its Jobs leaves a load behind.
func TestGraceCoversCleaning(t *testing.T) {
	const clean, reports = 30 * time.Second, 10 * time.Second // kubeload's cleanTime, and the rest
	if DefaultGrace < clean+reports || orphanPatience < DefaultGrace {
		t.Errorf("DefaultGrace = %s, orphanPatience = %s; want %s at least", DefaultGrace, orphanPatience, clean+reports)
	}
}
