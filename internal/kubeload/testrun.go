package kubeload

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leakgate/leakgate/internal/kube"
	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// operated is a cluster with the k6 operator.
type operated interface {
	cluster
	CreateTestRun(ctx context.Context, run *unstructured.Unstructured) (*unstructured.Unstructured, error)
	TestRun(ctx context.Context, namespace, name string) (*unstructured.Unstructured, error)
	DeleteTestRun(ctx context.Context, namespace, name string) error
}

var _ operated = (*kube.Client)(nil)

// Stages of a TestRun, as its status names them: initialization, initialized, created,
// started, stopped, finished, or error.
const (
	stageStarted  = "started"
	stageStopped  = "stopped"
	stageFinished = "finished"
	stageError    = "error"
)

// TestRuns sends load with a TestRun of the k6 operator for each phase.
type TestRuns struct {
	cfg       OwnConfig
	cluster   operated
	manifest  *unstructured.Unstructured
	runners   int
	namespace string
	id        string
	n         int
	now       *trial
}

// trial is a TestRun that loads, or why there is none.
type trial struct {
	phase        // its Job is the leash that the TestRun expires with
	name  string // of the TestRun; empty: there is none
	stage string // seen last
}

// NewTestRuns reads the manifest. It sends nothing.
func NewTestRuns(cfg OwnConfig, client *kube.Client) (*TestRuns, error) {
	return newTestRuns(cfg, client)
}

func newTestRuns(cfg OwnConfig, c operated) (*TestRuns, error) {
	run, err := readTestRun(cfg.File, cfg.Manifest)
	if err != nil {
		return nil, err
	}
	n, err := runners(run)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", cfg.File, err)
	}
	cfg.Summary, cfg.together = "k6", true // the operator starts the runners when all are ready
	return &TestRuns{
		cfg: cfg, cluster: c, manifest: run, runners: n, id: newID(),
		namespace: cmp.Or(cfg.Namespace, run.GetNamespace(), cfg.Default),
	}, nil
}

// Progress is unknown until a phase ends.
func (d *TestRuns) Progress() uint64 { return 0 }

// operatorTime is how long the operator may take to see that the runners have ended: it
// looks every 15 seconds.
const operatorTime = 45 * time.Second

// leash is a Job without pods: it is complete as soon as it is created, and expires, and what
// it owns with it. A TestRun has no expiry of its own.
func leash(name, namespace string, life time.Duration) *batchv1.Job {
	none := int32(0)
	keep := int32(seconds(life))
	return &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace, Labels: labels(name)},
		Spec: batchv1.JobSpec{
			Parallelism: &none, Completions: &none, TTLSecondsAfterFinished: &keep,
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever,
				Containers:    []corev1.Container{{Name: "none", Image: "none"}}, // a template needs one
			}},
		},
	}
}

// runnersOf selects the runners of a TestRun, by the labels that the operator gives them.
func runnersOf(name string) string { return "app=k6,k6_cr=" + name + ",runner=true" }

// Prepare creates the TestRun of a phase, and returns when its runners have been started.
func (d *TestRuns) Prepare(ctx context.Context, of loadgen.Phase) {
	t := &trial{}
	d.now = t
	d.n++
	name := objectName(cmp.Or(d.manifest.GetName(), "load"), d.id, d.n)
	t.pods = &watched{cluster: d.cluster, namespace: d.namespace, selector: runnersOf(name), want: d.runners, good: anyhow}
	end := time.Now().Add(d.cfg.Ready)
	if t.err = d.create(ctx, t, name, of, end); t.err != nil {
		return
	}
	t.pods.teller = newTeller(of)
	t.err = d.wait(ctx, t, end, func() bool {
		return t.stage == stageStarted || t.stage == stageStopped || t.stage == stageFinished
	})
	t.pods.teller = nil
	if errors.Is(t.err, errTooLate) {
		t.err = &troubled{trouble{code: record.NotReady, message: d.stuck(ctx, t)}}
	}
	t.start = time.Now()
}

// stuck says where a TestRun hangs.
func (d *TestRuns) stuck(ctx context.Context, t *trial) string {
	at := fmt.Sprintf("after %s, testrun %s was still at stage %q, not %q", d.cfg.Ready, t.name, t.stage, stageStarted)
	switch t.stage {
	case "":
		return at + ": is the k6 operator running, and does it watch namespace " + d.namespace + "?"
	case "initialization":
		return at + ": the operator waits without end for an initializer that failed or cannot start; see kubectl -n " +
			d.namespace + " logs job/" + t.name + "-initializer"
	}
	why := at + ": the operator waits without end for runners that it could not create or reach"
	if len(t.pods.seen) > 0 && t.pods.running() {
		return why + "; all of them run, and wait paused"
	}
	return why + ": " + t.pods.notRunning(ctx, t.name+"-1")
}

func (d *TestRuns) create(ctx context.Context, t *trial, name string, of loadgen.Phase, end time.Time) error {
	run, err := ownTestRun(d.manifest, name, d.namespace, of, d.cfg.Rate)
	if err != nil {
		return fmt.Errorf("%s: %w", d.cfg.File, err)
	}
	tied := leash(name, d.namespace, d.cfg.Ready+of.Duration+overtime+operatorTime+keepFor(d.runners))
	ownedBySelf(tied, d.cluster.Self(ctx))
	if t.job, err = createJob(ctx, d.cluster, tied, end); err != nil {
		return err
	}
	t.name = name
	run.SetOwnerReferences(ownedBy(t.job))
	return createTestRun(ctx, d.cluster, run, end)
}

// wait looks at the TestRun and its runners until something is so, or the time is over.
func (d *TestRuns) wait(ctx context.Context, t *trial, end time.Time, so func() bool) error {
	for {
		if err := d.look(ctx, t); err != nil {
			return err
		}
		if so() {
			return nil
		}
		if w, ok := t.pods.trouble(); ok {
			return &troubled{w}
		}
		t.pods.teller.tell(t.pods)
		if t.stage == stageError {
			return &troubled{trouble{code: record.Lost, message: fmt.Sprintf("testrun %s ended with stage %q; kubectl -n %s "+
				"logs job/%s-initializer says more", t.name, t.stage, d.namespace, t.name)}}
		}
		if !time.Now().Before(end) {
			return errTooLate
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// look reads the TestRun's stage, and lists its runners.
func (d *TestRuns) look(ctx context.Context, t *trial) error {
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	run, err := d.cluster.TestRun(asking, d.namespace, t.name)
	switch {
	case kube.Away(err):
		return nil
	case kube.Gone(err):
		return &troubled{trouble{code: record.Lost, message: "testrun " + t.name +
			" is gone before its summaries were read: somebody deleted it, or cleanup: post did"}}
	case err != nil:
		return err
	}
	if t.stage, _, err = unstructured.NestedString(run.Object, "status", "stage"); err != nil {
		return fmt.Errorf("testrun %s: status.stage: %w", t.name, err)
	}
	return t.pods.look(ctx)
}

// Run waits until the TestRun is finished, and reads its runners' summaries.
func (d *TestRuns) Run(ctx context.Context, of loadgen.Phase) (load record.Load) {
	if d.now == nil {
		d.Prepare(ctx, of)
	}
	t := d.now
	d.now = nil
	load = record.Load{
		Planned: of.Duration, Asked: d.cfg.Rate,
		Entries: []record.Entry{{Name: "testrun " + cmp.Or(d.manifest.GetName(), d.cfg.File)}},
	}
	if t.job != nil {
		defer func() {
			if !d.clean(ctx, t) {
				leave(of, &load, t.job)
			}
		}()
	}
	err := t.err
	if err == nil {
		err = d.finish(ctx, t, of)
	}
	if err == nil {
		err = readAll(ctx, d.cluster, &t.phase, d.cfg, d.n-1, &load)
	}
	stop(ctx, &load, err)
	if d.cfg.Mask != nil {
		load.Stopped = string(d.cfg.Mask([]byte(load.Stopped)))
	}
	return load
}

// finish waits until the runners have ended, and until the operator has noticed.
func (d *TestRuns) finish(ctx context.Context, t *trial, of loadgen.Phase) error {
	ended := func() bool {
		_, ok := t.pods.ended()
		_, bad := t.pods.trouble()
		return ok && !bad
	}
	err := d.wait(ctx, t, t.start.Add(of.Duration+overtime), ended)
	if errors.Is(err, errTooLate) {
		return &troubled{trouble{code: record.Lost, message: fmt.Sprintf(
			"testrun %s was at stage %q %s after the end of its phase: a runner that is restarted waits paused for ever, "+
				"since the operator starts each one only once; and a script has to end by itself after $LEAKGATE_DURATION", t.name,
			t.stage, overtime)}}
	}
	if err != nil {
		return err
	}
	err = d.wait(ctx, t, time.Now().Add(operatorTime), func() bool { return t.stage == stageFinished })
	if errors.Is(err, errTooLate) {
		return &troubled{trouble{code: record.Lost, message: fmt.Sprintf(
			"testrun %s was still at stage %q %s after its runners had ended: does the k6 operator still run?", t.name, t.stage,
			operatorTime)}}
	}
	return err
}

// clean deletes a TestRun with all that belongs to it, and its leash, and reports whether
// they are gone.
func (d *TestRuns) clean(ctx context.Context, t *trial) bool {
	return remove(ctx, func(ctx context.Context) error {
		if err := d.cluster.DeleteTestRun(ctx, d.namespace, t.job.Name); err != nil && !kube.Gone(err) {
			return err
		}
		return d.cluster.DeleteJob(ctx, d.namespace, t.job.Name)
	}, func(ctx context.Context) bool {
		_, run := d.cluster.TestRun(ctx, d.namespace, t.job.Name)
		_, tied := d.cluster.Job(ctx, d.namespace, t.job.Name)
		pods, listed := d.cluster.PodsBy(ctx, d.namespace, runnersOf(t.job.Name))
		return kube.Gone(run) && kube.Gone(tied) && listed == nil && len(pods) == 0
	})
}

var _ loadgen.Preparer = (*TestRuns)(nil)
