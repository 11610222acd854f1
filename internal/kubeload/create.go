package kubeload

import (
	"context"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/leakgate/leakgate/internal/kube"
)

// An API server that does not answer may have done what it was asked. Since the names of a
// phase's objects are its own, what exists by such a name was made by an earlier try.

// insist asks until the API server answers, or the time is over.
func insist(ctx context.Context, end time.Time, ask func(context.Context) error) error {
	for {
		asking, cancel := context.WithTimeout(ctx, askTime)
		err := ask(asking)
		cancel()
		if !kube.Away(err) || !time.Now().Before(end) {
			return err
		}
		if err := pause(ctx, pollEvery); err != nil {
			return err
		}
	}
}

// createJob creates a Job. It returns the Job as it was to be if it may have been created.
func createJob(ctx context.Context, c cluster, job *batchv1.Job, end time.Time) (*batchv1.Job, error) {
	var made *batchv1.Job
	asked := false // without an answer
	err := insist(ctx, end, func(ctx context.Context) (err error) {
		made, err = c.CreateJob(ctx, job)
		if kube.Exists(err) {
			made, err = c.Job(ctx, job.Namespace, job.Name)
		}
		asked = asked || kube.Away(err)
		return err
	})
	switch {
	case err == nil:
		return made, nil
	case asked:
		return job, err
	}
	return nil, err
}

// createSecret creates a Secret.
func createSecret(ctx context.Context, c cluster, secret *corev1.Secret, end time.Time) error {
	return insist(ctx, end, func(ctx context.Context) error {
		if err := c.CreateSecret(ctx, secret); !kube.Exists(err) {
			return err
		}
		return nil
	})
}

// createTestRun creates a TestRun.
func createTestRun(ctx context.Context, c operated, run *unstructured.Unstructured, end time.Time) error {
	return insist(ctx, end, func(ctx context.Context) error {
		if _, err := c.CreateTestRun(ctx, run); !kube.Exists(err) {
			return err
		}
		return nil
	})
}
