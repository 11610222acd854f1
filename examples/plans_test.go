// Package examples_test reads the plans that the examples carry.
package examples_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/leakgate/leakgate/internal/plan"
)

// Every plan of an example is one that leakgate takes.
func TestPlans(t *testing.T) {
	plans := map[string]string{
		"shop/plan.yaml":       read(t, "shop/plan.yaml"),
		"shop/hangup.yaml":     read(t, "shop/hangup.yaml"),
		"shop/ci.yaml":         read(t, "shop/ci.yaml"),
		"prometheus/plan.yaml": read(t, "prometheus/plan.yaml"),
		"kubernetes/job.yaml":  fromConfigMap(t, "kubernetes/job.yaml", "leakgate.yaml"),
		"argo/analysis.yaml":   fromHereDocument(t, "argo/analysis.yaml"),

		"kubernetes/serve/plans.yaml": fromConfigMap(t, "kubernetes/serve/plans.yaml", "shop.yaml"),
	}
	more, err := filepath.Glob("plans/*.yaml")
	if err != nil || len(more) == 0 {
		t.Fatalf("plans: %v, %v", more, err)
	}
	for _, name := range more {
		plans[name] = read(t, name)
	}
	for name, text := range plans {
		if _, err := plan.Parse(name, []byte(text), environment); err != nil {
			t.Errorf("the plan in %s: %v", name, err)
		}
	}
}

// environment is what the examples set before they run leakgate.
func environment(name string) (string, bool) {
	v, ok := map[string]string{
		"SHOP_URL":   "http://127.0.0.1:8080",
		"SHOP_ADMIN": "http://127.0.0.1:6060",
		"SERVICE":    "http://shop-canary.staging.svc:8080",
		"ADMIN":      "http://shop-canary.staging.svc:6060",

		"PROMETHEUS_TOKEN": "secret",

		"LEAKGATE_PLAN_SERVICE": "http://shop-canary.staging.svc:8080",
		"LEAKGATE_PLAN_ADMIN":   "http://shop-canary.staging.svc:6060",
	}[name]
	return v, ok
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// fromConfigMap takes the plan from a file's first document.
func fromConfigMap(t *testing.T, file, key string) string {
	t.Helper()
	var m struct {
		Data map[string]string `yaml:"data"`
	}
	if err := yaml.Unmarshal([]byte(read(t, file)), &m); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return m.Data[key]
}

var hereDocument = regexp.MustCompile(`(?s)<<'PLAN'\n(.*\n)( *)PLAN\n`)

// fromHereDocument takes the plan from a shell script within a file, without the
// indentation that YAML takes off.
func fromHereDocument(t *testing.T, file string) string {
	t.Helper()
	found := hereDocument.FindStringSubmatch(read(t, file))
	if found == nil {
		t.Fatalf("%s: no plan between <<'PLAN' and PLAN", file)
	}
	return strings.ReplaceAll("\n"+found[1], "\n"+found[2], "\n")
}
