package examples

import (
	"bytes"
	"os"
	"testing"

	rollouts "github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	flagger "github.com/fluxcd/flagger/pkg/apis/flagger/v1beta1"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	rbac "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// kinds are the objects that the examples may hold, by apiVersion and kind.
func kinds(apiVersion, kind string) any {
	switch apiVersion + " " + kind {
	case "v1 ConfigMap":
		return &core.ConfigMap{}
	case "v1 Service":
		return &core.Service{}
	case "v1 ServiceAccount":
		return &core.ServiceAccount{}
	case "v1 PersistentVolumeClaim":
		return &core.PersistentVolumeClaim{}
	case "apps/v1 Deployment":
		return &apps.Deployment{}
	case "batch/v1 Job":
		return &batch.Job{}
	case "networking.k8s.io/v1 NetworkPolicy":
		return &networking.NetworkPolicy{}
	case "rbac.authorization.k8s.io/v1 Role":
		return &rbac.Role{}
	case "rbac.authorization.k8s.io/v1 RoleBinding":
		return &rbac.RoleBinding{}
	case "argoproj.io/v1alpha1 AnalysisTemplate":
		return &rollouts.AnalysisTemplate{}
	case "flagger.app/v1beta1 Canary":
		return &flagger.Canary{}
	}
	return nil
}

// objects decodes every document of a file strictly: a key that its type does
// not have, or that stands there twice, fails the test.
func objects(t *testing.T, file string) []any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []any
	for _, doc := range bytes.Split(text, []byte("\n---\n")) {
		var head struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal(doc, &head); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		o := kinds(head.APIVersion, head.Kind)
		if o == nil {
			t.Fatalf("%s: no object is a %s %s", file, head.APIVersion, head.Kind)
		}
		if err := yaml.UnmarshalStrict(doc, o); err != nil {
			t.Fatalf("%s: %s: %v", file, head.Kind, err)
		}
		all = append(all, o)
	}
	return all
}

func TestKubernetes(t *testing.T) {
	all := objects(t, "../../examples/kubernetes/job.yaml")
	if len(all) != 5 {
		t.Fatalf("job.yaml has %d objects, want the plan, the service account with its Role, and the Job", len(all))
	}
	settings, account, job := all[0].(*core.ConfigMap), all[1].(*core.ServiceAccount), all[4].(*batch.Job)
	if got := job.Spec.Template.Spec.ServiceAccountName; got != account.Name {
		t.Errorf("the Job runs as %q, not as %q", got, account.Name)
	}
	if settings.Namespace != job.Namespace {
		t.Errorf("the plan is in %q and the Job in %q", settings.Namespace, job.Namespace)
	}
	once(t, job.Spec)
	plan := job.Spec.Template.Spec.Volumes[0]
	if plan.ConfigMap == nil || plan.ConfigMap.Name != settings.Name {
		t.Errorf("volume %q is not the ConfigMap %q", plan.Name, settings.Name)
	}
}

func TestArgo(t *testing.T) {
	all := objects(t, "../../examples/argo/analysis.yaml")
	metrics := all[0].(*rollouts.AnalysisTemplate).Spec.Metrics
	if len(metrics) != 1 || metrics[0].Provider.Job == nil {
		t.Fatalf("analysis.yaml has no metric from a Job: %+v", metrics)
	}
	once(t, metrics[0].Provider.Job.Spec)
}

// once checks what a gate's Job needs: it runs once, to an end, and every mount
// has its volume.
func once(t *testing.T, spec batch.JobSpec) {
	t.Helper()
	if spec.BackoffLimit == nil || *spec.BackoffLimit != 0 {
		t.Error("backoffLimit is not 0: a leak would be looked for again")
	}
	if spec.ActiveDeadlineSeconds == nil {
		t.Error("no activeDeadlineSeconds")
	}
	pod := spec.Template.Spec
	if pod.RestartPolicy != core.RestartPolicyNever {
		t.Errorf("restartPolicy is %q, want Never", pod.RestartPolicy)
	}
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
	}
	for _, m := range pod.Containers[0].VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("%s mounts %q, and there is no such volume", m.MountPath, m.Name)
		}
	}
}
