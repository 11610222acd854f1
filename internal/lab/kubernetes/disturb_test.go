package kubernetes

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// scene is one run of a shop that something happens to.
type scene struct {
	*namespace
	g    *gate
	pods []string  // as they were before the run
	api  *apiFront // of scenes that cut connections; nil otherwise
}

// disturbance is what happens during a run, and what has to come of it.
type disturbance struct {
	name    string
	leak    string   // as the service's -leak; none if empty
	memory  string   // the pods' limit
	plan    []string // what is replaced in the plan, and by what
	cuts    bool     // leakgate reaches the API server through a front
	alone   bool     // it would disturb the other runs, too
	after   record.Kind
	round   int // and round after which it happens; the next phase has just begun
	happens func(ctx context.Context, s *scene)
	code    string // of the cause; none: the run has to pass, or to fail if a pod leaks
	says    string // part of the headline or the reason
	short   bool   // in the short form
}

// during is when most disturbances happen: in the second round of three, under load.
const during = record.Settling // of the first round is over

func disturbances() []disturbance {
	return []disturbance{
		{name: "pod deleted", after: during, round: 1, code: "pod-deleted", short: true,
			happens: func(ctx context.Context, s *scene) { s.do(ctx, "delete", "pod", s.pods[0], "--wait=false") }},
		{name: "container restarted", after: during, round: 1, code: "pod-restarted",
			happens: func(ctx context.Context, s *scene) { s.post(ctx, s.pods[0], "/exit") }},
		{name: "OOM-killed", memory: "48Mi", after: during, round: 1, code: "pod-oom-killed",
			happens: func(ctx context.Context, s *scene) { s.post(ctx, s.pods[0], "/grow") }},
		{name: "OOM-killed after growth", memory: "48Mi", leak: "one", after: during, round: 2, short: true,
			code: "pod-oom-killed", says: "that is what a leak looks like",
			happens: func(ctx context.Context, s *scene) { s.post(ctx, s.leaking(), "/grow") }},
		{name: "scaled up", after: during, round: 1, code: "pods-scaled",
			happens: func(ctx context.Context, s *scene) { s.do(ctx, "scale", "deployment/shop", "--replicas=4") }},
		{name: "scaled down", after: during, round: 1, code: "pods-scaled",
			happens: func(ctx context.Context, s *scene) { s.do(ctx, "scale", "deployment/shop", "--replicas=2") }},
		{name: "rolled out", after: during, round: 1, code: "pod-replaced",
			happens: func(ctx context.Context, s *scene) { s.do(ctx, "rollout", "restart", "deployment/shop") }},
		{name: "evicted", after: during, round: 1, code: "pod-evicted",
			happens: func(ctx context.Context, s *scene) { s.evict(ctx, s.pods[0]) }},
		{name: "API server stopped for 20 s", alone: true, after: during, round: 1,
			happens: func(ctx context.Context, s *scene) { s.stop(ctx, "kube-apiserver", away) }},
		{name: "API server killed, and started after 20 s", alone: true, after: during, round: 1, happens: killForAWhile},
		{name: "node gone", alone: true, after: during, round: 1, code: "node-gone", happens: stopKubelet},
		{name: "kubelet stopped for 20 s", alone: true, after: during, round: 1,
			happens: func(ctx context.Context, s *scene) { s.stop(ctx, "kubelet", away) }},
		{name: "way to the API server cut for 20 s", cuts: true, after: during, round: 1, happens: awayForAWhile},
		{name: "port-forward cut every 5 s", cuts: true, after: record.Preflight, short: true, happens: cutAgainAndAgain},
		{name: "port-forward cut every 5 s, one pod leaks", cuts: true, leak: "one", after: record.Preflight,
			happens: cutAgainAndAgain},
		{name: "pod deleted in the warm-up", plan: []string{"warmup: 2s", "warmup: 30s"}, after: record.Preflight,
			happens: func(ctx context.Context, s *scene) { s.do(ctx, "delete", "pod", s.pods[0], "--wait=false") }},
		// What had grown is gone with the container, which must not look like a pool that drains.
		{name: "pod that leaks restarted in the long look", leak: "one", after: during, round: 3, code: "pod-restarted",
			plan:    []string{"max: 4", "max: 3", "confirm: 8s", "confirm: 40s"},
			happens: func(ctx context.Context, s *scene) { s.post(ctx, s.leaking(), "/exit") }},
	}
}

// do is kubectl beside a run.
func (s *scene) do(ctx context.Context, args ...string) {
	if _, err := s.try(ctx, "", append([]string{"--namespace", s.name}, args...)...); err != nil {
		s.t.Error(err)
	}
}

// evict asks the Eviction API, as kubectl drain does.
func (s *scene) evict(ctx context.Context, pod string) {
	body := fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q, "namespace": %q}}`,
		pod, s.name)
	path := fmt.Sprintf("/api/v1/namespaces/%s/pods/%s/eviction", s.name, pod)
	if _, err := s.try(ctx, body, "create", "--raw", path, "-f", "-"); err != nil {
		s.t.Error(err)
	}
}

// away is how long the API server is away.
const away = 20 * time.Second

// signal sends a signal to a part of the cluster.
func (s *scene) signal(part string, what syscall.Signal) {
	text, err := os.ReadFile(filepath.Join(labDir, "state", "run", part+".pid"))
	if err == nil {
		var pid int
		if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			err = syscall.Kill(pid, what)
		}
	}
	if err != nil {
		s.t.Errorf("%s: %v", part, err)
	}
}

// stop stops a part of the cluster for a while, or until the run ends.
func (s *scene) stop(ctx context.Context, part string, d time.Duration) {
	s.signal(part, syscall.SIGSTOP)
	defer s.signal(part, syscall.SIGCONT)
	pause(ctx, d)
}

// gone is how long a node is gone: longer than the control plane takes to say so, which is
// nearly a minute.
const gone = 90 * time.Second

// stopKubelet stops what tells the control plane that the node is there.
func stopKubelet(ctx context.Context, s *scene) {
	s.stop(ctx, "kubelet", gone)
	// The tests after this one need the node.
	s.do(context.WithoutCancel(ctx), "wait", "--for=condition=Ready", "node/localhost", "--timeout=60s")
}

func killForAWhile(ctx context.Context, s *scene) {
	s.signal("kube-apiserver", syscall.SIGKILL)
	pause(ctx, away)
	up := exec.Command("cluster/up.sh") // also after the run: other tests need the cluster
	up.Env = append(os.Environ(), "KC_CACHE="+labDir)
	if out, err := up.CombinedOutput(); err != nil {
		s.t.Errorf("starting the API server again: %v\n%s", err, out)
	}
}

func awayForAWhile(ctx context.Context, s *scene) {
	s.api.leave()
	defer s.api.come()
	pause(ctx, away)
}

// cutEvery is how often forwards are cut.
const cutEvery = 5 * time.Second

func cutAgainAndAgain(ctx context.Context, s *scene) {
	for pause(ctx, cutEvery) {
		s.api.cut(false)
	}
}

// pause reports whether the time was over before ctx was.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// exits are the exit codes of docs/exit-codes.md.
var exits = map[verdict.Outcome]int{verdict.Pass: 0, verdict.Fail: 1, verdict.Inconclusive: 3}

// outcome is what has to come of the run.
func (d disturbance) outcome() verdict.Outcome {
	switch {
	case d.code != "":
		return verdict.Inconclusive
	case d.leak != "":
		return verdict.Fail
	}
	return verdict.Pass
}

// play makes the run.
func (d disturbance) play(t *testing.T) ended {
	t.Helper()
	s := &scene{namespace: newNamespace(t)}
	leak := d.leak
	if leak == "" {
		leak = "none"
	}
	s.deploy(shop{Replicas: 3, Leak: leak, Memory: d.memory})
	s.pods = s.namespace.pods()
	plan := strings.NewReplacer(d.plan...).Replace(brief(s.namespace, startFront(t, s.sockets)))
	s.g = newGate(t, plan)
	if d.cuts {
		s.api, s.g.kubeconfig = startAPIFront(t)
	}
	happened := false
	e := s.g.run(func(ctx context.Context) {
		if s.g.after(ctx, d.after, d.round) && pause(ctx, time.Second) { // a second into the next phase
			happened = true
			d.happens(ctx, s)
		}
	})
	if !happened {
		t.Errorf("the run ended before anything happened: %d\n%s", e.code, e.out)
	}
	if d.cuts && s.api.cutSoFar() == 0 {
		t.Error("no connection was cut")
	}
	return e
}

// The runs that need the cluster for themselves come first, and then all others together.
// Whatever happens to the pods, the run neither passes nor fails, and says what happened.
// The verdict does not depend on how they are reached.
func TestDisturbances(t *testing.T) {
	if need(t); testing.Short() {
		t.Parallel()
	}
	var table table
	t.Cleanup(func() { table.print(t) })
	for _, d := range disturbances() {
		if testing.Short() && !d.short {
			continue
		}
		t.Run(d.name, func(t *testing.T) {
			if !d.alone {
				t.Parallel()
			}
			e := d.play(t)
			table.add(d, e)
			t.Logf("\n%s", e.out)
			if want := d.outcome(); e.verdict.Outcome != want || e.code != exits[want] {
				t.Fatalf("run = %s, exit code %d (%s), want %s", e.verdict.Outcome, e.code, e.verdict.Reason, want)
			}
			if e.cause() != d.code {
				t.Errorf("code %q, want %s: %s", e.cause(), d.code, e.verdict.Reason)
			}
			if !strings.Contains(e.verdict.Headline+e.verdict.Reason, d.says) {
				t.Errorf("headline %q and reason %q do not say %q", e.verdict.Headline, e.verdict.Reason, d.says)
			}
		})
	}
}

// table is what came of the disturbances.
type table struct {
	mu   sync.Mutex
	rows map[string]string
}

func (t *table) add(d disturbance, e ended) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows == nil {
		t.rows = map[string]string{}
	}
	code := "-"
	if c := e.cause(); c != "" {
		code = "`" + c + "`"
	}
	t.rows[d.name] = fmt.Sprintf("| %s | %s | %s | %s |\n", d.name, e.verdict.Outcome, code,
		strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(e.verdict.Headline))
}

// reportVariable names a file for the table, beside the test's output.
const reportVariable = "KUBERNETES_TABLE"

// print prints the rows in the order of the disturbances.
func (t *table) print(test *testing.T) {
	var b strings.Builder
	b.WriteString("| what happens during the run | outcome | code | what is said |\n| --- | --- | --- | --- |\n")
	for _, d := range disturbances() {
		b.WriteString(t.rows[d.name])
	}
	test.Logf("\n%s", b.String())
	if file := os.Getenv(reportVariable); file != "" {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			test.Error(err)
		}
	}
}
