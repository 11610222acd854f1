package record_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// everything records one of each event.
func everything(w *record.Writer) error {
	p := &stacks.Profile{Total: 2, Stacks: []stacks.Stack{{
		Key: "main.pool", Frames: []stacks.Frame{{Function: "main.pool", Line: 3}}, Count: 2,
	}}}
	w.Target(record.Target{Name: "shop"})
	w.Identity(record.Identity{Target: "shop", Start: 1})
	w.Phase(record.Phase{Kind: record.Round, Round: 1, End: time.Second})
	w.Load(record.Load{Kind: record.Round, Round: 1, Sent: 7})
	w.Derived(record.Capture{Target: "shop", Kind: record.Loaded, Round: 1, Seq: 12, Profile: p}, stacks.Encode)
	w.Capture(record.Capture{Target: "shop", Kind: record.Settling, Round: 1, Seq: 1, Profile: stacks.Counted(5)}, nil)
	w.Memory(record.Memory{Target: "shop", Kind: record.Settling, Heap: 9}, nil)
	w.Sample(record.Sample{Target: "shop", Goroutines: 5})
	w.Settle(record.Settle{Target: "shop", Quiet: true})
	w.Gap(record.Gap{Target: "shop", What: "metrics"})
	w.Note(record.Note{Code: "no-dump"})
	w.Trial(record.Trial{Only: []int{1}})
	return w.Close(record.End{Reason: record.Complete})
}

// A run in memory is the run that a directory keeps, but for the directory.
func TestInMemory(t *testing.T) {
	h := record.Header{Plan: "shop"}
	dir := filepath.Join(t.TempDir(), "run")
	onDisk, err := record.Create(dir, h, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	inMemory := record.InMemory(h)
	for _, w := range []*record.Writer{onDisk, inMemory} {
		if err := everything(w); err != nil {
			t.Fatalf("recording in %q: %v", w.Dir(), err)
		}
	}
	if d := cmp.Diff(onDisk.Run(), inMemory.Run(), cmp.AllowUnexported(stacks.Stack{})); d != "" {
		t.Errorf("runs differ (-directory +memory):\n%s", d)
	}
	left, err := os.ReadDir(".")
	if err != nil || len(left) > 0 {
		t.Errorf("a run in memory left %v, %v", left, err)
	}
}

// What was seen under load only adds to what the windows show: that it is lost is a gap
// without which the run can be judged.
func TestLostProfileOfLoad(t *testing.T) {
	for _, c := range []struct {
		lost   string
		needed bool
	}{
		{"loaded-1-12.pb.gz", false},
		{"settle-1-1.pb.gz", true}, // its twin, of a window
	} {
		dir := filepath.Join(t.TempDir(), "run")
		w, err := record.Create(dir, record.Header{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := &stacks.Profile{}
		w.Capture(record.Capture{Target: "shop", Kind: record.Loaded, Round: 1, Seq: 12, Profile: p}, stacks.Encode(p))
		w.Capture(record.Capture{Target: "shop", Kind: record.Settling, Round: 1, Seq: 1, Profile: p}, stacks.Encode(p))
		if err := w.Close(record.End{Reason: record.Complete}); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, record.ProfilesDir, "shop", c.lost)); err != nil {
			t.Fatal(err)
		}
		run, err := record.Read(dir)
		if err != nil || len(run.Gaps) != 1 || run.Gaps[0].Needed != c.needed || len(run.Captures) != 1 {
			t.Errorf("Read(without %s): %d captures, gaps %+v, %v; want one gap, needed: %t",
				c.lost, len(run.Captures), run.Gaps, err, c.needed)
		}
	}
}
