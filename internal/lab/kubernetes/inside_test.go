package kubernetes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// In a pod, leakgate finds the cluster by its service account, and reaches the pods by their
// addresses: it needs no right to forward ports.
func TestInsideOfTheCluster(t *testing.T) {
	need(t)
	t.Parallel()
	n := newNamespace(t)
	n.deploy(shop{Replicas: 3, Leak: "one", Admin: ":6060"})
	g := newGate(t, brief(n, startFront(t, n.sockets)))
	api, _ := apiServer(t)
	n.apply("testdata/inside.yaml", map[string]string{
		"Namespace": n.name, "Image": gateImage, "Dir": g.dir, "Port": api.Port(),
	})
	var e ended
	n.until("the Job's end", runLimit, func() bool {
		code := n.kubectl("get", "pods", "-l", "job-name=gate",
			"-o", "jsonpath={.items[*].status.containerStatuses[0].state.terminated.exitCode}")
		if code == "" {
			return false
		}
		var err error
		if e.code, err = strconv.Atoi(code); err != nil {
			t.Fatal(err)
		}
		return true
	})
	e.out = n.kubectl("logs", "job/gate")
	t.Logf("\n%s", e.out)
	text, err := os.ReadFile(filepath.Join(g.dir, "leakgate-out", "verdict.json"))
	if err == nil {
		err = json.Unmarshal(text, &e.verdict)
	}
	if err != nil {
		t.Fatal(err)
	}
	bad := n.leaking()
	if e.code != 1 || len(e.verdict.Findings) != 1 || e.verdict.Findings[0].Target != bad {
		t.Errorf("run = %d (%s), want 1 and a finding in %s", e.code, e.verdict.Headline, bad)
	}
}
