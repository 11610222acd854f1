package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/leakgate/leakgate/internal/stacks"
)

// Read loads a run directory and parses its profiles. A journal that ends in
// the middle of a line, as a killed writer leaves it, is read up to there; a
// profile that is missing or unreadable becomes a needed Gap.
func Read(dir string) (Run, error) {
	data, err := os.ReadFile(filepath.Join(dir, JournalFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Run{}, fmt.Errorf("%s: %w: no %s in it", dir, ErrNotARun, JournalFile)
	}
	if err != nil {
		return Run{}, fmt.Errorf("reading journal: %w", err)
	}
	var r Run
	err = eachLine(data, func(n int, line []byte) error {
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("%s:%d: %w", filepath.Join(dir, JournalFile), n, err)
		}
		r.apply(e)
		if r.Schema > Schema { // before its events, which may have another form
			return fmt.Errorf("%s: written in format %d by leakgate %s; this one reads up to %d", dir, r.Schema, r.Tool, Schema)
		}
		return nil
	})
	if err != nil {
		return Run{}, err
	}
	if r.Schema < 1 {
		return Run{}, fmt.Errorf("%s: %w: its journal has no header", dir, ErrNotARun)
	}
	if err := r.readSeries(dir); err != nil {
		return Run{}, err
	}
	r.readProfiles(dir)
	return r, nil
}

// eachLine calls f with every complete line. An incomplete last line is left
// out: its writer died.
func eachLine(data []byte, f func(n int, line []byte) error) error {
	for n := 1; ; n++ {
		line, rest, complete := bytes.Cut(data, []byte("\n"))
		if !complete {
			return nil
		}
		if len(bytes.TrimSpace(line)) > 0 {
			if err := f(n, line); err != nil {
				return err
			}
		}
		data = rest
	}
}

// readSeries reads the files of all targets, and puts their samples in the order
// in which they were taken.
func (r *Run) readSeries(dir string) error {
	for _, t := range r.Targets {
		name := filepath.Join(dir, SeriesDir, fileName(t.Name)+".jsonl")
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading series: %w", err)
		}
		err = eachLine(data, func(n int, line []byte) error {
			var s Sample
			if err := json.Unmarshal(line, &s); err != nil {
				return fmt.Errorf("%s:%d: %w", name, n, err)
			}
			r.Samples = append(r.Samples, s)
			return nil
		})
		if err != nil {
			return err
		}
	}
	slices.SortStableFunc(r.Samples, func(a, b Sample) int { return cmp.Compare(a.At, b.At) })
	return nil
}

func (r *Run) readProfiles(dir string) {
	kept := r.Captures[:0]
	for _, c := range r.Captures {
		if c.File == "" && c.Count != nil {
			c.Profile = stacks.Counted(*c.Count)
			kept = append(kept, c)
			continue
		}
		p, err := readProfile(dir, c.File)
		if err != nil {
			r.Gaps = append(r.Gaps, Gap{At: c.At, Target: c.Target, What: c.File, Error: err.Error(), Kind: c.Kind, Round: c.Round, Needed: c.Kind != Trying && c.Kind != Evidence && c.Kind != Holding})
			continue
		}
		c.Profile = p
		kept = append(kept, c)
	}
	r.Captures = kept
	for i := range r.Memories {
		m := &r.Memories[i]
		if m.File == "" {
			continue
		}
		raw, err := readRaw(dir, m.File)
		if err == nil {
			m.Profile, err = stacks.ParseHeap(raw)
		}
		if err != nil { // the numbers beside it are there
			r.Gaps = append(r.Gaps, Gap{At: m.At, Target: m.Target, What: m.File, Error: err.Error(), Kind: m.Kind, Round: m.Round})
		}
	}
}

func readProfile(dir, name string) (*stacks.Profile, error) {
	raw, err := readRaw(dir, name)
	if err != nil {
		return nil, err
	}
	return stacks.Parse(raw)
}

// readRaw reads a file below dir, and none that the journal or a link would
// lead to elsewhere: a run directory may be somebody else's. Its errors are the
// same for every copy of the run.
func readRaw(dir, name string) ([]byte, error) {
	raw, err := readBelow(dir, filepath.FromSlash(name))
	var perr *fs.PathError
	if errors.As(err, &perr) {
		return nil, perr.Err
	}
	return raw, err
}

func readBelow(dir, name string) ([]byte, error) {
	f, err := os.OpenInRoot(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}
