package plan

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/leakgate/leakgate/verdict"
)

// testEnv is the environment of the tests, in the form of os.LookupEnv.
func testEnv(name string) (string, bool) {
	v, ok := map[string]string{
		"STAGING_TOKEN": "t0p-s3cret", "TOKEN": "t0k3n-of-b", "PASSWORD": "hunter2!",
		"BASE": "http://base:8080", "REQUEST": "POST http://base:8080/orders",
		"ONE": "1", "FALSE": "false", "SPAN": "2s", "RATE": "50/s", "SHARE": "90%", "DATE": "2027-03-01",
		"EMPTY": "", "WRONG": "wr0ng-value", "x.y": "dotted",
	}[name]
	return v, ok
}

const (
	oneTarget = "targets: [{pprof: http://h:6060/debug/pprof}]\n"
	oneLoad   = "load: {requests: [GET http://h/]}\n"
)

func mustRead(t *testing.T, file string) *Plan {
	t.Helper()
	p, err := Read(file, testEnv)
	if err != nil {
		t.Fatalf("Read(%s) = %v", file, err)
	}
	return p
}

// ignoreSource leaves out what only says where a plan came from, and what it refers to.
var ignoreSource = cmpopts.IgnoreFields(Plan{}, "File", "Text", "Hidden", "Variables", "Files")

func share(s Share) *Share { return &s }

func TestReadFull(t *testing.T) {
	want := &Plan{
		Version: 1, Name: "checkout",
		Targets: []Target{{
			Name: "checkout-0", Pprof: "http://127.0.0.1:6060/debug/pprof", Metrics: Page{URL: "http://127.0.0.1:6060/metrics"},
			Auth: Auth{Bearer: "t0p-s3cret"}, Path: "/debug/pprof", Scheme: "http", Timeout: Duration(10 * time.Second), Identity: "known",
		}},
		Load: Load{
			Rate: 200, Connections: 50, Timeout: Duration(5 * time.Second), Warmup: Duration(10 * time.Second),
			Round: Duration(20 * time.Second), Rounds: Rounds{Min: 2, Max: 6}, Success: 0.99, Delivered: 0.9, HTTP2: true,
			Requests: []Request{
				{Method: "GET", URL: "http://127.0.0.1:8080/cart", Weight: 1},
				{
					Method: "POST", URL: "http://127.0.0.1:8080/orders", Weight: 3,
					Header: map[string]string{"Content-Type": "application/json"}, Body: `{"sku": 1}`,
				},
			},
		},
		Settle: Settle{Timeout: Duration(time.Minute), Quiet: Duration(2 * time.Second), Confirm: Duration(150 * time.Second)},
		Policy: Policy{Before: "warn", Heap: "warn", Resident: "warn", Threads: "warn",
			Goroutines: Goroutines{Tolerance: 10, Percent: 2}, Detect: 1000,
			Ignore: []Ignore{{
				Function: `^example\.com/pool\.\(\*Pool\)\.worker$`, Reason: "sized by config, see ADR-12",
				Owner: "platform", Until: "2027-03-01", Max: 64,
			}},
		},
		Attribute: true, Prometheus: Prometheus{Timeout: Duration(10 * time.Second)}, Production: Production{Budget: Duration(time.Hour)},
		Safety: Safety{Goroutines: 100000, Errors: 0.9, Memory: 512 << 20}, Report: Report{Dir: "leakgate-out"},
		Secrets: []string{"t0p-s3cret"},
	}
	got := mustRead(t, "testdata/valid/full.yaml")
	if diff := cmp.Diff(want, got, ignoreSource); diff != "" {
		t.Errorf("the full plan decodes differently (-want +got):\n%s", diff)
	}
}

// Everything but the target and the request is a default.
func TestReadSmallest(t *testing.T) {
	want := &Plan{
		Version: 1, Name: "smallest",
		Targets: []Target{{Name: "127.0.0.1:6060", Pprof: "http://127.0.0.1:6060/debug/pprof", Path: "/debug/pprof", Scheme: "http", Timeout: Duration(10 * time.Second), Identity: "known"}},
		Load: Load{
			Rate: 100, Timeout: Duration(5 * time.Second), Warmup: Duration(10 * time.Second),
			Round: Duration(20 * time.Second), Rounds: Rounds{Min: 2, Max: 6}, Success: 0.99, Delivered: 0.9, HTTP2: true,
			Requests: []Request{{Method: "GET", URL: "http://127.0.0.1:8080/", Weight: 1}},
		},
		Settle:    Settle{Timeout: Duration(time.Minute), Quiet: Duration(2 * time.Second), Confirm: Duration(150 * time.Second)},
		Policy:    Policy{Before: "warn", Heap: "warn", Resident: "warn", Threads: "warn", Goroutines: Goroutines{Tolerance: 10, Percent: 2}},
		Attribute: true, Prometheus: Prometheus{Timeout: Duration(10 * time.Second)}, Production: Production{Budget: Duration(time.Hour)},
		Safety: Safety{Goroutines: 100000, Errors: 0.9, Memory: 512 << 20}, Report: Report{Dir: "leakgate-out"},
	}
	got := mustRead(t, "testdata/valid/smallest.yaml")
	if diff := cmp.Diff(want, got, ignoreSource); diff != "" {
		t.Errorf("the smallest plan decodes differently (-want +got):\n%s", diff)
	}
	if got.File != "testdata/valid/smallest.yaml" || !strings.HasPrefix(string(got.Text), "targets:") {
		t.Errorf("File, Text = %q, %q", got.File, got.Text)
	}

	// Keys with nothing under them change nothing.
	empty := mustRead(t, "testdata/valid/nothing.yaml")
	for _, diff := range []string{
		cmp.Diff(want.Settle, empty.Settle), cmp.Diff(want.Policy, empty.Policy), cmp.Diff(want.Safety, empty.Safety),
		cmp.Diff(want.Report, empty.Report), cmp.Diff(want.Load.Rounds, empty.Load.Rounds),
	} {
		if diff != "" {
			t.Errorf("a key with nothing under it is not its default (-want +got):\n%s", diff)
		}
	}
}

func TestReadEveryKey(t *testing.T) {
	want := &Plan{
		Version: 1, Name: "everything",
		Targets: []Target{
			{
				Name: "a", Pprof: "https://a:6060/debug/pprof", Metrics: Page{URL: "https://a:6060/metrics"}, Skip: true, Path: "/debug/pprof", Scheme: "http", Timeout: Duration(90 * time.Second), Identity: "unknown",
				Auth: Auth{Basic: &Basic{User: "gate", Password: "hunter2!"}, Headers: map[string]string{"X-Tenant": "7", "X-On": "true"}},
			},
			{Name: "b", Pprof: "http://b:6060/debug/pprof", Auth: Auth{Bearer: "t0k3n-of-b"}, Path: "/debug/pprof", Scheme: "http", Timeout: Duration(10 * time.Second), Identity: "known"},
			{Name: "c", Selector: `{job="c"}`, Path: "/debug/pprof", Scheme: "http", Timeout: Duration(10 * time.Second), Identity: "known"},
		},
		Prometheus: Prometheus{
			URL: "https://prometheus:9090", Tenant: "team-a", Skip: true, Timeout: Duration(20 * time.Second),
			Auth: Auth{Bearer: "t0k3n-of-b"},
		},
		Production: Production{Rate: 500, Memory: 4 << 30, Replicas: 6, Budget: Duration(30 * time.Minute)},
		Load: Load{
			Rate: Max, Connections: 8, Timeout: Duration(1500 * time.Millisecond), Round: Duration(time.Hour),
			Rounds: Rounds{Min: 3, Max: 9}, Success: 0.95, Delivered: 0.5, Insecure: true, UnixSocket: "/run/shop.sock", Abandon: 0.05,
			Requests: []Request{
				{Method: "GET", URL: "http://a/", Weight: 1},
				{Method: "DELETE", URL: "http://a/x", Weight: 1},
				{
					Method: "PUT", URL: "https://a/y", Header: map[string]string{"X-Key": "1"}, Body: "{}", Weight: 10000,
					Success: share(0), Abandon: share(1),
				},
			},
			Streams: []Stream{
				{WebSocket: "ws://a/ws", Connections: 2000, Cut: 0.5, Header: map[string]string{"X-Key": "1"}, Send: "hello", Every: Duration(time.Second)},
				{SSE: "https://a/events", Connections: 100, Hold: Duration(5 * time.Second)},
				{Poll: "http://a/poll", Connections: 1},
				{GRPC: "http://a:50051", Method: "/chat.Chat/Join", Connections: 100, Send: "{}"},
			},
		},
		Settle: Settle{Timeout: Duration(10 * time.Second), Quiet: Duration(500 * time.Millisecond)},
		Policy: Policy{Before: "fail", Heap: "fail", Resident: "ignore", Threads: "fail",
			Goroutines: Goroutines{Percent: 0.5}, Detect: 20,
			Ignore: []Ignore{
				{Function: "^a$", Reason: "r", Owner: "o", Until: "2027-03-01", Max: 1},
				{Frame: "b", CreatedBy: "c", Label: "tenant=.*", Reason: "s"},
				{Function: "^from a file$", Reason: "t"},
			},
			GroupBy: "tenant", IgnoreFile: "ignore/accepted.yaml",
		},
		Safety: Safety{Errors: 1, Memory: 1 << 30}, Report: Report{Dir: "out"},
		Secrets: []string{"hunter2!", "t0k3n-of-b"},
	}
	got := mustRead(t, "testdata/valid/every-key.yaml")
	if diff := cmp.Diff(want, got, ignoreSource); diff != "" {
		t.Errorf("the plan with every key decodes differently (-want +got):\n%s", diff)
	}
}

func TestReadValues(t *testing.T) {
	tests := []struct {
		file      string
		got, want func(*Plan) any
	}{
		// ${VAR} is expanded wherever a value stands, $${VAR} is not.
		{
			"variables.yaml",
			func(p *Plan) any {
				return []any{
					p.Version, p.Targets[0].Pprof, p.Targets[0].Timeout, p.Load.Rate, p.Load.Connections, p.Load.HTTP2, p.Load.Success,
					p.Settle.Quiet, p.Policy.Detect, p.Policy.Ignore[0].Reason, p.Policy.Ignore[0].Until, p.Policy.Ignore[0].Max,
				}
			},
			func(*Plan) any {
				return []any{
					1, "http://base:8080/debug/pprof", Duration(2 * time.Second), Rate(50), 1, false, Share(0.9),
					Duration(2 * time.Second), OneIn(1), "${NOT_SET}", Date("2027-03-01"), 1,
				}
			},
		},
		// A variable may hold a whole request, or its address, or a part of that.
		{
			"variables.yaml",
			func(p *Plan) any { return p.Load.Requests },
			func(*Plan) any {
				return []Request{
					{Method: "POST", URL: "http://base:8080/orders", Weight: 1},
					{Method: "GET", URL: "http://base:8080", Weight: 1},
					{Method: "GET", URL: "http://base:8080/x", Weight: 1},
				}
			},
		},
		// An alias stands for a mapping, a value, or a value within a header.
		{
			"anchors.yaml",
			func(p *Plan) any {
				var headers []map[string]string
				for _, r := range p.Load.Requests {
					headers = append(headers, r.Header)
				}
				return []any{p.Targets[0].Auth, p.Targets[1].Auth, headers, p.Load.Timeout, p.Settle.Quiet}
			},
			func(*Plan) any {
				j := map[string]string{"Content-Type": "application/json"}
				return []any{
					Auth{Bearer: "t0k3n-of-b"}, Auth{Bearer: "t0k3n-of-b"},
					[]map[string]string{j, j, {"Accept": "application/json"}}, Duration(3 * time.Second), Duration(3 * time.Second),
				}
			},
		},
		// 1000 in two and a half seconds.
		{"rate-per-span.yaml", func(p *Plan) any { return p.Load.Rate }, func(*Plan) any { return Rate(400) }},
		// A bare rate is per second.
		{"rates.yaml", func(p *Plan) any { return p.Load.Rate }, func(*Plan) any { return Rate(200) }},
		{"rates.yaml", func(p *Plan) any { return p.Load.Delivered }, func(*Plan) any { return Share(1) }},
		{"quoted.yaml", func(p *Plan) any { return p.Load.Connections }, func(*Plan) any { return 1000 }},
		{"many-requests.yaml", func(p *Plan) any { return len(p.Load.Requests) }, func(*Plan) any { return 20 }},
	}
	for _, tt := range tests {
		p := mustRead(t, filepath.Join("testdata/valid", tt.file))
		if diff := cmp.Diff(tt.want(p), tt.got(p)); diff != "" {
			t.Errorf("%s decodes differently (-want +got):\n%s", tt.file, diff)
		}
	}
}

// An expired rule is the judge's business: the plan is right.
func TestExpiredRuleParses(t *testing.T) {
	p, err := Parse("plan.yaml", []byte(oneTarget+oneLoad+"policy: {ignore: [{function: a, reason: b, until: 1999-12-31}]}\n"), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	if got := p.VerdictPolicy().Ignore[0].Until; got != "1999-12-31" {
		t.Errorf("until = %q, want 1999-12-31", got)
	}
}

func TestReadCorpus(t *testing.T) {
	for _, file := range files(t, "testdata/valid/*.yaml") {
		if _, err := Read(file, testEnv); err != nil {
			t.Errorf("Read(%s) = %v, want no problem", file, err)
		}
	}
	for _, file := range files(t, "testdata/invalid/*.yaml") {
		_, err := Read(file, testEnv)
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("Read(%s) = %v, want exactly one problem", file, err)
		}
	}
}

// The examples are read without an environment, as a judge would.
func TestReadExamples(t *testing.T) {
	for _, file := range examples(t) {
		if _, err := ReadPolicy(file); err != nil {
			t.Errorf("ReadPolicy(%s) = %v, want no problem", file, err)
		}
	}
}

func TestReadUnreadable(t *testing.T) {
	if _, err := Read("testdata/nowhere.yaml", testEnv); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read(a file that is not there) = %v, want fs.ErrNotExist", err)
	}
	if _, err := ReadPolicy("testdata/nowhere.yaml"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadPolicy(a file that is not there) = %v, want fs.ErrNotExist", err)
	}
	_, err := Read("testdata/broken.yaml", testEnv)
	if first, _, _ := strings.Cut(err.Error(), ": "); first != "testdata/broken.yaml:5:5" {
		t.Errorf("the first problem of testdata/broken.yaml begins %q, want the file as it was given, line 5", first)
	}
}

func TestFilesArePlanRelative(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"targets.http", "ca.pem", "body.json"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "plan.yaml")
	there := "targets: [{pprof: http://h/debug/pprof, ca: ca.pem}]\nload: {requests: [{method: POST, url: http://h/, body_file: body.json}]}\n"
	if _, err := Parse(file, []byte(there), testEnv); err != nil {
		t.Errorf("files beside the plan: %v, want no problem", err)
	}
	gone := oneTarget + "load: {file: requests.http}\n"
	if _, err := Parse(file, []byte(gone), testEnv); err == nil {
		t.Error("a file that is not beside the plan: no problem, want one")
	}
	p, err := Parse(file, []byte(oneTarget+"load: {file: targets.http, format: http}\n"), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"": "", "/etc/ca.pem": "/etc/ca.pem", p.Load.File: filepath.Join(dir, "targets.http")} {
		if got := p.Resolve(name); got != want {
			t.Errorf("Resolve(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestReadOtherLoads(t *testing.T) {
	exec := mustRead(t, "testdata/valid/exec.yaml").Load
	if diff := cmp.Diff(&Exec{Command: []string{"ghz", "--insecure", "127.0.0.1:50051"}, Summary: "ghz"}, exec.Exec); diff != "" || exec.None != nil {
		t.Errorf("load.exec differs (-want +got):\n%s", diff)
	}
	none := mustRead(t, "testdata/valid/none.yaml").Load
	if diff := cmp.Diff(&None{Requests: "sum(http_requests_total)"}, none.None); diff != "" || none.Exec != nil {
		t.Errorf("load.none differs (-want +got):\n%s", diff)
	}
	if bare := mustRead(t, "testdata/valid/none-bare.yaml").Load; bare.None == nil || *bare.None != (None{}) {
		t.Errorf("load.none with nothing under it is %+v, want it empty", bare.None)
	}
}

// A plan to judge by is read where neither the variables nor the files of the
// run are.
func TestReadPolicy(t *testing.T) {
	text := `
name: later
targets: [{pprof: "${HOST}/debug/pprof", ca: gone.pem, auth: {bearer: "${GONE}"}, timeout: "${WAIT}", insecure: "${MAYBE}"}]
load:
  rate: ${SOME}/s
  connections: ${MANY}
  round: ${LONG}
  cert: gone.pem
  key: gone.key
  success: 0.5
  requests: ["${URL}", "GET ${URL}", {method: "${VERB}", url: "${URL}", body_file: gone.json, success: 0}]
settle: {quiet: "${REST}", timeout: 1s}
policy: {detect: 1/1000000000, goroutines: {tolerance: 7}, ignore: [{function: a, reason: "${WHY}"}]}
`
	file := filepath.Join(t.TempDir(), "plan.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := ReadPolicy(file)
	if err != nil {
		t.Fatalf("ReadPolicy with unset variables = %v, want no problem", err)
	}
	want := verdict.Policy{
		Tolerance: 7, Percent: 2, Detect: 1000000000, MinRounds: 2, MaxRounds: 6, Success: 0.5, Delivered: 0.9,
		Heap: "warn", Resident: "warn", Threads: "warn",
		Confirm: 150 * time.Second, Entries: []float64{-1, -1, 0}, Ignore: []verdict.Rule{{Function: "a", Reason: "${WHY}"}},
	}
	limits := verdict.DefaultThresholds()
	want.Thresholds = &limits
	if diff := cmp.Diff(want, p.VerdictPolicy()); diff != "" {
		t.Errorf("the policy differs (-want +got):\n%s", diff)
	}
	if _, err := Read(file, testEnv); err == nil {
		t.Error("Read with unset variables: no problem, want several")
	}

	// A verdict must not depend on a value that is not known: to judge by the
	// default instead would be to judge by another plan.
	for _, policy := range []string{
		"policy: {detect: '${D}'}", "policy: {thorough: '${T}'}", "policy: {leaked_before: '${B}'}", "policy: {heap: '${H}'}", "policy: {threads: '${T}'}", "policy: {goroutines: {tolerance: '${T}'}}", "policy: {goroutines: {percent: '${P}'}}",
		"policy: {ignore: [{function: '${F}', reason: a}]}", "policy: {ignore: [{function: a, reason: a, until: '${U}'}]}",
		"policy: {ignore: [{function: a, reason: a, max: '${M}'}]}", "settle: {confirm: '${C}'}",
	} {
		_, err := Parse("plan.yaml", []byte(oneTarget+oneLoad+policy+"\n"), nil)
		if err == nil || !strings.Contains(err.Error(), "is not set while judging (write the value out)") {
			t.Errorf("judging by %q = %v, want it refused", policy, err)
		}
	}
	for _, load := range []string{"success: '${S}'", "delivered: '${D}'", "rounds: {min: '${M}'}", "rounds: {max: '${M}'}"} {
		_, err := Parse("plan.yaml", []byte(oneTarget+"load: {requests: [GET http://h/], "+load+"}\n"), nil)
		if err == nil || !strings.Contains(err.Error(), "is not set while judging") {
			t.Errorf("judging by load %q = %v, want it refused", load, err)
		}
	}
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	out, err := filepath.Glob(pattern)
	if err != nil || len(out) == 0 {
		t.Fatalf("no file %s: %v", pattern, err)
	}
	return out
}

// examples finds the plans among the examples: they say version: and targets:
// at the top.
func examples(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("../../examples", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		lines := strings.Split(string(text), "\n")
		top := func(key string) bool {
			return slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, key) })
		}
		if top("version:") && top("targets:") {
			out = append(out, path)
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return out
}

// What production's thresholds depend on has to be known, and nothing else.
func TestReadThresholds(t *testing.T) {
	file := filepath.Join(t.TempDir(), "plan.yaml")
	const text = `name: shop
targets: [{pprof: "${ADMIN}/debug/pprof", ca: nope.pem, auth: {bearer: "${TOKEN}"}}]
load: {rate: "${RATE}", timeout: "${PATIENCE}", requests: ["GET ${SHOP}/"]}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	env := func(name string) (string, bool) { return "50/s", name == "RATE" }
	p, err := ReadThresholds(file, env)
	if err != nil || p.Load.Rate != 50 {
		t.Errorf("ReadThresholds = %+v, %v; want the rate of the environment, and no complaint of the rest", p, err)
	}
	if _, err := ReadThresholds(file, func(string) (string, bool) { return "", false }); err == nil || !strings.Contains(err.Error(), "load.rate") || strings.Contains(err.Error(), "pprof") {
		t.Errorf("ReadThresholds(no rate) = %v, want a complaint of the rate alone", err)
	}
	if _, err := Read(file, env); err == nil || !strings.Contains(err.Error(), "nope.pem") || !strings.Contains(err.Error(), "ADMIN") {
		t.Errorf("Read = %v, want a complaint of the file and the variables", err)
	}
}
