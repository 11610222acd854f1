package kubernetes

import (
	"cmp"
	"path/filepath"
	"strings"
	"testing"
)

// account makes a service account without rights, and returns a kubeconfig for it.
func (n *namespace) account(name string) string {
	n.t.Helper()
	n.kubectl("create", "serviceaccount", name)
	api, _ := apiServer(n.t)
	return writeKubeconfig(n.t, api.String(), filepath.Join(labDir, "state", "pki", "apiserver.crt"),
		n.kubectl("create", "token", name))
}

// An account that may do nothing is told what it lacks, as manifests on standard output.
// Applied as they are printed, they are what it needs, and no more.
func TestMissingRights(t *testing.T) {
	need(t)
	t.Parallel()
	n := newNamespace(t)
	n.deploy(shop{Replicas: 1, Leak: "none"})
	g := newGate(t, brief(n, startFront(t, n.sockets)))
	g.kubeconfig = n.account("gate")
	code, roles, complaints := g.commandApart("check", "plan.yaml")
	t.Logf("check without rights = %d\n%s%s", code, complaints, roles)
	if code == 0 || !strings.Contains(roles, "kind: Role\n") || !strings.Contains(roles, "kind: RoleBinding\n") {
		t.Fatalf("check = %d, and prints no Role and RoleBinding", code)
	}
	n.kubectlIn(roles, "apply", "-f", "-")
	code, out := g.command("check", "plan.yaml")
	t.Logf("check with these rights = %d\n%s", code, out)
	if code != 0 {
		t.Errorf("check = %d with the rights that it asked for, want 0", code)
	}
	for _, c := range []struct{ verb, resource, subresource, want string }{
		{"list", "pods", "", "yes"},
		{"watch", "pods", "", "yes"},
		{"create", "pods", "portforward", "yes"},
		{"create", "pods", "exec", "no"},
		{"create", "pods", "", "no"},
		{"delete", "pods", "", "no"},
		{"get", "secrets", "", "no"},
		{"get", "nodes", "proxy", "no"},
	} {
		// Its status is 1 where the answer is no.
		got, _ := n.try(t.Context(), "", "auth", "can-i", c.verb, c.resource, "--subresource="+c.subresource,
			"--namespace", n.name, "--as", "system:serviceaccount:"+n.name+":gate")
		if got = cmp.Or(got, "no"); got != c.want {
			t.Errorf("the account may %s %s/%s: %s, want %s", c.verb, c.resource, c.subresource, got, c.want)
		}
	}
}
