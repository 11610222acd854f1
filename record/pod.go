package record

import (
	"cmp"
	"time"
)

// Pod is what a Kubernetes API server said of the pod that a target is, when the set of pods
// was frozen. What it did not say is empty.
type Pod struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	UID       string `json:"uid"`
	Node      string `json:"node,omitempty"`
	Workload  string `json:"workload,omitempty"` // such as deployment/checkout
	Template  string `json:"template,omitempty"` // revision of the workload's template: a hash
	Container string `json:"container"`
	Image     string `json:"image"`
	Digest    string `json:"digest,omitempty"` // of the image, as the node runs it: sha256:…
	Version   string `json:"version,omitempty"`
	Revision  string `json:"revision,omitempty"` // commit, by the pod's annotations
	Memory    uint64 `json:"memory,omitempty"`   // limit of the container, bytes
	Replicas  int    `json:"replicas,omitempty"` // pods of its workload that were ready
	Restarts  int    `json:"restarts,omitempty"` // of the container, before the run
	Forwarded bool   `json:"forwarded,omitempty"`
}

// shortDigest is how much of a digest tells one image from another to a person: its name, and
// twelve digits, as container tools show it.
const shortDigest = len("sha256:") + 12

// Build says which build the pod runs: the image, and its digest, which a tag does not fix.
func (p Pod) Build() string {
	if p.Digest == "" {
		return p.Image
	}
	return p.Image + " (" + p.Digest[:min(len(p.Digest), shortDigest)] + ")"
}

// Commit is the commit that the image was built from, or else its version, where the pod
// names one.
func (p Pod) Commit() string { return cmp.Or(p.Revision, p.Version) }

// ChangeKind is what happened to a pod, or to the set of pods.
type ChangeKind string

// What happens to pods.
const (
	PodRestarted ChangeKind = "restarted"  // its container ended, and was started again
	PodOOMKilled ChangeKind = "oom-killed" // the same, by the kernel, at its memory limit
	PodEvicted   ChangeKind = "evicted"    // by the Eviction API, by its node, or for a more important pod
	PodReplaced  ChangeKind = "replaced"   // by one of another revision: a rollout
	PodsScaled   ChangeKind = "scaled"     // there are more, or fewer
	PodDeleted   ChangeKind = "deleted"    // and replaced by one of the same revision, or by none
	PodUnready   ChangeKind = "not-ready"  // for a while, in which it gets no load
	NodeGone     ChangeKind = "node-gone"
	// PodsUnknown: the API server could not be asked at the end of the run.
	PodsUnknown ChangeKind = "unknown"
)

// Change is something that happened to a pod after the set of pods was frozen.
type Change struct {
	At       time.Duration `json:"at"`
	Target   string        `json:"target"` // the pod's, or the group's where it is about the set
	Kind     ChangeKind    `json:"kind"`
	Reason   string        `json:"reason,omitempty"` // as Kubernetes words it, such as OOMKilled
	ExitCode int           `json:"exit_code,omitempty"`
	Message  string        `json:"message,omitempty"`
	Before   int           `json:"before,omitempty"` // pods, of scaled
	After    int           `json:"after,omitempty"`
}

// Left is a target that was found in the preflight and is not watched: it went before the
// set of targets was frozen.
type Left struct {
	At     time.Duration `json:"at"`
	Target string        `json:"target"`
	Why    string        `json:"why"`
}
