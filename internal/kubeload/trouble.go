package kubeload

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/leakgate/leakgate/record"
)

// trouble is why a phase's pods did not send what they were to send.
type trouble struct {
	code    string // record.NotReady, record.Lost or record.Unread
	message string
	rank    int       // the lower, the more it explains
	at      time.Time // when the pod was deleted; of one rank, the first explains the others
}

// Ranks of trouble: a pod that ended by itself explains those that were ended after it.
const (
	killed = iota
	failed
	deleted
	vanished
	waiting
)

// exits is whether an exit code of a pod's container means that it has sent its load.
type exits func(code int32) bool

// cleanly is the exit code of what did what it was to do.
func cleanly(code int32) bool { return code == 0 }

// troubleOf is what is wrong with a pod that has to be running, or to have ended well.
func troubleOf(p *corev1.Pod, container string, good exits) (trouble, bool) {
	if reason, message, ok := disruption(p); ok {
		return trouble{code: record.Lost, rank: killed,
			message: fmt.Sprintf("pod %s was ended by the cluster, %s%s", p.Name, reason, colon(message))}, true
	}
	if t := terminated(p, container); t != nil && !good(t.ExitCode) {
		return ended(p, container, t), true
	}
	if p.DeletionTimestamp != nil && terminated(p, container) == nil {
		return wasDeleted(p), true
	}
	if p.Status.Phase == corev1.PodFailed && terminated(p, container) == nil {
		return trouble{code: record.Lost, rank: failed, message: fmt.Sprintf("pod %s failed, %s%s", p.Name,
			cmp.Or(p.Status.Reason, "without a reason"), colon(p.Status.Message))}, true
	}
	if w := waits(p, container); w != nil && (w.Reason == "ErrImageNeverPull" || w.Reason == "InvalidImageName") {
		return trouble{code: record.NotReady, rank: waiting, // for ever
			message: "pod " + p.Name + " " + whyNotRunning(p, container)}, true
	}
	return trouble{}, false
}

// oomKilled is the kernel's reason, by the kubelet.
const oomKilled = "OOMKilled"

// ended is the trouble of a container that has ended as it should not.
func ended(p *corev1.Pod, container string, t *corev1.ContainerStateTerminated) trouble {
	const signalled = 128
	switch {
	case t.Reason == oomKilled:
		limit := ""
		for _, c := range p.Spec.Containers {
			if q, ok := c.Resources.Limits[corev1.ResourceMemory]; ok && c.Name == container {
				limit = ", its limit of " + q.String()
			}
		}
		return trouble{code: record.Lost, rank: killed, message: fmt.Sprintf(
			"pod %s was killed: it used more memory than it may%s (OOMKilled)", p.Name, limit)}
	case p.DeletionTimestamp != nil:
		return wasDeleted(p)
	case t.ExitCode > signalled:
		return trouble{code: record.Lost, rank: killed,
			message: fmt.Sprintf("pod %s was killed by signal %d", p.Name, t.ExitCode-signalled)}
	}
	return trouble{code: record.Lost, rank: failed,
		message: fmt.Sprintf("pod %s ended with exit code %d", p.Name, t.ExitCode)}
}

// wasDeleted is the trouble of a pod that somebody deletes, or the Job, since another failed.
func wasDeleted(p *corev1.Pod) trouble {
	return trouble{code: record.Lost, rank: deleted, at: p.DeletionTimestamp.Time,
		message: fmt.Sprintf("pod %s was deleted before it had sent its load", p.Name)}
}

// disruption is why the cluster ended a pod, if it did.
func disruption(p *corev1.Pod) (reason, message string, ok bool) {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.DisruptionTarget && c.Status == corev1.ConditionTrue {
			return c.Reason, cmp.Or(c.Message, p.Status.Message), true
		}
	}
	if p.Status.Reason == "Evicted" || p.Status.Reason == "NodeLost" {
		return p.Status.Reason, p.Status.Message, true
	}
	return "", "", false
}

func colon(message string) string {
	if message = strings.TrimSpace(message); message == "" {
		return ""
	}
	return ": " + message
}

func status(p *corev1.Pod, container string) *corev1.ContainerStatus {
	i := slices.IndexFunc(p.Status.ContainerStatuses, func(s corev1.ContainerStatus) bool { return s.Name == container })
	if i < 0 {
		return nil
	}
	return &p.Status.ContainerStatuses[i]
}

func terminated(p *corev1.Pod, container string) *corev1.ContainerStateTerminated {
	if s := status(p, container); s != nil {
		return s.State.Terminated
	}
	return nil
}

func waits(p *corev1.Pod, container string) *corev1.ContainerStateWaiting {
	if s := status(p, container); s != nil {
		return s.State.Waiting
	}
	return nil
}

// running reports whether a pod's container runs, or has run.
func running(p *corev1.Pod, container string) bool {
	s := status(p, container)
	return s != nil && (s.State.Running != nil || s.State.Terminated != nil)
}

// whyNotRunning says what a pod waits for, without its name.
func whyNotRunning(p *corev1.Pod, container string) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return "is not scheduled" + colon(cmp.Or(c.Message, c.Reason))
		}
	}
	if w := waits(p, container); w != nil && w.Reason != "" && w.Reason != "ContainerCreating" {
		return fmt.Sprintf("cannot start, %s%s", w.Reason, colon(w.Message))
	}
	if p.Spec.NodeName != "" {
		return "is still being created on node " + p.Spec.NodeName
	}
	return "waits to be scheduled"
}

// worst is the trouble that explains the others.
func worst(all []trouble) (trouble, bool) {
	if len(all) == 0 {
		return trouble{}, false
	}
	return slices.MinFunc(all, func(a, b trouble) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), a.at.Compare(b.at))
	}), true
}
