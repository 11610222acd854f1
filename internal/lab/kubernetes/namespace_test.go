package kubernetes

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"text/template"
	"time"
)

// namespace is what a test has of the cluster for itself.
type namespace struct {
	t       *testing.T
	name    string
	sockets string // the folder of the pods' sockets
}

// newNamespace makes a namespace that is removed with the test.
func newNamespace(t *testing.T) *namespace {
	t.Helper()
	sockets, err := os.MkdirTemp("", "lab-") // short: a socket's name has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sockets) })
	n := &namespace{t: t, name: filepath.Base(sockets), sockets: sockets}
	n.name = strings.ToLower(n.name)
	n.kubectl("create", "namespace", n.name)
	t.Cleanup(func() {
		_, _ = n.try(context.Background(), "", "delete", "namespace", n.name, "--wait=false")
	})
	return n
}

// try runs kubectl with an input.
func (n *namespace) try(ctx context.Context, input string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(labDir, "bin", "kubectl"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+kubeconfig())
	cmd.Stdin = strings.NewReader(input)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, complaints.String())
	}
	return strings.TrimSpace(out.String()), nil
}

// kubectl runs kubectl, and ends the test if it fails.
func (n *namespace) kubectl(args ...string) string {
	n.t.Helper()
	return n.kubectlIn("", args...)
}

// kubectlIn is kubectl with an input.
func (n *namespace) kubectlIn(input string, args ...string) string {
	n.t.Helper()
	out, err := n.try(n.t.Context(), input, append([]string{"--namespace", n.name}, args...)...)
	if err != nil {
		n.t.Fatal(err)
	}
	return out
}

// shop is what a manifest in testdata says of a Deployment.
type shop struct {
	Namespace, Image, Sockets string // filled in
	Replicas                  int
	Leak                      string // as the service's -leak
	Memory                    string // limit; some if empty
	Admin                     string // address of pprof; the pod's loopback if empty
}

// deploy applies testdata/shop.yaml, and waits until all replicas are ready.
func (n *namespace) deploy(s shop) {
	n.t.Helper()
	s.Namespace, s.Image, s.Sockets = n.name, image, n.sockets
	s.Memory, s.Admin = cmp.Or(s.Memory, "128Mi"), cmp.Or(s.Admin, "127.0.0.1:6060")
	n.apply("testdata/shop.yaml", s)
	n.ready()
}

// apply fills in a manifest, and applies it.
func (n *namespace) apply(file string, values any) {
	n.t.Helper()
	t, err := template.ParseFiles(file)
	if err != nil {
		n.t.Fatal(err)
	}
	var text bytes.Buffer
	if err := t.Execute(&text, values); err != nil {
		n.t.Fatal(err)
	}
	n.kubectlIn(text.String(), "apply", "-f", "-")
}

// ready waits until a rollout is over.
func (n *namespace) ready() {
	n.t.Helper()
	n.kubectl("rollout", "status", "deployment/shop", "--timeout=120s")
}

// pods are the names of the pods that are not being deleted.
func (n *namespace) pods() []string {
	n.t.Helper()
	return strings.Fields(n.kubectl("get", "pods", "-l", "app=shop",
		"-o",
		`go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{end}}{{end}}`))
}

// leaking is the pod that leaks, of a shop with Leak: one.
func (n *namespace) leaking() string {
	n.t.Helper()
	name, err := os.ReadFile(filepath.Join(n.sockets, "LEAKS"))
	if err != nil {
		n.t.Fatal(err)
	}
	return string(name)
}

// post asks something of one pod. What kills the pod gets no answer, which is no error.
func (n *namespace) post(ctx context.Context, pod, path string) {
	client := &http.Client{Transport: overSocket(filepath.Join(n.sockets, pod+".sock"))}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://pod"+path, nil)
	if err != nil {
		n.t.Error(err)
		return
	}
	if resp, err := client.Do(req); err == nil {
		resp.Body.Close()
		n.t.Errorf("POST %s to %s was answered with %s", path, pod, resp.Status)
	}
}

// until waits until something holds; it ends the test if that takes too long.
func (n *namespace) until(what string, limit time.Duration, holds func() bool) {
	n.t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(time.Second) {
		if time.Now().After(end) {
			n.t.Fatalf("%s: not within %s", what, limit)
		}
	}
}
