package kubeload

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// fake is a cluster in virtual time that plays what a real one does to the objects of one
// load. internal/lab/kubernetes has the real one.
type fake struct {
	mu      sync.Mutex
	jobs    map[string]*batchv1.Job
	secrets map[string]*corev1.Secret
	pods    map[string]corev1.Pod
	runs    map[string]*unstructured.Unstructured
	logs    map[string]string
	began   time.Time // when the last Job was created
	made    int       // Jobs in all
	uid     int

	startAfter time.Duration                       // how long pods take to run; negative: they never do
	play       func(f *fake, p *corev1.Pod, i int) // changes a pod before it is listed
	deny       error                               // of CreateJob
	awayUntil  time.Duration                       // lists fail so long after the Job was created
	slowLog    time.Duration                       // how long a log takes
	said       string                              // of WhyNoPods
	stays      func() bool                         // a Job that is deleted
	behind     func(i int) time.Duration           // by how much the clock of a pod's node is behind
	// unanswered is asked at every request to create something: whether nobody answers, and
	// whether it is created all the same.
	unanswered func() (away, made bool)
	none       bool // no pod is created
	part       func(i int, p *loadgen.Part)
	stage      func(at time.Duration) string // of a TestRun
}

func newFake() *fake {
	return &fake{
		jobs: map[string]*batchv1.Job{}, secrets: map[string]*corev1.Secret{}, pods: map[string]corev1.Pod{},
		runs: map[string]*unstructured.Unstructured{}, logs: map[string]string{}, startAfter: time.Second,
	}
}

func gone(name string) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "things"}, name)
}

func (f *fake) CreateJob(_ context.Context, job *batchv1.Job) (*batchv1.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deny != nil {
		return nil, f.deny
	}
	if f.jobs[job.Name] != nil {
		return nil, exists(job.Name)
	}
	lost, create := f.answer()
	if !create {
		return nil, lost
	}
	job = job.DeepCopy()
	f.uid++
	f.made++
	job.UID, job.CreationTimestamp = types.UID(fmt.Sprint("job-", f.uid)), metav1.NewTime(time.Now().Truncate(time.Second))
	f.jobs[job.Name] = job
	f.began = time.Now()
	if f.none {
		return job, lost
	}
	for i := range int(*job.Spec.Parallelism) {
		name := fmt.Sprintf("%s-%d", job.Name, i)
		f.uid++
		f.pods[name] = corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Name: name, Namespace: job.Namespace, UID: types.UID(fmt.Sprint("pod-", f.uid)),
				Labels:      map[string]string{batchv1.JobNameLabel: job.Name},
				Annotations: map[string]string{batchv1.JobCompletionIndexAnnotation: fmt.Sprint(i)},
			},
			Spec: job.Spec.Template.Spec,
		}
	}
	return job, lost
}

// answer says whether an answer is lost, and whether what was asked for is made.
func (f *fake) answer() (lost error, create bool) {
	if f.unanswered == nil {
		return nil, true
	}
	gone, made := f.unanswered()
	if !gone {
		return nil, true
	}
	return away, made
}

func exists(name string) error {
	return apierrors.NewAlreadyExists(schema.GroupResource{Resource: "things"}, name)
}

func (f *fake) Job(_ context.Context, _, name string) (*batchv1.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if job := f.jobs[name]; job != nil {
		return job, nil
	}
	return nil, gone(name)
}

func (f *fake) DeleteJob(ctx context.Context, _, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if f.stays != nil && f.stays() {
		return nil
	}
	delete(f.jobs, name)
	for pod, p := range f.pods {
		if p.Labels[batchv1.JobNameLabel] == name {
			delete(f.pods, pod)
		}
	}
	for secret, s := range f.secrets {
		if s.OwnerReferences[0].Name == name {
			delete(f.secrets, secret)
		}
	}
	return nil
}

func (f *fake) CreateSecret(_ context.Context, secret *corev1.Secret) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.secrets[secret.Name] != nil {
		return exists(secret.Name)
	}
	lost, create := f.answer()
	if create {
		f.secrets[secret.Name] = secret
	}
	return lost
}

// away is how client-go says that nobody answers.
var away = &url.Error{Op: "Get", URL: "https://api", Err: errors.New("connection refused")}

func (f *fake) PodsBy(_ context.Context, namespace, selector string) ([]corev1.Pod, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := time.Since(f.began)
	if at < f.awayUntil {
		return nil, away
	}
	var out []corev1.Pod
	for _, p := range f.pods {
		if p.Namespace != namespace || !strings.Contains(selector, p.Labels[batchv1.JobNameLabel]) {
			continue
		}
		p := *p.DeepCopy()
		f.state(&p, at)
		if f.play != nil {
			f.play(f, &p, index(&p))
		}
		if p.UID != "" {
			out = append(out, p)
		}
	}
	return out, nil
}

// state is what a healthy pod's status says: it runs, and ends when its load is over.
func (f *fake) state(p *corev1.Pod, at time.Duration) {
	s := corev1.ContainerStatus{Name: p.Spec.Containers[0].Name}
	p.Status.Phase = corev1.PodPending
	end := f.end(p.Labels[batchv1.JobNameLabel])
	if f.behind != nil {
		end = end.Add(f.behind(index(p)))
	}
	switch {
	case f.startAfter < 0 || at < f.startAfter:
		s.State.Waiting = &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}
	case time.Now().Before(end):
		p.Status.Phase = corev1.PodRunning
		s.State.Running = &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(f.began.Add(f.startAfter))}
	default:
		p.Status.Phase = corev1.PodSucceeded
		s.State.Terminated = &corev1.ContainerStateTerminated{
			StartedAt: metav1.NewTime(f.began.Add(f.startAfter)), FinishedAt: metav1.NewTime(end),
		}
	}
	p.Status.ContainerStatuses = []corev1.ContainerStatus{s}
}

// length is how long the phases of these tests are.
const length = 10 * time.Second

// end is when a Job's pods end: after the start that its Secret says, or after they began.
func (f *fake) end(job string) time.Time {
	if s := f.secrets[job]; s != nil {
		if start, err := time.Parse(time.RFC3339Nano, string(s.Data[startKey])); err == nil {
			return start.Add(length)
		}
	}
	return f.began.Add(f.startAfter + length)
}

func (f *fake) Log(_ context.Context, _, pod, _ string, _ int64) ([]byte, error) {
	time.Sleep(f.slowLog)
	f.mu.Lock()
	defer f.mu.Unlock()
	if text, ok := f.logs[pod]; ok {
		return []byte(text), nil
	}
	p, ok := f.pods[pod]
	if !ok {
		return nil, gone(pod)
	}
	i := index(&p)
	start, _ := time.Parse(time.RFC3339Nano, string(f.secrets[p.Labels[batchv1.JobNameLabel]].Data[startKey]))
	part := loadgen.Part{
		Version: loadgen.PartVersion, Part: i + 1, Parts: 4, Round: 1, Began: start, Ended: start.Add(length),
		Load: record.Load{Asked: 25, Expected: 250, Sent: 250, Answered: 250, Succeeded: 250,
			Entries: []record.Entry{{Name: "as the pod names it", Sent: 250, Answered: 250, Succeeded: 250}}},
		Latencies: []*loadgen.Latencies{loadgen.NewLatencies()},
	}
	if f.part != nil {
		f.part(i, &part)
	}
	return part.Write()
}

func (f *fake) WhyNoPods(context.Context, string, string) string { return f.said }
func (f *fake) Self(context.Context) *corev1.Pod                 { return nil }

// empty fails a test where something is left in the cluster.
func (f *fake) empty(t *testing.T, what string) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if n := len(f.jobs) + len(f.secrets) + len(f.pods) + len(f.runs); n > 0 {
		t.Errorf("%s: %d Jobs, %d Secrets, %d pods and %d TestRuns are left, want none", what, len(f.jobs), len(f.secrets),
			len(f.pods), len(f.runs))
	}
}

// config is four pods.
func config() Config {
	return Config{
		Namespace: "load", Pods: 4, Image: "leakgate:1", CPU: resource.MustParse("1"), Memory: resource.MustParse("64Mi"),
		Ready: time.Minute, Timeout: 5 * time.Second, Bundle: []byte("packed"), Names: []string{"GET /"},
	}
}
