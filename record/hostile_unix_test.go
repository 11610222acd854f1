//go:build unix

package record_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
)

// patience is how long a read may take that must not wait for anything.
const patience = 20 * time.Second

// within fails instead of hanging.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s hangs", what)
	}
}

// inPlaceOf puts something else where a file of the run was.
func inPlaceOf(t *testing.T, file string, put func(name string) error) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(file), put(file)); err != nil {
		t.Fatal(err)
	}
}

func fifo(name string) error { return syscall.Mkfifo(name, 0o644) }

func sparse(bytes int64) func(string) error {
	return func(name string) error {
		return errors.Join(os.WriteFile(name, nil, 0o644), os.Truncate(name, bytes))
	}
}

func folder(name string) error { return os.Mkdir(name, 0o755) }

func linkTo(to string) func(string) error {
	return func(name string) error { return os.Symlink(to, name) }
}

// A run directory may be somebody else's, and hold anything in a file's place.
func TestReadTakesFilesAlone(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside.jsonl")
	if err := os.WriteFile(outside, []byte(`{"run":{"schema":1}}`+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		put  func(string) error
		want string // of a journal
	}{
		{"named pipe", fifo, "journal.jsonl is a named pipe, not a file"},
		{"directory", folder, "journal.jsonl is a directory, not a file"},
		{"8 GiB of nothing", sparse(8 << 30), "journal.jsonl has 8 GiB; at most 1 GiB is read"},
		{"link out of the directory", linkTo(outside), "path escapes from parent"},
		{"link to a device", linkTo("/dev/zero"), "path escapes from parent"},
		{"link to itself", linkTo("journal.jsonl"), "too many levels"},
	} {
		dir := written(t)
		inPlaceOf(t, filepath.Join(dir, record.JournalFile), c.put)
		within(t, c.name, func() {
			run, err := record.Read(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) || run.Schema != 0 {
				t.Errorf("Read(journal: %s) = %v, want %q and the directory", c.name, err, c.want)
			}
		})
	}
	// A link inside the directory leads to a file of it, and is read.
	dir := written(t)
	before := read(t, dir)
	moved := filepath.Join(dir, "moved.jsonl")
	if err := os.Rename(filepath.Join(dir, record.JournalFile), moved); err != nil {
		t.Fatal(err)
	}
	inPlaceOf(t, filepath.Join(dir, record.JournalFile), linkTo("moved.jsonl"))
	if got := read(t, dir); len(got.Captures) != len(before.Captures) {
		t.Errorf("Read(journal: link inside) has %d captures, want %d", len(got.Captures), len(before.Captures))
	}
}

func TestReadTakesSeriesThatAreFiles(t *testing.T) {
	for _, c := range []struct {
		name string
		put  func(string) error
		want string
	}{
		{"named pipe", fifo, "series/shop.jsonl is a named pipe, not a file"},
		{"sparse", sparse(1 << 40), "series/shop.jsonl has 1 TiB; at most 512 MiB is read"},
		{"link to a device", linkTo("/dev/zero"), "path escapes from parent"},
		{"one endless line", func(name string) error {
			return os.WriteFile(name, []byte(`{"target":"`+strings.Repeat("x", 100<<10)+`"}`+"\n"), 0o644)
		}, "shop.jsonl:1: the line is longer than 64 KiB"},
		// A line of a kilobyte is a sample with a long name.
		{"long name", func(name string) error {
			return os.WriteFile(name, []byte(`{"target":"`+strings.Repeat("x", 1<<10)+`"}`+"\n"), 0o644)
		}, ""},
	} {
		dir := written(t)
		inPlaceOf(t, filepath.Join(dir, record.SeriesDir, "shop.jsonl"), c.put)
		within(t, c.name, func() {
			run, err := record.Read(dir)
			if c.want == "" {
				if err != nil || len(run.Samples) != 1 {
					t.Errorf("Read(series: %s) = %d samples, %v; want 1", c.name, len(run.Samples), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Read(series: %s) = %v, want %q", c.name, err, c.want)
			}
		})
	}
}

// A profile that is no file is a missing one: the run says so, and nothing else.
func TestReadTakesProfilesThatAreFiles(t *testing.T) {
	const file = "profiles/shop/settle-1-2.pb.gz"
	for _, c := range []struct {
		name string
		put  func(string) error
		want string
	}{
		{"named pipe", fifo, file + " is a named pipe, not a file"},
		{"sparse", sparse(1 << 33), file + " has 8 GiB; at most 64 MiB is read"},
		{"link to a device", linkTo("/dev/zero"), "path escapes from parent"},
	} {
		dir := written(t)
		inPlaceOf(t, filepath.Join(dir, filepath.FromSlash(file)), c.put)
		within(t, c.name, func() {
			run := read(t, dir)
			if len(run.Captures) != 2 || len(run.Gaps) != 2 || !run.Gaps[1].Needed || !strings.Contains(run.Gaps[1].Error, c.want) {
				t.Errorf("Read(profile: %s): %d captures, gaps %+v; want a needed gap with %q", c.name, len(run.Captures), run.Gaps, c.want)
			}
		})
	}
}

func TestReadTakesDirectories(t *testing.T) {
	for name, put := range map[string]func(string) error{"named pipe": fifo, "file": sparse(0)} {
		dir := filepath.Join(t.TempDir(), "out")
		inPlaceOf(t, dir, put)
		within(t, name, func() {
			if _, err := record.Read(dir); !errors.Is(err, record.ErrNotARun) || !strings.Contains(err.Error(), "it is not a directory") {
				t.Errorf("Read(%s) = %v, want %v", name, err, record.ErrNotARun)
			}
		})
	}
}

// To record, an earlier run is looked at, too.
func TestCreateWaitsForNoPipe(t *testing.T) {
	dir := t.TempDir()
	inPlaceOf(t, filepath.Join(dir, record.JournalFile), fifo)
	within(t, "Create", func() {
		if _, err := record.Create(dir, header, nil); err == nil || !strings.Contains(err.Error(), "is not empty and not a run directory") {
			t.Errorf("Create(journal: named pipe) = %v, want it refused", err)
		}
	})
}

// Whoever interrupts gets no run that lacks what was not read yet.
func TestReadEndsWithItsContext(t *testing.T) {
	dir := written(t)
	ctx, cancel := context.WithCancel(context.Background())
	if run, err := record.ReadContext(ctx, dir); err != nil || len(run.Captures) != 3 {
		t.Errorf("ReadContext = %d captures, %v; want 3", len(run.Captures), err)
	}
	cancel()
	if run, err := record.ReadContext(ctx, dir); !errors.Is(err, context.Canceled) || run.Schema != 0 {
		t.Errorf("ReadContext(cancelled) = format %d, %v; want %v", run.Schema, err, context.Canceled)
	}
}

// A capture's file, or a target's series, that is named again and again is read once.
func TestReadReadsASeriesOnce(t *testing.T) {
	dir := written(t)
	want := len(read(t, dir).Samples)
	edit(t, dir, record.JournalFile, func(b []byte) []byte {
		return append(b, []byte(strings.Repeat(`{"target":{"name":"shop"}}`+"\n", 3))...)
	})
	if got := len(read(t, dir).Samples); got != want {
		t.Errorf("four targets of one name have %d samples, want the %d of their file", got, want)
	}
}

// report.dir may be a link to a folder on a larger disk. It stays one.
func TestCreateKeepsALink(t *testing.T) {
	disk, home := t.TempDir(), t.TempDir()
	place, dir := filepath.Join(disk, "out"), filepath.Join(home, "out")
	if err := errors.Join(folder(place), os.Symlink(place, dir)); err != nil {
		t.Fatal(err)
	}
	for _, plan := range []string{"one", "two", "three"} {
		w, err := record.Create(dir, record.Header{Plan: plan}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if w.Dir() != dir {
			t.Errorf("Dir() = %q, want the link %q", w.Dir(), dir)
		}
		w.Sample(record.Sample{Target: "shop", Goroutines: 3})
		closed(t, w)
		if to, err := os.Readlink(dir); to != place {
			t.Fatalf("after run %s, the link leads to %q (%v), want %q", plan, to, err, place)
		}
		if got := read(t, place).Plan; got != plan {
			t.Errorf("%s holds run %q, want %q", place, got, plan)
		}
	}
	if got := read(t, place+".prev").Plan; got != "two" {
		t.Errorf("the folder beside the real one holds run %q, want two", got)
	}
	if _, err := os.Lstat(dir + ".prev"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something is beside the link: %v", err)
	}
}

func TestCreateRefusesLinks(t *testing.T) {
	for _, c := range []struct {
		name, to, want string
	}{
		// The disk is not there: its mount point must not be filled instead.
		{"dangling", "/nowhere/at/all", "is a link to /nowhere/at/all, which does not exist: create that folder, or remove the link"},
		{"dangling beside it", "gone", "is a link to gone, which does not exist"},
		{"loop", "out", "too many links"},
	} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "out")
		if err := os.Symlink(c.to, dir); err != nil {
			t.Fatal(err)
		}
		if _, err := record.Create(dir, header, nil); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("Create(%s) = %v, want %q", c.name, err, c.want)
		}
		if to, _ := os.Readlink(dir); to != c.to {
			t.Errorf("%s: the link leads to %q now", c.name, to)
		}
		if entries, _ := os.ReadDir(parent); len(entries) != 1 {
			t.Errorf("%s: %d entries, want the link alone", c.name, len(entries))
		}
	}
}

// The real folder may lie on another file system than the link.
func TestCreateKeepsALinkToAnotherFileSystem(t *testing.T) {
	const other = "/dev/shm"
	var here, there syscall.Stat_t
	home := t.TempDir()
	if syscall.Stat(home, &here) != nil || syscall.Stat(other, &there) != nil || here.Dev == there.Dev {
		t.Skip("no second file system at " + other)
	}
	disk, err := os.MkdirTemp(other, "leakgate-")
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { os.RemoveAll(disk) })
	place, dir := filepath.Join(disk, "out"), filepath.Join(home, "out")
	if err := errors.Join(folder(place), os.Symlink(place, dir)); err != nil {
		t.Fatal(err)
	}
	closed(t, create(t, dir))
	closed(t, create(t, dir))
	if to, _ := os.Readlink(dir); to != place || read(t, place+".prev").Plan != "checkout" {
		t.Errorf("the link leads to %q, want %q", to, place)
	}
}
