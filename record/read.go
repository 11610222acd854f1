package record

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/leakgate/leakgate/internal/budget"
	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/stacks"
)

// What is read of a run directory, which may be somebody else's. A run that
// leakgate recorded is far below each of them.
const (
	// maxJournal is of 1,000 phases of load with 2,000 requests each, in bytes.
	maxJournal = 1 << 30
	// maxEvent is one line of it: the longest is a phase of load, with some 300
	// bytes for each request of the plan.
	maxEvent = 64 << 20
	// maxEvents is how many lines: a few for every round of every target.
	maxEvents = 1_000_000
	// maxSeries is the samples of one target, in bytes, and maxSample one of them,
	// which is a name and a few numbers.
	maxSeries = 512 << 20
	maxSample = 64 << 10
	// maxSamples is of all targets together: 40 of them, once a second for a day.
	maxSamples = 4_000_000
	// maxProfile is one profile as it came, in bytes: as much as is taken from a
	// target (probe.MaxBody).
	maxProfile = 64 << 20
	// maxMemory is what all profiles together may take in memory, in bytes: four times
	// what a run may (safety.memory), by default.
	maxMemory = 2 << 30
)

// Read loads a run directory and parses its profiles. A journal that ends in
// the middle of a line, as a killed writer leaves it, is read up to there; a
// profile that is missing or unreadable becomes a needed Gap. Nothing but regular
// files of a bounded size below dir is read.
func Read(dir string) (Run, error) { return ReadContext(context.Background(), dir) }

// ReadContext is Read until ctx is over.
func ReadContext(ctx context.Context, dir string) (Run, error) {
	root, err := openDir(dir)
	if err != nil {
		return Run{}, err
	}
	defer root.Close()
	in := &directory{ctx: ctx, name: dir, root: root, memory: budget.New(maxMemory), readers: map[string]*stacks.Reader{}}
	r, err := in.journal()
	if err == nil {
		err = in.series(&r)
	}
	if err == nil {
		err = in.profiles(&r)
	}
	if err != nil {
		return Run{}, err
	}
	return r, nil
}

// openDir opens a run directory. What it opens must be one: to open a named pipe
// would wait for who writes into it.
func openDir(dir string) (*os.Root, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w: no such directory", dir, ErrNotARun)
	}
	if err != nil {
		return nil, fmt.Errorf("reading run directory: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s: %w: it is not a directory", dir, ErrNotARun)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("reading run directory: %w", err)
	}
	return root, nil
}

// directory is a run directory that is being read.
type directory struct {
	ctx  context.Context
	name string
	root *os.Root

	memory  *budget.Budget
	readers map[string]*stacks.Reader // by target: its profiles have most in common
}

func (d *directory) reader(target string) *stacks.Reader {
	if d.readers[target] == nil {
		d.readers[target] = stacks.NewReader(d.memory)
	}
	return d.readers[target]
}

// lines calls f with the lines of a file below the directory.
func (d *directory) lines(name string, most int64, mostLine int, f func(line []byte) error) error {
	file, err := input.Open(d.root, filepath.FromSlash(name), most)
	if err != nil {
		return err
	}
	defer file.Close()
	full := filepath.Join(d.name, filepath.FromSlash(name))
	return input.Lines(input.Bounded(d.ctx, file, full, most), full, mostLine, func(n int, line []byte) error {
		if err := f(line); err != nil {
			return fmt.Errorf("%s:%d: %w", full, n, err)
		}
		return nil
	})
}

// inDir names the directory in errors that lack it.
func (d *directory) inDir(what string, err error) error {
	var large *input.TooLargeError
	var kind *input.NotAFileError
	if errors.As(err, &large) || errors.As(err, &kind) {
		return fmt.Errorf("%s: %w", d.name, err)
	}
	var perr *fs.PathError
	if errors.As(err, &perr) {
		return fmt.Errorf("%s: reading %s: %w", d.name, what, err)
	}
	return err
}

func (d *directory) journal() (Run, error) {
	var r Run
	events := 0
	var newer error
	err := d.lines(JournalFile, maxJournal, maxEvent, func(line []byte) error {
		if events++; events > maxEvents {
			return fmt.Errorf("more than %d events", maxEvents)
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		r.apply(e)
		if r.Schema > Schema { // before its events, which may have another form
			newer = fmt.Errorf("%s: written in format %d by leakgate %s; this leakgate reads up to format %d", d.name,
				r.Schema, r.Tool, Schema)
			return newer
		}
		return nil
	})
	switch {
	case newer != nil:
		return Run{}, newer
	case errors.Is(err, fs.ErrNotExist):
		return Run{}, fmt.Errorf("%s: %w: it has no %s", d.name, ErrNotARun, JournalFile)
	case err != nil:
		return Run{}, d.inDir("the journal", err)
	case r.Schema < 1:
		return Run{}, fmt.Errorf("%s: %w: its journal has no header", d.name, ErrNotARun)
	}
	return r, nil
}

// series reads the files of all targets, each once, and puts their samples in the
// order in which they were taken.
func (d *directory) series(r *Run) error {
	read := map[string]bool{}
	for _, t := range r.Targets {
		name := path.Join(SeriesDir, fileName(t.Name)+".jsonl")
		if read[name] {
			continue
		}
		read[name] = true
		err := d.lines(name, maxSeries, maxSample, func(line []byte) error {
			if len(r.Samples) == maxSamples {
				return fmt.Errorf("more than %d samples", maxSamples)
			}
			var s Sample
			if err := json.Unmarshal(line, &s); err != nil {
				return err
			}
			if !r.left(s) {
				r.Samples = append(r.Samples, s)
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return d.inDir("the series", err)
		}
	}
	slices.SortStableFunc(r.Samples, func(a, b Sample) int { return cmp.Compare(a.At, b.At) })
	return nil
}

// profiles reads what captures and memories name, until the context is over.
func (d *directory) profiles(r *Run) error {
	kept := r.Captures[:0]
	for _, c := range r.Captures {
		if err := d.ctx.Err(); err != nil {
			return err
		}
		if c.File == "" && c.Count != nil {
			c.Profile = stacks.Counted(*c.Count)
			kept = append(kept, c)
			continue
		}
		p, err := d.profile(c.Target, c.File)
		if err != nil {
			r.Gaps = append(r.Gaps, Gap{
				At: c.At, Target: c.Target, What: c.File, Error: err.Error(), Kind: c.Kind, Round: c.Round,
				Needed: !slices.Contains(besides, c.Kind),
			})
			continue
		}
		c.Profile = p
		kept = append(kept, c)
	}
	r.Captures = kept
	for i := range r.Memories {
		m := &r.Memories[i]
		if err := d.ctx.Err(); err != nil {
			return err
		}
		if m.File == "" {
			continue
		}
		raw, err := d.raw(m.File)
		if err == nil {
			_, m.Profile, err = d.reader(m.Target).ReadHeap(raw)
		}
		if err != nil { // the numbers beside it are there
			r.Gaps = append(r.Gaps, Gap{At: m.At, Target: m.Target, What: m.File, Error: err.Error(), Kind: m.Kind,
				Round: m.Round})
		}
	}
	return d.ctx.Err() // what it ended is no gap
}

// besides are the kinds of captures without which a run can be judged.
var besides = []Kind{Trying, Evidence, Holding, Loaded}

func (d *directory) profile(target, name string) (*stacks.Profile, error) {
	raw, err := d.raw(name)
	if err != nil {
		return nil, err
	}
	return d.reader(target).Parse(raw)
}

// raw reads a file that the journal names, below the directory whatever it says.
// Its errors are the same for every copy of the run.
func (d *directory) raw(name string) ([]byte, error) {
	raw, err := input.ReadBelow(d.ctx, d.root, filepath.FromSlash(name), maxProfile)
	var perr *fs.PathError
	if errors.As(err, &perr) {
		return nil, perr.Err
	}
	return raw, err
}
