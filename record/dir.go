package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"

	"github.com/leakgate/leakgate/stacks"
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

// Writer records a run, on disk first and then in memory. Its methods may be
// called from several goroutines. The first write that fails is kept and
// returned by Err; recording goes on in memory.
type Writer struct {
	dir string // empty: the run is kept in memory alone

	mu      sync.Mutex
	run     Run
	journal *os.File
	series  map[string]*os.File
	mask    func([]byte) []byte // nil: nothing is to be hidden
	err     error
}

// Hide takes secrets out of every line that is written from now on. mask returns its
// argument where there is nothing to hide, and keeps JSON what it is.
func (w *Writer) Hide(mask func([]byte) []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mask = mask
}

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
	// The journal comes first: it tells that this is a run, whatever becomes of it.
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

// fill makes what a run directory has beside its journal.
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

// ErrInUse is of a run directory into which another process is recording.
var ErrInUse = errors.New("another run is being recorded")

func inUse(dir string) error {
	return fmt.Errorf("%w in %s: wait for its end, or name another directory", ErrInUse, dir)
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

// placeOf is the folder in which a run directory is made: dir, or where it leads as
// a link. A link that leads nowhere is not followed: the disk may be missing.
func placeOf(dir string) (string, error) {
	info, err := os.Lstat(filepath.Clean(dir))
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return dir, nil // whatever is wrong with it shows when it is made
	}
	place, err := filepath.EvalSymlinks(dir)
	if errors.Is(err, fs.ErrNotExist) {
		to, _ := os.Readlink(filepath.Clean(dir))
		return "", fmt.Errorf("%s is a link to %s, which is not there: make that folder, or remove the link", dir, to)
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
			return fmt.Errorf("%s holds a run, and %s, where it would move to, is something else", dir, prev)
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

func (w *Writer) add(e event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.run.apply(e)
	if w.dir != "" {
		w.line(w.journal, e)
	}
}

func (w *Writer) line(f *os.File, v any) {
	b, err := json.Marshal(v)
	if err == nil && w.mask != nil {
		b = w.mask(b)
	}
	if err == nil {
		_, err = f.Write(append(b, '\n'))
	}
	w.fail(err)
}

func (w *Writer) fail(err error) {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("recording: %w", err)
	}
}

// Phase records a phase that is over.
func (w *Writer) Phase(p Phase) { w.add(event{Phase: &p}) }

// Target records what the preflight found.
func (w *Writer) Target(t Target) { w.add(event{Target: &t}) }

// Identity records a target's identity.
func (w *Writer) Identity(s Identity) { w.add(event{Identity: &s}) }

// Load records the result of a phase of load.
func (w *Writer) Load(l Load) { w.add(event{Load: &l}) }

// Trial records the result of loading some requests alone.
func (w *Writer) Trial(t Trial) { w.add(event{Trial: &t}) }

// Settle records how a target came to rest.
func (w *Writer) Settle(s Settle) { w.add(event{Settle: &s}) }

// Gap records a missing measurement.
func (w *Writer) Gap(g Gap) { w.add(event{Gap: &g}) }

// Note records a remark.
func (w *Writer) Note(n Note) { w.add(event{Note: &n}) }

// Sample records a count in the target's series.
func (w *Writer) Sample(s Sample) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.run.Samples = append(w.run.Samples, s)
	if w.dir == "" {
		return
	}
	f, ok := w.series[s.Target]
	if !ok {
		var err error
		name := filepath.Join(w.dir, SeriesDir, fileName(s.Target)+".jsonl")
		f, err = os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
		if err != nil {
			w.fail(err)
			return
		}
		w.series[s.Target] = f
	}
	w.line(f, s)
}

// Capture stores a raw profile and records it. The parsed form has to be what
// stacks.Parse makes of raw. Without raw bytes, only the number of goroutines is
// recorded.
func (w *Writer) Capture(c Capture, raw []byte) {
	if raw == nil {
		n := c.Profile.Total
		c.Count = &n
		w.add(event{Capture: &c})
		return
	}
	name := fmt.Sprintf("%s-%d.pb.gz", c.Kind, c.Seq)
	if c.Round > 0 {
		name = fmt.Sprintf("%s-%d-%d.pb.gz", c.Kind, c.Round, c.Seq)
	}
	if c.Kind == Evidence { // a debug=2 dump is text
		name = fmt.Sprintf("goroutines-%d-%d.txt", c.Round, c.Seq)
		if c.Round == 0 {
			name = fmt.Sprintf("goroutines-%d.txt", c.Seq)
		}
	}
	c.File = filepath.ToSlash(filepath.Join(ProfilesDir, fileName(c.Target), name))
	err := w.file(c.File, raw)
	w.mu.Lock()
	w.fail(err)
	w.mu.Unlock()
	w.add(event{Capture: &c})
}

// Derived records a profile that was made of others, and that encode writes out.
func (w *Writer) Derived(c Capture, encode func(*stacks.Profile) []byte) {
	raw := []byte{}
	if w.dir != "" {
		raw = encode(c.Profile)
	}
	w.Capture(c, raw)
}

// Memory stores a raw heap profile, if there is one, and records what a target
// held.
func (w *Writer) Memory(m Memory, raw []byte) {
	if raw != nil {
		name := fmt.Sprintf("heap-%s.pb.gz", m.Kind)
		if m.Round > 0 {
			name = fmt.Sprintf("heap-%s-%d.pb.gz", m.Kind, m.Round)
		}
		m.File = filepath.ToSlash(filepath.Join(ProfilesDir, fileName(m.Target), name))
		err := w.file(m.File, raw)
		w.mu.Lock()
		w.fail(err)
		w.mu.Unlock()
	}
	w.add(event{Memory: &m})
}

func (w *Writer) file(name string, data []byte) error {
	if w.dir == "" {
		return nil
	}
	full := filepath.Join(w.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		return err
	}
	return os.WriteFile(full, data, 0o644)
}

// Run is a snapshot of what was recorded so far.
func (w *Writer) Run() Run {
	w.mu.Lock()
	defer w.mu.Unlock()
	r := w.run
	r.Phases, r.Targets, r.Identities = slices.Clip(r.Phases), slices.Clip(r.Targets), slices.Clip(r.Identities)
	r.Samples, r.Captures, r.Memories = slices.Clip(r.Samples), slices.Clip(r.Captures), slices.Clip(r.Memories)
	r.Loads, r.Trials = slices.Clip(r.Loads), slices.Clip(r.Trials)
	r.Settles, r.Gaps, r.Notes = slices.Clip(r.Settles), slices.Clip(r.Gaps), slices.Clip(r.Notes)
	return r
}

// Dir is the run directory; empty for a run in memory.
func (w *Writer) Dir() string { return w.dir }

// Err is the first write that failed, or nil.
func (w *Writer) Err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

// Close records the end and closes the files.
func (w *Writer) Close(e End) error {
	w.add(event{End: &e})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dir == "" {
		return w.err
	}
	w.fail(w.journal.Close())
	for _, f := range w.series {
		w.fail(f.Close())
	}
	return w.err
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
