package kube

import (
	"context"
	"os"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Away reports whether an error means that the API server did not answer, and may later.
func Away(err error) bool { return away(err) }

// Gone reports whether an error means that an object does not exist.
func Gone(err error) bool { return apierrors.IsNotFound(err) }

// Exists reports whether an error means that an object could not be created since there is
// one of its name.
func Exists(err error) bool { return apierrors.IsAlreadyExists(err) }

// CreateJob creates a Job, and returns it as the API server has it.
func (c *Client) CreateJob(ctx context.Context, job *batchv1.Job) (*batchv1.Job, error) {
	batch, err := c.API(batchv1.SchemeGroupVersion)
	if err != nil {
		return nil, err
	}
	var made batchv1.Job
	err = batch.Post().Namespace(job.Namespace).Resource("jobs").Body(job).Do(ctx).Into(&made)
	if err != nil {
		return nil, c.failed("create job "+job.Name+" in "+job.Namespace, err)
	}
	return &made, nil
}

// Job returns a Job.
func (c *Client) Job(ctx context.Context, namespace, name string) (*batchv1.Job, error) {
	batch, err := c.API(batchv1.SchemeGroupVersion)
	if err != nil {
		return nil, err
	}
	var job batchv1.Job
	if err := batch.Get().Namespace(namespace).Resource("jobs").Name(name).Do(ctx).Into(&job); err != nil {
		return nil, c.failed("get job "+name+" in "+namespace, err)
	}
	return &job, nil
}

// DeleteJob deletes a Job, and what it owns before it: when the Job is gone, its pods are.
// That there is no such Job is no error.
func (c *Client) DeleteJob(ctx context.Context, namespace, name string) error {
	batch, err := c.API(batchv1.SchemeGroupVersion)
	if err != nil {
		return err
	}
	foreground := metav1.DeletePropagationForeground
	err = batch.Delete().Namespace(namespace).Resource("jobs").Name(name).
		Body(&metav1.DeleteOptions{PropagationPolicy: &foreground}).Do(ctx).Error()
	if err != nil && !apierrors.IsNotFound(err) {
		return c.failed("delete job "+name+" in "+namespace, err)
	}
	return nil
}

// CreateSecret creates a Secret.
func (c *Client) CreateSecret(ctx context.Context, secret *corev1.Secret) error {
	core, err := c.Core()
	if err != nil {
		return err
	}
	err = core.Post().Namespace(secret.Namespace).Resource("secrets").Body(secret).Do(ctx).Error()
	if err != nil {
		return c.failed("create secret "+secret.Name+" in "+secret.Namespace, err)
	}
	return nil
}

// PodsBy lists the pods that a selector of labels matches, by name.
func (c *Client) PodsBy(ctx context.Context, namespace, selector string) ([]corev1.Pod, error) {
	pods, _, err := c.list(ctx, Selection{Namespace: namespace, Selector: selector})
	return pods, err
}

// tailLines are the last lines of a log that is longer than what is read of it, the fewer
// the longer they are: what a program says at its end matters.
var tailLines = [...]int64{10_000, 1000, 100, 10, 1}

// Log returns what a container has printed, at most so many bytes; of a longer log the last
// lines that fit.
func (c *Client) Log(ctx context.Context, namespace, pod, container string, most int64) ([]byte, error) {
	core, err := c.Core()
	if err != nil {
		return nil, err
	}
	read := func(lines int64) ([]byte, error) { // lines: 0 for all
		r := core.Get().Namespace(namespace).Resource("pods").Name(pod).SubResource("log").
			Param("container", container).Param("limitBytes", strconv.FormatInt(most+1, 10))
		if lines > 0 {
			r = r.Param("tailLines", strconv.FormatInt(lines, 10))
		}
		text, err := r.Do(ctx).Raw()
		if err != nil {
			return nil, c.failed("read the log of pod "+pod+" in "+namespace, err)
		}
		return text, nil
	}
	text, err := read(0)
	for _, lines := range tailLines {
		if err != nil || int64(len(text)) <= most {
			break
		}
		text, err = read(lines)
	}
	return text[:min(int64(len(text)), most)], err
}

// WhyNoPods is what the control plane said last of why it could not create an object's pods,
// as where a quota is used up; empty where it said nothing, or where events may not be read.
func (c *Client) WhyNoPods(ctx context.Context, namespace, name string) string {
	core, err := c.Core()
	if err != nil {
		return ""
	}
	var events corev1.EventList
	o := &metav1.ListOptions{FieldSelector: "involvedObject.name=" + name + ",reason=FailedCreate", Limit: page}
	err = core.Get().Namespace(namespace).Resource("events").
		SpecificallyVersionedParams(o, metav1.ParameterCodec, corev1.SchemeGroupVersion).Do(ctx).Into(&events)
	if err != nil || len(events.Items) == 0 {
		return ""
	}
	last := slices.MaxFunc(events.Items, func(a, b corev1.Event) int {
		return a.LastTimestamp.Compare(b.LastTimestamp.Time)
	})
	return strings.TrimSpace(last.Message)
}

// Self is the pod that leakgate runs in; nil where it is in none, or may not read it.
func (c *Client) Self(ctx context.Context) *corev1.Pod {
	name, err := os.Hostname()
	if !c.inside || err != nil {
		return nil
	}
	core, err := c.Core()
	if err != nil {
		return nil
	}
	var pod corev1.Pod
	err = core.Get().Namespace(ownNamespace()).Resource("pods").Name(name).Do(ctx).Into(&pod)
	if err != nil {
		return nil
	}
	return &pod
}
