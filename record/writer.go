package record

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/leakgate/leakgate/stacks"
)

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

// Change records what happened to a pod.
func (w *Writer) Change(c Change) { w.add(event{Change: &c}) }

// Left records that a target of the preflight is not watched after all.
func (w *Writer) Left(l Left) { w.add(event{Left: &l}) }

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
	r.Changes, r.Left = slices.Clip(r.Changes), slices.Clip(r.Left)
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
