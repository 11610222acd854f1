package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/verdict"
)

func textOf(t *testing.T, render Renderer, v verdict.Verdict) string {
	t.Helper()
	var b bytes.Buffer
	if err := render(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// A run with 73 leaks, as the console shows it and as parsers of JUnit read it
// (make junit-test).
func TestGoldenMany(t *testing.T) {
	v := manyLeaks(73)
	explain := func(w io.Writer, v verdict.Verdict) error {
		few := v
		few.Explanations = slices.Concat(v.Explanations[:1], v.Explanations[73:]) // a leak, a pool and noise
		return explainAll(w, few)
	}
	for ending, render := range map[string]Renderer{"txt": Console(Style{Dir: "leakgate-out", Width: 100}), "xml": JUnit, "explain.txt": explain} {
		got, file := textOf(t, render, v), filepath.Join("testdata", "many."+ending)
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, d)
		}
	}
}

// Every leak is in every report, by its function; what does not fit is counted.
func TestEveryLeakIsReported(t *testing.T) {
	v := manyLeaks(40)
	for name, render := range map[string]Renderer{
		"console": Console(Style{Width: 200}), "verbose": Console(Style{Verbose: true}), "markdown": Markdown, "summary": GitHubSummary, "html": HTML, "junit": JUnit, "sarif": SARIF,
	} {
		text := textOf(t, render, v)
		for _, f := range v.Findings {
			short := shortName(f)
			if !strings.Contains(text, short) && !strings.Contains(text, markdown(short)) {
				t.Errorf("%s of 40 leaks lacks %s", name, short)
			}
		}
		if !strings.Contains(text, "6 more stacks grew") && name != "junit" && name != "sarif" {
			t.Errorf("%s does not say how many could not be told", name)
		}
	}
}

// What is likely is told apart from what fails the run, and never shown as a failure.
func TestClasses(t *testing.T) {
	for _, c := range []struct {
		name                                       string
		class                                      verdict.Class
		outcome                                    verdict.Outcome
		failures, skipped, errors, warnings, leaks int
		apart                                      bool
	}{
		{"confirmed", verdict.Confirmed, verdict.Fail, 1, 0, 1, 0, 240, false},
		// A verdict from before there were classes.
		{"no class", "", verdict.Fail, 1, 0, 1, 0, 240, false},
		{"likely beside another fail", verdict.Likely, verdict.Fail, 0, 1, 0, 1, 0, true},
		{"likely in a pass", verdict.Likely, verdict.Pass, 0, 1, 0, 1, 0, true},
		{"likely in a run that could not tell", verdict.Likely, verdict.Inconclusive, 0, 1, 0, 1, 0, true},
	} {
		v := withSource()
		v.Outcome, v.Checks, v.Findings[0].Class = c.outcome, nil, c.class
		suite, _ := junitOf(t, v)
		if suite.Failures != c.failures || suite.Skipped != c.skipped || suite.Errors != 0 {
			t.Errorf("%s: JUnit has %d failures, %d skipped, %d errors", c.name, suite.Failures, suite.Skipped, suite.Errors)
		}
		if c.skipped > 0 && (!strings.Contains(suite.Cases[0].Skipped.Message, "likely") || suite.Cases[0].Out == "") {
			t.Errorf("%s: the skipped case says %q, and %d bytes", c.name, suite.Cases[0].Skipped.Message, len(suite.Cases[0].Out))
		}
		result := checkSARIF(t, written(t, v)).Runs[0].Results[0]
		if want := map[bool]string{true: "warning", false: "error"}[c.apart]; result.Level != want {
			t.Errorf("%s: SARIF's level is %s, want %s", c.name, result.Level, want)
		}
		warnings := 0
		for _, a := range commands(t, v, GitHubOptions{}) {
			if a.name == "warning" && strings.HasPrefix(a.at["title"], "likely a goroutine leak: ") && a.at["file"] == "cart/store.go" {
				warnings++
			}
			if a.name == "error" && c.apart && a.at["file"] != "" {
				t.Errorf("%s: annotated as an error", c.name)
			}
		}
		if warnings != c.warnings {
			t.Errorf("%s: %d annotations of likely leaks, want %d", c.name, warnings, c.warnings)
		}
		if got := GitHubOutputs(v, "out"); got["leaked"] != fmt.Sprint(c.leaks) || got["findings"] != fmt.Sprint(c.errors) {
			t.Errorf("%s: outputs %v", c.name, got)
		}
		for format, text := range map[string]string{"console": textOf(t, Console(Style{}), v), "markdown": textOf(t, Markdown, v), "html": textOf(t, HTML, v)} {
			said := strings.Contains(text, "short of the rule")
			if said != c.apart || !strings.Contains(text, "refresh.func1") {
				t.Errorf("%s: %s sets it apart: %v, want %v", c.name, format, said, c.apart)
			}
		}
	}
}

// The first ones stay, and of the others the largest; likely ones have their share.
func TestFitting(t *testing.T) {
	grew := func(class verdict.Class, ns ...int) (out []verdict.Finding) {
		for _, n := range ns {
			out = append(out, verdict.Finding{Class: class, Leaked: n})
		}
		return out
	}
	leaked := func(fs []verdict.Finding) (out []int) {
		for _, f := range fs {
			out = append(out, f.Leaked)
		}
		return out
	}
	sure := grew(verdict.Confirmed, 1, 2, 3, 4, 5, 10, 60, 20, 50, 30)
	for _, c := range []struct {
		name          string
		fs            []verdict.Finding
		most          int
		sure, perhaps []int
		left          int
	}{
		{"all fit", sure, 10, []int{1, 2, 3, 4, 5, 10, 60, 20, 50, 30}, nil, 0},
		{"the smallest goes", sure, 9, []int{1, 2, 3, 4, 5, 60, 20, 50, 30}, nil, 1},
		{"the headline's stays, however small", sure, 7, []int{1, 2, 3, 4, 5, 60, 50}, nil, 3},
		{"likely ones are not hidden", slices.Concat(grew(verdict.Likely, 7, 9, 8), sure), 10, []int{1, 2, 3, 4, 5, 60, 50, 30}, []int{9, 8}, 3},
		{"nothing but likely ones", grew(verdict.Likely, 7, 9, 8), 2, nil, []int{9, 8}, 1},
		{"none", nil, 2, nil, nil, 0},
	} {
		gotSure, gotPerhaps, left := fitting(verdict.Verdict{Findings: c.fs}, c.most)
		if !slices.Equal(leaked(gotSure), c.sure) || !slices.Equal(leaked(gotPerhaps), c.perhaps) || left != c.left {
			t.Errorf("%s: %v, %v and %d left, want %v, %v and %d", c.name, leaked(gotSure), leaked(gotPerhaps), left, c.sure, c.perhaps, c.left)
		}
	}
	// A finding is as large as all stacks of its cause together.
	small, large := verdict.Finding{Leaked: 10}, verdict.Finding{Leaked: 6, Members: []verdict.Member{{Leaked: 6}}}
	if kept, _ := largest([]verdict.Finding{small, large}, 0, 1); kept[0].Leaked != 6 {
		t.Errorf("kept %+v, want the one with a member", kept)
	}
}

// Of what is too large for a report, the smallest growth goes.
func TestWithin(t *testing.T) {
	var fs []verdict.Finding
	for _, n := range []int{1, 1, 1, 1, 1, 10, 30, 20} {
		fs = append(fs, verdict.Finding{Leaked: n})
	}
	for _, c := range []struct {
		name  string
		bytes []int
		most  int
		want  []bool
	}{
		{"all fit", []int{1, 1, 1, 1, 1, 1, 1, 1}, 8, []bool{true, true, true, true, true, true, true, true}},
		{"one does not", []int{1, 1, 1, 1, 1, 1, 1, 1}, 7, []bool{true, true, true, true, true, false, true, true}},
		{"a large one", []int{1, 1, 1, 1, 1, 1, 1, 9}, 8, []bool{true, true, true, true, true, false, true, false}},
	} {
		if got := within(fs, c.bytes, c.most); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestCompany(t *testing.T) {
	for _, c := range []struct {
		ratios []float64
		want   string
	}{
		{nil, ""},
		{[]float64{1}, "with it: 1 other stack, 1 for each"},
		{[]float64{1, 2}, "with it: 2 other stacks, 1 and 2 for each"},
		{[]float64{0.5, 2.004, 3}, "with it: 3 other stacks, 0.5, 2 and 3 for each"},
	} {
		var f verdict.Finding
		for _, r := range c.ratios {
			f.Members = append(f.Members, verdict.Member{Ratio: r})
		}
		if got := company(f); got != c.want {
			t.Errorf("company(%v) = %q, want %q", c.ratios, got, c.want)
		}
	}
}

// Reports that leave the machine have no path of the one that built the service.
func TestNoAbsolutePaths(t *testing.T) {
	v := manyLeaks(12)
	for name, render := range map[string]Renderer{"junit": JUnit, "sarif": SARIF, "github": Formats()["github"]} {
		text := textOf(t, render, v)
		for _, path := range []string{"/home/ci", "/root/go", "/usr/local/go", "file://"} {
			if i := strings.Index(text, path); i >= 0 {
				t.Errorf("%s has a path of the build machine: %.80q", name, text[max(0, i-20):])
			}
		}
	}
}

// Where the blame lies in other people's code, a reader is led to the service's own.
func TestLead(t *testing.T) {
	base := manyLeaks(5)
	dependency, standard := base.Findings[3], base.Findings[4]
	started := standard
	started.Creator, started.Created = "main.(*Shop).watch", "/home/ci/build/shop/watch.go:30"
	bare := standard
	bare.Requests = nil
	for _, c := range []struct {
		name         string
		f            verdict.Finding
		whose, where string
		opening      string
	}{
		{"own code", base.Findings[0], "", "/home/ci/build/shop/internal/cart/refresh.go:40", "open /home/ci/build/shop/internal/cart/refresh.go:40 and ask what was meant to end the wait there"},
		{"a dependency, called by own code", dependency, "github.com/minio/minio-go/v7 v7.0.32", "/home/ci/build/shop/internal/stock/list.go:77", "open /home/ci/build/shop/internal/stock/list.go:77, the nearest own code: it waits in github.com/minio/minio-go/v7 v7.0.32; ask what was meant to end that"},
		{"Go itself, started by own code", started, "Go 1.26's context", "/home/ci/build/shop/watch.go:30", "open /home/ci/build/shop/watch.go:30, the go statement from which it gets into Go 1.26's context, and ask what was meant to end the wait there"},
		{"Go itself, and a request", standard, "Go 1.26's context", "", "look at what GET /flushlater/4 does with Go 1.26's context: no line of the stack is the service's own"},
		{"Go itself", bare, "Go 1.26's context", "", "look at what the service does with Go 1.26's context: no line of the stack is the service's own"},
	} {
		v := verdict.Verdict{Targets: base.Targets, Findings: []verdict.Finding{c.f}}
		if got := foreign(c.f, "go1.26.8"); got != c.whose {
			t.Errorf("%s: blamed on %q, want %q", c.name, got, c.whose)
		}
		if got := leadOf(c.f).where(c.f, ""); got != c.where {
			t.Errorf("%s: leads to %q, want %q", c.name, got, c.where)
		}
		// The console says so, unless the blamed line is the place.
		if said := strings.Contains(textOf(t, Console(Style{}), v), c.opening); said != (c.whose != "") {
			t.Errorf("%s: the console leads there: %v", c.name, said)
		}
		if got := opening(v, c.f, ""); got != c.opening {
			t.Errorf("%s: %q, want %q", c.name, got, c.opening)
		}
		for _, s := range runbook(v, c.f) {
			for _, command := range s.Commands {
				if strings.Contains(command.Line, "git log") && strings.Contains(command.Line, "@v") {
					t.Errorf("%s: the runbook looks for a file of the module cache: %s", c.name, command.Line)
				}
			}
		}
	}
}

func TestPortable(t *testing.T) {
	for _, c := range []struct {
		name string
		f    verdict.Frame
		want string
	}{
		{"Go's own", verdict.Frame{Function: "net/http.(*conn).serve", File: "/usr/local/go/src/net/http/server.go", Std: true}, "net/http/server.go"},
		{"a dependency's", verdict.Frame{Function: "a.b/c/v2.F", File: "/root/go/pkg/mod/a.b/c/v2@v2.0.1/d.go"}, "a.b/c/v2@v2.0.1/d.go"},
		{"own", verdict.Frame{Function: "example.com/shop/internal/cart.F", File: "/home/ci/build/shop/internal/cart/d.go"}, "shop/internal/cart/d.go"},
		{"of package main", verdict.Frame{Function: "main.F", File: "/home/ci/build/shop/d.go"}, "shop/d.go"},
		{"trimmed", verdict.Frame{Function: "example.com/shop.F", File: "example.com/shop/d.go"}, "example.com/shop/d.go"},
		{"of Windows", verdict.Frame{Function: "main.F", File: `C:\build\shop\d.go`}, "shop/d.go"},
		{"at the root", verdict.Frame{Function: "main.F", File: "/d.go"}, "d.go"},
		{"nothing", verdict.Frame{}, ""},
	} {
		if got := portable(c.f); got != c.want {
			t.Errorf("portable(%s) = %q, want %q", c.name, got, c.want)
		}
	}
}

// What a pass explained away is shown with the explanation, or not at all.
func TestPassShowsNoBareFigures(t *testing.T) {
	v := fixtures()["pass"]
	v.Slopes = []verdict.Slope{{Target: "checkout-0", PerSecond: 2, Low: 1, High: 3, Per1000: 5}}
	v.Checks = append(v.Checks, verdict.Check{
		Name: "baseline", Target: "checkout-1", Outcome: verdict.Pass, Measured: 134, Limit: 10, Unit: "goroutines",
		Message: "134 goroutines above the baseline, of which 130 grew and stopped, drain or are ignored",
	})
	for name, text := range map[string]string{"console": textOf(t, Console(Style{}), v), "verbose": textOf(t, Console(Style{Verbose: true}), v), "markdown": textOf(t, Markdown, v)} {
		if strings.Contains(text, "134 goroutines (limit 10)") || strings.Contains(text, "slope:") {
			t.Errorf("%s of a pass has figures that contradict it:\n%s", name, text)
		}
		if strings.Count(text, "134 goroutines above the baseline") != 1 {
			t.Errorf("%s does not explain the 134 goroutines once:\n%s", name, text)
		}
	}
	v.Outcome = verdict.Fail
	if text := textOf(t, Console(Style{}), v); !strings.Contains(text, "slope:") {
		t.Errorf("a fail lacks its slope:\n%s", text)
	}
}

// The runbook reckons with what was measured, where it was.
func TestCosts(t *testing.T) {
	v := fixtures()["fail"]
	if got, want := speed(v, v.Findings[0]), "the run measured 6.0 KiB for each"; !strings.Contains(got, want) {
		t.Errorf("speed = %q, want %q", got, want)
	}
	v.Memory[0].Target = "another"
	if got, want := speed(v, v.Findings[0]), "for their stacks alone"; !strings.Contains(got, want) {
		t.Errorf("speed without measurement = %q, want %q", got, want)
	}
}

func TestBuildOf(t *testing.T) {
	for build, want := range map[string]string{
		"8f14e45fceea167a5a36dedd4bea25438f14e45f":                    "build id 8f14e45fceea…",
		"build id 8f14e45fceea167a5a36dedd4bea2543":                   "build id 8f14e45fceea…",
		"example.com/shop, build id 8f14e45fceea167a5a36dedd4bea2543": "example.com/shop, build id 8f14e45fceea…",
		"abcdefghijklmnopqrst/ABCDEFGHIJKLMNOPQRST":                   "build id abcdefghijkl…",
		"example.com/shop v1.4.2 at 3f2a9c1d7e55":                     "example.com/shop v1.4.2 at 3f2a9c1d7e55",
		"v1.4.2": "v1.4.2", "": "",
	} {
		if got := buildOf(verdict.Target{Build: build}); got != want {
			t.Errorf("buildOf(%q) = %q, want %q", build, got, want)
		}
	}
}

// The page holds a thousand findings, the smallest in a line each.
func TestHTMLOfThousand(t *testing.T) {
	v := manyLeaks(1000)
	page := textOf(t, HTML, v)
	if kb := len(page) >> 10; kb > 4096 {
		t.Errorf("the page of 1,000 findings has %d KB", kb)
	}
	if n := strings.Count(page, `id="finding-`); n != maxStacks {
		t.Errorf("%d findings have their stack, want %d", n, maxStacks)
	}
	if n := strings.Count(page, `data-is="grew by"`); n != 1000-maxStacks {
		t.Errorf("%d findings have a line, want %d", n, 1000-maxStacks)
	}
}

func TestExplain(t *testing.T) {
	v := manyLeaks(12)
	for _, c := range []struct {
		name, stack, target string
		want                int
	}{
		{"an id", "3f2a9c1d", "", 1},
		{"the beginning of one", "77c0", "", 1},
		{"a part of a function's name", "(*Pool).worker", "", 1},
		{"several functions", "refresh", "", 2},
		{"no stack", "nowhere", "", 0},
		{"another target's", "3f2a9c1d", "elsewhere", 0},
		{"all", "", "", 14},
	} {
		if got := Matching(v, c.stack, c.target); len(got) != c.want {
			t.Errorf("Matching(%s) has %d stacks, want %d", c.name, len(got), c.want)
		}
	}
	var pool, leak, table bytes.Buffer
	for out, e := range map[*bytes.Buffer]verdict.Explanation{&pool: v.Explanations[12], &leak: v.Explanations[0]} {
		if err := Explain(out, v, e, Style{Width: 100}); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{
		"Taken for a pool", "closer to a leak than any other", "round 1        118     120     122      30,000   61 at least, in 9 profiles",
		"no: 160 goroutines, against a limit of 11.4; 149 above it, 14 times as much", "yes: 0 goroutines in the last round, against a limit of 1; 1 below it\n", "So: it filled up", "What would have changed it: ",
	} {
		if !strings.Contains(pool.String(), want) {
			t.Errorf("the explanation of a pool lacks %q:\n%s", want, pool.String())
		}
	}
	for _, want := range []string{"Taken for a leak", "GET /refresh/0 leaks 1.02", "90 s without load", "310 s old", "just at it", "threshold growth.rounds"} {
		if !strings.Contains(leak.String(), want) {
			t.Errorf("the explanation of a leak lacks %q:\n%s", want, leak.String())
		}
	}
	if err := ExplainTable(&table, v, v.Explanations, Style{Width: 100, Dir: "out"}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(table.String()) {
		if n := len([]rune(line)); n > 101 && !strings.HasPrefix(line, "FAIL") {
			t.Errorf("a line of %d columns on a terminal of 100: %s", n, line)
		}
	}
	if !strings.Contains(table.String(), "nearest to a leak: it filled") || strings.Count(table.String(), "\n") != 20 {
		t.Errorf("the table:\n%s", table.String())
	}
}

// Scripts get margins as numbers, and an empty list for nothing.
func TestExplainJSON(t *testing.T) {
	v := manyLeaks(5)
	v.Explanations[0].Asked = append(v.Explanations[0].Asked, verdict.Question{Rule: "least", Statistic: 2, Limit: 0})
	var b bytes.Buffer
	if err := ExplainJSON(&b, v, v.Explanations[:1]); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Explanations []struct {
			ID    string
			Asked []struct {
				Rule   string
				Margin float64
				Factor *float64
			}
		}
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	asked := got.Explanations[0].Asked
	if got.Explanations[0].ID != "3f2a9c1d" || asked[3].Margin != 0.49 || *asked[3].Factor != 1.98 || asked[4].Factor != nil {
		t.Errorf("explained as %+v", got)
	}
	b.Reset()
	if err := ExplainJSON(&b, v, nil); err != nil || !strings.Contains(b.String(), `"explanations": []`) {
		t.Errorf("nothing is explained as %s, %v", b.String(), err)
	}
}
