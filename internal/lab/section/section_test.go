package section_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/leakgate/leakgate/internal/lab/section"
)

func TestReplace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.md")
	const before = "# A\n<!-- begin: make a -->\nold\n<!-- end: make a -->\n<!-- begin: make b -->\nkept\n<!-- end: make b -->\n"
	if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := section.Replace(file, "make c", "new\n"); err == nil {
		t.Error("Replace(no markers) = nil, want an error")
	}
	if err := section.Replace(file, "make a", "new\n"); err != nil {
		t.Fatal(err)
	}
	const want = "# A\n<!-- begin: make a -->\n\nnew\n\n<!-- end: make a -->\n<!-- begin: make b -->\nkept\n<!-- end: make b -->\n"
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("the file is %q, %v; want %q", got, err, want)
	}
}
