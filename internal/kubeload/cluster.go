// Package kubeload has load sent by pods of a Kubernetes cluster, with the cluster's own
// engine: a Job for each phase, whose end is the end of all connections. Nothing of leakgate's
// listens anywhere, and nothing stays: what a phase has created is deleted after it, and
// where leakgate itself is killed, it expires. A phase of which not every pod can say what it
// sent is no phase: the driver says why, and guesses nothing.
package kubeload

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/leakgate/leakgate/internal/kube"
)

// cluster is what is asked of a cluster; kube.Client does it.
type cluster interface {
	CreateJob(ctx context.Context, job *batchv1.Job) (*batchv1.Job, error)
	Job(ctx context.Context, namespace, name string) (*batchv1.Job, error)
	DeleteJob(ctx context.Context, namespace, name string) error
	CreateSecret(ctx context.Context, secret *corev1.Secret) error
	PodsBy(ctx context.Context, namespace, selector string) ([]corev1.Pod, error)
	Log(ctx context.Context, namespace, pod, container string, most int64) ([]byte, error)
	WhyNoPods(ctx context.Context, namespace, name string) string
	Self(ctx context.Context) *corev1.Pod
}

var _ cluster = (*kube.Client)(nil)

const (
	// pollEvery is the time between two looks at a phase's pods. The end of a phase is seen
	// by so much later; the control plane itself takes about a second.
	pollEvery = 500 * time.Millisecond
	// askTime bounds one request to the API server.
	askTime = 10 * time.Second
	// cleanTime bounds the deletion of what a phase has created, and the wait until it is
	// gone. What is left then expires by itself.
	cleanTime = 30 * time.Second
	// keepTime is for how long a Job that has ended is kept if nobody deletes it, as where
	// leakgate was killed, and keepLog how much longer for each of its pods: long enough to
	// read their logs, atOnce at a time, although the API server was away for a while.
	keepTime = 60 * time.Second
	keepLog  = 500 * time.Millisecond
	// atOnce is how many logs are read at once: the API server fetches each from a node, and
	// all of them are in memory.
	atOnce = 8
	// overtime is how much longer than its phase a load may take: to start, to wait for the
	// last answers, to sum up. As that of load.exec.
	overtime = 30 * time.Second
	// maxLog bounds what is read of a pod's log, in bytes.
	maxLog = 64 << 20
)

// labels are on everything that is created, so that people see whose it is.
func labels(instance string) map[string]string {
	return map[string]string{
		"app.kubernetes.io/name": "leakgate-load", "app.kubernetes.io/managed-by": "leakgate",
		"app.kubernetes.io/instance": instance,
	}
}

// podsOf selects the pods of a Job.
func podsOf(job string) string { return batchv1.JobNameLabel + "=" + job }

const (
	// idLength is how many letters tell the objects of one run from another's: 32^6 are a
	// billion.
	idLength = 6
	// maxBase is how much of a manifest's own name begins the names of a phase's objects:
	// those of a Job's pods, and of the services of the k6 operator, have 63 letters.
	maxBase = 30
)

// newID is a random part of names.
func newID() string { return strings.ToLower(rand.Text()[:idLength]) }

// objectName is the name of a phase's object.
func objectName(base, id string, n int) string {
	base = strings.Trim(base[:min(len(base), maxBase)], "-.")
	return base + "-" + id + "-" + strconv.Itoa(n)
}

// keepFor is for how long a Job of so many pods is kept that has ended.
func keepFor(pods int) time.Duration { return keepTime + time.Duration(pods)*keepLog }

// seconds are whole seconds, rounded up, as Kubernetes has them.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// ownedBy is who owns an object, and with whom it is deleted.
func ownedBy(job *batchv1.Job) []metav1.OwnerReference {
	return []metav1.OwnerReference{{
		APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job", Name: job.Name, UID: job.UID,
	}}
}

// ownedBySelf has a Job go with the pod that leakgate runs in, if it is in the same namespace.
func ownedBySelf(job *batchv1.Job, self *corev1.Pod) {
	if self == nil || self.Namespace != job.Namespace {
		return
	}
	job.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: corev1.SchemeGroupVersion.String(), Kind: "Pod", Name: self.Name, UID: self.UID,
	}}
}
