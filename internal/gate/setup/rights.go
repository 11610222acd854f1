package setup

import (
	"context"
	"slices"

	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/internal/plan"
)

// Access is which rights a plan needs in one cluster, and which of them are missing.
type Access struct {
	Context string // of the kubeconfig; empty in a pod
	Server  string
	Who     kube.Subject
	Needed  []kube.Right
	Missing []kube.Right

	client *kube.Client
}

// need is what a plan needs in one cluster.
type need struct {
	context string
	rights  func(c *kube.Client) []kube.Right
}

// Rights asks the clusters of a plan which of the rights that it needs are missing. A plan
// without pods needs none.
func Rights(ctx context.Context, p *plan.Plan, tool string) ([]Access, error) {
	all := clusters{tool: tool}
	var out []Access
	for _, n := range needs(p) {
		c, err := all.client(n.context)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(out, func(a Access) bool { return a.Context == c.Context() })
		if i < 0 {
			i = len(out)
			out = append(out, Access{Context: c.Context(), Server: c.Server(), client: c})
		}
		out[i].Needed = kube.Merge(append(out[i].Needed, n.rights(c)...))
	}
	for i := range out {
		a := &out[i]
		var err error
		if a.Missing, err = a.client.Missing(ctx, a.Needed); err != nil {
			return nil, err
		}
		if len(a.Missing) == 0 {
			continue
		}
		if a.Who, err = a.client.Who(ctx); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// needs are the clusters of a plan, and what for.
func needs(p *plan.Plan) (out []need) {
	for _, t := range p.Targets {
		if t.Kubernetes != nil {
			out = append(out, need{t.Context, func(c *kube.Client) []kube.Right {
				return c.TargetRights(c.Namespace(t.Namespace))
			}})
		}
	}
	return append(out, loadNeeds(p)...)
}
