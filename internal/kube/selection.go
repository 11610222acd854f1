package kube

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// Selection says which pods: those of a workload, one pod, or those that a label selector
// matches.
type Selection struct {
	Namespace string
	Kind      Kind   // empty: by Selector
	Name      string // of the workload or the pod
	Selector  string // of labels
}

// Kind is a kind of workload, or Pod.
type Kind string

// The kinds whose pods can be selected.
const (
	Deployment  Kind = "Deployment"
	StatefulSet Kind = "StatefulSet"
	DaemonSet   Kind = "DaemonSet"
	ReplicaSet  Kind = "ReplicaSet"
	Pod         Kind = "Pod"
)

// kinds are the words by which kubectl knows the kinds.
var kinds = map[string]Kind{
	"deployment": Deployment, "deployments": Deployment, "deploy": Deployment, "deployment.apps": Deployment,
	"statefulset": StatefulSet, "statefulsets": StatefulSet, "sts": StatefulSet, "statefulset.apps": StatefulSet,
	"daemonset": DaemonSet, "daemonsets": DaemonSet, "ds": DaemonSet, "daemonset.apps": DaemonSet,
	"replicaset": ReplicaSet, "replicasets": ReplicaSet, "rs": ReplicaSet, "replicaset.apps": ReplicaSet,
	"pod": Pod, "pods": Pod, "po": Pod,
}

// ParseRef reads a workload as kubectl writes it, such as deployment/checkout.
func ParseRef(text string) (Kind, string, error) {
	word, name, ok := strings.Cut(text, "/")
	kind, known := kinds[strings.ToLower(word)]
	if !ok || !known || name == "" || strings.Contains(name, "/") {
		return "", "", fmt.Errorf("%q is not a workload", text)
	}
	return kind, name, nil
}

// ParseSelector checks a selector of labels, such as app=checkout.
func ParseSelector(text string) error {
	s, err := labels.Parse(text)
	if err == nil && s.Empty() {
		return fmt.Errorf("matches every pod")
	}
	return err
}

// String is the selection as kubectl writes it.
func (s Selection) String() string {
	if s.Kind == "" {
		return "pods -l " + s.Selector
	}
	return strings.ToLower(string(s.Kind)) + "/" + s.Name
}

// revisionLabels say of which revision of their workload pods are.
var revisionLabels = []string{"pod-template-hash", "controller-revision-hash"}

// revision is the revision of its workload that a pod is of; empty for a bare pod.
func revision(p *corev1.Pod) string {
	for _, l := range revisionLabels {
		if v := p.Labels[l]; v != "" {
			return v
		}
	}
	return ""
}

// owner is the workload that a pod belongs to. A Deployment owns its pods through a
// ReplicaSet, which is named after it and after the hash of the pods' template; so the pod
// says it all, and nobody needs the right to read ReplicaSets.
func owner(p *corev1.Pod) (Kind, string) {
	ref := metav1.GetControllerOf(p)
	if ref == nil {
		return "", ""
	}
	if hash := p.Labels["pod-template-hash"]; ref.Kind == string(ReplicaSet) && hash != "" {
		if name, ok := strings.CutSuffix(ref.Name, "-"+hash); ok {
			return Deployment, name
		}
	}
	return Kind(ref.Kind), ref.Name
}

// has reports whether a pod is selected, by its owner or its name. What a selector of labels
// matches, the API server says.
func (s Selection) has(p *corev1.Pod) bool {
	switch s.Kind {
	case "":
		return true
	case Pod:
		return p.Name == s.Name
	case ReplicaSet:
		ref := metav1.GetControllerOf(p)
		return ref != nil && ref.Kind == string(ReplicaSet) && ref.Name == s.Name
	}
	kind, name := owner(p)
	return kind == s.Kind && name == s.Name
}

// options select on the API server's side as far as it can.
func (s Selection) options() metav1.ListOptions {
	o := metav1.ListOptions{LabelSelector: s.Selector}
	if s.Kind == Pod {
		o.FieldSelector = "metadata.name=" + s.Name
	}
	return o
}

// page is how many pods one request lists.
const page = 500

// list returns the selected pods by name, and the version of the list to watch from.
func (c *Client) list(ctx context.Context, s Selection) (pods []corev1.Pod, version string, err error) {
	core, err := c.Core()
	if err != nil {
		return nil, "", err
	}
	o := s.options()
	o.Limit = page
	for {
		var got corev1.PodList
		within, cancel := context.WithTimeout(ctx, listTime)
		err := core.Get().Namespace(s.Namespace).Resource("pods").
			SpecificallyVersionedParams(&o, metav1.ParameterCodec, corev1.SchemeGroupVersion).Do(within).Into(&got)
		cancel()
		if err != nil {
			return nil, "", c.failed("list pods in "+s.Namespace, err)
		}
		for i := range got.Items {
			if s.has(&got.Items[i]) {
				pods = append(pods, got.Items[i])
			}
		}
		if o.Continue = got.Continue; o.Continue == "" {
			slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
			return pods, got.ResourceVersion, nil
		}
	}
}
