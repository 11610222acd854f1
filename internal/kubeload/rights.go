package kubeload

import "github.com/leakgate/leakgate/internal/kube"

// Rights are what it takes to have a load sent in a namespace: what Pods, Own and TestRuns
// ask of the API server, and nothing else.

// PodsRights are those of Pods.
func PodsRights(namespace string) []kube.Right {
	return append(OwnRights(namespace), kube.Right{Namespace: namespace, Resource: "secrets", Verbs: []string{"create"}})
}

// OwnRights are those of Own.
func OwnRights(namespace string) []kube.Right {
	return []kube.Right{
		{Namespace: namespace, Group: "batch", Resource: "jobs", Verbs: []string{"create", "get", "delete"}},
		{Namespace: namespace, Resource: "pods", Verbs: []string{"get", "list"}},
		{Namespace: namespace, Resource: "pods", Subresource: "log", Verbs: []string{"get"}},
	}
}

// TestRunsRights are those of TestRuns.
func TestRunsRights(namespace string) []kube.Right {
	return append(OwnRights(namespace), kube.Right{
		Namespace: namespace, Group: kube.TestRuns.Group, Resource: kube.TestRuns.Resource,
		Verbs: []string{"create", "get", "delete"},
	})
}
