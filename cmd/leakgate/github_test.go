package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leakgate/leakgate/verdict"
)

func job(env map[string]string, out *bytes.Buffer) *app {
	return &app{out: out, env: func(key string) (string, bool) { v, ok := env[key]; return v, ok }}
}

func TestGitHubWhen(t *testing.T) {
	for _, c := range []struct {
		when, env string
		want      bool
	}{
		{when: "auto", env: "true", want: true},
		{when: "auto", env: ""},
		{when: "auto", env: "false"},
		{when: "on", env: "", want: true},
		{when: "off", env: "true"},
		// demo has no such flag, and says nothing.
		{when: "", env: "true"},
	} {
		var out bytes.Buffer
		g := job(map[string]string{"GITHUB_ACTIONS": c.env}, &out).github(githubOptions{when: c.when, onInconclusive: "error"})
		if err := g.annotate(&out, verdict.Verdict{Outcome: verdict.Pass, Headline: "fine"}); err != nil {
			t.Error(err)
		}
		if got := out.Len() > 0; got != c.want || (g != nil) != c.want {
			t.Errorf("--github=%q with GITHUB_ACTIONS=%q: writes %v, want %v", c.when, c.env, got, c.want)
		}
	}
}

// What an earlier command of the step wrote stays.
func TestGitHubFiles(t *testing.T) {
	dir := t.TempDir()
	output, summary := filepath.Join(dir, "output"), filepath.Join(dir, "summary")
	if err := os.WriteFile(output, []byte("earlier=1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := job(map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": output, "GITHUB_STEP_SUMMARY": summary}, &out)
	v := verdict.Verdict{Outcome: verdict.Inconclusive, Plan: "shop", Headline: "could not tell: restarted"}
	g := a.github(githubOptions{when: "auto", onInconclusive: "warning"})
	if err := errors.Join(g.annotate(&out, v), g.files(v, "out")); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "::warning title=leakgate%3A could not tell::could not tell: restarted\n"; got != want {
		t.Errorf("annotations %q, want %q", got, want)
	}
	got, err := os.ReadFile(output)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"earlier=1\n", "outcome<<", "\ninconclusive\n", "report<<", "/out/report.html\n"} {
		if !strings.Contains(string(got), part) {
			t.Errorf("outputs %q lack %q", got, part)
		}
	}
	if got, err := os.ReadFile(summary); err != nil || !strings.Contains(string(got), "could not tell") {
		t.Errorf("summary %q, %v", got, err)
	}
}

// A file that cannot be written is an error, and the other is written.
func TestGitHubFileErrors(t *testing.T) {
	dir := t.TempDir()
	summary := filepath.Join(dir, "summary")
	var out bytes.Buffer
	env := map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": filepath.Join(dir, "gone", "output"), "GITHUB_STEP_SUMMARY": summary}
	o := githubOptions{when: "auto", onInconclusive: "error"}
	err := job(env, &out).github(o).files(verdict.Verdict{Outcome: verdict.Pass}, "out")
	if err == nil || !strings.Contains(err.Error(), "GitHub's output") {
		t.Errorf("an output that cannot be written: %v", err)
	}
	if _, err := os.Stat(summary); err != nil {
		t.Errorf("the summary was not written: %v", err)
	}
	// A line break would let a value add outputs of its own.
	env["GITHUB_OUTPUT"] = filepath.Join(dir, "output")
	if err := job(env, &out).github(o).files(verdict.Verdict{Outcome: verdict.Pass}, "a\nb"); err == nil || !strings.Contains(err.Error(), "line break") {
		t.Errorf("a directory with a line break: %v", err)
	}
}

func TestGitHubUsage(t *testing.T) {
	var out, errOut bytes.Buffer
	env := func(string) (string, bool) { return "", false }
	code := run(context.Background(), []string{"run", "plan.yaml", "--github=maybe", "--on-inconclusive=shrug"}, env, nil, &out, &errOut)
	for _, part := range []string{`--github "maybe": want auto, on or off`, `--on-inconclusive "shrug": want one of error, warning, pass-through`} {
		if code != exitUsage || !strings.Contains(errOut.String(), part) {
			t.Errorf("exit %d, %q, want %d and %q", code, errOut.String(), exitUsage, part)
		}
	}
}

// Only what the library says itself is an error; a fault of ours stays a panic.
func TestTry(t *testing.T) {
	want := errors.New("no space left on device")
	if err := try(func() { panic(want) }); !errors.Is(err, want) {
		t.Errorf("try = %v, want %v", err, want)
	}
	defer func() {
		if recover() == nil {
			t.Error("an index out of range became an error")
		}
	}()
	var none []int
	_ = try(func() { none[0] = 1 })
}
