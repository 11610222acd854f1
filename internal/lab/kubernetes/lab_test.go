package kubernetes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What the tests need of the cluster, and what they build. All empty where there is no
// cluster.
var (
	labDir   = os.Getenv("KUBERNETES_LAB") // binaries and state; with.sh says where
	leakgate string                        // the binary that is tested
)

// The images that the pods run: the service, and leakgate itself.
const (
	image     = "localhost/leakgate-lab:dev"
	gateImage = "localhost/leakgate:dev"
)

func TestMain(m *testing.M) {
	if labDir == "" {
		os.Exit(m.Run())
	}
	dir, err := os.MkdirTemp("", "leakgate-lab-")
	if err == nil {
		err = buildAll(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "kubernetes lab:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// buildAll builds leakgate and the service, and gives the cluster an image of each.
func buildAll(dir string) error {
	leakgate = filepath.Join(dir, "leakgate")
	service := filepath.Join(dir, "service")
	for out, pkg := range map[string]string{
		leakgate: "github.com/leakgate/leakgate/cmd/leakgate",
		service:  "github.com/leakgate/leakgate/internal/lab/kubernetes/service",
	} {
		build := exec.Command("go", "build", "-o", out, pkg)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building %s: %w\n%s", pkg, err, text)
		}
	}
	for name, binary := range map[string]string{image: service, gateImage: leakgate} {
		load := exec.Command("cluster/image.sh", binary, name)
		load.Env = append(os.Environ(), "KC_CACHE="+labDir)
		if text, err := load.CombinedOutput(); err != nil {
			return fmt.Errorf("making the image %s: %w\n%s", name, err, text)
		}
	}
	return nil
}

// need skips a test where there is no cluster.
func need(t *testing.T) {
	t.Helper()
	if labDir == "" {
		t.Skip("there is no cluster; make kubernetes-test starts one")
	}
}

// needLong skips a test that is not a part of the short form.
func needLong(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("not with -short")
	}
}

// kubeconfig is the administrator's.
func kubeconfig() string { return filepath.Join(labDir, "state", "kubeconfig") }
