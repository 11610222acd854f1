package kubeload

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/leakgate/leakgate/loadgen"
)

// A pod that is killed is never replaced, all of it expires, and a pod may do nothing but
// open connections.
func TestJob(t *testing.T) {
	c := config()
	c.Bundle = []byte("the-secret-plan")
	job := c.job("leakgate-load-abc-1", loadgen.Phase{
		Round: 2, Duration: 20 * time.Second, Ramp: 5 * time.Second, Rate: 80, Only: []int{0, 3},
	}, 8*time.Second)
	s := job.Spec
	if *s.BackoffLimit != 0 || *s.PodReplacementPolicy != batchv1.Failed || *s.Parallelism != 4 || *s.Completions != 4 ||
		*s.CompletionMode != batchv1.IndexedCompletion || s.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("the Job may replace a pod: %+v", s)
	}
	if *s.ActiveDeadlineSeconds != 63 || *s.TTLSecondsAfterFinished != 62 { // 8 + 20 + 5 + 30
		t.Errorf("the Job ends after %ds, and expires %ds later; want 63 and 62", *s.ActiveDeadlineSeconds,
			*s.TTLSecondsAfterFinished)
	}
	pod := s.Template.Spec
	own := pod.Containers[0].SecurityContext
	if *pod.AutomountServiceAccountToken || !*pod.SecurityContext.RunAsNonRoot || *own.AllowPrivilegeEscalation ||
		!*own.ReadOnlyRootFilesystem || own.Capabilities.Drop[0] != "ALL" ||
		pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pods may do too much: %+v, %+v", pod.SecurityContext, own)
	}
	want := "attack /leakgate/plan --part=job/4 --start=$(LEAKGATE_START) --round=2 --duration=20s --ramp=5s --rate=80/s --only=0,3"
	if got := strings.Join(pod.Containers[0].Args, " "); got != want {
		t.Errorf("the pods run %s\nwant %s", got, want)
	}
	text, err := json.Marshal(job)
	if err != nil || strings.Contains(string(text), "secret-plan") {
		t.Errorf("the Job holds the plan: %s, %v", text, err)
	}
	job.UID = "uid"
	secret := c.secret(job, time.Unix(1e9, 5e8))
	if string(secret.Data[bundleKey]) != "the-secret-plan" || string(secret.Data[startKey]) != "2001-09-09T01:46:40.5Z" ||
		secret.OwnerReferences[0].UID != "uid" || secret.Name != job.Name {
		t.Errorf("the Secret is %+v", secret)
	}
}

// In a pod of the same namespace, what is created goes with that pod.
func TestOwnedBySelf(t *testing.T) {
	for _, c := range []struct {
		namespace string
		want      int
	}{{"load", 1}, {"other", 0}} {
		job := config().job("a", loadgen.Phase{}, 0)
		self := &corev1.Pod{}
		self.Namespace, self.Name, self.UID = c.namespace, "gate", "uid"
		if ownedBySelf(job, self); len(job.OwnerReferences) != c.want {
			t.Errorf("from a pod in %s, the Job has %d owners, want %d", c.namespace, len(job.OwnerReferences), c.want)
		}
	}
}

func TestTooLargeBundle(t *testing.T) {
	c := config()
	c.Bundle = make([]byte, 2<<20)
	want := "load.kubernetes: the plan and the files that its load names are 2048 KiB, packed; a Secret holds 1024 KiB"
	if _, err := newPods(c, newFake()); err == nil || err.Error() != want {
		t.Errorf("newPods = %v, want %s", err, want)
	}
}
