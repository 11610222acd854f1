package kube

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leakgate/leakgate/record"
)

// podOf is a ready pod of deployment/web, of a revision.
func podOf(name, hash string) corev1.Pod {
	yes := true
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "shop", UID: types.UID("uid-" + name), Labels: map[string]string{"pod-template-hash": hash},
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-" + hash, Controller: &yes}},
		},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "shop:1"}}},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.1",
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodReady, Status: corev1.ConditionTrue},
				{Type: corev1.ContainersReady, Status: corev1.ConditionTrue},
			},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "app", ContainerID: "containerd://" + name, Ready: true}},
		},
	}
}

// with is a pod, changed.
func with(p corev1.Pod, change func(p *corev1.Pod)) corev1.Pod {
	out := *p.DeepCopy()
	change(&out)
	return out
}

// frozen is a set of pods that was frozen, in which the latest state is another.
func frozen(target Target, members []corev1.Pod, latest []corev1.Pod, gone ...string) *Set {
	s := &Set{target: target, told: map[string]bool{}, frozen: true, unready: map[types.UID]time.Time{},
		members: map[types.UID]corev1.Pod{}, latest: map[types.UID]corev1.Pod{}, gone: map[types.UID]bool{}}
	for _, p := range members {
		s.members[p.UID], s.latest[p.UID] = p, p
	}
	for _, p := range latest {
		s.latest[p.UID] = p
	}
	for _, name := range gone {
		s.gone[types.UID("uid-"+name)] = true
	}
	return s
}

func TestChanges(t *testing.T) {
	a, b := podOf("web-1-a", "1"), podOf("web-1-b", "1")
	both := []corev1.Pod{a, b}
	deleted := func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }
	condition := func(reason string) func(p *corev1.Pod) {
		return func(p *corev1.Pod) {
			deleted(p)
			p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
				Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: reason, Message: "said so"})
		}
	}
	terminated := func(reason string, code int32) func(p *corev1.Pod) {
		return func(p *corev1.Pod) {
			s := &p.Status.ContainerStatuses[0]
			s.RestartCount, s.ContainerID = 1, "containerd://other"
			s.LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code}
		}
	}
	for _, c := range []struct {
		name   string
		latest []corev1.Pod
		gone   []string
		kind   record.ChangeKind // empty: nothing happened
		target string
		reason string
	}{
		{name: "nothing", latest: both},
		{name: "a label more", latest: []corev1.Pod{with(a, func(p *corev1.Pod) { p.Labels["x"] = "y" })}},
		{name: "not ready for a moment", latest: []corev1.Pod{with(a, func(p *corev1.Pod) {
			p.Status.Conditions[0].Status, p.Status.Conditions[1].Status = corev1.ConditionFalse, corev1.ConditionFalse
		})}},
		{name: "a crash", latest: []corev1.Pod{with(a, terminated("Error", 3))},
			kind: record.PodRestarted, target: "web-1-a", reason: "Error"},
		{name: "an OOM kill", latest: []corev1.Pod{with(b, terminated("OOMKilled", 137))},
			kind: record.PodOOMKilled, target: "web-1-b", reason: "OOMKilled"},
		{name: "an OOM kill, not restarted yet", latest: []corev1.Pod{with(b, func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].State.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}
		})}, kind: record.PodOOMKilled, target: "web-1-b", reason: "OOMKilled"},
		// A sidecar's restart is not the service's.
		{name: "a sidecar restarted", latest: []corev1.Pod{with(a, func(p *corev1.Pod) {
			p.Status.ContainerStatuses = append(p.Status.ContainerStatuses, corev1.ContainerStatus{Name: "proxy", RestartCount: 2})
		})}},
		{name: "evicted by the API", latest: []corev1.Pod{with(a, condition("EvictionByEvictionAPI"))},
			kind: record.PodEvicted, target: "web-1-a", reason: "EvictionByEvictionAPI"},
		{name: "preempted", latest: []corev1.Pod{with(a, condition("PreemptionByScheduler"))},
			kind: record.PodEvicted, target: "web-1-a", reason: "PreemptionByScheduler"},
		{name: "evicted by its node", latest: []corev1.Pod{with(a, func(p *corev1.Pod) {
			p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted"
		})}, kind: record.PodEvicted, target: "web-1-a", reason: "Evicted"},
		{name: "its node is gone", latest: []corev1.Pod{with(a, condition("DeletionByTaintManager"))},
			kind: record.NodeGone, target: "web-1-a", reason: "DeletionByTaintManager"},
		// The node controller says that the pod is not ready; the node itself said last that all is well.
		{name: "its node does not report", latest: []corev1.Pod{with(a, func(p *corev1.Pod) {
			p.Status.Conditions[0].Status = corev1.ConditionFalse
		})}, kind: record.NodeGone, target: "web-1-a"},
		{name: "deleted and replaced", latest: []corev1.Pod{with(a, deleted), podOf("web-1-c", "1")},
			kind: record.PodDeleted, target: "web-1-a"},
		{name: "deleted altogether, and replaced", latest: []corev1.Pod{podOf("web-1-c", "1")}, gone: []string{"web-1-a"},
			kind: record.PodDeleted, target: "web-1-a"},
		{name: "scaled down", latest: []corev1.Pod{with(b, deleted)}, kind: record.PodsScaled, target: "deployment/web"},
		{name: "scaled up", latest: []corev1.Pod{podOf("web-1-c", "1")}, kind: record.PodsScaled, target: "deployment/web"},
		// It never serves: there is no load on it.
		{name: "a new pod that is not ready", latest: []corev1.Pod{with(podOf("web-1-c", "1"), func(p *corev1.Pod) {
			p.Status.Conditions[0].Status = corev1.ConditionFalse
		})}},
		{name: "a rollout", latest: []corev1.Pod{podOf("web-2-a", "2"), with(a, deleted)},
			kind: record.PodReplaced, target: "deployment/web"},
		{name: "a rollout whose first pod is not ready", latest: []corev1.Pod{with(podOf("web-2-a", "2"), func(p *corev1.Pod) {
			p.Status.Phase, p.Status.Conditions[0].Status = corev1.PodPending, corev1.ConditionFalse
		})}, kind: record.PodReplaced, target: "deployment/web"},
	} {
		s := frozen(Target{Selection: Selection{Kind: Deployment, Name: "web"}, Name: "deployment/web"}, both, c.latest, c.gone...)
		got := s.changes()
		switch {
		case c.kind == "" && len(got) > 0:
			t.Errorf("%s: changes %+v, want none", c.name, got)
		case c.kind != "" && (len(got) != 1 || got[0].Kind != c.kind || got[0].Target != c.target || got[0].Reason != c.reason):
			t.Errorf("%s: changes %+v, want one, %s of %s (%s)", c.name, got, c.kind, c.target, c.reason)
		}
	}
}

// Until the set is frozen, pods may come and go; a container that ends does not.
func TestBeforeFreeze(t *testing.T) {
	a := podOf("web-1-a", "1")
	crashed := with(a, func(p *corev1.Pod) { p.Status.ContainerStatuses[0].RestartCount = 1 })
	for _, c := range []struct {
		name   string
		latest corev1.Pod
		want   int
	}{
		{"scaled up", podOf("web-1-b", "1"), 0},
		{"restarted", crashed, 1},
	} {
		s := frozen(Target{Name: "web"}, []corev1.Pod{a}, []corev1.Pod{c.latest})
		s.frozen = false
		if got := s.changes(); len(got) != c.want {
			t.Errorf("%s: changes %+v, want %d", c.name, got, c.want)
		}
	}
}

// owned is a pod of a workload that is no Deployment.
func owned(kind Kind, name, hash string) corev1.Pod {
	return with(podOf(name, "1"), func(p *corev1.Pod) {
		p.Labels = map[string]string{"controller-revision-hash": hash}
		p.OwnerReferences[0].Kind, p.OwnerReferences[0].Name = string(kind), "db"
		if kind == Pod {
			p.OwnerReferences = nil
		}
	})
}

// What becomes of a pod that is deleted shows a moment later, and where a replacement comes
// only once it is gone, when it is; a crash is told at once, and each once.
func TestFresh(t *testing.T) {
	deleting := func(p corev1.Pod) corev1.Pod {
		return with(p, func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} })
	}
	unready := func(p corev1.Pod) corev1.Pod {
		return with(p, func(p *corev1.Pod) {
			p.Status.Conditions[0].Status, p.Status.Conditions[1].Status = corev1.ConditionFalse, corev1.ConditionFalse
		})
	}
	renewed := func(p corev1.Pod, uid, hash string) corev1.Pod {
		return with(p, func(p *corev1.Pod) { p.UID, p.Labels["controller-revision-hash"] = types.UID(uid), hash })
	}
	a, b := podOf("web-1-a", "1"), podOf("web-1-b", "1")
	db0, db1 := owned(StatefulSet, "db-0", "1"), owned(StatefulSet, "db-1", "1")
	agent, other := owned(DaemonSet, "agent-a", "1"), owned(DaemonSet, "agent-b", "1")
	bare := owned(Pod, "bare", "")
	crash := with(a, func(p *corev1.Pod) { p.Status.ContainerStatuses[0].RestartCount = 1 })
	type step struct {
		after time.Duration // from the beginning
		see   []corev1.Pod
		gone  []string
		kind  record.ChangeKind // that is told then; empty: nothing
	}
	for _, c := range []struct {
		name    string
		members []corev1.Pod
		steps   []step
	}{
		{"a crash", []corev1.Pod{a, b}, []step{{0, []corev1.Pod{crash}, nil, record.PodRestarted}, {time.Minute, nil, nil, ""}}},
		{"a Deployment scaled down", []corev1.Pod{a, b}, []step{{0, []corev1.Pod{deleting(a)}, nil, ""},
			{telling - 1, nil, nil, ""}, {telling, nil, nil, record.PodsScaled}, {2 * telling, nil, nil, ""}}},
		{"a Deployment's pod deleted, its replacement a second later", []corev1.Pod{a, b}, []step{
			{0, []corev1.Pod{deleting(a)}, nil, ""}, {time.Second, []corev1.Pod{unready(podOf("web-1-c", "1"))}, nil, ""},
			{telling, nil, nil, ""}, {time.Second + telling, nil, nil, record.PodDeleted}}},
		{"a Deployment whose strategy is Recreate", []corev1.Pod{a, b}, []step{
			{0, []corev1.Pod{deleting(a), deleting(b)}, nil, ""}, {20 * time.Second, nil, nil, ""},
			{30 * time.Second, nil, []string{"web-1-a", "web-1-b"}, ""},
			{31 * time.Second, []corev1.Pod{unready(podOf("web-2-a", "2"))}, nil, ""},
			{31*time.Second + telling, nil, nil, record.PodReplaced}}},
		{"a Deployment scaled to none", []corev1.Pod{a, b}, []step{
			{0, []corev1.Pod{deleting(a), deleting(b)}, nil, ""}, {30 * time.Second, nil, []string{"web-1-a", "web-1-b"}, ""},
			{30*time.Second + telling, nil, nil, record.PodsScaled}}},
		{"a StatefulSet rolled out", []corev1.Pod{db0, db1}, []step{{0, []corev1.Pod{deleting(db1)}, nil, ""},
			{20 * time.Second, nil, nil, ""}, {30 * time.Second, []corev1.Pod{renewed(db1, "new", "2")}, []string{"db-1"}, ""},
			{30*time.Second + telling, nil, nil, record.PodReplaced}}},
		{"a StatefulSet's pod deleted", []corev1.Pod{db0, db1}, []step{{0, []corev1.Pod{deleting(db1)}, nil, ""},
			{30 * time.Second, []corev1.Pod{renewed(db1, "new", "1")}, []string{"db-1"}, ""},
			{30*time.Second + telling, nil, nil, record.PodDeleted}}},
		{"a StatefulSet scaled down", []corev1.Pod{db0, db1}, []step{{0, []corev1.Pod{deleting(db1)}, nil, ""},
			{30 * time.Second, nil, []string{"db-1"}, ""}, {30*time.Second + telling, nil, nil, record.PodsScaled}}},
		{"a StatefulSet's pod that does not end", []corev1.Pod{db0, db1}, []step{{0, []corev1.Pod{deleting(db1)}, nil, ""},
			{replacing - 1, nil, nil, ""}, {replacing, nil, nil, record.PodsScaled}}},
		{"a DaemonSet's pod deleted", []corev1.Pod{agent, other}, []step{{0, nil, []string{"agent-a"}, ""},
			{telling, nil, nil, record.PodDeleted}}},
		{"a bare pod deleted", []corev1.Pod{bare}, []step{{0, nil, []string{"bare"}, ""}, {telling, nil, nil, record.PodDeleted}}},
		{"a pod that is not ready for long", []corev1.Pod{a, b}, []step{{0, []corev1.Pod{unready(a)}, nil, ""},
			{resting - 1, nil, nil, ""}, {resting, nil, nil, record.PodUnready}}},
		{"a pod that is not ready for a moment", []corev1.Pod{a, b}, []step{{0, []corev1.Pod{unready(a)}, nil, ""},
			{resting - 1, []corev1.Pod{a}, nil, ""}, {resting, []corev1.Pod{unready(a)}, nil, ""}, {2*resting - 1, nil, nil, ""}}},
	} {
		s := frozen(Target{Name: "web"}, c.members, nil)
		began := time.Unix(100, 0)
		for _, x := range c.steps {
			for _, p := range x.see {
				s.latest[p.UID] = p
			}
			for _, name := range x.gone {
				s.gone[types.UID("uid-"+name)] = true
			}
			got := s.fresh(began.Add(x.after))
			switch {
			case x.kind == "" && len(got) > 0:
				t.Errorf("%s, after %s: told %+v", c.name, x.after, got)
			case x.kind != "" && (len(got) != 1 || got[0].Kind != x.kind):
				t.Errorf("%s, after %s: told %+v, want one, %s", c.name, x.after, got, x.kind)
			}
		}
	}
}
