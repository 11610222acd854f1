package kubeload

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/leakgate/leakgate/loadgen"
)

// environment is what a generator of the user's own is told of a phase, as the command of
// load.exec is. The rate is what one process sends.
func environment(phase loadgen.Phase, rate float64) []corev1.EnvVar {
	text := "0"
	if rate > 0 {
		text = strconv.FormatFloat(rate, 'f', -1, 64)
	}
	return []corev1.EnvVar{
		{Name: "LEAKGATE_RATE", Value: text}, {Name: "LEAKGATE_DURATION", Value: phase.Duration.String()},
		{Name: "LEAKGATE_SECONDS", Value: strconv.FormatFloat(phase.Duration.Seconds(), 'f', -1, 64)},
		{Name: "LEAKGATE_ROUND", Value: strconv.Itoa(phase.Round)},
	}
}

// readJob reads the manifest of a Job.
func readJob(file string, text []byte) (*batchv1.Job, error) {
	var job batchv1.Job
	if err := yaml.UnmarshalStrict(text, &job); err != nil {
		return nil, fmt.Errorf("%s: not the manifest of a Job: %w", file, err)
	}
	if job.Kind != "Job" || job.APIVersion != batchv1.SchemeGroupVersion.String() {
		return nil, fmt.Errorf("%s: want a Job of batch/v1, not %q of %q", file, job.Kind, job.APIVersion)
	}
	if len(job.Spec.Template.Spec.Containers) == 0 {
		return nil, fmt.Errorf("%s: the Job has no container", file)
	}
	pods := parallelism(&job)
	if pods < 1 {
		return nil, fmt.Errorf("%s: spec.parallelism is %d: nothing would be sent", file, pods)
	}
	if c := job.Spec.Completions; c != nil && *c != pods {
		return nil, fmt.Errorf("%s: spec.completions is %d and parallelism %d: all pods of a round have to load at once",
			file, *c, pods)
	}
	if s := job.Spec.Suspend; s != nil && *s {
		return nil, fmt.Errorf("%s: spec.suspend is true: it would never load", file)
	}
	return &job, nil
}

// NamespaceOf is the namespace that a manifest names; empty if it names none.
func NamespaceOf(text []byte) string {
	var object struct {
		Metadata struct {
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	if yaml.Unmarshal(text, &object) != nil {
		return ""
	}
	return object.Metadata.Namespace
}

func parallelism(job *batchv1.Job) int32 {
	if job.Spec.Parallelism == nil {
		return 1
	}
	return *job.Spec.Parallelism
}

// ownJob is the user's Job for one phase. What the user decides stays; but no pod is started
// again, nor replaced, each has an index and ends by itself, and it all expires.
func ownJob(
	manifest *batchv1.Job, name, namespace string, phase loadgen.Phase, rate float64, ready time.Duration,
) *batchv1.Job {
	job := manifest.DeepCopy()
	pods, indexed, none, replace := parallelism(job), batchv1.IndexedCompletion, int32(0), batchv1.Failed
	job.Name, job.GenerateName, job.Namespace, job.UID, job.ResourceVersion = name, "", namespace, "", ""
	job.Status = batchv1.JobStatus{}
	job.Labels = merged(job.Labels, labels(name))
	s := &job.Spec
	s.Parallelism, s.Completions, s.CompletionMode, s.PodReplacementPolicy = &pods, &pods, &indexed, &replace
	s.BackoffLimit, s.BackoffLimitPerIndex, s.PodFailurePolicy, s.Selector, s.ManualSelector = nil, &none, nil, nil, nil
	deadline := seconds(ready + phase.Duration + overtime)
	if s.ActiveDeadlineSeconds == nil || *s.ActiveDeadlineSeconds > deadline {
		s.ActiveDeadlineSeconds = &deadline
	}
	keep := int32(seconds(keepFor(int(pods)))) // whatever the user says: with the Job go its logs
	s.TTLSecondsAfterFinished = &keep
	t := &s.Template
	t.Labels = merged(t.Labels, labels(name))
	t.Spec.RestartPolicy = corev1.RestartPolicyNever
	env := environment(phase, rate/float64(pods))
	for i := range t.Spec.Containers {
		c := &t.Spec.Containers[i]
		c.Env = slices.Concat(env, c.Env) // first, so that the others can refer to them
	}
	return job
}

func merged(a, b map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range a {
		out[k] = v
	}
	for k, v := range b {
		out[k] = v
	}
	return out
}

// readTestRun reads the manifest of a TestRun.
func readTestRun(file string, text []byte) (*unstructured.Unstructured, error) {
	var object map[string]any
	if err := yaml.UnmarshalStrict(text, &object); err != nil {
		return nil, fmt.Errorf("%s: not the manifest of a TestRun: %w", file, err)
	}
	run := &unstructured.Unstructured{Object: object}
	if run.GetKind() != "TestRun" || run.GetAPIVersion() != "k6.io/v1alpha1" {
		return nil, fmt.Errorf("%s: want a TestRun of k6.io/v1alpha1, not %q of %q", file, run.GetKind(), run.GetAPIVersion())
	}
	if cleanup, _, _ := unstructured.NestedString(object, "spec", "cleanup"); cleanup != "" {
		return nil, fmt.Errorf("%s: spec.cleanup is %q: the operator would delete the runners, and with them the summaries "+
			"in their logs; leave it out, leakgate deletes the TestRun after the round", file, cleanup)
	}
	if _, err := runners(run); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return run, nil
}

// runners is how many runners a TestRun has.
func runners(run *unstructured.Unstructured) (int, error) {
	value, found, err := unstructured.NestedFieldNoCopy(run.Object, "spec", "parallelism")
	var n int64
	switch v := value.(type) {
	case int64:
		n = v
	case float64:
		n = int64(v)
	default:
		err = errors.New("not a number")
	}
	if !found || err != nil || n < 1 {
		return 0, fmt.Errorf("spec.parallelism is %v: want the number of runners", value)
	}
	return int(n), nil
}

// ownTestRun is the user's TestRun for one phase.
func ownTestRun(
	manifest *unstructured.Unstructured, name, namespace string, phase loadgen.Phase, rate float64,
) (*unstructured.Unstructured, error) {
	run := manifest.DeepCopy()
	delete(run.Object, "status")
	run.Object["metadata"] = map[string]any{"name": name, "namespace": namespace}
	run.SetLabels(merged(manifest.GetLabels(), labels(name)))
	run.SetAnnotations(manifest.GetAnnotations())
	pods := []string{"runner"}
	if _, given, _ := unstructured.NestedMap(run.Object, "spec", "initializer"); given {
		pods = append(pods, "initializer") // without one, it has the runner's variables
	}
	for _, pod := range pods {
		own, _, err := unstructured.NestedSlice(run.Object, "spec", pod, "env")
		if err != nil {
			return nil, fmt.Errorf("spec.%s.env: %w", pod, err)
		}
		var env []any
		for _, v := range environment(phase, rate) {
			env = append(env, map[string]any{"name": v.Name, "value": v.Value})
		}
		if err := unstructured.SetNestedSlice(run.Object, append(env, own...), "spec", pod, "env"); err != nil {
			return nil, fmt.Errorf("spec.%s: %w", pod, err)
		}
	}
	return run, nil
}
