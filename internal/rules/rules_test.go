package rules

//lint:file-ignore SA1019 Every Grafana imports this schema; its successor needs Grafana 12.

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"gopkg.in/yaml.v3"

	"github.com/leakgate/leakgate/internal/plan"
)

func config() Config {
	return Config{Service: "checkout", Selector: `{job="checkout"}`, Slope: 0.2, Tolerance: 10, Percent: 2, Most: 100000, Memory: 4 << 30, Budget: time.Hour}
}

func TestFromPlan(t *testing.T) {
	const target = "targets: [{pprof: http://a/debug/pprof}, {name: b, pprof: http://b/debug/pprof}]\nname: cart\n"
	const load = "load: {rate: 200/s, requests: [GET http://a/]}\n"
	for _, c := range []struct {
		name, text, selector string
		want                 Config
	}{
		// 100/s on each of two targets, one goroutine in 1,000.
		{"the load's rate", target + load, "", Config{Selector: `{job="cart"}`, Slope: 0.1}},
		{"a smaller leak", target + load + "policy: {detect: 1/4000}\n", "", Config{Selector: `{job="cart"}`, Slope: 0.025}},
		{"production's rate", target + load + "production: {rate: 600/s, replicas: 6, memory: 1Gi}\n", "", Config{Selector: `{job="cart"}`, Slope: 0.1, Memory: 1 << 30}},
		{"too slow to be seen", target + load + "production: {rate: 1/s}\n", "", Config{Selector: `{job="cart"}`, Slope: leastSlope}},
		{"as fast as can be", target + "load: {rate: max, requests: [GET http://a/]}\n", "", Config{Selector: `{job="cart"}`, Slope: 0.05}},
		{"a selector of its own", target + load, `{app="cart"}`, Config{Selector: `{app="cart"}`, Slope: 0.1}},
		{"a target's selector", "prometheus: {url: http://p}\ntargets: [{selector: '{pod=~\"cart.*\"}'}]\n" + load, "", Config{Selector: `{pod=~"cart.*"}`, Slope: 0.2}},
	} {
		p, err := plan.Parse("plan.yaml", []byte(c.text), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		got, err := FromPlan(p, "", c.selector)
		if err != nil {
			t.Errorf("FromPlan(%s): %v", c.name, err)
		}
		if got.Selector != c.want.Selector || got.Slope != c.want.Slope || got.Memory != c.want.Memory || got.Budget != time.Hour || got.Tolerance != 10 {
			t.Errorf("FromPlan(%s) = %+v, want %+v", c.name, got, c.want)
		}
	}
}

// What cannot be asked for is refused.
func TestFromPlanRefuses(t *testing.T) {
	const load = "load: {requests: [GET http://a/]}\n"
	const two = "prometheus: {url: http://p}\ntargets: [{selector: '{a=\"1\"}'}, {name: b, selector: '{a=\"2\"}'}]\n" + load
	const one = "name: $${SHOP}\ntargets: [{pprof: http://a/debug/pprof}]\n" + load
	for _, c := range []struct{ name, text, selector, want string }{
		{"a metric of its own", two, `up{job="a"}`, "does not count goroutines"},
		{"no braces", two, `job="a"`, "is not a selector"},
		{"a name among the matchers", two, `{__name__="go_goroutines", job="a"}`, "__name__ among its matchers"},
		{"two selectors", two, "", "2 selectors"},
		{"a variable", one, "", "a variable that is not set"},
	} {
		p, err := plan.Parse("plan.yaml", []byte(c.text), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := FromPlan(p, "", c.selector); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("FromPlan(%s) = %v, want an error about %q", c.name, err, c.want)
		}
	}
	p, err := plan.Parse("plan.yaml", []byte(two), os.LookupEnv)
	if err != nil {
		t.Fatal(err)
	}
	c, err := FromPlan(p, "shop", `go_sched_goroutines_goroutines{job="a"}`)
	if err != nil || c.Metric != "go_sched_goroutines_goroutines" || c.Selector != `{job="a"}` || c.Service != "shop" {
		t.Errorf("FromPlan(a metric that counts) = %+v, %v", c, err)
	}
}

// The rules are YAML of Prometheus' form; what promtool says of them, make
// prometheus-test asks.
func TestRules(t *testing.T) {
	text, err := config().Rules()
	if err != nil {
		t.Fatal(err)
	}
	var f file
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	dec.KnownFields(true)
	if err := dec.Decode(&f); err != nil || len(f.Groups) != 2 {
		t.Fatalf("%d groups, %v; want two", len(f.Groups), err)
	}
	alerts := map[string]rule{}
	for _, r := range f.Groups[1].Rules {
		alerts[r.Alert] = r
	}
	for name, want := range map[string]string{
		"GoroutineLeakSuspected": `leakgate:leak_suspected{service="checkout"} == 1`, "GoroutineLeakMemory": "> 4294967296", "GoroutineLeakProjection": "> 100000",
		"GoroutineFloorRises": "offset 7d <= 10", "GoroutinesDiverge": "- 1 > 0", "GoroutineLeakBudget": "> 60",
	} {
		if r := alerts[name]; !strings.Contains(r.Expr, want) || r.Labels["service"] != "checkout" || r.Annotations["summary"] == "" {
			t.Errorf("%s is %+v, want %q in its expression, a service and a summary", name, r, want)
		}
	}
	c := config()
	c.Memory, c.Most = 0, 0
	if text, err = c.Rules(); err != nil || strings.Contains(string(text), "predict_linear") {
		t.Errorf("rules without memory and cap project: %v\n%s", err, text)
	}
}

// Grafana's own types take the dashboard, strictly.
func TestDashboard(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	text, err := config().Dashboard()
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard.Dashboard
	if err := strictly(d.UnmarshalJSONStrict(text)); err != nil {
		t.Fatalf("the dashboard is not Grafana's: %v", err)
	}
	if err := strictly(d.Validate()); err != nil {
		t.Errorf("Validate = %v", err)
	}
	if len(d.Panels) != 8 || *d.Title != "Goroutines of checkout" {
		t.Errorf("%d panels of %q, want 8", len(d.Panels), *d.Title)
	}
	// The strictness is real: a key that Grafana does not know is refused.
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	m["pannels"] = []any{}
	broken, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if strictly(new(dashboard.Dashboard).UnmarshalJSONStrict(broken)) == nil {
		t.Error("a dashboard with an unknown key is taken")
	}
}

// strictly is an error of the library's types, which may be an empty list of them
// (v0.0.22).
func strictly(err error) error {
	var all cog.BuildErrors
	if errors.As(err, &all) && len(all) == 0 {
		return nil
	}
	return err
}

func TestTestable(t *testing.T) {
	for selector, want := range map[string]bool{
		`{job="a"}`: true, `{job="a", namespace="b"}`: true, `{job=~"a.*"}`: false, `{job!="a"}`: false, `{job="a",pod=~"b"}`: false,
	} {
		if got := (Config{Selector: selector}).Testable(); got != want {
			t.Errorf("Testable(%s) = %v, want %v", selector, got, want)
		}
	}
	if text, err := config().Tests("leakgate.rules.yaml"); err != nil || !strings.Contains(string(text), filepath.Base("leakgate.rules.yaml")) {
		t.Errorf("Tests = %v, want the rules' file named in\n%.200s", err, text)
	}
}
