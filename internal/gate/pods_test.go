package gate

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leakgate/leakgate/probe"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// pod is a process that is a pod of a group.
type pod struct{ process }

func (p pod) Identify(ctx context.Context) (record.Target, error) {
	out, err := p.process.Identify(ctx)
	out.Group, out.Pod = "deployment/shop", &record.Pod{Name: p.Name(), Namespace: "test", Memory: 64 << 20}
	return out, err
}

// madePods are pods to which things happen at set times.
type madePods struct {
	began   time.Time
	happens map[time.Duration]record.Change
	added   []Source
	left    []string
	broken  error // of Freeze
	last    func(lost bool) []record.Change

	frozen atomic.Bool
	closed bool
}

func (m *madePods) Follow(ctx context.Context, tell func(record.Change)) {
	for at, c := range m.happens {
		if sleep(ctx, at-time.Since(m.began)) == nil {
			tell(c)
		}
	}
}

func (m *madePods) Freeze(context.Context) (added []Source, left []record.Left, err error) {
	if m.broken != nil {
		return nil, nil, m.broken
	}
	m.frozen.Store(true)
	for _, name := range m.left {
		left = append(left, record.Left{Target: name, Why: "gone"})
	}
	return m.added, left, nil
}

func (m *madePods) Frozen() bool    { return m.frozen.Load() }
func (m *madePods) Has(string) bool { return true }
func (m *madePods) Close()          { m.closed = true }

func (m *madePods) Look(_ context.Context, lost bool) []record.Change {
	if m.last == nil {
		return nil
	}
	return m.last(lost)
}

func (m *madePods) Notes() []record.Note {
	return []record.Note{{Code: "forward-broken", Message: "broke twice"}}
}

// What happens to pods makes a run inconclusive, and says what it was, also where the pod
// merely stopped answering. Before the set is frozen, pods may come and go.
func TestPods(t *testing.T) {
	one := func(at time.Duration, c record.Change) func(m *madePods) {
		return func(m *madePods) { m.happens = map[time.Duration]record.Change{at: c} }
	}
	explains := func(kind record.ChangeKind) func(m *madePods) {
		return func(m *madePods) {
			m.last = func(lost bool) []record.Change {
				if !lost {
					return nil
				}
				return []record.Change{{Target: "shop-0", Kind: kind}}
			}
		}
	}
	away := sometimes("total profile", 3*time.Second, time.Hour, 1<<30, lostAnswer("shop-1"))
	for _, c := range []struct {
		name    string
		pods    func(m *madePods)
		first   func(f *fake) // of two services
		second  func(f *fake)
		code    string // empty: a pass
		says    string
		targets int // that are judged; 0: two
	}{
		{name: "nothing happens"},
		{name: "a restart", pods: one(20*time.Second, record.Change{Target: "shop-0", Kind: record.PodRestarted, ExitCode: 3}),
			code: verdict.CodePodRestarted, says: "shop-0: its container was restarted: it ended with exit code 3"},
		{name: "an OOM kill of a service that grows", first: func(f *fake) { f.leaks = 1 },
			pods: one(13*time.Second, record.Change{Target: "shop-0", Kind: record.PodOOMKilled}),
			code: verdict.CodePodOOMKilled, says: "that is what a leak looks like"},
		{name: "an OOM kill of one that does not",
			pods: one(13*time.Second, record.Change{Target: "shop-0", Kind: record.PodOOMKilled}),
			code: verdict.CodePodOOMKilled, says: "its memory went elsewhere"},
		{name: "a rollout", pods: one(20*time.Second, record.Change{Target: "deployment/shop", Kind: record.PodReplaced}),
			code: verdict.CodePodReplaced, says: "deployment/shop: it was rolled out"},
		{name: "an autoscaler", pods: one(20*time.Second, record.Change{Target: "deployment/shop", Kind: record.PodsScaled, Before: 2, After: 3}),
			code: verdict.CodePodsScaled, says: "scaled from 2 to 3 pods"},
		{name: "a pod does not answer, and was evicted", second: sometimes("total profile", 14*time.Second, time.Hour, 1<<30, lostAnswer("shop-1")),
			pods: explains(record.PodEvicted), code: verdict.CodePodEvicted},
		{name: "a pod does not answer, and nobody knows why", second: sometimes("total profile", 14*time.Second, time.Hour, 1<<30, lostAnswer("shop-1")),
			code: verdict.CodeLost},
		{name: "nothing seems to happen, but nobody could ask", pods: func(m *madePods) {
			m.last = func(bool) []record.Change {
				return []record.Change{{Target: "deployment/shop", Kind: record.PodsUnknown, Message: "no answer"}}
			}
		}, code: verdict.CodePodsUnknown, says: "no answer"},
		{name: "a pod more in the warm-up", pods: func(m *madePods) { m.added = []Source{pod{process{newFake("shop-2")}}} }, targets: 3},
		{name: "a pod less in the warm-up", second: away, pods: func(m *madePods) { m.left = []string{"shop-1"} }, targets: 1},
		{name: "a pod that does not answer in the warm-up, and stays", second: away, code: verdict.CodeLost},
		{name: "a rollout in the warm-up", pods: func(m *madePods) {
			m.broken = &probe.Error{Target: "deployment/shop", Asked: "pods", Got: "a rollout is under way", Code: verdict.CodePodReplaced}
		}, code: verdict.CodePodReplaced, says: "a rollout is under way"},
	} {
		bubble(t, c.name, func(t *testing.T) {
			first, second := newFake("shop-0"), newFake("shop-1")
			if c.first != nil {
				c.first(first)
			}
			if c.second != nil {
				c.second(second)
			}
			r := newRig(pod{process{first}}, pod{process{second}})
			r.driver.services = []*fake{first, second}
			m := &madePods{began: time.Now()}
			if c.pods != nil {
				c.pods(m)
			}
			r.Pods = m
			run := r.run(t, t.Context())
			v := r.judge(run)
			switch {
			case c.code == "" && v.Outcome != verdict.Pass:
				t.Errorf("outcome %s (%s), want a pass", v.Outcome, v.Headline)
			case c.code != "" && (v.Outcome != verdict.Inconclusive || run.End.Code != c.code):
				t.Errorf("outcome %s, ended by %q (%s), want %q", v.Outcome, run.End.Code, run.End.Message, c.code)
			}
			if !strings.Contains(v.Headline, c.says) {
				t.Errorf("headline %q, want %q in it", v.Headline, c.says)
			}
			want := c.targets
			if want == 0 {
				want = 2
			}
			if len(run.Targets) != want {
				t.Errorf("%d targets, want %d", len(run.Targets), want)
			}
			if !m.closed || len(run.Notes) == 0 {
				t.Errorf("closed %t, %d notes", m.closed, len(run.Notes))
			}
		})
	}
}
