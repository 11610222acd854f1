package kube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Error is a request to the API server that failed.
type Error struct {
	Asked string // what for, such as "list pods in shop"
	Got   string
	Hint  string
	Err   error
}

func (e *Error) Error() string { return e.Asked + ": " + e.Got }

func (e *Error) Unwrap() error { return e.Err }

// failed says what went wrong with a request to the API server.
func (c *Client) failed(asked string, err error) *Error {
	e := &Error{Asked: asked, Got: err.Error(), Err: err}
	var status apierrors.APIStatus
	var transport *url.Error
	switch {
	case apierrors.IsForbidden(err):
		e.Got = "the API server refuses: " + err.Error()
		e.Hint = "leakgate check prints the Role that is missing"
	case apierrors.IsUnauthorized(err):
		e.Got = "the API server does not know who asks"
		e.Hint = "sign in to the cluster again, or name another context (targets[].context)"
	case apierrors.IsNotFound(err):
		e.Hint = "check the names in the plan, and targets[].namespace"
	case errors.As(err, &status):
	case errors.As(err, &transport):
		e.Got = fmt.Sprintf("the API server at %s cannot be reached: %v", c.Server(), transport.Err)
		e.Hint = "is this the right context? kubectl get pods shows whether the cluster answers"
	}
	return e
}

// away reports whether an error means that the API server did not answer, as when it is
// restarted: what it said itself is no such error, but for one that says to come back later.
func away(err error) bool {
	if err == nil {
		return false
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		return apierrors.IsServerTimeout(err) || apierrors.IsServiceUnavailable(err) ||
			apierrors.IsTooManyRequests(err) || apierrors.IsInternalError(err) || apierrors.IsTimeout(err)
	}
	var network net.Error
	var transport *url.Error
	return errors.As(err, &transport) || errors.As(err, &network) || errors.Is(err, context.DeadlineExceeded)
}
