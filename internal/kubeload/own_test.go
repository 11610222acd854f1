package kubeload

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// ownManifest is a Job of the user's, with two pods.
const ownManifest = `
apiVersion: batch/v1
kind: Job
metadata: {name: ghz-checkout, namespace: tools, labels: {team: shop}}
spec:
  parallelism: 2
  backoffLimit: 6
  ttlSecondsAfterFinished: 0 # would delete the logs
  template:
    spec:
      restartPolicy: OnFailure
      containers:
        - name: ghz
          image: ghz:1
          args: [--rps, $(LEAKGATE_RATE), --duration, $(LEAKGATE_DURATION)]
          env: [{name: HOST, value: checkout}]
`

// k6Summary is what k6 says of some requests.
func k6Summary(requests, failed int) string {
	return fmt.Sprintf(`{"metrics":{"http_reqs":{"count":%d},"http_req_failed":{"value":%v,"passes":%d,"fails":%d},`+
		`"http_req_duration":{"avg":2,"med":1,"p(90)":3,"p(95)":4,"max":9}}}`+"\n", requests, float64(failed)/float64(requests), failed, requests-failed)
}

// What the user decides stays; that nothing is started again, and that it all expires, is
// leakgate's.
func TestOwnJob(t *testing.T) {
	manifest, err := readJob("job.yaml", []byte(ownManifest))
	if err != nil {
		t.Fatal(err)
	}
	job := ownJob(manifest, "ghz-checkout-abc-1", "load", loadgen.Phase{Round: 3, Duration: 20 * time.Second}, 300, time.Minute)
	s := job.Spec
	if job.Name != "ghz-checkout-abc-1" || job.Namespace != "load" || job.Labels["team"] != "shop" ||
		job.Labels["app.kubernetes.io/managed-by"] != "leakgate" {
		t.Errorf("the Job is %+v", job.ObjectMeta)
	}
	if *s.Parallelism != 2 || *s.Completions != 2 || s.BackoffLimit != nil || *s.BackoffLimitPerIndex != 0 ||
		*s.CompletionMode != batchv1.IndexedCompletion || *s.PodReplacementPolicy != batchv1.Failed ||
		s.Template.Spec.RestartPolicy != corev1.RestartPolicyNever {
		t.Errorf("the Job may start pods again: %+v", s)
	}
	if *s.ActiveDeadlineSeconds != 110 || *s.TTLSecondsAfterFinished != 61 {
		t.Errorf("the Job ends after %ds, and expires %ds later; want 110 and 61", *s.ActiveDeadlineSeconds, *s.TTLSecondsAfterFinished)
	}
	want := []corev1.EnvVar{
		{Name: "LEAKGATE_RATE", Value: "150"}, {Name: "LEAKGATE_DURATION", Value: "20s"}, {Name: "LEAKGATE_SECONDS", Value: "20"},
		{Name: "LEAKGATE_ROUND", Value: "3"}, {Name: "HOST", Value: "checkout"},
	}
	if diff := cmp.Diff(want, s.Template.Spec.Containers[0].Env); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	if manifest.Name != "ghz-checkout" || len(manifest.Spec.Template.Spec.Containers[0].Env) != 1 {
		t.Error("the manifest was changed")
	}
}

func TestReadManifests(t *testing.T) {
	edit := func(old, now string) string { return strings.Replace(ownManifest, old, now, 1) }
	for _, c := range []struct{ name, text, want string }{
		{"good", ownManifest, ""},
		{"no YAML", "{", "job.yaml: not the manifest of a Job: "},
		{"a misspelt key", edit("parallelism", "paralelism"), `unknown field "paralelism"`},
		{"a Deployment", edit("kind: Job", "kind: Deployment"), `want a Job of batch/v1, not "Deployment" of "batch/v1"`},
		{"no container", `{apiVersion: batch/v1, kind: Job, spec: {template: {spec: {}}}}`, "the Job has no container"},
		{"one after the other", edit("parallelism: 2", "parallelism: 2\n  completions: 4"),
			"spec.completions is 4 and parallelism 2: all pods of a round have to load at once"},
		{"as many as at once", edit("parallelism: 2", "parallelism: 2\n  completions: 2"), ""},
		{"none", edit("parallelism: 2", "parallelism: 0"), "spec.parallelism is 0: nothing would be sent"},
		{"suspended", edit("parallelism: 2", "suspend: true"), "spec.suspend is true: it would never load"},
	} {
		_, err := readJob("job.yaml", []byte(c.text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("readJob(%s) = %v, want %q", c.name, err, c.want)
		}
	}
	const run = "apiVersion: k6.io/v1alpha1\nkind: TestRun\nmetadata: {name: checkout}\nspec: {parallelism: 4, script: {configMap: {name: a}}}\n"
	for _, c := range []struct{ name, text, want string }{
		{"good", run, ""},
		{"the old kind", strings.Replace(run, "TestRun", "K6", 1), `want a TestRun of k6.io/v1alpha1, not "K6" of "k6.io/v1alpha1"`},
		{"no runners", strings.Replace(run, "parallelism: 4, ", "", 1), "spec.parallelism is <nil>: want the number of runners"},
		{"as a text", strings.Replace(run, "parallelism: 4", "parallelism: many", 1), "spec.parallelism is many: want the number of runners"},
		// The operator would delete the logs before they are read.
		{"cleanup", strings.Replace(run, "parallelism: 4", "parallelism: 4, cleanup: post", 1),
			`run.yaml: spec.cleanup is "post": the operator would delete the runners, and with them the summaries in their logs`},
	} {
		_, err := readTestRun("run.yaml", []byte(c.text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("readTestRun(%s) = %v, want %q", c.name, err, c.want)
		}
	}
}

func FuzzManifests(f *testing.F) {
	f.Add([]byte(ownManifest))
	f.Add([]byte("apiVersion: k6.io/v1alpha1\nkind: TestRun\nspec: {parallelism: 1, runner: {env: [a]}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if job, err := readJob("a", text); err == nil {
			ownJob(job, "n", "ns", loadgen.Phase{Duration: time.Second}, 1, time.Second)
		}
		if run, err := readTestRun("a", text); err == nil {
			_, _ = ownTestRun(run, "n", "ns", loadgen.Phase{Duration: time.Second}, 1)
		}
		NamespaceOf(text)
	})
}

// A Job of the user's own: the counts of its pods are added up.
func TestOwn(t *testing.T) {
	ended := func(p *corev1.Pod, code int32) {
		if s := &p.Status.ContainerStatuses[0]; s.State.Terminated != nil {
			s.State.Terminated.ExitCode = code
		}
	}
	for _, c := range []struct {
		name string
		play func(f *fake, p *corev1.Pod, i int)
		want record.Load // Sent, Succeeded, Uncounted, Code
		says string
	}{
		{"two summaries", func(f *fake, p *corev1.Pod, i int) { f.logs[p.Name] = "log\n" + k6Summary(1000+i, 10*i) },
			record.Load{Sent: 2001, Succeeded: 1991}, ""},
		// A threshold of k6's own that was missed is no failure to send.
		{"a threshold missed", func(f *fake, p *corev1.Pod, i int) { f.logs[p.Name] = k6Summary(1000, 0); ended(p, 99) },
			record.Load{Sent: 2000, Succeeded: 2000}, ""},
		{"a failure", func(f *fake, p *corev1.Pod, i int) { f.logs[p.Name] = "cannot connect\n"; ended(p, int32(i)) },
			record.Load{}, "-1 ended with exit code 1: cannot connect"},
		{"no summaries", func(f *fake, p *corev1.Pod, i int) { f.logs[p.Name] = "done\n" },
			record.Load{Sent: 1, Succeeded: 1, Uncounted: true}, ""},
		{"one summary", func(f *fake, p *corev1.Pod, i int) { f.logs[p.Name] = strings.Repeat(k6Summary(1000, 0), i) },
			record.Load{Code: record.Unread}, "1 of 2 pods printed a summary of what they sent"},
		{"half a summary", func(f *fake, p *corev1.Pod, i int) {
			f.logs[p.Name] = strings.Replace(k6Summary(1000, 0), `"fails":1000`, `"fails":900`, 1)
		}, record.Load{Code: record.Unread}, "reading the summary of ghz-checkout-"},
		{"a pod that is gone", func(f *fake, p *corev1.Pod, i int) {
			f.logs[p.Name] = k6Summary(1000, 0)
			if i == 1 && time.Since(f.began) > 5*time.Second {
				p.UID = ""
			}
		}, record.Load{Code: record.Lost}, "-1 is gone: it was deleted, or its node is gone"},
		{"no end", func(f *fake, p *corev1.Pod, i int) {
			if s := &p.Status.ContainerStatuses[0]; s.State.Terminated != nil {
				s.State = corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
			}
		}, record.Load{Code: record.Lost}, "pods of the Job were still running 30s after the end of their phase"},
		{"no start", func(f *fake, p *corev1.Pod, i int) { f.startAfter = -1 }, record.Load{Code: record.NotReady},
			"after 1m0s, not all of 2 pods were running: pod ghz-checkout-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.play = c.play
				var kept atomic.Int32
				d, err := newOwn(OwnConfig{File: "job.yaml", Manifest: []byte(ownManifest), Namespace: "load", Rate: 200, Ready: time.Minute,
					Keep: func(int, string, []byte) { kept.Add(1) }}, f)
				if err != nil {
					t.Fatal(err)
				}
				phase := loadgen.Phase{Round: 1, Duration: length}
				d.Prepare(t.Context(), phase)
				got := d.Run(t.Context(), phase)
				if got.Sent != c.want.Sent || got.Succeeded != c.want.Succeeded || got.Uncounted != c.want.Uncounted ||
					got.Code != c.want.Code || (got.Stopped == "") != (c.says == "") || !strings.Contains(got.Stopped, c.says) {
					t.Errorf("Run = sent %d, succeeded %d, uncounted %t, %q %q\nwant %d, %d, %t, %q %q", got.Sent, got.Succeeded,
						got.Uncounted, got.Code, got.Stopped, c.want.Sent, c.want.Succeeded, c.want.Uncounted, c.want.Code, c.says)
				}
				if c.says == "" && (kept.Load() != 2 || got.Asked != 200 || got.Entries[0].Name != "job ghz-checkout") {
					t.Errorf("%d logs were kept, of %q; want 2", kept.Load(), got.Entries[0].Name)
				}
				if c.name == "two summaries" && (got.Entries[0].Max != 9*time.Millisecond || got.Entries[0].P90 != 0 ||
					got.Entries[0].Mean != 2*time.Millisecond || got.Parts[1].Sent != 1001 || got.Expected != 2000) {
					t.Errorf("two summaries give %+v, %+v", got.Entries[0], got.Parts)
				}
				f.empty(t, c.name)
			})
		})
	}
}
