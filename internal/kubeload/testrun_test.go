package kubeload

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// A TestRun of the fake's has two runners from the start, which run a second later, and the
// stages that its test says.

func (f *fake) CreateTestRun(_ context.Context, run *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.runs[run.GetName()] != nil {
		return nil, exists(run.GetName())
	}
	lost, create := f.answer()
	if !create {
		return nil, lost
	}
	f.runs[run.GetName()] = run
	for i := range 2 {
		name := fmt.Sprintf("%s-%d", run.GetName(), i+1)
		f.uid++
		f.pods[name] = corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: run.GetNamespace(), UID: types.UID(fmt.Sprint("runner-", f.uid)),
				Labels:      map[string]string{batchv1.JobNameLabel: run.GetName()},
				Annotations: map[string]string{batchv1.JobCompletionIndexAnnotation: fmt.Sprint(i)}},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "k6"}}},
		}
	}
	return run, lost
}

func (f *fake) TestRun(_ context.Context, _, name string) (*unstructured.Unstructured, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	run := f.runs[name]
	stage := ""
	if run != nil {
		stage = f.stage(time.Since(f.began))
	}
	if run == nil || stage == "gone" {
		return nil, gone(name)
	}
	run = run.DeepCopy()
	return run, unstructured.SetNestedField(run.Object, stage, "status", "stage")
}

func (f *fake) DeleteTestRun(_ context.Context, _, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.runs, name)
	for pod, p := range f.pods {
		if p.Labels[batchv1.JobNameLabel] == name {
			delete(f.pods, pod)
		}
	}
	return nil
}

const twoRunners = `
apiVersion: k6.io/v1alpha1
kind: TestRun
metadata: {name: checkout, labels: {team: shop}}
spec:
  parallelism: 2
  script: {configMap: {name: checkout, file: script.js}}
  runner: {image: "k6:1", env: [{name: HOST, value: checkout}]}
`

// stages is what the operator does: the runners load from 3 s on, for as long as a phase.
func stages(at time.Duration) string {
	switch {
	case at < time.Second:
		return ""
	case at < 2*time.Second:
		return "initialization"
	case at < 2500*time.Millisecond:
		return "initialized"
	case at < 3*time.Second:
		return "created"
	case at < 3*time.Second+length+15*time.Second:
		return "started"
	}
	return "finished"
}

func TestTestRuns(t *testing.T) {
	until := func(last time.Duration, stage string) func(time.Duration) string {
		return func(at time.Duration) string {
			if at < last {
				return stages(at)
			}
			return stage
		}
	}
	for _, c := range []struct {
		name  string
		stage func(time.Duration) string
		play  func(f *fake, p *corev1.Pod, i int)
		want  record.Load
		says  string
	}{
		{"as it should be", stages, nil, record.Load{Sent: 2000, Succeeded: 1998}, ""},
		// Its known traps.
		{"nobody looks after it", func(time.Duration) string { return "" }, nil, record.Load{Code: record.NotReady},
			`was still at stage "", not "started": is the k6 operator running, and does it watch namespace load?`},
		{"the initializer fails", until(time.Second, "initialization"), nil, record.Load{Code: record.NotReady},
			`was still at stage "initialization", not "started": the operator waits without end for an initializer that failed`},
		{"initialized without end", until(2*time.Second, "initialized"), nil, record.Load{Code: record.NotReady},
			`was still at stage "initialized", not "started": the operator waits without end for runners that it could not create or reach; all of them run, and wait paused`},
		{"a runner that waits paused for ever", until(3*time.Second, "started"), func(f *fake, p *corev1.Pod, i int) {
			if s := &p.Status.ContainerStatuses[0]; i == 1 && s.State.Terminated != nil {
				s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
			}
		}, record.Load{Code: record.Lost}, `was at stage "started" 30s after the end of its phase: a runner that is restarted waits paused for ever`},
		{"cleaned up too early", until(20*time.Second, "gone"), nil, record.Load{Code: record.Lost},
			"is gone before its summaries were read: somebody deleted it, or cleanup: post did"},
		{"an error", until(2*time.Second, "error"), nil, record.Load{Code: record.Lost}, `ended with stage "error"`},
		{"an operator that ends", until(5*time.Second, "started"), nil, record.Load{Code: record.Lost},
			`was still at stage "started" 45s after its runners had ended: does the k6 operator still run?`},
		{"a runner is killed", stages, func(f *fake, p *corev1.Pod, i int) {
			if s := &p.Status.ContainerStatuses[0]; i == 0 && s.State.Running != nil {
				s.State = corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 137, Reason: "OOMKilled"}}
			}
		}, record.Load{Code: record.Lost}, "-1 was killed: it used more memory than it may (OOMKilled)"},
		{"no summaries", stages, func(f *fake, p *corev1.Pod, i int) { f.logs[p.Name] = "done\n" },
			record.Load{Code: record.Unread}, "reading the summary of checkout-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.stage = c.stage
				f.play = func(f *fake, p *corev1.Pod, i int) {
					f.logs[p.Name] = k6Summary(1000, 1)
					if c.play != nil {
						c.play(f, p, i)
					}
				}
				d, err := newTestRuns(OwnConfig{File: "run.yaml", Manifest: []byte(twoRunners), Default: "load", Rate: 200, Ready: time.Minute}, f)
				if err != nil {
					t.Fatal(err)
				}
				phase := loadgen.Phase{Round: 1, Duration: length}
				d.Prepare(t.Context(), phase)
				got := d.Run(t.Context(), phase)
				if got.Sent != c.want.Sent || got.Succeeded != c.want.Succeeded || got.Code != c.want.Code ||
					(got.Stopped == "") != (c.says == "") || !strings.Contains(got.Stopped, c.says) {
					t.Errorf("Run = sent %d, succeeded %d, %q %q\nwant %d, %d, %q %q", got.Sent, got.Succeeded, got.Code, got.Stopped,
						c.want.Sent, c.want.Succeeded, c.want.Code, c.says)
				}
				f.empty(t, c.name)
			})
		})
	}
}

// The rate is that of all runners, which k6 divides; without an initializer of its own, it
// has the runner's variables.
func TestOwnTestRun(t *testing.T) {
	run, err := readTestRun("run.yaml", []byte(twoRunners))
	if err != nil {
		t.Fatal(err)
	}
	got, err := ownTestRun(run, "checkout-abc-1", "load", loadgen.Phase{Duration: 20 * time.Second}, 300)
	if err != nil {
		t.Fatal(err)
	}
	env, _, _ := unstructured.NestedSlice(got.Object, "spec", "runner", "env")
	if fmt.Sprint(env) != "[map[name:LEAKGATE_RATE value:300] map[name:LEAKGATE_DURATION value:20s] map[name:LEAKGATE_SECONDS value:20] "+
		"map[name:LEAKGATE_ROUND value:0] map[name:HOST value:checkout]]" {
		t.Errorf("the runner's variables are %v", env)
	}
	if _, given, _ := unstructured.NestedMap(got.Object, "spec", "initializer"); given || got.GetName() != "checkout-abc-1" ||
		got.GetNamespace() != "load" || got.GetLabels()["team"] != "shop" {
		t.Errorf("the TestRun is %v", got.Object)
	}
	if own, _, _ := unstructured.NestedSlice(run.Object, "spec", "runner", "env"); len(own) != 1 {
		t.Error("the manifest was changed")
	}
}

// What a TestRun expires with has no pods, so that it is complete at once.
func TestLeash(t *testing.T) {
	job := leash("a", "load", 90*time.Second)
	if *job.Spec.Completions != 0 || *job.Spec.Parallelism != 0 || *job.Spec.TTLSecondsAfterFinished != 90 {
		t.Errorf("the leash is %+v", job.Spec)
	}
}
