package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func frames(function string) []verdict.Frame {
	return []verdict.Frame{
		{Function: "time.Sleep", File: "/usr/lib/go/src/runtime/time.go", Line: 300, Std: true},
		{Function: function, File: "/src/cart/store.go", Line: 42},
	}
}

// fixtures are verdicts as Judge makes them, one per outcome.
func fixtures() map[string]verdict.Verdict {
	kept := 240
	base := verdict.Verdict{
		Schema: 1, Plan: "checkout", Requests: 24000, Unit: "request", Rounds: 3, Tool: "v0.1.0", Started: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC),
		Targets: []verdict.Target{{
			Name: "checkout-0", GoVersion: "go1.26.8", Totals: []int{12, 92, 172, 252}, Baseline: "profiles/checkout-0/baseline-1.pb.gz", Last: "profiles/checkout-0/settle-3-3.pb.gz",
			Series: []verdict.Point{{Second: 0, Goroutines: 12}, {Second: 30, Goroutines: 90}, {Second: 60, Goroutines: 252}},
		}},
		Load: []verdict.LoadEntry{{Name: "GET http://127.0.0.1:8080/cart", Sent: 24000, Succeeded: 23990, Codes: map[string]uint64{"200": 23990, "500": 10}, P50ms: 1.5, P99ms: 12.25}},
		Timing: verdict.Timing{Wall: 80.5, Load: 70, Phases: []record.Phase{
			{Kind: record.Warmup, Start: 0, End: 10 * time.Second}, {Kind: record.Baseline, Start: 10 * time.Second, End: 15 * time.Second},
			{Kind: record.Round, Round: 1, Start: 15 * time.Second, End: 30 * time.Second}, {Kind: record.Settling, Round: 1, Start: 30 * time.Second, End: 33 * time.Second},
			{Kind: record.Round, Round: 2, Start: 33 * time.Second, End: 50 * time.Second}, {Kind: record.Settling, Round: 2, Start: 50 * time.Second, End: 53 * time.Second},
			{Kind: record.Round, Round: 3, Start: 53 * time.Second, End: 70 * time.Second}, {Kind: record.Settling, Round: 3, Start: 70 * time.Second, End: 75 * time.Second},
		}},
	}
	pass := base
	pass.Outcome, pass.Headline = verdict.Pass, "no goroutine leak in 24000 requests over 3 rounds on 1 target"
	pass.Sensitivity = &verdict.Sensitivity{OneIn: 1900}
	pass.Checks = []verdict.Check{
		{Name: "rate", Outcome: verdict.Pass, Measured: 200, Limit: 180, Unit: "requests/s"},
		{Name: "baseline", Target: "checkout-0", Outcome: verdict.Pass, Measured: 3, Limit: 10, Unit: "goroutines"},
	}
	pass.Ignored = []verdict.Ignored{{Target: "checkout-0", Function: "example.com/pool.worker", Growth: 8, Reason: "sized by config", Owner: "platform"}}
	pass.Warnings = []verdict.Warning{{Code: "draining", Target: "checkout-0", Message: "net/http.(*conn).serve grew by 600 and fell to 0 within 1m30s of the load's end: slow, not leaked"}}
	fail := base
	fail.Outcome, fail.Headline = verdict.Fail, "example.com/cart.(*Store).refresh.func1 leaks goroutines: +240 after 24000 requests (cart/store.go:42)"
	fail.Reason, fail.Hint = "checkout-0: 240 goroutines above the baseline of 12, tolerance 10", "see the findings for the stacks that grew"
	fail.Checks = []verdict.Check{
		{Name: "rate", Outcome: verdict.Pass, Measured: 200, Limit: 180, Unit: "requests/s"},
		{Name: "baseline", Target: "checkout-0", Outcome: verdict.Fail, Measured: 240, Limit: 10, Unit: "goroutines", Message: "240 goroutines above the baseline of 12, tolerance 10"},
		{Name: "growth", Target: "checkout-0", Outcome: verdict.Fail, Measured: 1, Unit: "stacks", Message: "example.com/cart.(*Store).refresh.func1 grew again in every round"},
	}
	fail.Findings = []verdict.Finding{{
		Target: "checkout-0", Function: "example.com/cart.(*Store).refresh.func1", File: "/src/cart/store.go", Line: 42, State: "chan send",
		Creator: "example.com/cart.(*Store).refresh", Created: "/src/cart/store.go:40", Evidence: []string{verdict.Growing}, Counts: []int{0, 80, 160, 240},
		Kept: &kept, Leaked: 240, Per1000: 10, Labels: []verdict.Label{{Label: "tenant=blue", Growth: 200}}, Stack: frames("example.com/cart.(*Store).refresh.func1"),
		Source: &verdict.Source{Path: "cart/store.go", Line: 42, Owners: []string{"@team-payments", "@carol"}, Since: "v1.4.0", Suspects: []verdict.Commit{
			{Hash: "abc1234def5678abc1234def5678abc1234def56", Author: "Alice", Date: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC), Subject: "cart: refresh in the background", Function: "Store.refresh"},
		}},
	}}
	fail.Findings[0].Retains = &verdict.HeapSite{
		Function: "example.com/cart.(*Store).refresh", File: "/src/cart/store.go", Line: 40, From: "bufio.NewReaderSize", Objects: 236, Bytes: 236 * 4096,
		Stack: frames("example.com/cart.(*Store).refresh"),
	}
	fail.Memory = []verdict.Memory{{
		Target: "checkout-0", Quadrant: verdict.BothGrew, Heap: []uint64{20 << 20, 21 << 20, 22 << 20, 23 << 20}, Stacks: []uint64{1 << 20, 2 << 20, 2 << 20, 3 << 20},
		Resident: []uint64{60 << 20, 62 << 20, 63 << 20, 65 << 20}, Threads: []int{9, 9, 9, 9}, Each: &verdict.Retained{Heap: 4096, Stack: 2048},
		Sites: []verdict.HeapSite{*fail.Findings[0].Retains}, Message: "every leaked goroutine keeps 4.0 KiB on the heap and a stack of 2.0 KiB",
		Base: "profiles/checkout-0/heap-baseline.pb.gz", Last: "profiles/checkout-0/heap-settle-3.pb.gz",
	}}
	fail.Connections = []verdict.Connections{{Target: "checkout-0", Open: 200, Rounds: [][3]float64{{2, 2, 2}, {2, 2.01, 2}}}}
	fail.Slopes = []verdict.Slope{{Target: "checkout-0", PerSecond: 4, Low: 3.9, High: 4.1, Per1000: 10, Levels: []float64{50, 130, 210}}}
	fail.Projections = []verdict.Projection{{Target: "checkout-0", PerSecond: 5, Bytes: 33000, Full: 120000, Message: "at 500 requests/s in production, each of 1 replica loses 5 goroutines a second"}}
	unclear := base
	unclear.Outcome, unclear.Headline = verdict.Inconclusive, "could not tell: checkout-0: restarted or replaced"
	unclear.Reason, unclear.Hint = "checkout-0: restarted or replaced", "find out why it restarted"
	unclear.Checks = []verdict.Check{{Name: "same process", Target: "checkout-0", Outcome: verdict.Inconclusive, Measured: 1, Unit: "changes of identity", Code: verdict.CodeRestarted, Message: "restarted or replaced", Hint: "find out why it restarted"}}
	return map[string]verdict.Verdict{"pass": pass, "fail": fail, "inconclusive": unclear}
}

// renderers are all formats by the ending of their golden file.
func renderers() map[string]Renderer {
	return map[string]Renderer{
		"txt": Console(Style{Root: "/src", Dir: "leakgate-out"}), "verbose.txt": Console(Style{Root: "/src", Dir: "leakgate-out", Verbose: true}), "colour.txt": Console(Style{Color: true}),
		"json": JSON, "xml": JUnit, "html": HTML, "md": Markdown, "sarif": SARIF,
		"github.txt": func(w io.Writer, v verdict.Verdict) error { return GitHub(w, v, GitHubOptions{}) },
	}
}

// everything are all formats, and what leakgate explain prints.
func everything() map[string]Renderer {
	all := renderers()
	all["explain.txt"] = explainAll
	return all
}

// explainAll is the table of a verdict's stacks, and what is said of each.
func explainAll(w io.Writer, v verdict.Verdict) error {
	s := Style{Dir: "leakgate-out", Width: 100}
	err := ExplainTable(w, v, v.Explanations, s)
	for _, e := range v.Explanations {
		err = errors.Join(err, Explain(w, v, e, s))
	}
	return err
}

func TestGolden(t *testing.T) {
	for name, v := range fixtures() {
		for ending, render := range renderers() {
			var b bytes.Buffer
			if err := render(&b, v); err != nil {
				t.Errorf("%s.%s: %v", name, ending, err)
				continue
			}
			got := b.String()
			if ending == "html" {
				got = withoutAssets(got)
			}
			file := filepath.Join("testdata", name+"."+ending)
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
}

// hashed are the scripts that a policy allows, which change with the assets.
var hashed = regexp.MustCompile(`'sha256-[^']*'`)

// withoutAssets is a page without the files that are embedded in it, which
// would be most of every golden file.
func withoutAssets(page string) string {
	return strings.NewReplacer(
		library(), "/* uPlot */", strings.TrimSpace(asset("report.js")), "/* report.js */",
		asset("uPlot.min.css"), "", asset("report.css"), "/* style */",
	).Replace(hashed.ReplaceAllString(page, "'sha256-…'"))
}

// A renderer changes nothing in the value that it gets.
func TestRenderersChangeNothing(t *testing.T) {
	for name, v := range fixtures() {
		before, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for ending, render := range everything() {
			if err := render(io.Discard, v); err != nil {
				t.Fatal(err)
			}
			if after, err := json.Marshal(v); err != nil || !bytes.Equal(before, after) {
				t.Errorf("%s.%s changed its verdict", name, ending)
			}
		}
	}
}

type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

// A write that fails is an error, never a short report.
func TestRenderersReportWriteErrors(t *testing.T) {
	for ending, render := range everything() {
		if err := render(full{}, fixtures()["fail"]); !errors.Is(err, errFull) {
			t.Errorf("%s on a full disk: %v, want %v", ending, err, errFull)
		}
	}
}

// hostile puts foreign text everywhere that a target or a plan can put text.
func hostile(text string) verdict.Verdict {
	v := fixtures()["fail"]
	v.Plan, v.Headline, v.Reason = text, text, text
	f := v.Findings[0]
	f.Target, f.Function, f.File, f.Module, f.State, f.Creator, f.Created, f.Note = text, text, text, text, text, text, text, text
	f.Labels = []verdict.Label{{Label: text, Growth: 1}}
	f.Requests = []verdict.Blamed{{Requests: []string{text}, Sent: 10, Leaked: 10, Each: 1, Answer: verdict.Leaks}}
	f.Stack = []verdict.Frame{{Function: text, File: text, Line: 1}}
	f.Source = &verdict.Source{Path: text, Line: 1, Owners: []string{text}, Since: text, Suspects: []verdict.Commit{{Hash: text, Author: text, Subject: text, Function: text}}}
	f.Requests = []verdict.Blamed{{Requests: []string{text}, Answer: verdict.Leaks}}
	v.Findings = []verdict.Finding{f}
	v.Checks = []verdict.Check{{Name: text, Target: text, Outcome: verdict.Fail, Message: text, Hint: text}, {Name: "x", Target: text, Outcome: verdict.Inconclusive, Code: text, Message: text}}
	v.Warnings = []verdict.Warning{{Code: text, Target: text, Message: text}}
	v.Ignored = []verdict.Ignored{{Target: text, Function: text, Reason: text, Owner: text}}
	v.Targets = []verdict.Target{v.Targets[0]}
	v.Targets[0].Name, v.Targets[0].Build, v.Targets[0].Pprof, v.Targets[0].GoVersion, v.Targets[0].Baseline = text, text, text, text, text
	v.Findings[0].Retains = &verdict.HeapSite{Function: text, File: text, Line: 1, From: text, Objects: 1, Bytes: 1, Stack: f.Stack}
	v.Memory = []verdict.Memory{{Target: text, Message: text, Heap: []uint64{1, 2}, Sites: []verdict.HeapSite{*v.Findings[0].Retains}, Base: text, Last: text}}
	v.Slopes = []verdict.Slope{{Target: text, Low: 1}}
	v.Connections = []verdict.Connections{{Target: text, Rounds: [][3]float64{{1, 2, 3}}}}
	v.Projections = []verdict.Projection{{Target: text, Message: text}}
	v.Load = []verdict.LoadEntry{{Name: text, Errors: map[string]uint64{text: 1}}}
	explainedIn(&v, text)
	return v
}

// explainedIn puts foreign text into what a finding's company and the explanations say.
func explainedIn(v *verdict.Verdict, text string) {
	f := &v.Findings[0]
	f.ID = text
	f.Members = []verdict.Member{{ID: text, Function: text, File: text, State: text, Creator: text, Stack: []verdict.Frame{{Function: text, File: text, Line: 1}}, Leaked: 1, Ratio: 1}}
	e := verdict.Explanation{
		ID: text, Target: text, Function: text, File: text, Line: 1, Class: text, Reason: text, Change: text, Windows: []verdict.Seen{{Low: 1}, {Low: 2, Profiles: 1}},
		Looks: []verdict.Looked{{Round: 1}}, Asked: []verdict.Question{{Rule: text, Question: text, Unit: text, Threshold: text, Statistic: 1, Limit: 2}},
	}
	other := e
	other.ID = text + "2"
	v.Explanations = []verdict.Explanation{e, other}
}

func checkHostile(t *testing.T, text string) {
	t.Helper()
	checkHostileDiff(t, text)
	v := hostile(text)
	all := everything()
	all["summary.md"] = GitHubSummary
	for ending, render := range all {
		var b bytes.Buffer
		if err := render(&b, v); err != nil {
			t.Fatalf("%s: %v", ending, err)
		}
		out := b.String()
		switch ending {
		case "github.txt":
			if cmds := runnerCommands(out); len(cmds) != 1 || strings.Count(out, "\n") != 1 || cmds[0].name != "error" || strings.ContainsAny(out, "\x1b\r\x07\u202e\u009b") {
				t.Errorf("%s: %q becomes %+v, want one error", ending, text, cmds)
			}
		case "sarif":
			if n := sarifResults(t, b.Bytes()); n != 1 {
				t.Errorf("%s: %q makes %d results of one", ending, text, n)
			}
		case "txt", "verbose.txt", "explain.txt":
			if strings.ContainsAny(out, "\x1b\r\x07\u202e\u009b") {
				t.Errorf("%s: %q reaches the terminal as a control", ending, text)
			}
			if cmds := runnerCommands(out); len(cmds) > 0 {
				t.Errorf("%s: %q in a job's log is a command: %+v", ending, text, cmds)
			}
		case "xml":
			if cmds := runnerCommands(out); len(cmds) > 0 {
				t.Errorf("%s: %q in a job's log is a command: %+v", ending, text, cmds)
			}
			if strings.ContainsAny(out, "\x1b\r\x07\u202e\u009b") {
				t.Errorf("%s: %q is not made visible", ending, text)
			}
			var doc junitSuites
			if err := xml.Unmarshal(b.Bytes(), &doc); err != nil {
				t.Errorf("%s: %q makes XML that does not parse: %v", ending, text, err)
			} else if len(doc.Suites) != 1 || len(doc.Suites[0].Cases) != 3 {
				t.Errorf("%s: %q changes the structure: %+v", ending, text, doc)
			}
		case "html":
			if strings.Count(out, "<script") != 3 || strings.Contains(out, "<img") || strings.Count(out, "</body>") != 1 {
				t.Errorf("%s: %q is markup", ending, text)
			}
		case "md", "summary.md":
			if cmds := runnerCommands(out); len(cmds) > 0 {
				t.Errorf("%s: %q in a job's log is a command: %+v", ending, text, cmds)
			}
			if strings.Contains(outsideFences(out), "<img") || strings.Contains(outsideFences(out), "<script") {
				t.Errorf("%s: %q is markup", ending, text)
			}
		case "json":
			if cmds := runnerCommands(out); len(cmds) > 0 {
				t.Errorf("%s: %q in a job's log is a command: %+v", ending, text, cmds)
			}
			var got verdict.Verdict
			if err := json.Unmarshal(b.Bytes(), &got); err != nil {
				t.Errorf("%s: %v", ending, err)
			}
		}
	}
}

// outsideFences is Markdown without its code blocks, in which nothing is markup.
func outsideFences(s string) string {
	var out []string
	fence := ""
	for line := range strings.Lines(s) {
		trimmed := strings.TrimSpace(line)
		switch {
		case fence == "" && strings.HasPrefix(trimmed, "```"):
			fence = strings.TrimSuffix(trimmed, "text")
		case fence != "" && trimmed == fence:
			fence = ""
		case fence == "":
			out = append(out, line)
		}
	}
	return strings.Join(out, "")
}

var attacks = []string{
	`</script><img src=x onerror=alert(1)>`, "]]>", "::error::gone", "\x1b[2J\x1b[31mred", "a\rb", "\x00\x01\x0b\ufffe", "```\n<img src=x>\n```",
	"| a | b |", "\u202eevil", "\x9b31m", "\xff\xfe", "<!--", "&amp;", "](javascript:alert(1))", "\"' onclick=",
	"\n::set-output name=outcome::pass", "  ::error::gone", "##[add-mask]secret", "a,file=b::c%0A::error::d", "[x](http://evil.invalid)", "{0}",
	"##\x00[error]x", ":\u200b:error::x", "#\\#[x", "</details>",
}

func TestHostileText(t *testing.T) {
	for _, a := range attacks {
		checkHostile(t, a)
		checkSARIF(t, written(t, hostile(a))) // too slow to fuzz
	}
}

// checkHostileDiff does the same to what leakgate diff prints.
func checkHostileDiff(t *testing.T, text string) {
	t.Helper()
	after := &stacks.Profile{Total: 3, Stacks: []stacks.Stack{{Key: "a", State: text, Count: 3, Frames: []stacks.Frame{{Function: text, File: text, Line: 1}}}}}
	d := NewDiff(&stacks.Profile{}, after)
	var b bytes.Buffer
	if err := errors.Join(d.Console(&b, Style{}), d.Markdown(&b)); err != nil {
		t.Fatal(err)
	}
	if out := b.String(); strings.ContainsAny(out, "\x1b\r\x07\u202e\u009b") || len(runnerCommands(out)) > 0 {
		t.Errorf("diff: %q is a control or a command", text)
	}
}

func FuzzHostileText(f *testing.F) {
	for _, a := range attacks {
		f.Add(a)
	}
	f.Fuzz(checkHostile)
}

// JUnit names are unique and stay the same from run to run.
func TestJUnitNames(t *testing.T) {
	v := fixtures()["fail"]
	v.Checks = append(v.Checks, verdict.Check{Name: "growth", Target: "checkout.1", Outcome: verdict.Pass}, verdict.Check{Name: "growth", Target: "checkout_1", Outcome: verdict.Pass})
	var b bytes.Buffer
	if err := JUnit(&b, v); err != nil {
		t.Fatal(err)
	}
	var doc junitSuites
	if err := xml.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, c := range doc.Suites[0].Cases {
		if strings.Count(c.Class, ".") > 2 {
			t.Errorf("%s: a dot in a target opens a package of its own", c.Class)
		}
		if id := c.Class + " " + c.Name; seen[id] {
			t.Errorf("%s is there twice", id)
		} else {
			seen[id] = true
		}
	}
}

func TestSpark(t *testing.T) {
	if got := Spark([]int{0, 5, 10}); got != "▁▄█" {
		t.Errorf("Spark = %q", got)
	}
	if got := Spark(nil); got != "" {
		t.Errorf("Spark(nil) = %q", got)
	}
}

// Plain output has a line per phase; the terminal's line repaints itself.
func TestLive(t *testing.T) {
	var b bytes.Buffer
	now := time.Unix(100, 0)
	l := NewLive(LiveConfig{Out: &b, Now: func() time.Time { return now }, Sent: func() uint64 { return 7 }})
	l.Begin(record.Phase{Kind: record.Round, Round: 2}, 20*time.Second, "example.com/x.f grew")
	l.Sample(record.Sample{Target: "a", Goroutines: 10})
	l.Sample(record.Sample{Target: "b", Goroutines: 5})
	now = now.Add(5 * time.Second)
	line := l.text(now)
	l.Load(record.Load{Sent: 100, Answered: 99, Succeeded: 90})
	l.Say("evil \x1b[2J")
	l.Close()
	want := "round 2, 20s of load: example.com/x.f grew\n  100 requests sent, 9 failed, 1 without an answer\n  evil \\x1b[2J\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Errorf("plain output (-want +got):\n%s", d)
	}
	for _, part := range []string{"round 2", "███░░", "5s/20s", "goroutines 15", "7 sent"} {
		if !strings.Contains(line, part) {
			t.Errorf("live line %q lacks %q", line, part)
		}
	}
}

func TestDiff(t *testing.T) {
	before := &stacks.Profile{Total: 4, Stacks: []stacks.Stack{{Key: "a", Frames: frames("example.com/a"), Count: 4}}}
	after := &stacks.Profile{Total: 9, Stacks: []stacks.Stack{{Key: "a", Frames: frames("example.com/a"), Count: 1}, {Key: "b", Frames: frames("example.com/b"), Count: 8}}}
	d := NewDiff(before, after)
	if d.Most() != 8 || len(d.Stacks) != 2 || d.Stacks[1].Growth != -3 {
		t.Errorf("NewDiff = %+v, want b +8 before a -3", d)
	}
	if NewDiff(after, after).Most() != 0 {
		t.Error("a profile differs from itself")
	}
	for name, render := range map[string]func(io.Writer) error{"json": d.JSON, "markdown": d.Markdown, "console": func(w io.Writer) error { return d.Console(w, Style{}) }} {
		var b bytes.Buffer
		if err := render(&b); err != nil || !strings.Contains(b.String(), "example.com/b") {
			t.Errorf("%s: %v, %q", name, err, b.String())
		}
		if err := render(full{}); err == nil {
			t.Errorf("%s on a full disk is no error", name)
		}
	}
}
