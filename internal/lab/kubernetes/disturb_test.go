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
	leak    string // as the service's -leak; none if empty
	memory  string // the pods' limit
	cuts    bool   // leakgate reaches the API server through a front
	alone   bool   // it would disturb the other runs, too
	after   record.Kind
	round   int // and round after which it happens; the next phase has just begun
	happens func(ctx context.Context, s *scene)
	code    string // of the first cause; none: the run has to pass
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
		{name: "API server stopped for 20 s", alone: true, after: during, round: 1, happens: stopForAWhile},
		{name: "API server killed, and started after 20 s", alone: true, after: during, round: 1, happens: killForAWhile},
		{name: "way to the API server cut for 20 s", cuts: true, after: during, round: 1, happens: awayForAWhile},
		{name: "port-forward cut every 5 s", cuts: true, after: record.Preflight, short: true, happens: cutAgainAndAgain},
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

// signal sends a signal to the API server.
func (s *scene) signal(what syscall.Signal) {
	text, err := os.ReadFile(filepath.Join(labDir, "state", "run", "kube-apiserver.pid"))
	if err == nil {
		var pid int
		if pid, err = strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			err = syscall.Kill(pid, what)
		}
	}
	if err != nil {
		s.t.Errorf("the API server: %v", err)
	}
}

func stopForAWhile(ctx context.Context, s *scene) {
	s.signal(syscall.SIGSTOP)
	defer s.signal(syscall.SIGCONT)
	pause(ctx, away)
}

func killForAWhile(ctx context.Context, s *scene) {
	s.signal(syscall.SIGKILL)
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
	s.g = newGate(t, brief(s.namespace, startFront(t, s.sockets)))
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
// What happens to the way to them is none of the verdict's business.
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
			if d.code == "" {
				if e.verdict.Outcome != verdict.Pass {
					t.Errorf("run = %s (%s), want pass", e.verdict.Outcome, e.verdict.Reason)
				}
				return
			}
			if e.verdict.Outcome != verdict.Inconclusive || e.code != 3 {
				t.Fatalf("run = %s, exit code %d, want inconclusive, 3", e.verdict.Outcome, e.code)
			}
			if codes := e.codes(); len(codes) == 0 || codes[0] != d.code {
				t.Errorf("codes %q, want %s first", codes, d.code)
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
	if codes := e.codes(); len(codes) > 0 {
		code = "`" + codes[0] + "`"
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
