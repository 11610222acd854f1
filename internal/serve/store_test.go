package serve

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const someID = "20261125-204818-5c71b8cf"

func openState(t *testing.T, state string) *store {
	t.Helper()
	s, err := openStore(state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestCreateLasts: the name of a run's folder is on disk too before the run is acknowledged.
func TestCreateLasts(t *testing.T) {
	broken := errors.New("disk")
	for _, c := range []struct {
		name string
		err  error
	}{{"on disk", nil}, {"not on disk", broken}} {
		s := openState(t, t.TempDir())
		synced := ""
		s.sync = func(dir string) error {
			if _, err := os.Stat(s.path(someID, runFile)); err != nil {
				t.Errorf("%s: synced too early: %v", c.name, err)
			}
			synced = dir
			return c.err
		}
		if err := s.create(Run{ID: someID, State: Queued, Created: time.Unix(1, 0)}, nil); !errors.Is(err, c.err) {
			t.Errorf("%s: create = %v, want %v", c.name, err, c.err)
		}
		if synced != s.dir {
			t.Errorf("%s: synced %q, want %q", c.name, synced, s.dir)
		}
		if _, err := os.Stat(s.path(someID, "")); (err == nil) != (c.err == nil) {
			t.Errorf("%s: the folder: %v", c.name, err)
		}
	}
}

// TestLoadRemovesRemains: a crash between a folder's creation and its record leaves nothing
// that anybody was told of. A record that cannot be read is somebody's.
func TestLoadRemovesRemains(t *testing.T) {
	for _, c := range []struct {
		name, file   string
		kept, broken bool
	}{
		{name: "nothing in it"},
		{name: "a plan without a record", file: planFile},
		{name: "a record that was not renamed", file: ".new-1"},
		{name: "a record of half", file: runFile, kept: true, broken: true},
	} {
		state := t.TempDir()
		s := openState(t, state)
		dir := filepath.Join(state, "runs", someID)
		if err := os.Mkdir(dir, dirMode); err != nil {
			t.Fatal(err)
		}
		if c.file != "" {
			if err := os.WriteFile(filepath.Join(dir, c.file), []byte("{"), fileMode); err != nil {
				t.Fatal(err)
			}
		}
		runs, broken := s.load()
		if len(runs) != 0 || (len(broken) > 0) != c.broken {
			t.Errorf("%s: load = %v, %v", c.name, runs, broken)
		}
		if _, err := os.Stat(dir); (err == nil) != c.kept {
			t.Errorf("%s: kept: %v, want %v", c.name, err == nil, c.kept)
		}
	}
}

// TestAcceptedIsReadBack: whatever a request may send as variables, a restart reads its run.
func TestAcceptedIsReadBack(t *testing.T) {
	const name = VariablePrefix + "X"
	full := maxVariables - len(name)
	for _, c := range []struct {
		name    string
		value   string
		refused bool
	}{
		{name: "as much as may be", value: strings.Repeat("x", full)},
		{name: "what HTML escapes", value: strings.Repeat("<>&", full/3)},
		{name: "what JSON escapes", value: strings.Repeat("\x01", full)},
		{name: "a line separator, which JSON for scripts escapes", value: strings.Repeat("\u2028", full/3)},
		{name: "a byte more", value: strings.Repeat("x", full+1), refused: true},
		{name: "as much as a body has", value: strings.Repeat("<", maxBody), refused: true},
	} {
		r := Run{ID: someID, Plan: strings.Repeat("p", maxName), Key: strings.Repeat("<", maxName), State: Queued,
			Variables: map[string]string{name: c.value}}
		if err := checkVariables(r.Variables); (err != nil) != c.refused {
			t.Errorf("%s: checkVariables = %v, want refused %v", c.name, err, c.refused)
		}
		if c.refused {
			continue
		}
		s := openState(t, t.TempDir())
		if err := s.create(r, nil); err != nil {
			t.Errorf("%s: create: %v", c.name, err)
			continue
		}
		if got, err := s.read(someID); err != nil || got.Variables[name] != c.value {
			t.Errorf("%s: read back: %v, %d bytes", c.name, err, len(got.Variables[name]))
		}
	}
}

// TestRecordHasNoEscapes: six bytes for each < made a record longer than what is read.
func TestRecordHasNoEscapes(t *testing.T) {
	text, err := formatRun(Run{ID: someID, State: Queued, Key: "<a&b>"})
	if err != nil || !strings.Contains(string(text), `"<a&b>"`) {
		t.Errorf("formatRun = %s, %v", text, err)
	}
	if _, err := formatRun(Run{ID: someID, State: Queued, Said: strings.Repeat("x", maxRunFile)}); err == nil {
		t.Error("a record is written that cannot be read")
	}
}
