//go:build prometheus

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leakgate/leakgate/verdict"
)

// startServer starts Prometheus with a configuration, on data in a folder, and waits
// until it answers. It returns its address.
func startServer(t *testing.T, dir, config string) string {
	t.Helper()
	binary := os.Getenv("PROMETHEUS")
	if binary == "" {
		t.Fatal("PROMETHEUS names no server: run make prometheus-test, which installs one")
	}
	addr := freeAddress(t)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--log.level=error")
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGTERM); _ = cmd.Wait() })
	url := "http://" + addr
	for range 100 {
		if resp, err := http.Get(url + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return url
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatal("Prometheus does not come up")
	return ""
}

// startPrometheus starts a server that scrapes the shops every second, and waits
// until it has seen each of them twice. It returns its address.
func startPrometheus(t *testing.T, shops ...*service) string {
	t.Helper()
	var targets []string
	for _, s := range shops {
		targets = append(targets, fmt.Sprintf("%q", strings.TrimPrefix(s.Admin, "http://")))
	}
	url := startServer(t, t.TempDir(), fmt.Sprintf("global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: shop\n    static_configs: [{targets: [%s]}]\n", strings.Join(targets, ", ")))
	for range 100 {
		resp, err := http.Get(url + "/api/v1/query?query=" + "min_over_time(up%7Bjob%3D%22shop%22%7D%5B3s%5D)")
		if err == nil {
			body := make([]byte, 64<<10)
			n, _ := resp.Body.Read(body)
			resp.Body.Close()
			if strings.Count(string(body[:n]), `"instance"`) == len(shops) {
				time.Sleep(2 * time.Second) // a second scrape of each
				return url
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatal("Prometheus has not scraped the shops")
	return ""
}

// plan has a target that only Prometheus knows, and load for the shops.
func plan(prometheus, selector string, round time.Duration, shops ...*service) string {
	text := fmt.Sprintf("name: shop\nprometheus: {url: %s}\ntargets:\n  - {name: shop, selector: '%s'}\n", prometheus, selector)
	text += fmt.Sprintf("load:\n  rate: 100/s\n  warmup: 3s\n  round: %s\n  requests:\n", round)
	for _, s := range shops {
		text += fmt.Sprintf("    - GET %s/products/mug\n    - GET %s/price/mug\n", s.Shop, s.Shop)
	}
	return text + "settle: {timeout: 20s, quiet: 2s, confirm: 10s}\n"
}

func host(s *service) string { return strings.TrimPrefix(s.Admin, "http://") }

// Two instances behind one selector: the one that leaks is named, the other passes.
func TestPrometheusNamesTheLeakingInstance(t *testing.T) {
	t.Parallel()
	leaks, fine := serve(t, "--leak", "send"), serve(t)
	prometheus := startPrometheus(t, leaks, fine)
	code, out, v := run(t, plan(prometheus, `{job="shop"}`, 6*time.Second, leaks, fine))
	if code != 1 {
		t.Fatalf("run ended with %d, want 1\n%s", code, out)
	}
	for _, f := range v.Findings {
		if f.Target != "shop/"+host(leaks) {
			t.Errorf("%s is blamed, want shop/%s alone", f.Target, host(leaks))
		}
	}
	if len(v.Findings) == 0 || !strings.Contains(v.Headline, host(leaks)) {
		t.Errorf("the headline does not name the instance: %q", v.Headline)
	}
	for _, c := range v.Checks {
		if c.Target == "shop/"+host(fine) && c.Outcome != verdict.Pass {
			t.Errorf("the healthy instance's check %q is %s: %s", c.Name, c.Outcome, c.Message)
		}
	}
	if !strings.Contains(out, "only the number of goroutines is known") {
		t.Errorf("the report does not say that it only counts:\n%s", out)
	}
	t.Logf("\n%s", out)
}

func TestPrometheusPassesTheHealthy(t *testing.T) {
	t.Parallel()
	fine, other := serve(t), serve(t)
	prometheus := startPrometheus(t, fine, other)
	code, out, v := run(t, plan(prometheus, `{job="shop"}`, 6*time.Second, fine, other))
	if code != 0 || v.Outcome != verdict.Pass || v.Sensitivity == nil || v.Sensitivity.OneIn == 0 {
		t.Fatalf("run ended with %d, want 0 and a sensitivity\n%s", code, out)
	}
	t.Logf("\n%s", out)
}

// A restart in the middle of a run shows in the start time, and is no verdict.
func TestPrometheusNoticesARestart(t *testing.T) {
	t.Parallel()
	addr, admin := freeAddress(t), freeAddress(t)
	first := serve(t, "--addr", addr, "--admin", admin)
	prometheus := startPrometheus(t, first)
	again := time.AfterFunc(18*time.Second, func() {
		_ = first.cmd.Process.Kill()
		_, _ = first.cmd.Process.Wait()
		cmd := exec.CommandContext(t.Context(), leakgate, "demo-service", "--addr", addr, "--admin", admin)
		in, err := cmd.StdinPipe()
		if err == nil {
			t.Cleanup(func() { in.Close() })
			err = cmd.Start()
		}
		if err != nil {
			t.Error(err)
		}
	})
	defer again.Stop()
	code, out, v := run(t, strings.Replace(plan(prometheus, `{job="shop"}`, 8*time.Second, first), "load:\n", "load:\n  success: 0\n", 1))
	if code != 3 || !strings.Contains(v.Reason, "restarted: start time moved") {
		t.Fatalf("run ended with %d (%s), want 3 and a restart\n%s", code, v.Reason, out)
	}
}

// An instance that is gone in the middle of a run is no verdict either.
func TestPrometheusNoticesAVanishedInstance(t *testing.T) {
	t.Parallel()
	fine, other := serve(t), serve(t)
	prometheus := startPrometheus(t, fine, other)
	gone := time.AfterFunc(10*time.Second, func() { _ = other.cmd.Process.Kill() })
	defer gone.Stop()
	code, out, v := run(t, plan(prometheus, `{job="shop"}`, 20*time.Second, fine))
	if code != 3 || !strings.Contains(v.Reason, host(other)) || !strings.Contains(v.Reason, "no sample for") {
		t.Fatalf("run ended with %d (%s), want 3 and the instance that is gone\n%s", code, v.Reason, out)
	}
}

// Beside pprof, Prometheus stands for the target's metrics.
func TestPrometheusBesidePprof(t *testing.T) {
	t.Parallel()
	leaks := serve(t, "--leak", "send")
	prometheus := startPrometheus(t, leaks)
	text := strings.Replace(plan(prometheus, `{job="shop"}`, 6*time.Second, leaks), "- {name: shop,", "- {name: shop, pprof: "+leaks.Admin+"/debug/pprof,", 1)
	code, out, v := run(t, text)
	if code != 1 || len(v.Findings) == 0 || !strings.HasSuffix(v.Findings[0].Function, "shop.(*Shop).quote") {
		t.Fatalf("run ended with %d, want 1 and the function that leaks\n%s", code, out)
	}
}

// Load that comes from elsewhere is counted by a query: here, Prometheus' own scrapes
// are the requests.
func TestPrometheusCountsLoadFromElsewhere(t *testing.T) {
	t.Parallel()
	fine := serve(t)
	prometheus := startPrometheus(t, fine)
	text := fmt.Sprintf(`name: shop
prometheus: {url: %s}
targets: [{name: shop, pprof: %s/debug/pprof}]
load: {warmup: 3s, round: 6s, none: {requests: 'sum(promhttp_metric_handler_requests_total{job="shop"})'}}
settle: {timeout: 20s, quiet: 1s, confirm: 5s}
`, prometheus, fine.Admin)
	code, out, v := run(t, text)
	if code != 0 || v.Requests < 12 || v.Requests > 80 || v.Load[0].Name != "load from elsewhere" {
		t.Errorf("run ended with %d after %d requests, want 0 and some dozen\n%s", code, v.Requests, out)
	}
}

// A selector that stands for nothing, and a server that is not there.
func TestPrometheusRefusals(t *testing.T) {
	t.Parallel()
	fine := serve(t)
	prometheus := startPrometheus(t, fine)
	for selector, want := range map[string]string{
		`{job="cart"}`: "no goroutine count",
	} {
		code, out, _ := run(t, plan(prometheus, selector, 6*time.Second, fine))
		if code != 3 || !strings.Contains(out, want) || !strings.Contains(out, "hint:") {
			t.Errorf("run with %s ended with %d, want 3, %q and a hint\n%s", selector, code, want, out)
		}
	}
	code, out, _ := run(t, plan("http://"+freeAddress(t), `{job="shop"}`, 6*time.Second, fine))
	if code != 3 || !strings.Contains(out, "connection refused") {
		t.Errorf("run without a server ended with %d, want 3\n%s", code, out)
	}
}

// promtool runs Prometheus' own tool.
func promtool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	binary := os.Getenv("PROMTOOL")
	if binary == "" {
		t.Fatal("PROMTOOL names no promtool: run make prometheus-test, which installs it")
	}
	out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput()
	return string(out), err
}

// What leakgate rules writes is what promtool takes, and its unit tests pass: a slow
// leak fires, a burst and 10,000 connections do not. With another threshold they fail.
func TestRules(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]string{
		"small":      "production: {rate: 5/s, replicas: 4, memory: 512Mi}\npolicy: {detect: 1/10000}\n",
		"large":      "production: {rate: 5000/s, replicas: 3, memory: 16Gi, budget: 10m}\n",
		"no numbers": "",
	} {
		dir := t.TempDir()
		text := "name: shop\ntargets: [{pprof: http://127.0.0.1:1/debug/pprof}]\nload: {requests: [GET http://127.0.0.1:1/]}\n" + more
		if err := os.WriteFile(filepath.Join(dir, "plan.yaml"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), leakgate, "rules", "plan.yaml", "--selector", `{job="shop", namespace="production"}`)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("leakgate rules: %v\n%s", err, out)
		}
		file, tests := filepath.Join(dir, "leakgate-rules", "leakgate.rules.yaml"), filepath.Join(dir, "leakgate-rules", "leakgate.rules_test.yaml")
		if out, err := promtool(t, "check", "rules", file); err != nil {
			t.Errorf("%s: promtool check rules: %v\n%s", name, err, out)
		}
		if out, err := promtool(t, "test", "rules", tests); err != nil {
			t.Errorf("%s: promtool test rules: %v\n%s", name, err, out)
		}
		rules, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for what, broken := range map[string]string{
			"no slope is suspect":    strings.Replace(string(rules), "> bool", "> bool 1000 +", 1),
			"every slope is suspect": strings.ReplaceAll(string(rules), "> bool", "> bool -100000 +"),
		} {
			if broken == string(rules) {
				t.Fatalf("%s: nothing to break", what)
			}
			if err := os.WriteFile(file, []byte(broken), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := promtool(t, "test", "rules", tests); err == nil {
				t.Errorf("%s, %s: promtool test rules passes\n%s", name, what, out)
			}
		}
	}
}

// startWith starts a server over samples that a test makes up.
func startWith(t *testing.T, openMetrics string) string {
	t.Helper()
	dir := t.TempDir()
	input := filepath.Join(dir, "samples.txt")
	if err := os.WriteFile(input, []byte(openMetrics), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := promtool(t, "tsdb", "create-blocks-from", "openmetrics", input, filepath.Join(dir, "data")); err != nil {
		t.Fatalf("making blocks: %v\n%s", err, out)
	}
	return startServer(t, dir, "global: {}\n")
}

// A day with a leak of three hours: one episode, over the budget of an hour; the day
// before it keeps the budget.
func TestSLO(t *testing.T) {
	t.Parallel()
	end := time.Now().Truncate(time.Minute)
	var b strings.Builder
	b.WriteString("# TYPE go_goroutines gauge\n")
	for at := end.Add(-24 * time.Hour); at.Before(end); at = at.Add(time.Minute) {
		n := 100.0
		if since := at.Sub(end.Add(-8 * time.Hour)); since > 0 && since < 3*time.Hour {
			n += since.Seconds()
		}
		fmt.Fprintf(&b, "go_goroutines{job=\"shop\",instance=\"a\"} %.0f %d\n", n, at.Unix())
	}
	b.WriteString("# EOF\n")
	prometheus := startWith(t, b.String())
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--window", "1d"}, 1, "MISSED  shop: "},
		{[]string{"--window", "1d", "--budget", "4h"}, 0, "KEPT  shop: "},
		{[]string{"--window", "2h"}, 0, "KEPT  shop: 0 of 60 minutes"},
		{[]string{"--window", "30d", "--budget", "4h"}, 3, "COULD NOT TELL  shop: "},
		{[]string{"--window", "1d", "--format", "json"}, 1, `"within": false`},
		{[]string{"--window", "soon"}, 2, "is not a duration"},
	} {
		cmd := exec.CommandContext(t.Context(), leakgate, append([]string{"slo", "--prometheus", prometheus, "--service", "shop", "--slope", "0.2"}, c.args...)...)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != c.code || !strings.Contains(string(out), c.want) {
			t.Errorf("slo %v ended with %d, want %d and %q\n%s", c.args, got, c.code, c.want, out)
		}
		t.Logf("slo %v\n%s", c.args, out)
	}
}
