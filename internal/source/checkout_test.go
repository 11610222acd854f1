package source

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"

	"github.com/leakgate/leakgate/verdict"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// checkout is a git repository that a test writes.
type checkout struct {
	t   *testing.T
	dir string
	now time.Time // of the next commit; each is a day after the one before
}

// newCheckout makes an empty repository, out of reach of this machine's
// configuration.
func newCheckout(t *testing.T) *checkout {
	t.Helper()
	for _, key := range []string{"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"} {
		t.Setenv(key, os.DevNull)
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	c := &checkout{t: t, dir: dir, now: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
	c.git("init", "-q", "-b", "main")
	c.git("config", "user.name", "Alice")
	c.git("config", "user.email", "alice@example.com")
	c.git("config", "commit.gpgSign", "false")
	return c
}

func (c *checkout) git(args ...string) string {
	c.t.Helper()
	cmd := exec.Command("git", append([]string{"-C", c.dir}, args...)...)
	date := c.now.Format(time.RFC3339)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE="+date, "GIT_COMMITTER_DATE="+date)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// write writes the files of a txtar archive into the work tree.
func (c *checkout) write(archive string) {
	c.t.Helper()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		name := filepath.Join(c.dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			c.t.Fatal(err)
		}
		if err := os.WriteFile(name, f.Data, 0o644); err != nil {
			c.t.Fatal(err)
		}
	}
}

// commit commits the files of an archive, and is the commit's hash.
func (c *checkout) commit(subject, archive string, args ...string) string {
	c.t.Helper()
	c.write(archive)
	c.git("add", "-A", "-f")
	c.git(append([]string{"commit", "-q", "--allow-empty", "--cleanup=verbatim", "-m", subject}, args...)...)
	c.now = c.now.AddDate(0, 0, 1)
	return c.git("rev-parse", "HEAD")
}

// annotated is the source of a finding with this stack, innermost first.
func (c *checkout) annotated(since string, stack ...verdict.Frame) *verdict.Source {
	c.t.Helper()
	v := &verdict.Verdict{Findings: []verdict.Finding{finding(stack...)}}
	if err := Annotate(context.Background(), v, c.dir, since); err != nil {
		c.t.Fatalf("Annotate: %v", err)
	}
	return v.Findings[0].Source
}

// finding is a finding whose first frame outside the standard library is blamed.
func finding(stack ...verdict.Frame) verdict.Finding {
	f := verdict.Finding{Stack: stack}
	for _, fr := range stack {
		if !fr.Std {
			f.Function, f.File, f.Line, f.Module = fr.Function, fr.File, fr.Line, fr.Module
			break
		}
	}
	return f
}

func (c *checkout) tree(frames ...verdict.Frame) *tree {
	c.t.Helper()
	r, err := open(context.Background(), c.dir, "")
	if err != nil || r == nil {
		c.t.Fatalf("open(%s) = %v, %v", c.dir, r, err)
	}
	return readTree(context.Background(), r, []verdict.Finding{finding(frames...)})
}

func at(path string, line int) string { return fmt.Sprintf("%s:%d", path, line) }

// where writes a source as path:line, and none as a dash.
func where(s *verdict.Source) string {
	if s == nil {
		return "-"
	}
	return at(s.Path, s.Line)
}
