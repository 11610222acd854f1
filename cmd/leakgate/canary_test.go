package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// canary is a secret in one place of a plan. In its variable's value, plain ones fit
// into an address.
type canary struct {
	place string
	value string
}

// odd is what a secret may hold where no address has to be made of it.
const odd = `/+"<&'%-`

// newCanary makes a secret that is like no other.
func newCanary(place string, n int, plain bool) canary {
	value := fmt.Sprintf("Cn%02dqZ8fTok4711x%02d", n, n)
	if !plain {
		value += odd + strconv.Itoa(n)
	}
	return canary{place: place, value: value}
}

// forms are those in which a secret is looked for.
func (c canary) forms() map[string]string {
	j, _ := json.Marshal(c.value)
	var x bytes.Buffer
	_ = xml.EscapeText(&x, []byte(c.value))
	pair := base64.StdEncoding.EncodeToString([]byte("gate:" + c.value))
	return map[string]string{
		"plain": c.value, "in an address": url.QueryEscape(c.value),
		"in base64":             base64.StdEncoding.EncodeToString([]byte(c.value)),
		"in base64, with user":  pair,
		"in JSON":               string(j[1 : len(j)-1]),
		"in XML":                x.String(),
		"in HTML":               html.EscapeString(c.value),
		"quoted by Go":          strings.Trim(strconv.Quote(c.value), `"`),
		"in base64, of a user ": base64.StdEncoding.EncodeToString([]byte("another-user:" + c.value)),
	}
}

// canaries are the secrets of one plan; its text names them by their place.
type canaries struct {
	all []canary
	env []string
}

// put plants a secret, and returns how the plan names it: by a variable.
func (c *canaries) put(place string, plain bool) string {
	k := newCanary(place, len(c.all), plain)
	c.all = append(c.all, k)
	name := fmt.Sprintf("CANARY_TOKEN_%d", len(c.all))
	c.env = append(c.env, name+"="+k.value)
	return "${" + name + "}"
}

// literal plants a secret that stands in the plan itself.
func (c *canaries) literal(place string) string {
	k := newCanary(place, len(c.all), true)
	c.all = append(c.all, k)
	return k.value
}

// echo is a service that repeats every secret that it may have been sent, in every form
// and wherever it can.
type echo struct {
	mu   sync.Mutex
	said []string
	mode atomic.Value // "", "refuse", "redirect", "fail" or "page"
	n    atomic.Int64 // requests of the load
}

func (e *echo) says(c canaries) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.said = nil
	for _, k := range c.all {
		for _, f := range k.forms() {
			e.said = append(e.said, f)
		}
	}
}

func (e *echo) text() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.said, " ")
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, profileName, isPprof := strings.Cut(r.URL.Path, "/debug/pprof/")
	mode, _ := e.mode.Load().(string)
	switch {
	case (isPprof || strings.Contains(r.URL.Path, "/api/v1/")) && mode != "":
		e.odd(w, mode)
	case isPprof:
		e.pprof(w, r, profileName)
	case strings.HasSuffix(r.URL.Path, "/metrics"):
		fmt.Fprintf(w, "# HELP go_info %s\n# TYPE go_info gauge\ngo_info{version=%q} 1\n", strings.ReplaceAll(e.text(), `\`, `\\`), "go1.26 "+e.text())
		fmt.Fprintf(w, "go_goroutines %d\nprocess_start_time_seconds 1.7e9\n", 5+e.n.Load())
	case strings.Contains(r.URL.Path, "/api/v1/"):
		e.prometheus(w, r)
	case strings.HasSuffix(r.URL.Path, "/events"):
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprintf(w, "data: %s\n\n", e.text())
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	case strings.HasSuffix(r.URL.Path, "/failing"):
		http.Error(w, e.text(), http.StatusTeapot)
	default:
		e.n.Add(1)
	}
}

// odd answers as something in front of the target does.
func (e *echo) odd(w http.ResponseWriter, mode string) {
	switch mode {
	case "refuse":
		w.Header().Set("Www-Authenticate", e.text())
		http.Error(w, e.text(), http.StatusUnauthorized)
	case "redirect":
		w.Header().Set("Location", "http://127.0.0.1/login?"+url.QueryEscape(e.text())+"&next="+e.text())
		w.WriteHeader(http.StatusFound)
	case "page":
		fmt.Fprintf(w, "<html><title>%s</title>", e.text())
	case "json":
		fmt.Fprintf(w, `{"status":"error","errorType":"bad_data","error":%q}`, e.text())
	case "status":
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 500 %s\r\nContent-Length: 0\r\n\r\n", e.text())
	}
}

func (e *echo) pprof(w http.ResponseWriter, r *http.Request, name string) {
	switch {
	case name == "":
		fmt.Fprintf(w, "<a href='goroutine?debug=1'>%s</a>", e.text())
	case name == "goroutine" && r.FormValue("debug") == "2":
		fmt.Fprintf(w, "goroutine 1 [IO wait]:\nmain.main()\n\t/src/a.go:3 +0x1\n\n")
		for i := range e.n.Load() {
			fmt.Fprintf(w, "goroutine %d [chan receive labels:{\"k\": %q}]:\nmain.leak()\n\t/src/a.go:9 +0x1\ncreated by main.start in goroutine 1\n\t/src/a.go:4 +0x2\n\n", i+9, e.text())
		}
	case name == "goroutine":
		_ = e.profile().Write(w)
	default:
		http.NotFound(w, r)
	}
}

func (e *echo) profile() *profile.Profile {
	e.mu.Lock()
	defer e.mu.Unlock()
	m := &profile.Mapping{ID: 1, Start: 1, Limit: 1 << 30, File: "/app/" + strings.Join(e.said, " "), BuildID: strings.Join(e.said, ".")}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "goroutine", Unit: "count"}}, PeriodType: &profile.ValueType{},
		TimeNanos: time.Now().UnixNano(), Mapping: []*profile.Mapping{m},
	}
	at := func(name string) *profile.Location {
		f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name, SystemName: name, Filename: "/src/" + name}
		l := &profile.Location{ID: f.ID, Mapping: m, Address: 16 * f.ID, Line: []profile.Line{{Function: f, Line: 7}}}
		p.Function, p.Location = append(p.Function, f), append(p.Location, l)
		return l
	}
	p.Sample = []*profile.Sample{{Value: []int64{5}, Location: []*profile.Location{at("main.main")}}}
	leak := &profile.Sample{Value: []int64{e.n.Load()}, Label: map[string][]string{}}
	for i, s := range e.said {
		leak.Location = append(leak.Location, at("main."+s))
		leak.Label["tenant"+strconv.Itoa(i)] = []string{s}
	}
	if leak.Value[0] > 0 {
		p.Sample = append(p.Sample, leak)
	}
	return p
}

// prometheus plays a server that knows one instance, which repeats secrets in a label.
func (e *echo) prometheus(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	now := float64(time.Now().UnixMilli()) / 1000
	labels := fmt.Sprintf(`"job":"a","instance":"h:1","zone":%q`, e.text())
	switch q := r.FormValue("query"); {
	case q == "time()":
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"scalar","result":[%f,"%f"]}}`, now, now)
	case strings.HasPrefix(q, "sum("):
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%f,"%d"]}]}}`, now, e.n.Add(50))
	default:
		var samples []string
		for i := 40; i >= 0; i-- {
			samples = append(samples, fmt.Sprintf(`[%f,"%d"]`, float64(int64(now-float64(i))), 5+e.n.Load()))
		}
		series := func(name, values string) string {
			return fmt.Sprintf(`{"metric":{"__name__":"%s",%s},"values":[%s]}`, name, labels, values)
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"matrix","result":[%s,%s]}}`,
			series("go_goroutines", strings.Join(samples, ",")), series("process_start_time_seconds", fmt.Sprintf(`[%f,"1700000000"]`, now)))
	}
}

// phases are those of a plan that is over soon.
const phases = `  rate: 40/s
  warmup: 500ms
  round: 1s
  rounds: {min: 2, max: 2}
  success: 0
settle: {timeout: 5s, quiet: 500ms, confirm: 1s}
`

// plans are the plans of the test, each with secrets of its own.
func plans(t *testing.T, addr, dir string) map[string]func(*canaries) string {
	host := strings.TrimPrefix(addr, "http://")
	return map[string]func(*canaries) string{
		"requests": func(c *canaries) string {
			return fmt.Sprintf(`name: shop %[1]s
targets:
  - name: a
    pprof: %[2]s/%[3]s/debug/pprof?token=%[4]s
    metrics: %[2]s/%[5]s/metrics?api_key=%[6]s
    auth: {bearer: "%[7]s", headers: {X-Api: "%[8]s"}}
    identity: unknown
  - name: b
    pprof: http://gate:%[9]s@%[10]s/b/debug/pprof
    identity: unknown
  - name: c
    pprof: %[2]s/c/debug/pprof
    auth: {basic: {user: gate, password: "%[11]s"}}
    identity: unknown
policy:
  ignore: [{function: nothing, reason: "see %[12]s", owner: "%[13]s"}]
load:
  requests:
    - GET %[2]s/work?token=%[14]s
    - GET http://gate:%[15]s@%[10]s/work
    - {url: "%[2]s/failing", header: {Authorization: "Bearer %[16]s", Cookie: "sid=%[17]s", X-Session-Token: "%[18]s"}}
    - {method: POST, url: "%[2]s/%[19]s/work", body: '{"password": "%[20]s"}'}
`, c.put("name", true), addr, c.literal("targets[].pprof, path"), c.put("targets[].pprof, query", true),
				c.put("targets[].metrics, path", true), c.literal("targets[].metrics, query"), c.put("targets[].auth.bearer", false),
				c.put("targets[].auth.headers", false), c.put("targets[].pprof, user", true), host, c.put("targets[].auth.basic", false),
				c.put("policy.ignore[].reason", true), c.put("policy.ignore[].owner", true),
				c.put("load.requests[], query", true), c.put("load.requests[], user", true), c.put("header Authorization", true),
				c.put("header Cookie", true), c.put("header X-Session-Token", true), c.literal("load.requests[], path"),
				c.put("body", true)) + phases
		},
		"streams": func(c *canaries) string {
			return fmt.Sprintf(`targets: [{name: a, pprof: "%[1]s/debug/pprof", auth: {headers: {Cookie: "%[2]s"}}, identity: unknown}]
load:
  streams:
    - {sse: "%[1]s/events?access_token=%[3]s", connections: 3, header: {Authorization: "%[4]s"}}
    - {poll: "http://gate:%[5]s@%[6]s/nothing", connections: 2}
`, addr, c.put("auth.headers Cookie", false), c.put("load.streams[], query", true), c.put("load.streams[], header", false),
				c.put("load.streams[], user", true), host) + strings.Replace(phases, "  rate: 40/s\n", "", 1)
		},
		"prometheus": func(c *canaries) string {
			return fmt.Sprintf(`prometheus: {url: "http://gate:%[1]s@%[2]s/%[3]s", auth: {headers: {X-Key: "%[4]s"}}, tenant: "%[5]s"}
targets: [{name: a, selector: '{job="a", zone!="%[6]s"}'}]
load:
  none: {requests: 'sum(up{key="%[7]s"})'}
`, c.put("prometheus.url, user", true), host, c.literal("prometheus.url, path"), c.put("prometheus.auth.headers", false),
				c.put("prometheus.tenant", true), c.put("targets[].selector", true), c.put("load.none.requests", true)) + strings.Replace(phases, "  rate: 40/s\n", "", 1)
		},
		"prometheus, bearer": func(c *canaries) string {
			return fmt.Sprintf(`prometheus: {url: "%[1]s", auth: {bearer: "%[2]s"}}
targets: [{name: a, selector: '{job="a"}'}]
load:
  none: {requests: sum(up)}
`, addr, c.put("prometheus.auth.bearer", false)) + strings.Replace(phases, "  rate: 40/s\n", "", 1)
		},
		"exec": func(c *canaries) string {
			return fmt.Sprintf(`targets: [{name: a, pprof: "%[1]s/debug/pprof", identity: unknown}]
load:
  exec: {command: [sh, -c, "sleep 1; env; echo %[2]s >&2; exit 3"]}
`, addr, c.put("load.exec.command", true)) + phases
		},
		"file": func(c *canaries) string {
			file := filepath.Join(dir, "targets.http")
			text := fmt.Sprintf("GET %s/work?token=%s\nAuthorization: Bearer %s\n\nGET http://gate:%s@%s/failing\n\nGET http://127.0.0.1:1/%s/refused\n",
				addr, c.literal("load.file, query"), c.literal("load.file, header"), c.literal("load.file, user"), host, c.literal("load.file, path"))
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("targets: [{name: a, pprof: %q, identity: unknown}]\nload:\n  file: %s\n", addr+"/debug/pprof", file) + phases
		},
	}
}

// TestCanaries plants secrets in every value of a plan that may hold one, has a service
// repeat them in every form and wherever it can, and looks for them in all that leakgate
// wrote: terminal, run directory, reports, GitHub's files, the list of processes.
func TestCanaries(t *testing.T) {
	if testing.Short() {
		t.Skip("runs the gate")
	}
	var places, outputs atomic.Int64
	for name := range plans(t, "http://127.0.0.1", t.TempDir()) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			service := &echo{}
			server := httptest.NewServer(service)
			defer server.Close()
			dir := t.TempDir()
			var c canaries
			text := plans(t, server.URL, dir)[name](&c)
			service.says(c)
			plan := filepath.Join(dir, "plan.yaml")
			if err := os.WriteFile(plan, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			found := &findings{t: t, canaries: c, plan: name}
			out := filepath.Join(t.TempDir(), "out")
			found.command("run", c, "run", plan, "--dir", out)
			found.directory(out)
			found.command("judge", c, "judge", out, "--format", "json")
			found.command("check", c, "check", plan)
			for _, mode := range []string{"refuse", "redirect", "page", "json", "status"} {
				service.mode.Store(mode)
				bad := filepath.Join(t.TempDir(), "out")
				found.command("check, "+mode, c, "check", plan)
				found.command("run, "+mode, c, "run", plan, "--dir", bad)
				found.directory(bad)
			}
			places.Add(int64(len(c.all)))
			outputs.Add(int64(found.outputs))
		})
	}
	t.Cleanup(func() { // after all of them
		t.Logf("%d places, %d forms each, %d outputs", places.Load(), len(canary{}.forms()), outputs.Load())
		if places.Load() < fewestPlaces && !t.Failed() {
			t.Errorf("%d places, want %d at least", places.Load(), fewestPlaces)
		}
	})
}

// fewestPlaces is in how many places of a plan secrets are planted at least.
const fewestPlaces = 30

// findings looks for canaries.
type findings struct {
	t        *testing.T
	canaries canaries
	plan     string
	outputs  int
}

// look reports every secret in what was written.
func (f *findings) look(where string, data []byte) {
	f.outputs++
	for _, c := range f.canaries.all {
		for form, text := range c.forms() {
			if i := bytes.Index(data, []byte(text)); i >= 0 {
				f.t.Errorf("%s: %s holds the secret of %s, %s: …%q…", f.plan, where, c.place, form, data[max(0, i-60):min(len(data), i+len(text)+20)])
				break
			}
		}
	}
}

// command runs leakgate as a step of GitHub Actions does, and looks at what it prints,
// what it hands to GitHub, and how it is listed among the processes. Lines by which the
// runner is told what to mask are the runner's alone.
func (f *findings) command(what string, c canaries, args ...string) {
	f.t.Helper()
	dir := f.t.TempDir()
	cmd := exec.Command("leakgate", args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	output, summary, result := filepath.Join(dir, "output"), filepath.Join(dir, "summary"), filepath.Join(dir, "result")
	cmd.Env = append(append(os.Environ(), c.env...), "GITHUB_ACTIONS=true", "GITHUB_OUTPUT="+output, "GITHUB_STEP_SUMMARY="+summary, "LEAKGATE_RESULT="+result)
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", cmd.Process.Pid)); err == nil {
		f.look(what+": the list of processes", line)
	}
	var ended *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &ended) {
		f.t.Fatal(err)
	}
	if ended != nil && ended.ExitCode() == exitUsage {
		f.t.Fatalf("%s: a usage error: %s", what, errs.String())
	}
	var told []string
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "::add-mask::") {
			told = append(told, line)
		}
	}
	f.look(what+": stdout", []byte(strings.Join(told, "")))
	f.look(what+": stderr", errs.Bytes())
	for _, name := range []string{output, summary, result} {
		if data, err := os.ReadFile(name); err == nil {
			f.look(what+": "+filepath.Base(name), data)
		}
	}
}

// directory looks at every file of a run directory, profiles decompressed.
func (f *findings) directory(dir string) {
	f.t.Helper()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		f.look(rel, []byte(rel))
		f.look(rel, data)
		if zr, err := gzip.NewReader(bytes.NewReader(data)); err == nil {
			plain, err := io.ReadAll(zr)
			if err != nil {
				return err
			}
			f.look(rel+", decompressed", plain)
		}
		return nil
	})
	if err != nil {
		f.t.Error(err)
	}
}
