package kubernetes

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
)

// counter is a service on 127.0.0.1 that counts what it is sent.
type counter struct {
	*httptest.Server
	mu   sync.Mutex
	seen map[string]uint64            // by path
	slow func(n uint64) time.Duration // how long the n-th answer of a path takes; nil: no time
}

func newCounter(t *testing.T) *counter {
	t.Helper()
	c := &counter{seen: map[string]uint64{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		c.seen[r.URL.Path]++
		n, slow := c.seen[r.URL.Path], c.slow
		c.mu.Unlock()
		if slow != nil {
			time.Sleep(slow(n))
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *counter) count(path string) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[path]
}

// watchedShop starts a healthy shop beside the cluster, which gets no load, and returns the
// address of its pprof.
func watchedShop(t *testing.T) string {
	t.Helper()
	cmd := exec.Command(leakgate, "demo-service")
	in, err := cmd.StdinPipe() // it ends with its standard input
	if err != nil {
		t.Fatal(err)
	}
	var out safeBuffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if _, rest, ok := strings.Cut(out.String(), `"admin":"`); ok {
			if admin, _, ok := strings.Cut(rest, `"`); ok {
				return admin + "/debug/pprof"
			}
		}
	}
	t.Fatal("the shop does not say its address")
	return ""
}

// safeBuffer is what a process has written so far.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// podLoad is the plan of a load from four pods, with further settings of them.
func podLoad(n *namespace, pprof, service, more string) string {
	return fmt.Sprintf(`
targets: [{name: shop, pprof: %q}]
load:
  rate: 200/s
  warmup: 2s
  round: 5s
  requests: [%q, {url: %q, weight: 3}]
  kubernetes: {namespace: %s, pods: 4, image: %q, pull: Never, cpu: 100m, memory: 64Mi, host_network: true%s}
settle: {quiet: 1s, confirm: 5s}
`, pprof, "GET "+service+"/a", service+"/b", n.name, gateImage, more)
}

// recorded is what a run has recorded.
func (g *gate) recorded() record.Run {
	g.t.Helper()
	run, err := record.Read(g.dir + "/leakgate-out")
	if err != nil {
		g.t.Fatal(err)
	}
	return run
}

// left is what a load has left in a namespace.
func (n *namespace) left() string {
	n.t.Helper()
	return n.kubectl("get", "jobs,pods,secrets", "-o", "name")
}

// loading waits until so many pods of a load run, and returns their names.
func (n *namespace) loading(pods int) []string {
	n.t.Helper()
	var names []string
	n.until(fmt.Sprintf("%d pods that load", pods), time.Minute, func() bool {
		names = strings.Fields(n.kubectl("get", "pods", "--field-selector", "status.phase=Running", "-o", "jsonpath={.items[*].metadata.name}"))
		return len(names) == pods
	})
	return names
}

// buildImage makes an image of a program of others, which an environment variable names; the
// test is skipped where it does not.
func buildImage(t *testing.T, variable, image string) {
	t.Helper()
	binary := os.Getenv(variable)
	if binary == "" {
		t.Skipf("%s names no program; make kubernetes-test does", variable)
	}
	load := exec.Command("cluster/image.sh", binary, image)
	load.Env = append(os.Environ(), "KC_CACHE="+labDir)
	if text, err := load.CombinedOutput(); err != nil {
		t.Fatalf("making the image %s: %v\n%s", image, err, text)
	}
}
