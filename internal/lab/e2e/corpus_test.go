//go:build grpc || streams

package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/leakgate/leakgate/internal/child"
)

// corpus starts a service of the corpus. It ends with the test.
func corpus(t *testing.T, name string) string {
	t.Helper()
	binary := os.Getenv("CORPUS")
	if binary == "" {
		t.Fatal("CORPUS names no binary: run make streams-test or grpc-test, which build it")
	}
	line, stop, err := child.Start(exec.CommandContext(t.Context(), binary, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return strings.TrimSpace(line)
}
