package kube

import (
	"cmp"
	"context"
	"slices"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Right is a set of verbs on a kind of object in one namespace.
type Right struct {
	Namespace   string
	Group       string // of the API; empty: the core
	Resource    string
	Subresource string
	Verbs       []string
}

// name is the resource as a Role writes it.
func (r Right) name() string {
	if r.Subresource == "" {
		return r.Resource
	}
	return r.Resource + "/" + r.Subresource
}

// String is the right in a sentence.
func (r Right) String() string {
	return strings.Join(r.Verbs, ", ") + " " + r.name() + " in " + r.Namespace
}

// TargetRights are what it takes to find, watch and reach the pods of a namespace. Pods are
// reached by their addresses from inside of the cluster, and through a port-forward from
// outside, which is a get over WebSocket and a create over SPDY.
func (c *Client) TargetRights(namespace string) []Right {
	out := []Right{{Namespace: namespace, Resource: "pods", Verbs: []string{"get", "list", "watch"}}}
	if !c.inside {
		out = append(out, Right{Namespace: namespace, Resource: "pods", Subresource: "portforward",
			Verbs: []string{"get", "create"}})
	}
	return out
}

// Missing are those of some rights that whoever runs leakgate does not have, by the API
// server's own answer.
func (c *Client) Missing(ctx context.Context, rights []Right) ([]Right, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	api, err := c.API(authorizationv1.SchemeGroupVersion)
	if err != nil {
		return nil, err
	}
	var out []Right
	for _, r := range rights {
		lacking := r
		lacking.Verbs = nil
		for _, verb := range r.Verbs {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: r.Namespace, Verb: verb, Group: r.Group, Resource: r.Resource, Subresource: r.Subresource,
				},
			}}
			var answer authorizationv1.SelfSubjectAccessReview
			err := api.Post().Resource("selfsubjectaccessreviews").Body(review).Do(ctx).Into(&answer)
			if err != nil {
				return nil, c.failed("ask which rights there are", err)
			}
			if !answer.Status.Allowed {
				lacking.Verbs = append(lacking.Verbs, verb)
			}
		}
		if len(lacking.Verbs) > 0 {
			out = append(out, lacking)
		}
	}
	return out, nil
}

// Subject is who asks, as a RoleBinding names it.
type Subject struct {
	Kind      string // ServiceAccount or User
	Name      string
	Namespace string // of a ServiceAccount
}

// String is the subject in a sentence.
func (s Subject) String() string {
	if s.Namespace != "" {
		return "service account " + s.Name + " of " + s.Namespace
	}
	return "user " + s.Name
}

// serviceAccount is how the user names of service accounts begin.
const serviceAccount = "system:serviceaccount:"

// Who asks the API server who it takes leakgate for.
func (c *Client) Who(ctx context.Context) (Subject, error) {
	ctx, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	api, err := c.API(authenticationv1.SchemeGroupVersion)
	if err != nil {
		return Subject{}, err
	}
	var answer authenticationv1.SelfSubjectReview
	body := &authenticationv1.SelfSubjectReview{ObjectMeta: metav1.ObjectMeta{}}
	if err := api.Post().Resource("selfsubjectreviews").Body(body).Do(ctx).Into(&answer); err != nil {
		return Subject{}, c.failed("ask who this is", err)
	}
	name := answer.Status.UserInfo.Username
	if rest, ok := strings.CutPrefix(name, serviceAccount); ok {
		if namespace, account, ok := strings.Cut(rest, ":"); ok {
			return Subject{Kind: "ServiceAccount", Name: account, Namespace: namespace}, nil
		}
	}
	return Subject{Kind: "User", Name: name}, nil
}

// Merge puts rights together that are about one namespace and resource.
func Merge(rights []Right) []Right {
	var out []Right
	for _, r := range rights {
		i := slices.IndexFunc(out, func(o Right) bool {
			return o.Namespace == r.Namespace && o.Group == r.Group && o.name() == r.name()
		})
		if i < 0 {
			r.Verbs = slices.Clone(r.Verbs)
			out = append(out, r)
			continue
		}
		for _, v := range r.Verbs {
			if !slices.Contains(out[i].Verbs, v) {
				out[i].Verbs = append(out[i].Verbs, v)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Right) int { return cmp.Compare(a.Namespace, b.Namespace) })
	return out
}
