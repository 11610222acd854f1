package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/verdict"
)

// What a run has in its folder.
const (
	runFile   = "run.json"
	planFile  = "plan.yaml" // a posted plan
	outDir    = "out"       // the run directory
	childLock = "lock"      // locked by the child for as long as it lives
)

// Modes of what is stored. Plans, variables and reports are nobody else's business.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// maxRunFile is how much of a run.json is read, in bytes. The largest thing in it are variables,
// of which JSON makes six times maxVariables at most: \u0001 for a byte.
const maxRunFile = 2 * maxBody

// store keeps runs in a folder each below a state directory.
type store struct {
	dir  string // of the runs
	root *os.Root
	lock *os.File
	sync func(dir string) error // syncDir
}

// openStore takes a state directory for this process alone.
func openStore(state string) (*store, error) {
	dir := filepath.Join(state, "runs")
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	lock, err := lockFile(filepath.Join(state, "lock"))
	if err != nil {
		return nil, fmt.Errorf("state directory %s: %w", state, err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("state directory: %w", err), lock.Close())
	}
	s := &store{dir: dir, root: root, lock: lock, sync: syncDir}
	if err := s.sync(state); err != nil { // which may be new, and has an entry for the runs
		return nil, errors.Join(fmt.Errorf("state directory %s: %w", state, err), s.close())
	}
	return s, nil
}

func (s *store) close() error { return errors.Join(s.root.Close(), s.lock.Close()) }

// path is a file of a run.
func (s *store) path(id string, name string) string { return filepath.Join(s.dir, id, name) }

// load reads every run, oldest first. What cannot be read is reported and left alone. A folder
// without a record is what a crash left of a run that was being created, and so never
// acknowledged, or removed: it goes.
func (s *store) load() (runs []Run, broken []error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, []error{err}
	}
	for _, e := range entries {
		if !e.IsDir() || !isID.MatchString(e.Name()) {
			continue
		}
		if s.unrecorded(e.Name()) {
			if err := s.remove(e.Name()); err != nil {
				broken = append(broken, err)
			}
			continue
		}
		r, err := s.read(e.Name())
		if err != nil {
			broken = append(broken, err)
			continue
		}
		runs = append(runs, r)
	}
	slices.SortStableFunc(runs, func(a, b Run) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return runs, broken
}

// unrecorded reports whether a folder has no record, readable or not.
func (s *store) unrecorded(id string) bool {
	_, err := s.root.Lstat(filepath.Join(id, runFile))
	return errors.Is(err, fs.ErrNotExist)
}

func (s *store) read(id string) (Run, error) {
	text, err := input.ReadBelow(context.Background(), s.root, filepath.Join(id, runFile), maxRunFile)
	if err != nil {
		return Run{}, err
	}
	r, err := parseRun(text)
	if err != nil {
		return Run{}, fmt.Errorf("%s: %w", s.path(id, runFile), err)
	}
	if r.ID != id {
		return Run{}, fmt.Errorf("%s is of another run, %q", s.path(id, runFile), r.ID)
	}
	return r, nil
}

// parseRun reads a run.json. One that is finished has an outcome.
func parseRun(text []byte) (Run, error) {
	var r Run
	if err := json.Unmarshal(text, &r); err != nil {
		return Run{}, err
	}
	switch {
	case !isID.MatchString(r.ID):
		return Run{}, fmt.Errorf("%q is no run's id", r.ID)
	case r.State != Queued && r.State != Running && r.State != Finished:
		return Run{}, fmt.Errorf("%q is no state", r.State)
	case r.State == Finished && !isOutcome(r.Outcome):
		return Run{}, fmt.Errorf("%q is no outcome", r.Outcome)
	}
	return r, nil
}

func isOutcome(o verdict.Outcome) bool {
	return o == verdict.Pass || o == verdict.Fail || o == verdict.Inconclusive
}

// create stores a new run, with its plan's text if it was posted. It lasts when create returns:
// the folder's files, and the folder's name.
func (s *store) create(r Run, text []byte) error {
	if err := os.Mkdir(filepath.Join(s.dir, r.ID), dirMode); err != nil {
		return err
	}
	var err error
	if r.Posted {
		err = replace(s.path(r.ID, planFile), text)
	}
	if err == nil {
		err = s.save(r)
	}
	if err == nil {
		err = s.sync(s.dir)
	}
	if err != nil {
		return errors.Join(err, s.remove(r.ID))
	}
	return nil
}

// formatRun writes what parseRun reads. HTML is of no concern to it: a < stays one byte.
func formatRun(r Run) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return nil, err
	}
	if b.Len() > maxRunFile {
		return nil, fmt.Errorf("the record of run %s would have %d bytes; at most %d are read back", r.ID, b.Len(),
			maxRunFile)
	}
	return b.Bytes(), nil
}

// save replaces a run's record as a whole.
func (s *store) save(r Run) error {
	text, err := formatRun(r)
	if err != nil {
		return err
	}
	return replace(s.path(r.ID, runFile), text)
}

func (s *store) remove(id string) error { return os.RemoveAll(filepath.Join(s.dir, id)) }

// replace writes a file so that after a crash, of the machine too, it is the old one or the
// new one.
func replace(name string, text []byte) error {
	dir := filepath.Dir(name)
	tmp, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(fileMode), tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return syncDir(dir)
}
