package kubernetes

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// steps are the answers' times of a service whose quantiles are known: of 20 answers 12 take
// the first, 7 the second and 1 the third, so that p50, p90 and p99 are far from any edge.
var steps = [...]time.Duration{100 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond}

func stepOf(n uint64) time.Duration {
	switch n %= 20; {
	case n < 12:
		return steps[0]
	case n < 19:
		return steps[1]
	}
	return steps[2]
}

// between are the bounds of a quantile of answers that take so long. None comes earlier, and
// the histograms are right to 0.5 %. How much later one is seen is the machine's doing: a pod
// with a tenth of a processor may wait for a whole period of its limit, 100 ms.
func between(got, want time.Duration) bool {
	return float64(got) >= 0.99*float64(want) && float64(got) <= 1.01*float64(want)+1e8
}

// Four pods send what one machine would: in total, and of each request. What they say that
// they sent is what the service has seen, and so are the quantiles of all of them together.
// Nothing is left.
func TestLoadPods(t *testing.T) {
	need(t)
	if testing.Short() {
		// On a busy machine, pods of a first attempt that was given up can begin before their
		// Job's deletion reaches them; the service then counts more than the phases sent.
		t.Skip("counts exactly, which takes a machine that starts four pods in time")
	}
	t.Parallel()
	n, service := newNamespace(t), newCounter(t)
	service.slow = stepOf
	g := newGate(t, podLoad(n, watchedShop(t), service.URL, ""))
	e := g.run(nil)
	t.Log(e.out)
	if e.code != 0 {
		t.Errorf("leakgate run = %d, want 0", e.code)
	}
	sent := map[string]uint64{}
	for _, l := range g.recorded().Loads {
		for _, r := range l.Entries {
			sent[r.Name] += r.Sent
		}
		if l.Kind != record.Round {
			continue
		}
		if l.Expected != 1000 || l.Sent < 980 || l.Sent > 1000 || len(l.Parts) != 4 || l.End-l.Start < 4500*time.Millisecond {
			t.Errorf("round %d sent %d of %d with %d pods in %s, want 1000 with 4 in about 5s", l.Round, l.Sent, l.Expected,
				len(l.Parts), l.End-l.Start)
		}
		for _, r := range l.Entries {
			if !between(r.P50, steps[0]) || !between(r.P90, steps[1]) || !between(r.P99, steps[2]) {
				t.Errorf("round %d, %s: p50 %s, p90 %s, p99 %s, want %s", l.Round, r.Name, r.P50, r.P90, r.P99, steps)
			}
		}
		if a, b := l.Entries[0].Sent, l.Entries[1].Sent; 3*a < b-20 || 3*a > b+20 {
			t.Errorf("round %d sent %d and %d, want three times as many of the second", l.Round, a, b)
		}
		for _, p := range l.Parts {
			if p.Expected != 250 || p.Sent < 235 || p.Late > 500*time.Millisecond || p.Node == "" {
				t.Errorf("round %d: %+v, want 250 requests, at the same time as the others", l.Round, p)
			}
		}
	}
	for name, path := range map[string]string{"GET " + service.URL + "/a": "/a", "GET " + service.URL + "/b": "/b"} {
		if got := service.count(path); got != sent[name] || got == 0 {
			t.Errorf("%s was sent %d times by what the pods say, and received %d times", name, sent[name], got)
		}
	}
	if left := n.left(); left != "" {
		t.Errorf("left behind: %s", left)
	}
}

// What happens to the pods that load makes a run inconclusive, and is said.
func TestLoadDisturbed(t *testing.T) {
	need(t)
	for _, c := range []struct {
		name, more string
		before     string // a manifest that is applied
		beside     func(ctx context.Context, n *namespace, g *gate)
		code       string
		says       string
		short      bool // with -short, too
	}{
		{name: "a pod is deleted", code: verdict.CodeGone, says: "deleted", // a busy machine may see only that it is gone
			beside: func(ctx context.Context, n *namespace, g *gate) {
				if g.after(ctx, record.Baseline, 0) {
					pod := n.loading(4)[1]
					time.Sleep(2 * time.Second) // amid the lead, or the round
					n.kubectl("delete", "pod", pod, "--wait=false")
				}
			}},
		{name: "a pod is killed", short: true, code: verdict.CodeGone, says: "was killed by signal 9",
			beside: func(ctx context.Context, n *namespace, g *gate) {
				if g.after(ctx, record.Baseline, 0) {
					n.kill(n.loading(4)[2])
				}
			}},
		{name: "no node", short: true, more: ", node_selector: {no: such}, ready: 12s", code: verdict.CodeNotReady,
			says: "is not scheduled: 0/1 nodes are available"},
		{name: "no image", more: ", ready: 40s, image: 'localhost/none:dev'", code: verdict.CodeNotReady, says: "ErrImageNeverPull"},
		{name: "a quota", more: ", ready: 12s", code: verdict.CodeNotReady, says: "2 of 4 pods were not created: ",
			before: "{apiVersion: v1, kind: ResourceQuota, metadata: {name: small}, spec: {hard: {pods: 2}}}"},
		{name: "too little memory", more: ", memory: 8Mi", code: verdict.CodeGone, says: "OOMKilled"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !c.short {
				needLong(t)
			}
			t.Parallel()
			n, service := newNamespace(t), newCounter(t)
			if c.before != "" {
				n.kubectlIn(c.before, "apply", "-f", "-")
			}
			plan := podLoad(n, watchedShop(t), service.URL, c.more)
			if strings.Contains(c.more, "image:") {
				plan = strings.Replace(plan, `image: "`+gateImage+`", `, "", 1)
			}
			if strings.Contains(c.more, "memory:") {
				plan = strings.Replace(plan, "memory: 64Mi, ", "", 1)
			}
			g := newGate(t, plan)
			e := g.run(func(ctx context.Context) {
				if c.beside != nil {
					c.beside(ctx, n, g)
				}
			})
			t.Log(e.out)
			if e.code != 3 || e.cause() != c.code || !strings.Contains(e.verdict.Reason, c.says) {
				t.Errorf("leakgate run = %d, %s: %s\nwant 3, %s: %s", e.code, e.cause(), e.verdict.Reason, c.code, c.says)
			}
			if left := n.left(); left != "" {
				t.Errorf("left behind: %s", left)
			}
		})
	}
}

// kill kills the process of a load's pod, which runs on this machine, as the kernel would.
func (n *namespace) kill(pod string) {
	n.t.Helper()
	uid := n.kubectl("get", "pod", pod, "-o", "jsonpath={.metadata.uid}")
	entries, err := os.ReadDir("/proc")
	if err != nil {
		n.t.Error(err)
		return
	}
	for _, e := range entries {
		group, _ := os.ReadFile("/proc/" + e.Name() + "/cgroup")
		command, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if !strings.Contains(string(group), uid) || !strings.Contains(string(command), "\x00attack\x00") {
			continue
		}
		if kill := exec.Command("kill", "-KILL", e.Name()); kill.Run() != nil {
			n.t.Errorf("process %s of pod %s cannot be killed", e.Name(), pod)
		}
		return
	}
	n.t.Errorf("pod %s has no process", pod)
}

// After an interrupt nothing is left; after kill -9, nothing once it has expired: the rest of
// the round, the time for late answers, and a minute.
func TestLoadLeavesNothing(t *testing.T) {
	need(t)
	needLong(t)
	for _, c := range []struct {
		name   string
		signal syscall.Signal
		all    bool // of the processes of leakgate, not only the one that watches the other
		code   int
		within time.Duration
	}{
		{"interrupt", syscall.SIGINT, false, 130, 5 * time.Second},
		{"kill -9", syscall.SIGKILL, false, -1, 5*time.Second + 2*time.Minute},
		{"kill -9 of both processes", syscall.SIGKILL, true, -1, 5*time.Second + 2*time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n, service := newNamespace(t), newCounter(t)
			g := newGate(t, podLoad(n, watchedShop(t), service.URL, ""))
			cmd := exec.Command(leakgate, "run", "plan.yaml")
			cmd.Dir = g.dir
			cmd.Env = append(os.Environ(), "KUBECONFIG="+g.kubeconfig)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if !g.after(t.Context(), record.Baseline, 0) { // by then, it is known how long pods take to start
				t.Fatal("no baseline")
			}
			n.loading(4)
			to := cmd.Process.Pid
			if c.all {
				to = -to
			}
			if err := syscall.Kill(to, c.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if got := cmd.ProcessState.ExitCode(); got != c.code {
				t.Errorf("leakgate run = %d after %s, want %d", got, c.name, c.code)
			}
			began := time.Now()
			n.until("an empty namespace", c.within, func() bool { return n.left() == "" })
			t.Logf("empty %s after the %s", time.Since(began).Round(time.Second), c.name)
		})
	}
}
