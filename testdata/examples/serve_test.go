package examples

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	rbac "k8s.io/api/rbac/v1"
)

const serveDir = "../../examples/kubernetes/serve/"

// one finds the only object of a type.
func one[T any](t *testing.T, all []any) T {
	t.Helper()
	var found []T
	for _, o := range all {
		if x, ok := o.(T); ok {
			found = append(found, x)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of type %T, want 1", len(found), *new(T))
	}
	return found[0]
}

// TestServeDeployment: the server runs once, as what the restricted Pod Security Standard
// allows, and everything that it names is there.
func TestServeDeployment(t *testing.T) {
	all := slices.Concat(objects(t, serveDir+"serve.yaml"), objects(t, serveDir+"plans.yaml"),
		objects(t, serveDir+"rbac.yaml"))
	d := one[*apps.Deployment](t, all)
	if *d.Spec.Replicas != 1 || d.Spec.Strategy.Type != apps.RecreateDeploymentStrategyType {
		t.Errorf("%d replicas, %s: two servers would use one state directory", *d.Spec.Replicas, d.Spec.Strategy.Type)
	}
	pod := d.Spec.Template.Spec
	if pod.ServiceAccountName != one[*core.ServiceAccount](t, all).Name {
		t.Errorf("no service account %q", pod.ServiceAccountName)
	}
	volumes := map[string]core.Volume{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = v
	}
	c := pod.Containers[0]
	for _, m := range c.VolumeMounts {
		if _, ok := volumes[m.Name]; !ok {
			t.Errorf("%s mounts %q, and there is no such volume", m.MountPath, m.Name)
		}
	}
	if got, want := volumes["plans"].ConfigMap.Name, one[*core.ConfigMap](t, all).Name; got != want {
		t.Errorf("plans are in %q, and the ConfigMap is %q", got, want)
	}
	claim := one[*core.PersistentVolumeClaim](t, all)
	if got := volumes["state"].PersistentVolumeClaim.ClaimName; got != claim.Name {
		t.Errorf("state is in %q, and the claim is %q", got, claim.Name)
	}
	p, s := pod.SecurityContext, c.SecurityContext
	if !*p.RunAsNonRoot || *p.RunAsUser == 0 || p.SeccompProfile.Type != core.SeccompProfileTypeRuntimeDefault ||
		*s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || !slices.Contains(s.Capabilities.Drop, "ALL") {
		t.Errorf("more than it needs: %+v, %+v", p, s)
	}
	service := one[*core.Service](t, all)
	for k, v := range service.Spec.Selector {
		if d.Spec.Template.Labels[k] != v {
			t.Errorf("the Service selects %s=%s, which the pod has not", k, v)
		}
	}
	for k, v := range one[*networking.NetworkPolicy](t, all).Spec.PodSelector.MatchLabels {
		if d.Spec.Template.Labels[k] != v {
			t.Errorf("the NetworkPolicy selects %s=%s, which the pod has not", k, v)
		}
	}
}

// flagOf is what a flag of the server's container has.
func flagOf(t *testing.T, name string) string {
	t.Helper()
	d := one[*apps.Deployment](t, objects(t, serveDir+"serve.yaml"))
	for _, arg := range d.Spec.Template.Spec.Containers[0].Args {
		if value, ok := strings.CutPrefix(arg, "--"+name+"="); ok {
			return value
		}
	}
	t.Fatalf("the server has no --%s", name)
	return ""
}

// TestServeTakesVariables: the server lets requests set what the examples' controllers send.
func TestServeTakesVariables(t *testing.T) {
	listed := strings.Split(flagOf(t, "request-variables"), ",")
	sent := map[string]string{}
	if m := hooks(t)["leakgate-start"].Metadata; m != nil {
		maps.Copy(sent, *m)
	}
	var body struct{ Variables map[string]string }
	if err := json.Unmarshal(metric(t, arguments()).Provider.Web.JSONBody, &body); err != nil {
		t.Fatal(err)
	}
	maps.Copy(sent, body.Variables)
	for name := range sent {
		if !slices.Contains(listed, name) {
			t.Errorf("%s is sent, and --request-variables lists %v", name, listed)
		}
	}
	if len(sent) != len(listed) {
		t.Errorf("--request-variables lists %v, and %d are sent", listed, len(sent))
	}
}

// TestServeHasTimeToEnd: the pod is killed after its runs are, and not before they have deleted
// what they had in the cluster.
func TestServeHasTimeToEnd(t *testing.T) {
	const clean, answers = 30 * time.Second, 10 * time.Second // of a load's Jobs; of the server itself
	grace, err := time.ParseDuration(flagOf(t, "grace"))
	if err != nil || grace <= clean {
		t.Errorf("--grace = %s, %v; want more than %s", grace, err, clean)
	}
	d := one[*apps.Deployment](t, objects(t, serveDir+"serve.yaml"))
	if s := time.Duration(*d.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second; s < grace+answers {
		t.Errorf("terminationGracePeriodSeconds = %s; want %s at least", s, grace+answers)
	}
}

// TestServeRights: no right is there that a mistake in a plan could do harm with.
func TestServeRights(t *testing.T) {
	all := objects(t, serveDir+"rbac.yaml")
	account := one[*core.ServiceAccount](t, all)
	roles := map[string]bool{}
	for _, o := range all {
		switch o := o.(type) {
		case *rbac.Role:
			roles[o.Namespace+"/"+o.Name] = true
			for _, r := range o.Rules {
				harmless(t, o.Name, r)
			}
		case *rbac.RoleBinding:
			if !roles[o.Namespace+"/"+o.RoleRef.Name] {
				t.Errorf("RoleBinding %s: no Role %s in %s", o.Name, o.RoleRef.Name, o.Namespace)
			}
			if s := o.Subjects[0]; s.Name != account.Name || s.Namespace != account.Namespace {
				t.Errorf("RoleBinding %s is of %s/%s", o.Name, s.Namespace, s.Name)
			}
		}
	}
}

func harmless(t *testing.T, role string, r rbac.PolicyRule) {
	t.Helper()
	for _, resource := range r.Resources {
		if strings.HasPrefix(resource, "nodes") || strings.HasSuffix(resource, "/exec") ||
			resource == "pods/portforward" || resource == "*" {
			t.Errorf("%s: %s", role, resource)
		}
		if resource == "secrets" && !slices.Equal(r.Verbs, []string{"create"}) {
			t.Errorf("%s: %v secrets", role, r.Verbs)
		}
	}
	if slices.Contains(r.Verbs, "*") || slices.Contains(r.APIGroups, "*") {
		t.Errorf("%s: %+v", role, r)
	}
}
