package record

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// The files of a run directory. Each is appended to or replaced as a whole, so
// that a reader finds everything up to the moment of a crash.
const (
	JournalFile = "journal.jsonl" // the header and every event but samples, one JSON object a line
	PlanFile    = "plan.yaml"     // the plan as it was given
	SeriesDir   = "series"        // NAME.jsonl per target: Sample, one a line
	ProfilesDir = "profiles"      // NAME/KIND-ROUND-SEQ.pb.gz per target: raw profiles, for go tool pprof
)

// ErrNotARun is returned for a directory that holds no journal.
var ErrNotARun = errors.New("not a run directory")

// Create makes the run directory with its header and the plan's text, and
// checks that it can be written to. A run that is there already moves to
// DIR.prev; a directory with anything else in it is refused. Where dir is a link,
// it stays one: what moves is the folder that it leads to.
func Create(dir string, h Header, plan []byte) (*Writer, error) {
	place, err := placeOf(dir)
	if err != nil {
		return nil, err
	}
	if err := makeRoom(place); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(place, 0o755); err != nil {
		return nil, fmt.Errorf("creating run directory: %w", err)
	}
	// The journal comes first: it marks the directory as a run, whatever happens next.
	f, err := os.OpenFile(filepath.Join(dir, JournalFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("creating journal: %w", err)
	}
	if !lock(f) { // another made it a moment ago
		return nil, errors.Join(inUse(dir), f.Close())
	}
	if err := fill(dir, plan); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	h.Schema = Schema
	w := &Writer{dir: dir, journal: f, series: map[string]*os.File{}}
	w.add(event{Header: &h})
	if w.err != nil {
		return nil, errors.Join(w.err, f.Close())
	}
	return w, nil
}

// InMemory makes a writer that keeps the run in memory alone, for a run of which nothing is
// to be left.
func InMemory(h Header) *Writer {
	h.Schema = Schema
	w := &Writer{}
	w.add(event{Header: &h})
	return w
}

// fill creates what a run directory has besides its journal.
func fill(dir string, plan []byte) error {
	for _, d := range []string{SeriesDir, ProfilesDir} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return fmt.Errorf("creating run directory: %w", err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, PlanFile), plan, 0o644); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// ErrInUse is returned for a run directory into which another process is recording.
var ErrInUse = errors.New("another run is being recorded")

func inUse(dir string) error {
	return fmt.Errorf("%w in %s: wait until it is over, or use another directory", ErrInUse, dir)
}

// busy reports whether a process records into a run directory.
func busy(dir string) bool {
	f, err := os.OpenFile(filepath.Join(dir, JournalFile), os.O_WRONLY, 0)
	if err != nil {
		return false
	}
	defer f.Close() // and with it the lock
	return !lock(f)
}

// placeOf returns the folder in which a run directory is created: dir, or its target if it
// is a link. A dangling link is not followed: a disk may be missing.
func placeOf(dir string) (string, error) {
	info, err := os.Lstat(filepath.Clean(dir))
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return dir, nil // any error shows when it is created
	}
	place, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		to, _ := os.Readlink(filepath.Clean(dir))
		return "", fmt.Errorf("%s is a link to %s, which does not exist: create that folder, or remove the link", dir, to)
	}
	if err != nil {
		return "", fmt.Errorf("run directory %s: %w", dir, err)
	}
	return place, nil
}

// makeRoom moves an earlier run out of the way.
func makeRoom(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading run directory: %w", err)
	}
	if len(entries) == 0 {
		return nil
	}
	if !isRun(dir) {
		return fmt.Errorf("%s is not empty and not a run directory", dir)
	}
	prev := filepath.Clean(dir) + ".prev"
	for _, d := range []string{dir, prev} {
		if isRun(d) && busy(d) { // a pipe in the journal's place would wait for a reader
			return inUse(d)
		}
	}
	if _, err := os.Stat(prev); err == nil {
		if !isRun(prev) {
			return fmt.Errorf("%s holds a run, but %s, where it would move to, is not one: remove or rename that", dir, prev)
		}
		if err := os.RemoveAll(prev); err != nil {
			return fmt.Errorf("removing the run before the last: %w", err)
		}
	}
	if err := os.Rename(dir, prev); err != nil {
		return fmt.Errorf("moving the last run to %s: %w", prev, err)
	}
	return nil
}

// isRun reports whether a directory has a journal, which is a file.
func isRun(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, JournalFile))
	return err == nil && info.Mode().IsRegular()
}

var unsafeName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// fileName makes a target's name safe as a file's. Plans refuse two targets
// whose names would meet.
func fileName(target string) string {
	name := unsafeName.ReplaceAllString(target, "_")
	if name == "" || name == "." || name == ".." {
		return "_" + name
	}
	return name
}

// FileName is the folder and file name under which a target is stored.
func FileName(target string) string { return fileName(target) }
