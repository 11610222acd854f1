package record_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/leakgate/leakgate/record"
)

// A directory into which another run is being recorded is left alone; one that was cut
// off at any moment is not in the way.
func TestCreateWhileRecording(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	first, err := record.Create(dir, record.Header{Plan: "first"}, []byte("a: 1\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := record.Create(dir, record.Header{Plan: "second"}, nil); !errors.Is(err, record.ErrInUse) {
		t.Errorf("Create(while another records) = %v, want ErrInUse", err)
	}
	if err := first.Close(record.End{Reason: record.Complete}); err != nil {
		t.Fatal(err)
	}
	if r, err := record.Read(dir); err != nil || r.Plan != "first" || r.End == nil {
		t.Errorf("the first run reads as %q, %v; want it whole", r.Plan, err)
	}
	second, err := record.Create(dir, record.Header{Plan: "second"}, nil)
	if err != nil {
		t.Fatalf("Create(after its end) = %v", err)
	}
	if err := second.Close(record.End{Reason: record.Complete}); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut")
	if err := os.MkdirAll(cut, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(cut, record.JournalFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := record.Create(cut, record.Header{Plan: "third"}, nil)
	if err != nil {
		t.Fatalf("Create(over one that was cut off) = %v", err)
	}
	if err := third.Close(record.End{Reason: record.Complete}); err != nil {
		t.Fatal(err)
	}
}
