package kubernetes

import (
	"fmt"
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

// manifests is the part of an output that kubectl is to apply: from the first apiVersion to
// the last line that belongs to a mapping or a list.
func manifests(out string) string {
	var b strings.Builder
	in := false
	for line := range strings.Lines(out) {
		in = in || strings.HasPrefix(line, "apiVersion:")
		if strings.HasPrefix(line, "leakgate: ") {
			in = false
		}
		if in {
			b.WriteString(line)
		}
	}
	return b.String()
}

// An account that may do nothing is told what it lacks, as manifests. Applied as they are
// printed, they are what it needs, and no more.
func TestMissingRights(t *testing.T) {
	need(t)
	t.Parallel()
	n := newNamespace(t)
	n.deploy(shop{Replicas: 1, Leak: "none"})
	g := newGate(t, brief(n, startFront(t, n.sockets)))
	g.kubeconfig = n.account("gate")
	code, out := g.command("check", "plan.yaml")
	t.Logf("check without rights = %d\n%s", code, out)
	roles := manifests(out)
	if code == 0 || !strings.Contains(roles, "kind: Role\n") || !strings.Contains(roles, "kind: RoleBinding\n") {
		t.Fatalf("check = %d, and prints no Role and RoleBinding", code)
	}
	n.kubectlIn(roles, "apply", "-f", "-")
	code, out = g.command("check", "plan.yaml")
	t.Logf("check with these rights = %d\n%s", code, out)
	if code != 0 {
		t.Errorf("check = %d with the rights that it asked for, want 0", code)
	}
	for what, want := range map[string]string{
		"list pods": "yes", "create pods/portforward": "yes", "create pods": "no", "delete pods": "no",
		"get secrets": "no", "get nodes/proxy": "no", "create pods/exec": "no",
	} {
		args := append([]string{"auth", "can-i", "--as", fmt.Sprintf("system:serviceaccount:%s:gate", n.name)},
			strings.Fields(what)...)
		got, _ := n.try(t.Context(), "", append(args, "--namespace", n.name)...) // its status is 1 for no
		if got == "" {
			got = "no"
		}
		if got != want {
			t.Errorf("the account may %s: %s, want %s", what, got, want)
		}
	}
}
