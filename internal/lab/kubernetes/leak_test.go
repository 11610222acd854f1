package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leakgate/leakgate/verdict"
)

// leaks is the function that the service's replicas leak in.
const leaks = "main.(*shop).askSupplier"

// smallest is a plan of six lines, in which everything has its default.
func smallest(n *namespace, front string) string {
	return fmt.Sprintf(`targets:
  - kubernetes: deployment/shop
    namespace: %s
load:
  requests:
    - GET %s/price
`, n.name, front)
}

// brief is a plan that is over soon. Three rounds show that a stack grows, while the third
// still waits for what is to come.
func brief(n *namespace, front string) string {
	return fmt.Sprintf(`targets:
  - kubernetes: deployment/shop
    namespace: %s
load:
  rate: 60/s
  connections: 10
  warmup: 2s
  round: 5s
  rounds: {min: 3, max: 4}
  requests: [GET %s/price, GET %s/cart]
settle: {timeout: 20s, quiet: 1s, confirm: 8s}
attribute: false
`, n.name, front, front)
}

// planFor is the plan that a test of leaks uses: the smallest, or a brief one for CI.
func planFor(n *namespace, front string) string {
	if testing.Short() {
		return brief(n, front)
	}
	return smallest(n, front)
}

// One of three replicas leaks: it is blamed by its name, with the function, and no other.
func TestLeakOfOneReplica(t *testing.T) {
	need(t)
	t.Parallel()
	n := newNamespace(t)
	n.deploy(shop{Replicas: 3, Leak: "one"})
	e := newGate(t, planFor(n, startFront(t, n.sockets))).run(nil)
	t.Logf("\n%s", e.out)
	if e.code != 1 || e.verdict.Outcome != verdict.Fail {
		t.Fatalf("run = %d (%s), want 1", e.code, e.verdict.Headline)
	}
	bad := n.leaking()
	if !strings.Contains(e.verdict.Headline, leaks) || !strings.Contains(e.out, bad+": ") {
		t.Errorf("headline %q, want %s; the report has to name %s", e.verdict.Headline, leaks, bad)
	}
	for _, f := range e.verdict.Findings {
		if !strings.Contains(f.Target, bad) || f.Function != leaks {
			t.Errorf("finding %s in %s, want %s in %s alone", f.Function, f.Target, leaks, bad)
		}
	}
	for _, c := range e.verdict.Checks {
		if c.Target != "" && !strings.Contains(c.Target, bad) && c.Outcome != verdict.Pass && n.isPod(c.Target) {
			t.Errorf("check %q of %s = %s, want pass: %s", c.Name, c.Target, c.Outcome, c.Message)
		}
	}
}

// isPod reports whether a target's name names one of the pods, not the group of them.
func (n *namespace) isPod(target string) bool {
	for _, pod := range n.pods() {
		if strings.Contains(target, pod) {
			return true
		}
	}
	return false
}

// The same without the leak passes, and nothing that the forwards left in a pod is counted.
func TestHealthyReplicas(t *testing.T) {
	need(t)
	t.Parallel()
	n := newNamespace(t)
	n.deploy(shop{Replicas: 3, Leak: "none"})
	e := newGate(t, planFor(n, startFront(t, n.sockets))).run(nil)
	t.Logf("\n%s", e.out)
	if e.code != 0 || e.verdict.Outcome != verdict.Pass {
		t.Fatalf("run = %d (%s: %s), want 0", e.code, e.verdict.Headline, e.verdict.Reason)
	}
	if len(e.verdict.Findings) > 0 || len(e.verdict.Targets) < 3 {
		t.Errorf("%d findings, %d targets; want none, and 3", len(e.verdict.Findings), len(e.verdict.Targets))
	}
}
