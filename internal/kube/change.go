package kube

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leakgate/leakgate/record"
)

// Reasons of the condition DisruptionTarget, by which Kubernetes says why it ends a pod.
const (
	byEvictionAPI  = "EvictionByEvictionAPI"
	byTaint        = "DeletionByTaintManager"
	byGarbage      = "DeletionByPodGC"
	oomKilled      = "OOMKilled"
	evicted        = "Evicted"
	nodeLost       = "NodeLost"
	preempted      = corev1.PodReasonPreemptionByScheduler
	endedByKubelet = corev1.PodReasonTerminationByKubelet
)

// aboutSet reports whether a kind of change is one of the set of pods, which takes a moment to
// understand.
func aboutSet(k record.ChangeKind) bool {
	switch k {
	case record.PodReplaced, record.PodsScaled, record.PodDeleted:
		return true
	}
	return false
}

// changes compares the pods with what they were. Under s.mu.
func (s *Set) changes() (out []record.Change) {
	var missing []corev1.Pod
	for _, id := range slices.SortedFunc(maps.Keys(s.members), func(a, b types.UID) int {
		return strings.Compare(s.members[a].Name, s.members[b].Name)
	}) {
		was, is := s.members[id], s.latest[id]
		if c, ok := s.ended(&was, &is); ok {
			out = append(out, c)
		}
		if !s.frozen {
			continue
		}
		c, why := disrupted(&is)
		c.Target = s.nameOf(&is)
		switch {
		case why:
			out = append(out, c)
		case s.missing(id):
			missing = append(missing, was)
		}
	}
	if s.frozen {
		out = append(out, s.became(missing)...)
	}
	return out
}

// missing reports whether a member is gone, or about to be. Under s.mu.
func (s *Set) missing(id types.UID) bool {
	is := s.latest[id]
	return s.gone[id] || is.DeletionTimestamp != nil
}

// added are the pods that are not of the frozen set. Under s.mu.
func (s *Set) added() (fresh []corev1.Pod) {
	for id, p := range s.latest {
		if _, member := s.members[id]; !member && !s.gone[id] && p.DeletionTimestamp == nil && !ended(&p) {
			fresh = append(fresh, p)
		}
	}
	return fresh
}

// difference is how a frozen set differs from what it was, as a text to compare. Under s.mu.
func (s *Set) difference() string {
	if !s.frozen {
		return ""
	}
	var parts []string
	for id := range s.members {
		if s.missing(id) {
			parts = append(parts, fmt.Sprintf("%s gone %t", id, s.gone[id]))
		}
	}
	for _, p := range s.added() {
		parts = append(parts, fmt.Sprintf("%s new %t", p.UID, ready(&p)))
	}
	slices.Sort(parts)
	return strings.Join(parts, "\n")
}

// awaited reports whether a pod that has not ended yet may still be replaced. A Deployment
// replaces a pod as soon as it is deleted, unless all of its pods go at once, as where its
// strategy is Recreate; a StatefulSet and a DaemonSet wait until it is gone. Under s.mu.
func (s *Set) awaited() bool {
	if len(s.added()) > 0 {
		return false
	}
	missing, ending, waits := 0, false, false
	for id, p := range s.members {
		if !s.missing(id) {
			continue
		}
		missing++
		ending = ending || !s.gone[id]
		kind, _ := owner(&p)
		waits = waits || kind != Deployment && kind != ReplicaSet
	}
	return ending && (waits || missing == len(s.members))
}

// notReady are the members that have not been ready for a while: they get no load. Under s.mu.
func (s *Set) notReady(now time.Time) (out []record.Change) {
	for id, was := range s.members {
		is := s.latest[id]
		if !s.frozen || s.missing(id) || ended(&is) || condition(&is, corev1.PodReady) != corev1.ConditionFalse {
			delete(s.unready, id)
			continue
		}
		if s.unready[id].IsZero() {
			s.unready[id] = now
		}
		if now.Sub(s.unready[id]) >= resting {
			out = append(out, record.Change{Target: s.nameOf(&was), Kind: record.PodUnready, Message: whyNotReady(&is)})
		}
	}
	return out
}

// became says what became of a frozen set of which some pods are gone, and others are new.
func (s *Set) became(missing []corev1.Pod) []record.Change {
	fresh := s.added()
	revisions := map[string]bool{}
	alone := true
	for _, p := range s.members {
		kind, name := owner(&p)
		revisions[name+" "+revision(&p)] = true
		alone = alone && (kind == "" || kind == DaemonSet) // nobody scales these
	}
	before := len(s.members)
	after := before - len(missing) + len(fresh)
	group := s.target.Name
	for _, p := range fresh {
		if _, name := owner(&p); revision(&p) != "" && !revisions[name+" "+revision(&p)] {
			return []record.Change{{Target: group, Kind: record.PodReplaced, Before: before, After: after,
				Message: "pod " + p.Name + " is of another revision"}}
		}
	}
	if len(missing) == 0 && s.served(fresh) || after < before && !alone {
		return []record.Change{{Target: group, Kind: record.PodsScaled, Before: before, After: after,
			Message: strings.Join(nonEmpty(names("gone", missing), names("new", fresh)), "; ")}}
	}
	var out []record.Change
	for _, p := range missing {
		c := record.Change{Target: s.nameOf(&p), Kind: record.PodDeleted}
		if len(fresh) > 0 {
			c.Message = "replaced by " + fresh[0].Name
		}
		out = append(out, c)
	}
	return out
}

func nonEmpty(all ...string) (out []string) {
	for _, s := range all {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// served reports whether a pod that is new serves: one that never comes to be ready gets no
// load, and changes nothing.
func (s *Set) served(fresh []corev1.Pod) bool {
	return slices.ContainsFunc(fresh, func(p corev1.Pod) bool { return ready(&p) })
}

func ended(p *corev1.Pod) bool {
	return p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed
}

func names(what string, pods []corev1.Pod) string {
	if len(pods) == 0 {
		return ""
	}
	var out []string
	for _, p := range pods {
		out = append(out, p.Name)
	}
	slices.Sort(out)
	return fmt.Sprintf("%s: %s", what, strings.Join(out, ", "))
}

// ended says whether the watched container of a pod has ended since the pod was found.
func (s *Set) ended(was, is *corev1.Pod) (record.Change, bool) {
	port, _ := portOf(was, s.target.Container, s.target.Port)
	of, err := container(was, s.target.Container, port)
	if err != nil {
		return record.Change{}, false
	}
	before, _ := status(was, of.Name)
	now, known := status(is, of.Name)
	if !known {
		return record.Change{}, false
	}
	last := now.LastTerminationState.Terminated
	if t := now.State.Terminated; t != nil {
		last = t
	}
	restarted := now.RestartCount > before.RestartCount ||
		before.ContainerID != "" && now.ContainerID != "" && now.ContainerID != before.ContainerID
	if !restarted && (now.State.Terminated == nil || is.DeletionTimestamp != nil) {
		return record.Change{}, false
	}
	c := record.Change{Target: s.nameOf(was), Kind: record.PodRestarted}
	if last != nil {
		c.Reason, c.ExitCode = last.Reason, int(last.ExitCode)
		c.Message = strings.TrimSpace(last.Message)
		if last.Reason == oomKilled {
			c.Kind = record.PodOOMKilled
		}
	}
	return c, true
}

// disrupted says whether Kubernetes itself, or somebody through it, ends a pod that nobody
// scaled or deployed.
func disrupted(p *corev1.Pod) (record.Change, bool) {
	c := record.Change{Target: p.Name, Reason: p.Status.Reason, Message: p.Status.Message}
	for _, k := range p.Status.Conditions {
		if k.Type != corev1.DisruptionTarget || k.Status != corev1.ConditionTrue {
			continue
		}
		c.Reason, c.Message = k.Reason, cmp.Or(k.Message, p.Status.Message)
		switch k.Reason {
		case byTaint, byGarbage:
			c.Kind = record.NodeGone
			return c, true
		case byEvictionAPI, preempted, endedByKubelet:
			c.Kind = record.PodEvicted
			return c, true
		}
	}
	switch {
	case p.Status.Reason == nodeLost || silent(p):
		c.Kind = record.NodeGone
		return c, true
	case p.Status.Reason == evicted:
		c.Kind = record.PodEvicted
		return c, true
	}
	return c, false
}

// silent reports whether a pod's node has stopped reporting: the control plane then says that
// the pod is not ready, while its containers are what they were.
func silent(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && len(p.Spec.ReadinessGates) == 0 &&
		condition(p, corev1.PodReady) == corev1.ConditionFalse &&
		condition(p, corev1.ContainersReady) == corev1.ConditionTrue
}
