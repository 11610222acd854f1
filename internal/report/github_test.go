package report

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// workflowCommand is a workflow command as the runner of GitHub Actions reads it.
type workflowCommand struct {
	name, message string
	at            map[string]string
}

// runnerCommands are the commands that a runner takes out of a job's log: lines
// that begin with two colons after white space, and two number signs and a
// bracket, the older form, anywhere.
func runnerCommands(log string) []workflowCommand {
	data := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%25", "%")
	property := strings.NewReplacer("%0D", "\r", "%0A", "\n", "%3A", ":", "%2C", ",", "%25", "%")
	var out []workflowCommand
	for line := range strings.Lines(strings.ReplaceAll(log, "\r", "\n")) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "::")
		head, message, closed := strings.Cut(rest, "::")
		if !ok || !closed {
			if strings.Contains(line, "##[") {
				out = append(out, workflowCommand{name: "older form"})
			}
			continue
		}
		name, properties, _ := strings.Cut(head, " ")
		c := workflowCommand{name: name, message: data.Replace(message), at: map[string]string{}}
		for p := range strings.SplitSeq(properties, ",") {
			if k, v, ok := strings.Cut(p, "="); ok {
				c.at[k] = property.Replace(v)
			}
		}
		out = append(out, c)
	}
	return out
}

func commands(t *testing.T, v verdict.Verdict, o GitHubOptions) []workflowCommand {
	t.Helper()
	var b bytes.Buffer
	if err := GitHub(&b, v, o); err != nil {
		t.Fatal(err)
	}
	return runnerCommands(b.String())
}

// withSource is the fail, in a checkout.
func withSource() verdict.Verdict {
	v := fixtures()["fail"]
	v.Findings[0].Source = &verdict.Source{
		Path: "cart/store.go", Line: 44, Owners: []string{"@shop/cart", "@ann"}, Since: "v1.2.0",
		Suspects: []verdict.Commit{
			{Hash: "0123456789abcdef0123", Author: "Ann", Date: time.Date(2026, 10, 30, 1, 0, 0, 0, time.UTC), Subject: "cart: refresh prices"},
			{Hash: "fedcba", Author: "Bob", Subject: "cart: older"},
		},
	}
	return v
}

func TestGitHubPlace(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*verdict.Finding)
		want   map[string]string
	}{
		// The checkout knows better than the binary.
		{name: "checkout", change: func(*verdict.Finding) {}, want: map[string]string{"file": "cart/store.go", "line": "44"}},
		// Without a checkout, a relative path may be one of the repository.
		{name: "relative", change: func(f *verdict.Finding) { f.Source, f.File = nil, "./cart/store.go" }, want: map[string]string{"file": "cart/store.go", "line": "42"}},
		// A path of the build machine is none of the repository.
		{name: "absolute", change: func(f *verdict.Finding) { f.Source = nil }, want: map[string]string{}},
		{name: "windows", change: func(f *verdict.Finding) { f.Source, f.File = nil, `C:\src\store.go` }, want: map[string]string{}},
		// Somebody else's code is not there either.
		{name: "module", change: func(f *verdict.Finding) {
			f.Source, f.File, f.Module = nil, "golang.org/x/net@v0.1.0/http2/server.go", "golang.org/x/net@v0.1.0"
		}, want: map[string]string{}},
		{name: "outside", change: func(f *verdict.Finding) { f.Source, f.File = nil, "a/../../etc/passwd" }, want: map[string]string{}},
	} {
		v := withSource()
		c.change(&v.Findings[0])
		got := commands(t, v, GitHubOptions{})
		if len(got) != 1 || got[0].name != "error" {
			t.Fatalf("%s: %+v, want one error", c.name, got)
		}
		if title := "goroutine leak: cart.(*Store).refresh.func1"; got[0].at["title"] != title {
			t.Errorf("%s: title %q, want %q", c.name, got[0].at["title"], title)
		}
		delete(got[0].at, "title")
		if d := cmp.Diff(c.want, got[0].at); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
		if where := anywhere(stacks.Located(v.Findings[0].Function, v.Findings[0].File, 42)); len(c.want) == 0 && !strings.Contains(got[0].message, where) {
			t.Errorf("%s: message %q lacks the place %s", c.name, got[0].message, where)
		}
	}
}

func TestGitHubMessage(t *testing.T) {
	want := `+240 goroutines, 10 per 1,000 requests, chan send, growing, on checkout-0
240 goroutines in chan send and about 236 objects of 4.0 KiB from bufio.NewReaderSize: same cause
tenant=blue: +200
owner: @shop/cart, @ann
suspect: 0123456 2026-10-30 Ann: cart: refresh prices, and 1 more commit`
	if got := commands(t, withSource(), GitHubOptions{})[0].message; got != want {
		t.Errorf("message:\n%s\nwant:\n%s", got, want)
	}
}

// GitHub shows ten annotations of a kind: the tenth counts the rest.
func TestGitHubBounds(t *testing.T) {
	for n, want := range map[int]string{10: "", 11: "and 1 more, with the smallest growth", 50: "and 47 more, with the smallest growth"} {
		v := withSource()
		v.Findings = slices.Repeat(v.Findings, n)
		if n == 50 {
			v.More = 7
		}
		got := commands(t, v, GitHubOptions{})
		last := got[len(got)-1].message
		if len(got) != 10 || strings.Contains(last, "more\n") || want != "" && !strings.HasSuffix(last, "\n"+want) || want == "" && strings.Contains(last, "and 0") {
			t.Errorf("%d findings: %d annotations, the last %q, want 10 and %q", n, len(got), last, want)
		}
	}
	v := withSource()
	v.Findings[0].Function, v.Findings[0].Note = strings.Repeat("é", 1<<20), strings.Repeat("x", 1<<20)
	if c := commands(t, v, GitHubOptions{})[0]; len(c.at["title"]) > maxTitle || len(c.message) > maxAnnotation {
		t.Errorf("a megabyte of text: title of %d bytes, message of %d", len(c.at["title"]), len(c.message))
	}
}

func TestGitHubOutcomes(t *testing.T) {
	noFinding := fixtures()["fail"]
	noFinding.Findings = nil
	for _, c := range []struct {
		name    string
		v       verdict.Verdict
		level   Level
		want    string
		message string
	}{
		{name: "pass", v: fixtures()["pass"], want: "notice", message: "no goroutine leak in"},
		{name: "inconclusive", v: fixtures()["inconclusive"], want: "error", message: "hint: find out why it restarted"},
		{name: "inconclusive", v: fixtures()["inconclusive"], level: LevelWarning, want: "warning", message: "restarted or replaced"},
		{name: "inconclusive", v: fixtures()["inconclusive"], level: PassThrough, want: "notice", message: "restarted or replaced"},
		// The level is for could-not-tell alone.
		{name: "fail", v: fixtures()["fail"], level: PassThrough, want: "error", message: "+240 goroutines"},
		// The total stayed up, and no stack explains it: still an error.
		{name: "fail without a finding", v: noFinding, want: "error", message: "240 goroutines above the baseline"},
	} {
		if got := commands(t, c.v, GitHubOptions{OnInconclusive: c.level}); len(got) != 1 || got[0].name != c.want || !strings.Contains(got[0].message, c.message) {
			t.Errorf("%s at %q: %+v, want one %s with %q", c.name, c.level, got, c.want, c.message)
		}
	}
}

// A name that looks like a command stays a name, to the letter.
func TestGitHubHostileName(t *testing.T) {
	for name, want := range map[string]string{
		"::error::gone":                     "::error::gone",
		"x,file=/etc/passwd,line=1::y":      "x,file=/etc/passwd,line=1::y",
		"x%0A::error::y":                    "x%0A::error::y",
		"x\n::set-output name=outcome::pas": `x\n::set-output name=outcome::pas`,
		"\x1b[31mred":                       `\x1b[31mred`,
	} {
		v := withSource()
		v.Findings[0].Function, v.Findings[0].Source.Owners = name, []string{name}
		got := commands(t, v, GitHubOptions{})
		if len(got) != 1 || !slices.Equal(slices.Sorted(maps.Keys(got[0].at)), []string{"file", "line", "title"}) || got[0].at["file"] != "cart/store.go" {
			t.Errorf("%q: %+v, want one command of file, line and title", name, got)
			continue
		}
		if short := "goroutine leak: " + printable(shortFunction(name)); got[0].at["title"] != short {
			t.Errorf("title of %q: %q, want %q", name, got[0].at["title"], short)
		}
		if !strings.Contains(got[0].message, "owner: "+want) {
			t.Errorf("message of %q: %q, want owner %q", name, got[0].message, want)
		}
	}
}

// The summary holds every finding, the later ones folded, and stays under 1 MiB
// with its blocks closed.
func TestGitHubSummary(t *testing.T) {
	v := withSource()
	for i := range 10_000 {
		f := v.Findings[0]
		f.Function = fmt.Sprintf("example.com/cart.f%d", i)
		v.Findings = append(v.Findings, f)
	}
	deep := withSource()
	deep.Findings[0].Stack = slices.Repeat(deep.Findings[0].Stack, 40_000)
	few := withSource()
	few.Findings = slices.Repeat(few.Findings, 7)
	for name, c := range map[string]struct {
		v   verdict.Verdict
		cut bool
	}{"10,000 findings": {v, false}, "a stack of 80,000 frames": {deep, true}, "7 findings": {few, false}} {
		var b bytes.Buffer
		if err := GitHubSummary(&b, c.v); err != nil {
			t.Fatal(err)
		}
		out := b.String()
		if len(out) >= 1024*1024 || strings.Contains(out, "Cut here") != c.cut {
			t.Errorf("%s: %d bytes, cut: %v, want under 1 MiB, cut: %v", name, len(out), strings.Contains(out, "Cut here"), c.cut)
		}
		if strings.Count(out, "<details>") != strings.Count(out, "</details>") || strings.Count(out, "```")%2 != 0 {
			t.Errorf("%s: a folded part or a code block is left open", name)
		}
		if name == "7 findings" && !strings.Contains(out, "2 more leaks</summary>") {
			t.Errorf("%s: the rest is not folded", name)
		}
	}
}

func TestGitHubOutputs(t *testing.T) {
	v := withSource()
	v.Findings = append(v.Findings, verdict.Finding{Leaked: 2})
	v.More = 3
	want := map[string]string{"outcome": "fail", "leaked": "242", "findings": "5", "report": "out/report.html", "junit": "out/junit.xml", "sensitivity": ""}
	if d := cmp.Diff(want, GitHubOutputs(v, "out")); d != "" {
		t.Errorf("fail (-want +got):\n%s", d)
	}
	if got := GitHubOutputs(fixtures()["pass"], "out")["sensitivity"]; got != "1900" {
		t.Errorf("sensitivity of a pass = %q, want 1900", got)
	}
}
