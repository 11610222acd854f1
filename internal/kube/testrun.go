package kube

import (
	"context"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
)

// TestRuns are the objects of the k6 operator. They are read and written without its types.
var TestRuns = schema.GroupVersionResource{Group: "k6.io", Version: "v1alpha1", Resource: "testruns"}

func (c *Client) testRuns(namespace string) (dynamic.ResourceInterface, error) {
	d, err := dynamic.NewForConfig(c.REST())
	if err != nil {
		return nil, err
	}
	return d.Resource(TestRuns).Namespace(namespace), nil
}

// CreateTestRun creates a TestRun.
func (c *Client) CreateTestRun(
	ctx context.Context, run *unstructured.Unstructured,
) (*unstructured.Unstructured, error) {
	runs, err := c.testRuns(run.GetNamespace())
	if err != nil {
		return nil, err
	}
	made, err := runs.Create(ctx, run, metav1.CreateOptions{})
	if apierrors.IsNotFound(err) {
		return nil, &Error{Asked: "create testrun " + run.GetName(), Got: "the cluster knows no TestRun (k6.io/v1alpha1)",
			Hint: "is the k6 operator installed?", Err: err}
	}
	if err != nil {
		return nil, c.failed("create testrun "+run.GetName()+" in "+run.GetNamespace(), err)
	}
	return made, nil
}

// TestRun returns a TestRun.
func (c *Client) TestRun(ctx context.Context, namespace, name string) (*unstructured.Unstructured, error) {
	runs, err := c.testRuns(namespace)
	if err != nil {
		return nil, err
	}
	run, err := runs.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, c.failed("get testrun "+name+" in "+namespace, err)
	}
	return run, nil
}

// DeleteTestRun deletes a TestRun and what it owns. That there is none is no error.
func (c *Client) DeleteTestRun(ctx context.Context, namespace, name string) error {
	runs, err := c.testRuns(namespace)
	if err != nil {
		return err
	}
	foreground := metav1.DeletePropagationForeground
	err = runs.Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &foreground})
	if err != nil && !apierrors.IsNotFound(err) {
		return c.failed("delete testrun "+name+" in "+namespace, err)
	}
	return nil
}
