package serve

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// request is one to the handler, without a network.
type request struct {
	method, path, body, token string
	header                    map[string]string
}

func send(s *Server, q request) *httptest.ResponseRecorder {
	r := httptest.NewRequest(q.method, q.path, strings.NewReader(q.body))
	if q.token != "" {
		r.Header.Set("Authorization", "Bearer "+q.token)
	}
	for k, v := range q.header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	s.Handler(true).ServeHTTP(w, r)
	return w
}

func asJSON() map[string]string { return map[string]string{"Content-Type": "application/json"} }

// decode reads an answer about a run.
func decode(t *testing.T, w *httptest.ResponseRecorder) view {
	t.Helper()
	var v view
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return v
}

func TestWhoMay(t *testing.T) {
	cfg := config(t, &plays{}, "a")
	cfg.WebhookToken = func() ([]byte, error) { return []byte("a token of webhooks\n"), nil }
	s := open(t, cfg)
	defer shut(t, s)
	basic := func(password string) map[string]string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth("anyone", password)
		return map[string]string{"Authorization": r.Header.Get("Authorization")}
	}
	flagger := request{method: "POST", path: "/flagger/rollback", body: canary("a", "1", nil)}
	for _, c := range []struct {
		name string
		q    request
		want int
	}{
		{"no token", request{method: "GET", path: "/runs"}, 401},
		{"the token", request{method: "GET", path: "/runs", token: testToken}, 200},
		{"a wrong one", request{method: "GET", path: "/runs", token: testToken + "x"}, 401},
		{"its beginning", request{method: "GET", path: "/runs", token: testToken[:5]}, 401},
		{"as a browser's password", request{method: "GET", path: "/runs", header: basic(testToken)}, 200},
		{"a wrong password", request{method: "GET", path: "/runs", header: basic("x")}, 401},
		{"an empty password", request{method: "GET", path: "/runs", header: basic("")}, 401},
		{"an address that is not there, without a token", request{method: "GET", path: "/x"}, 401},
		{"the webhooks' token for runs", request{method: "GET", path: "/runs", token: "a token of webhooks"}, 401},
		{"the webhooks' token for theirs", withToken(flagger, "a token of webhooks"), flaggerNo},
		{"the token for webhooks", withToken(flagger, testToken), flaggerNo},
		{"no token for webhooks", flagger, 401},
		{"health", request{method: "GET", path: "/healthz"}, 200},
		{"readiness", request{method: "GET", path: "/readyz"}, 200},
		{"metrics", request{method: "GET", path: "/metrics"}, 200},
		{"a page of somebody else's", request{method: "POST", path: "/runs", token: testToken, body: goodPlan,
			header: map[string]string{"Sec-Fetch-Site": "cross-site"}}, 403},
	} {
		if w := send(s, c.q); w.Code != c.want {
			t.Errorf("%s: %d %s; want %d", c.name, w.Code, w.Body, c.want)
		}
	}
}

func withToken(q request, token string) request { q.token = token; return q }

func TestTokenThatCannotBeRead(t *testing.T) {
	cfg := config(t, &plays{})
	for _, c := range []struct {
		name  string
		token func() ([]byte, error)
		want  int
	}{
		{"unreadable", func() ([]byte, error) { return nil, errors.New("gone") }, 500},
		// A Secret without a value must not let everybody in.
		{"empty", func() ([]byte, error) { return []byte("\n"), nil }, 401},
	} {
		cfg.Token = c.token
		s := open(t, cfg)
		for _, header := range []string{"Bearer ", "Bearer", "Basic Og==", ""} {
			w := send(s, request{method: "GET", path: "/runs", header: map[string]string{"Authorization": header}})
			if w.Code != c.want {
				t.Errorf("%s, %q: %d, want %d", c.name, header, w.Code, c.want)
			}
		}
		shut(t, s)
	}
}

func TestPost(t *testing.T) {
	large := strings.Repeat("#", maxBody) + "\n"
	for _, c := range []struct {
		name string
		q    request
		want int
		says string
	}{
		{"a mounted plan", request{body: `{"plan": "a"}`, header: asJSON()}, 201, `"plan": "a"`},
		{"a mounted plan, as a form", request{body: `{"plan": "a"}`}, 201, `"plan": "a"`},
		{"one that is not there", request{body: `{"plan": "b"}`, header: asJSON()}, 404, "no such plan"},
		{"a path", request{body: `{"plan": "../plans/a"}`, header: asJSON()}, 404, "no such plan"},
		{"a plan that is wrong", request{body: `{"plan": "wrong"}`, header: asJSON()}, 422,
			"wrong.yaml:1:1: targets: missing"},
		{"another key", request{body: `{"plan": "a", "file": "x"}`, header: asJSON()}, 400, "unknown field"},
		{"two values", request{body: `{"plan": "a"} {}`, header: asJSON()}, 400, "more than one value"},
		{"a variable for plans", request{body: `{"plan": "a", "variables": {"LEAKGATE_PLAN_URL": "http://h"}}`,
			header: asJSON()}, 201, ""},
		{"a variable of the system's", request{body: `{"plan": "a", "variables": {"PATH": "/tmp"}}`,
			header: asJSON()}, 400,
			`\"PATH\" does not begin with LEAKGATE_PLAN_`},
		{"a long key", request{body: `{"plan": "a", "key": "` + strings.Repeat("k", maxName+1) + `"}`,
			header: asJSON()}, 400, "longer"},
		{"a plan's text", request{body: goodPlan}, 201, `"plan": "shop"`},
		{"with a key", request{path: "/runs?key=sha256:1", body: goodPlan}, 201, `"key": "sha256:1"`},
		{"the text of none", request{body: "name: x\n"}, 422, "targets: missing"},
		{"nothing", request{}, 422, "the plan is empty"},
		{"too much", request{body: large}, 413, "larger than 1048576 bytes"},
		{"a posted plan that reads files", request{body: goodPlan + "policy: {ignore_file: /etc/passwd}\n"}, 403,
			"policy.ignore_file reads a file of the server"},
		{"a mounted plan that does", request{body: `{"plan": "reads"}`, header: asJSON()}, 201, ""},
		{"a posted plan that runs a command", request{body: execPlan}, 403, "load.exec.command runs a command on the server"},
		{"a mounted plan that does", request{body: `{"plan": "exec"}`, header: asJSON()}, 403, "--allow-exec"},
		{"a posted plan that starts pods", request{body: podsPlan}, 403, "load.kubernetes starts pods of any image"},
		{"a mounted plan that does", request{body: `{"plan": "pods"}`, header: asJSON()}, 201, ""},
		{"a variable of the server's", request{body: strings.Replace(goodPlan, "name: shop", "name: ${HOME}", 1)}, 422,
			"environment variable HOME is not set"},
		{"a wait that is none", request{path: "/runs?wait=soon", body: goodPlan}, 400, "is not a time"},
		{"a wait for ever", request{path: "/runs?wait=9999h", body: goodPlan}, 400, "is not a time"},
	} {
		cfg := config(t, &plays{}, "a")
		for name, text := range map[string]string{
			"wrong": "name: x\n", "exec": execPlan, "pods": podsPlan, "reads": goodPlan + "policy: {ignore_file: rules.list}\n",
		} {
			if err := os.WriteFile(filepath.Join(cfg.Plans, name+planEnding), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(cfg.Plans, "rules.list"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, cfg)
		c.q.method, c.q.token = "POST", testToken
		if c.q.path == "" {
			c.q.path = "/runs"
		}
		if w := send(s, c.q); w.Code != c.want || !strings.Contains(w.Body.String(), c.says) {
			t.Errorf("%s: %d %s; want %d with %q", c.name, w.Code, w.Body, c.want, c.says)
		}
		shut(t, s)
	}
}

const podsPlan = goodPlan + "  kubernetes: {pods: 2, image: x}\n"

const execPlan = "targets: [{pprof: http://127.0.0.1:1/debug/pprof}]\nload: {exec: {command: [id]}}\n"

func TestAllowExecAndMountedOnly(t *testing.T) {
	cfg := config(t, &plays{}, "a")
	cfg.AllowExec = true
	s := open(t, cfg)
	if w := send(s, request{method: "POST", path: "/runs", token: testToken, body: execPlan}); w.Code != 201 {
		t.Errorf("--allow-exec: %d %s", w.Code, w.Body)
	}
	shut(t, s)
	cfg.AllowExec, cfg.MountedOnly = false, true
	s = open(t, cfg)
	defer shut(t, s)
	w := send(s, request{method: "POST", path: "/runs", token: testToken, body: goodPlan})
	if w.Code != 403 || !strings.Contains(w.Body.String(), "mounted plans only") {
		t.Errorf("--mounted-only: %d %s", w.Code, w.Body)
	}
	w = send(s, request{method: "POST", path: "/runs", token: testToken, body: `{"plan": "a"}`, header: asJSON()})
	if w.Code != 201 {
		t.Errorf("--mounted-only, a mounted one: %d %s", w.Code, w.Body)
	}
}

// TestLongPoll: an answer with a status of success always has an outcome.
func TestLongPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config(t, &plays{}, "a"))
		defer shut(t, s)
		body := `{"plan": "a", "key": "1"}`
		for _, c := range []struct {
			name   string
			q      request
			want   int
			answer string
		}{
			{"started, too short", request{method: "POST", path: "/runs?wait=10s", body: body}, 504, "running"},
			{"a retry, too short", request{method: "POST", path: "/runs?wait=10s", body: body}, 504, "running"},
			{"a retry, long enough", request{method: "POST", path: "/runs?wait=10m", body: body}, 200, "pass"},
			{"a retry, later", request{method: "POST", path: "/runs?wait=10m", body: body}, 200, "pass"},
			{"started, without a wait", request{method: "POST", path: "/runs", body: `{"plan": "a"}`}, 201, "running"},
			{"found, without a wait", request{method: "POST", path: "/runs", body: body}, 200, "pass"},
		} {
			c.q.token, c.q.header = testToken, asJSON()
			w := send(s, c.q)
			if v := decode(t, w); w.Code != c.want || v.Answer != c.answer {
				t.Errorf("%s: %d %s, want %d %s", c.name, w.Code, v.Answer, c.want, c.answer)
			}
		}
	})
}

func TestFullQueueSaysWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config(t, &plays{}, "a"))
		defer shut(t, s)
		var w *httptest.ResponseRecorder
		for range 4 {
			w = send(s, request{method: "POST", path: "/runs", token: testToken, body: `{"plan": "a"}`, header: asJSON()})
		}
		if w.Code != 429 || w.Header().Get("Retry-After") != "30" {
			t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
		s.Stop()
		w = send(s, request{method: "POST", path: "/runs", token: testToken, body: goodPlan})
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("stopping: %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
		if w := send(s, request{method: "GET", path: "/readyz"}); w.Code != 503 {
			t.Errorf("stopping: /readyz = %d", w.Code)
		}
	})
}

func TestListAndDelete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config(t, &plays{}, "a", "b"))
		defer shut(t, s)
		first := ask(t, s, "a", "")
		time.Sleep(time.Second)
		second, other := ask(t, s, "a", ""), ask(t, s, "b", "")
		var got struct{ Runs []view }
		w := send(s, request{method: "GET", path: "/runs?plan=a", token: testToken})
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if len(got.Runs) != 2 || got.Runs[0].ID != second.ID || got.Runs[1].ID != first.ID {
			t.Errorf("runs of a: %s", w.Body)
		}
		for _, c := range []struct {
			id   string
			want int
		}{{other.ID, 202}, {"../" + other.ID, 404}, {"20261125-204818-5c71b8cf", 404}} {
			path := "/runs/" + strings.ReplaceAll(c.id, "/", "%2F")
			if w := send(s, request{method: "DELETE", path: path, token: testToken}); w.Code != c.want {
				t.Errorf("DELETE %s = %d, want %d", path, w.Code, c.want)
			}
		}
		synctest.Wait()
		if w := send(s, request{method: "DELETE", path: "/runs/" + other.ID, token: testToken}); w.Code != 409 {
			t.Errorf("DELETE twice = %d, want 409", w.Code)
		}
		if w := send(s, request{method: "GET", path: "/plans", token: testToken}); !strings.Contains(w.Body.String(), `"b"`) {
			t.Errorf("plans: %s", w.Body)
		}
	})
}

func TestReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, config(t, &plays{}, "a"))
		defer shut(t, s)
		r := ask(t, s, "a", "")
		if w := send(s, request{method: "GET", path: "/runs/" + r.ID + "/verdict.json", token: testToken}); w.Code != 404 {
			t.Errorf("before it has finished: %d", w.Code)
		}
		time.Sleep(playTime)
		synctest.Wait()
		out := s.store.path(r.ID, outDir)
		if err := errors.Join(os.WriteFile(filepath.Join(out, "report.html"), []byte("<!doctype html>"), 0o600),
			os.WriteFile(filepath.Join(out, "journal.jsonl"), []byte("{}"), 0o600),
			os.Symlink("/etc/passwd", filepath.Join(out, "summary.md"))); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			name, kind string
			want       int
		}{
			{"verdict.json", "application/json", 200},
			{"report.html", "text/html; charset=utf-8", 200},
			{"junit.xml", "", 404},     // not written
			{"journal.jsonl", "", 404}, // not a report
			{"run.json", "", 404},
			{"..%2Frun.json", "", 404},
			{"..%2F..%2F..%2Flock", "", 404},
			{"%2Fetc%2Fpasswd", "", 404},
			{"summary.md", "", 500}, // leads out of the directory
		} {
			w := send(s, request{method: "GET", path: "/runs/" + r.ID + "/" + c.name, token: testToken})
			if w.Code != c.want || c.want == 200 && w.Header().Get("Content-Type") != c.kind {
				t.Errorf("%s: %d %s, want %d %s", c.name, w.Code, w.Header().Get("Content-Type"), c.want, c.kind)
			}
			if strings.Contains(w.Body.String(), "root:") {
				t.Errorf("%s: %s", c.name, w.Body)
			}
			policy := w.Header().Get("Content-Security-Policy")
			sandbox := strings.Contains(policy, "sandbox allow-scripts")
			if !strings.Contains(policy, "default-src 'none'") || (c.name == "report.html") != sandbox {
				t.Errorf("%s: policy %q", c.name, policy)
			}
			if w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: may be sniffed", c.name)
			}
		}
		links := decode(t, send(s, request{method: "GET", path: "/runs/" + r.ID, token: testToken})).Links
		if links["report.html"] != "/runs/"+r.ID+"/report.html" || links["junit.xml"] != "" {
			t.Errorf("links = %v", links)
		}
	})
}

// TestVariablesStayInside: they may be secrets, and are for the run alone.
func TestVariablesStayInside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &plays{}
		cfg := config(t, p, "a")
		cfg.Env = []string{"LEAKGATE_PLAN_OTHER=x"}
		s := open(t, cfg)
		defer shut(t, s)
		body := `{"plan": "a", "variables": {"LEAKGATE_PLAN_MINE": "hunter2"}}`
		w := send(s, request{method: "POST", path: "/runs", token: testToken, body: body, header: asJSON()})
		synctest.Wait()
		for _, w := range []*httptest.ResponseRecorder{w, send(s, request{method: "GET", path: "/runs", token: testToken})} {
			if strings.Contains(w.Body.String(), "hunter2") {
				t.Errorf("%s", w.Body)
			}
		}
		env := lookup(p.started[0].Env)
		if got, _ := env("LEAKGATE_PLAN_MINE"); got != "hunter2" {
			t.Errorf("the run has %q", got)
		}
		if got, _ := env("LEAKGATE_PLAN_OTHER"); got != "x" {
			t.Errorf("the run has %q", got)
		}
	})
}

func TestEnvironment(t *testing.T) {
	all := []string{"PATH=/bin", "AWS_SECRET_ACCESS_KEY=s", "LEAKGATE_PLAN_A=1", "STAGING_TOKEN=t",
		"KUBERNETES_SERVICE_HOST=h",
		"LEAKGATE_WATCHED=1", "GODEBUG=x"}
	got := strings.Join(Environment(all, []string{"STAGING_TOKEN"}), " ")
	if want := "PATH=/bin LEAKGATE_PLAN_A=1 STAGING_TOKEN=t KUBERNETES_SERVICE_HOST=h"; got != want {
		t.Errorf("Environment = %s, want %s", got, want)
	}
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config(t, &plays{}, "fail", "unclear")
		s := open(t, cfg)
		for _, plan := range []string{"fail", "unclear"} {
			ask(t, s, plan, "")
		}
		for _, name := range []string{"one", "two"} {
			text := strings.Replace(goodPlan, "name: shop", "name: "+name, 1)
			send(s, request{method: "POST", path: "/runs", token: testToken, body: text})
		}
		check := func(lines ...string) {
			t.Helper()
			w := send(s, request{method: "GET", path: "/metrics"})
			for _, line := range lines {
				if !strings.Contains(w.Body.String(), line+"\n") {
					t.Errorf("no %s in\n%s", line, filter(w.Body, "leakgate_"))
				}
			}
			if strings.Contains(w.Body.String(), `plan="one"`) {
				t.Error("a posted plan's name is a label")
			}
		}
		check("leakgate_runs_running 2", "leakgate_runs_queued 2")
		time.Sleep(2*playTime + time.Second)
		synctest.Wait()
		last := []string{
			`leakgate_last_run_outcome{outcome="fail",plan="fail"} 1`,
			`leakgate_last_run_outcome{outcome="pass",plan="fail"} 0`,
			`leakgate_last_run_outcome{outcome="inconclusive",plan="unclear"} 1`,
			`leakgate_findings{plan="fail"} 0`,
			`leakgate_last_run_timestamp_seconds{plan="fail"} 9.4668486e+08`,
			"leakgate_runs_running 0", "leakgate_runs_queued 0",
		}
		check(append(last, `leakgate_runs_total{outcome="fail",plan="fail"} 1`,
			`leakgate_runs_total{outcome="pass",plan="(posted)"} 2`,
			`leakgate_run_duration_seconds_sum{plan="fail"} 60`)...)
		shut(t, s)
		s = open(t, cfg) // counters begin anew, as Prometheus expects; the last runs are known
		check(last...)
		shut(t, s)
	})
}

// filter is the lines with a prefix.
func filter(r io.Reader, prefix string) string {
	text, _ := io.ReadAll(r)
	var out []string
	for l := range strings.Lines(string(text)) {
		if strings.HasPrefix(l, prefix) {
			out = append(out, l)
		}
	}
	return strings.Join(out, "")
}
