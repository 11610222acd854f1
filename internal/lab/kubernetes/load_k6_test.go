package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

const k6Image = "localhost/leakgate-k6:dev"

// script puts the script of k6 into the namespace.
func (n *namespace) script() {
	n.t.Helper()
	n.kubectl("create", "configmap", "script", "--from-file=testdata/script.js")
}

// ownPlan is a plan whose load is a manifest's. k6 takes more of a busy machine than there may
// be: what it did not send is no matter here.
func ownPlan(pprof, load string) string {
	return fmt.Sprintf(`
targets: [{name: shop, pprof: %q}]
load: {rate: 50/s, delivered: 0.6, warmup: 2s, round: 4s, %s}
settle: {quiet: 1s, confirm: 5s}
`, pprof, load)
}

// k6Pod is the manifest of pods that run k6.
const k6Pod = `
      restartPolicy: Never
      hostNetwork: true
      volumes: [{name: script, configMap: {name: script}}]
      containers:
        - name: k6
          image: ` + k6Image + `
          imagePullPolicy: Never
          args: [run, --quiet, --no-usage-report, --address=127.0.0.1:0, /script/script.js]
          env: [{name: SERVICE, value: "%s/k6"}]
          volumeMounts: [{name: script, mountPath: /script}]
`

// A Job of the user's own, with two pods of k6, whose counts are added up.
func TestLoadJob(t *testing.T) {
	need(t)
	needLong(t)
	buildImage(t, "K6", k6Image)
	t.Parallel()
	n, service := newNamespace(t), newCounter(t)
	n.script()
	g := newGate(t, ownPlan(watchedShop(t), "job: job.yaml"))
	g.write("job.yaml", fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata: {name: k6, namespace: %s}
spec:
  parallelism: 2
  template:
    spec:`+k6Pod, n.name, service.URL))
	e := g.run(nil)
	t.Log(e.out)
	if e.code != 0 {
		t.Errorf("leakgate run = %d, want 0", e.code)
	}
	var sent uint64
	for _, l := range g.recorded().Loads {
		sent += l.Sent
		if l.Kind == record.Round && (l.Sent < 120 || l.Sent > 210 || len(l.Parts) != 2) {
			t.Errorf("round %d sent %d with %d pods, want about 200 with 2", l.Round, l.Sent, len(l.Parts))
		}
	}
	if got := service.count("/k6"); got != sent || got == 0 {
		t.Errorf("k6 says that it sent %d requests, and %d were received", sent, got)
	}
	if left := n.left(); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// write writes a file beside the plan.
func (g *gate) write(name, text string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
}

// A TestRun for each phase, with an operator that goes through its stages as the k6 operator's
// documentation has them, and one that hangs where the real one is known to.
func TestLoadTestRun(t *testing.T) {
	need(t)
	needLong(t)
	buildImage(t, "K6", k6Image)
	t.Parallel()
	crd := newNamespace(t)
	crd.apply("testdata/testrun-crd.yaml", nil)
	crd.kubectl("wait", "--for=condition=Established", "crd/testruns.k6.io", "--timeout=30s")
	for _, c := range []struct {
		name string
		hang string // the stage that the operator does not leave
		code int
		why  string
		says string
	}{
		{name: "as documented"},
		{name: "hangs in initialized", hang: "initialized", code: 3, why: verdict.CodeNotReady,
			says: `was still at stage "initialized", not "started": the operator waits without end for runners`},
		{name: "no operator", hang: "none", code: 3, why: verdict.CodeNotReady, says: "is the k6 operator running, and does it watch namespace"},
		// A runner that was restarted is not started again.
		{name: "a runner waits paused", hang: "paused", code: 3, why: verdict.CodeGone,
			says: "a runner that is restarted waits paused for ever"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, service := newNamespace(t), newCounter(t)
			n.script()
			o := &operator{n: n, hang: c.hang, service: service.URL}
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan struct{})
			go func() { defer close(done); o.run(ctx) }()
			t.Cleanup(func() { cancel(); <-done })
			g := newGate(t, ownPlan(watchedShop(t), "testrun: {file: testrun.yaml, ready: 15s, namespace: "+n.name+"}"))
			g.write("testrun.yaml", `
apiVersion: k6.io/v1alpha1
kind: TestRun
metadata: {name: shop}
spec: {parallelism: 2, script: {configMap: {name: script, file: script.js}}, runner: {image: `+k6Image+`}}
`)
			e := g.run(nil)
			t.Log(e.out)
			if e.code != c.code || e.cause() != c.why || !strings.Contains(e.verdict.Reason, c.says) {
				t.Errorf("leakgate run = %d, %s: %s\nwant %d, %s: %s", e.code, e.cause(), e.verdict.Reason, c.code, c.why, c.says)
			}
			if c.code == 0 {
				for _, l := range g.recorded().Loads {
					if l.Kind == record.Round && (l.Sent < 120 || l.Sent > 210 || len(l.Parts) != 2) {
						t.Errorf("round %d sent %d with %d runners, want about 200 with 2", l.Round, l.Sent, len(l.Parts))
					}
				}
			}
			n.until("an empty namespace", 30*time.Second, func() bool {
				return n.left() == "" && n.kubectl("get", "testruns", "-o", "name") == ""
			})
		})
	}
}

// operator plays the k6 operator, which cannot be had: by the states and the labels that its
// documentation names, and by kubectl.
type operator struct {
	n       *namespace
	hang    string
	service string
}

// testRun is what the operator reads of one.
type testRun struct {
	Metadata struct{ Name, UID string }
	Spec     struct {
		Parallelism int
		Runner      struct {
			Image string
			Env   []struct{ Name, Value string }
		}
	}
	Status struct{ Stage string }
}

// run goes from stage to stage, until ctx ends.
func (o *operator) run(ctx context.Context) {
	addresses := map[string][]string{}
	for ; ctx.Err() == nil; sleep(ctx, 300*time.Millisecond) {
		text, err := o.n.try(ctx, "", "--namespace", o.n.name, "get", "testruns", "-o", "json")
		var list struct{ Items []testRun }
		if err != nil || json.Unmarshal([]byte(text), &list) != nil {
			continue
		}
		for _, r := range list.Items {
			name := r.Metadata.Name
			if o.hang == "none" {
				continue
			}
			switch r.Status.Stage {
			case "":
				o.stage(ctx, name, "initialization")
			case "initialization":
				o.stage(ctx, name, "initialized")
			case "initialized":
				if addresses[name] == nil {
					addresses[name] = o.create(ctx, r)
				}
				if o.hang != "initialized" {
					o.stage(ctx, name, "created")
				}
			case "created":
				if o.start(ctx, addresses[name]) {
					o.stage(ctx, name, "started")
				}
			case "started":
				done, _ := o.n.try(ctx, "", "--namespace", o.n.name, "get", "jobs", "-l", "k6_cr="+name,
					"-o", "jsonpath={.items[*].status.succeeded}")
				if len(strings.Fields(done)) == r.Spec.Parallelism {
					o.stage(ctx, name, "stopped")
				}
			case "stopped":
				o.stage(ctx, name, "finished")
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (o *operator) stage(ctx context.Context, name, stage string) {
	_, _ = o.n.try(ctx, "", "--namespace", o.n.name, "patch", "testrun", name, "--subresource=status", "--type=merge",
		"-p", `{"status":{"stage":"`+stage+`"}}`)
}

// firstPort is where the runners' own servers listen, on loopback.
const firstPort = 26565

var nextPort atomic.Int32

// create creates a Job for each runner, which waits paused.
func (o *operator) create(ctx context.Context, r testRun) (addresses []string) {
	env, _ := json.Marshal(append(r.Spec.Runner.Env, struct{ Name, Value string }{"SERVICE", o.service + "/k6"}))
	lower := strings.NewReplacer(`"Name"`, `"name"`, `"Value"`, `"value"`).Replace(string(env))
	for i := 1; i <= r.Spec.Parallelism; i++ {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+nextPort.Add(1))
		addresses = append(addresses, address)
		segment := fmt.Sprintf("%d/%d:%d/%d", i-1, r.Spec.Parallelism, i, r.Spec.Parallelism)
		manifest := fmt.Sprintf(`
apiVersion: batch/v1
kind: Job
metadata:
  name: %[1]s-%[2]d
  labels: {app: k6, k6_cr: %[1]s, runner: "true"}
  ownerReferences: [{apiVersion: k6.io/v1alpha1, kind: TestRun, name: %[1]s, uid: %[3]s, controller: true, blockOwnerDeletion: true}]
spec:
  backoffLimit: 0
  template:
    metadata: {labels: {app: k6, k6_cr: %[1]s, runner: "true"}}
    spec:
      restartPolicy: Never
      hostNetwork: true
      volumes: [{name: script, configMap: {name: script}}]
      containers:
        - name: k6
          image: %[4]s
          imagePullPolicy: Never
          args: [run, --quiet, --no-usage-report, "--execution-segment=%[5]s", "--address=%[6]s", --paused, /script/script.js]
          env: %[7]s
          volumeMounts: [{name: script, mountPath: /script}]
`, r.Metadata.Name, i, r.Metadata.UID, r.Spec.Runner.Image, segment, address, lower)
		if _, err := o.n.try(ctx, manifest, "--namespace", o.n.name, "create", "-f", "-"); err != nil && ctx.Err() == nil {
			o.n.t.Error(err)
		}
	}
	return addresses
}

// start starts the runners, once all of them wait: as the operator's starter does, by their
// own API. A runner that waits paused for ever is one that this does not reach.
func (o *operator) start(ctx context.Context, addresses []string) bool {
	for _, a := range addresses {
		if o.ask(ctx, http.MethodGet, a, "") != nil {
			return false
		}
	}
	for i, a := range addresses {
		if o.hang == "paused" && i == 1 {
			continue
		}
		if o.ask(ctx, http.MethodPatch, a, `{"data":{"attributes":{"paused":false},"type":"status","id":"default"}}`) != nil {
			return false
		}
	}
	return true
}

func (o *operator) ask(ctx context.Context, method, address, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+address+"/v1/status", bytes.NewReader([]byte(body)))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s of %s: %s", method, address, resp.Status)
	}
	return err
}
