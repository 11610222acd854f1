package kube

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/leakgate/leakgate/record"
)

// ready reports whether a pod serves: it is ready, and nobody has deleted it.
func ready(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && p.Status.Phase == corev1.PodRunning &&
		condition(p, corev1.PodReady) == corev1.ConditionTrue
}

func condition(p *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range p.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

// whyNotReady says what keeps a pod from being ready.
func whyNotReady(p *corev1.Pod) string {
	if p.DeletionTimestamp != nil {
		return "is being deleted"
	}
	for _, s := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := s.State.Waiting; w != nil && w.Reason != "" {
			return fmt.Sprintf("container %s waits: %s", s.Name, w.Reason)
		}
		if t := s.State.Terminated; t != nil && t.ExitCode != 0 {
			return fmt.Sprintf("container %s ended: %s", s.Name, terminationText(t))
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Status == corev1.ConditionFalse && c.Message != "" {
			return c.Message
		}
	}
	return "is " + strings.ToLower(cmp.Or(string(p.Status.Phase), "not scheduled"))
}

func terminationText(t *corev1.ContainerStateTerminated) string {
	if t.Signal != 0 {
		return fmt.Sprintf("%s, signal %d", cmp.Or(t.Reason, "killed"), t.Signal)
	}
	return fmt.Sprintf("%s, exit code %d", cmp.Or(t.Reason, "ended"), t.ExitCode)
}

// container is the one of a pod that is watched: the named one, or the one that has the
// port, or the default one, or the first.
func container(p *corev1.Pod, name string, port int32) (corev1.Container, error) {
	all := p.Spec.Containers
	for _, c := range p.Spec.InitContainers { // a sidecar may be what is watched, if the plan says so
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways && c.Name == name {
			all = append(slices.Clone(all), c)
		}
	}
	if name != "" {
		if i := slices.IndexFunc(all, func(c corev1.Container) bool { return c.Name == name }); i >= 0 {
			return all[i], nil
		}
		return corev1.Container{}, fmt.Errorf("pod %s has no container %q; it has %s", p.Name, name, containerNames(p))
	}
	if i := slices.IndexFunc(all, func(c corev1.Container) bool {
		return slices.ContainsFunc(c.Ports, func(o corev1.ContainerPort) bool { return o.ContainerPort == port })
	}); i >= 0 {
		return all[i], nil
	}
	preferred := p.Annotations[defaultContainer]
	if i := slices.IndexFunc(all, func(c corev1.Container) bool { return c.Name == preferred }); i >= 0 {
		return all[i], nil
	}
	if len(all) == 0 {
		return corev1.Container{}, fmt.Errorf("pod %s has no container", p.Name)
	}
	return all[0], nil
}

// defaultContainer is the annotation by which kubectl picks a container.
const defaultContainer = "kubectl.kubernetes.io/default-container"

func containerNames(p *corev1.Pod) string {
	var out []string
	for _, c := range p.Spec.Containers {
		out = append(out, c.Name)
	}
	return strings.Join(out, ", ")
}

// status is the status of one container of a pod.
func status(p *corev1.Pod, name string) (corev1.ContainerStatus, bool) {
	for _, s := range slices.Concat(p.Status.ContainerStatuses, p.Status.InitContainerStatuses) {
		if s.Name == name {
			return s, true
		}
	}
	return corev1.ContainerStatus{}, false
}

// Where the version and the commit of a workload are written, by common agreement: labels of
// Kubernetes' own, annotations of the Open Container Initiative.
const (
	versionLabel  = "app.kubernetes.io/version"
	versionOCI    = "org.opencontainers.image.version"
	revisionOCI   = "org.opencontainers.image.revision"
	digestOf      = "@"
	imageIDScheme = "://" // docker-pullable://…
	imageIDSha    = "sha256:"
)

// describe is what a run records of a pod.
func describe(p *corev1.Pod, of corev1.Container, replicas int) record.Pod {
	kind, name := owner(p)
	out := record.Pod{
		Namespace: p.Namespace, Name: p.Name, UID: string(p.UID), Node: p.Spec.NodeName,
		Container: of.Name, Image: of.Image, Digest: digest(p, of.Name), Replicas: replicas,
		Version: named(p, versionLabel, versionOCI), Revision: named(p, revisionOCI), Template: revision(p),
	}
	if kind != "" {
		out.Workload = strings.ToLower(string(kind)) + "/" + name
	}
	if limit, ok := of.Resources.Limits[corev1.ResourceMemory]; ok && limit.Value() > 0 {
		out.Memory = uint64(limit.Value())
	}
	if s, ok := status(p, of.Name); ok {
		out.Restarts = int(s.RestartCount)
	}
	return out
}

// named is the first of some labels or annotations that a pod has.
func named(p *corev1.Pod, keys ...string) string {
	for _, k := range keys {
		if v := cmp.Or(p.Labels[k], p.Annotations[k]); v != "" {
			return v
		}
	}
	return ""
}

// digest is the digest of the image that a container runs; empty where the runtime does not
// say.
func digest(p *corev1.Pod, name string) string {
	s, _ := status(p, name)
	id := s.ImageID
	if _, after, ok := strings.Cut(id, imageIDScheme); ok {
		id = after
	}
	if _, after, ok := strings.Cut(id, digestOf); ok {
		id = after
	}
	if !strings.HasPrefix(id, imageIDSha) {
		return ""
	}
	return id
}
