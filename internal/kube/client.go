// Package kube is what leakgate does in a Kubernetes cluster: it finds pods, reaches them,
// watches what happens to them, and asks which rights it has. It talks to the API server
// alone, and reads of it what a Role for pods allows.
package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Config says which cluster.
type Config struct {
	Context   string // of the kubeconfig; empty: the current one, or in a pod its service account
	UserAgent string
}

// Client talks to one cluster's API server.
type Client struct {
	config    *rest.Config
	namespace string // of the context, or of the pod that leakgate runs in
	inside    bool
	context   string
}

// New reads the configuration: the files that KUBECONFIG lists or ~/.kube/config, or where
// there is none, and no context is named, the service account of the pod. It sends nothing.
func New(cfg Config) (*Client, error) {
	loader := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{CurrentContext: cfg.Context})
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig: %w", err)
	}
	c := &Client{context: cfg.Context}
	if len(raw.Contexts) == 0 && cfg.Context == "" {
		c.inside = true
		if c.config, err = rest.InClusterConfig(); err != nil {
			if errors.Is(err, rest.ErrNotInCluster) {
				return nil, errNoCluster
			}
			return nil, fmt.Errorf("reading the pod's service account: %w", err)
		}
		c.namespace = ownNamespace()
	} else {
		if c.config, err = loader.ClientConfig(); err != nil {
			return nil, fmt.Errorf("reading kubeconfig: %w", err)
		}
		if c.namespace, _, err = loader.Namespace(); err != nil {
			return nil, fmt.Errorf("reading kubeconfig: %w", err)
		}
		if c.context == "" {
			c.context = raw.CurrentContext
		}
	}
	c.config = rest.CopyConfig(c.config)
	c.config.UserAgent = cfg.UserAgent
	c.config.QPS = -1 // a handful of requests; the API server has its own fairness
	return c, nil
}

// errNoCluster says that nothing names a cluster.
var errNoCluster = errors.New("no cluster: there is no kubeconfig (KUBECONFIG, ~/.kube/config), " +
	"and this is not a pod with a service account")

// namespaceFile is where Kubernetes mounts the namespace of a pod.
const namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"

// ownNamespace is the namespace of the pod that leakgate runs in.
func ownNamespace() string {
	if text, err := os.ReadFile(namespaceFile); err == nil {
		return strings.TrimSpace(string(text))
	}
	return corev1.NamespaceDefault
}

// Inside reports whether leakgate runs in a pod of the cluster, and so reaches pods by their
// addresses.
func (c *Client) Inside() bool { return c.inside }

// Namespace is the given one, or else that of the context, or of the pod that leakgate runs in.
func (c *Client) Namespace(given string) string {
	if given != "" {
		return given
	}
	if c.namespace != "" {
		return c.namespace
	}
	return corev1.NamespaceDefault
}

// Context is the name of the kubeconfig's context; empty in a pod.
func (c *Client) Context() string { return c.context }

// Server is the API server's address.
func (c *Client) Server() string { return c.config.Host }

// REST is the configuration for clients of further APIs.
func (c *Client) REST() *rest.Config { return rest.CopyConfig(c.config) }

// readTypes are the kinds that are read and written, and no others: a clientset of all of them
// would double the program.
func readTypes() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	return s, errors.Join(corev1.AddToScheme(s), batchv1.AddToScheme(s),
		networkingv1.AddToScheme(s), authorizationv1.AddToScheme(s), authenticationv1.AddToScheme(s))
}

// API is a client for one group and version of the API.
func (c *Client) API(gv schema.GroupVersion) (*rest.RESTClient, error) {
	scheme, err := readTypes()
	if err != nil {
		return nil, err
	}
	cfg := rest.CopyConfig(c.config)
	cfg.GroupVersion = &gv
	cfg.APIPath = "/apis"
	if gv.Group == "" {
		cfg.APIPath = "/api"
	}
	cfg.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	return rest.RESTClientFor(cfg)
}

// Core is the client for pods, secrets and services.
func (c *Client) Core() (*rest.RESTClient, error) { return c.API(corev1.SchemeGroupVersion) }

// ping asks the API server for its version, which anyone may.
func (c *Client) ping(ctx context.Context) error {
	core, err := c.Core()
	if err != nil {
		return err
	}
	return core.Get().AbsPath("/version").Do(ctx).Error()
}
