package record_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// profile is a real profile of this process, raw and parsed.
func profile(t testing.TB, debug int) ([]byte, *stacks.Profile) {
	t.Helper()
	var raw bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&raw, debug); err != nil {
		t.Fatal(err)
	}
	p, err := stacks.Parse(raw.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return raw.Bytes(), p
}

// heap is a real heap profile of this process, raw and parsed.
func heap(t testing.TB) ([]byte, *stacks.Heap) {
	t.Helper()
	var raw bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&raw, 0); err != nil {
		t.Fatal(err)
	}
	h, err := stacks.ParseHeap(raw.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return raw.Bytes(), h
}

var header = record.Header{
	Tool: "1.2.3", Plan: "checkout", Started: time.Date(2026, 11, 23, 18, 0, 0, 123456789, time.FixedZone("", 3600)),
	Settings: json.RawMessage(`{"goroutines":{"tolerance":10}}`),
}

// create starts a run in dir.
func create(t testing.TB, dir string) *record.Writer {
	t.Helper()
	w, err := record.Create(dir, header, []byte("version: 1\n"))
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return w
}

// record everything once for one target at least, in the order of time.
func fill(t testing.TB, w *record.Writer, targets ...string) {
	t.Helper()
	raw, parsed := profile(t, 0)
	dump, parsedDump := profile(t, 2)
	for i, name := range targets {
		w.Target(record.Target{
			Name: name, Pprof: "http://127.0.0.1:6060/debug/pprof", Metrics: "http://127.0.0.1:6060/metrics",
			Profiles: []string{"goroutine", "heap"}, Counter: "go_goroutines",
			Identity: record.Identity{At: time.Duration(i), Target: name, GoVersion: "go1.26.0", Build: "abc", Binary: "/bin/shop", Start: 1.5, TotalAlloc: 1 << 60, NumGC: 3},
		})
	}
	w.Phase(record.Phase{Kind: record.Preflight, End: time.Second})
	for at := range time.Duration(20) { // in turns, as samplers that run side by side
		name := targets[int(at)%len(targets)]
		w.Sample(record.Sample{At: at * time.Second, Target: name, Goroutines: int(at), Resident: 1 << 40})
	}
	w.Load(record.Load{
		Kind: record.Round, Round: 1, Start: 1, End: 2, Asked: 200, Planned: time.Second, Workers: 3, Expected: 200, Stopped: "context",
		Sent: 199, Answered: 198, Succeeded: 190, Abandoned: 1,
		Entries: []record.Entry{{
			Name: "GET <http://a.example/?q=1&r=2>", Sent: 199, Answered: 198, Succeeded: 190, Abandoned: 1,
			Codes: map[string]uint64{"200": 190, "500": 8}, Errors: map[string]uint64{"timeout": 1},
			BytesIn: 1, BytesOut: 2, Mean: 3, P50: 4, P90: 5, P99: 6, Max: 7,
		}},
	})
	for _, name := range targets {
		w.Settle(record.Settle{Target: name, Kind: record.Settling, Round: 1, After: 5, Quiet: true, Peak: 9, Last: 3, PerSec: -0.5, Arrive: 8})
		w.Identity(record.Identity{At: 7, Target: name, GoVersion: "go1.26.0"})
		w.Capture(record.Capture{At: 8, Target: name, Kind: record.Baseline, Seq: 1, Profile: parsed}, raw)
		w.Capture(record.Capture{At: 9, Target: name, Kind: record.Settling, Round: 1, Seq: 2, Profile: parsed}, raw)
		w.Capture(record.Capture{At: 10, Target: name, Kind: record.Evidence, Seq: 1, Profile: parsedDump}, dump)
	}
	rawHeap, parsedHeap := heap(t)
	for _, name := range targets {
		w.Memory(record.Memory{At: 9, Target: name, Kind: record.Baseline, Heap: 1 << 40, Objects: 2, Stacks: 3, Runtime: 4, Resident: 5, Peak: 6, Threads: 7, Profile: parsedHeap}, rawHeap)
		w.Memory(record.Memory{At: 10, Target: name, Kind: record.Settling, Round: 1, Threads: 7}, nil)
	}
	w.Gap(record.Gap{At: 11, Target: targets[0], What: "http://127.0.0.1:6060/metrics", Error: "404", Kind: record.Baseline, Round: 1, Needed: true, Hint: "serve it"})
	w.Note(record.Note{At: 12, Target: targets[0], Code: "slow", Message: "one\ntwo \u2028 <b>"})
}

// closed ends a run.
func closed(t testing.TB, w *record.Writer) {
	t.Helper()
	if err := w.Close(record.End{At: 13, Reason: record.Aborted, Code: "cap", Message: "too many", Hint: "fewer"}); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

// written is a complete run of one target.
func written(t testing.TB) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "out")
	w := create(t, dir)
	fill(t, w, "shop")
	closed(t, w)
	return dir
}

func read(t testing.TB, dir string) record.Run {
	t.Helper()
	run, err := record.Read(dir)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	return run
}

// edit changes a file of a run directory.
func edit(t testing.TB, dir, name string, change func([]byte) []byte) {
	t.Helper()
	file := filepath.Join(dir, filepath.FromSlash(name))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, change(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

// What is judged while it is measured has to be what is judged from the
// directory a year later.
func TestReadEqualsRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "out")
	w := create(t, dir)
	if w.Dir() != dir {
		t.Errorf("Dir() = %q, want %q", w.Dir(), dir)
	}
	fill(t, w, "checkout-0", "checkout-1", "cart")
	if d := cmp.Diff(w.Run(), read(t, dir)); d != "" {
		t.Errorf("before the end (-Run +Read):\n%s", d)
	}
	closed(t, w)
	want := w.Run()
	if d := cmp.Diff(want, read(t, dir)); d != "" {
		t.Errorf("after the end (-Run +Read):\n%s", d)
	}
	counts := []int{len(want.Phases), len(want.Targets), len(want.Identities), len(want.Samples), len(want.Captures), len(want.Memories), len(want.Loads), len(want.Settles), len(want.Gaps), len(want.Notes)}
	if d := cmp.Diff([]int{1, 3, 3, 20, 9, 6, 1, 3, 1, 1}, counts); d != "" {
		t.Errorf("phases, targets, identities, samples, captures, memories, loads, settles, gaps, notes (-want +got):\n%s", d)
	}
	if want.Schema != record.Schema || want.Plan != "checkout" || want.End == nil || want.Captures[0].Profile.Total == 0 {
		t.Errorf("the run lacks its header, its end or its profiles: %+v", want)
	}
	if plan, err := os.ReadFile(filepath.Join(dir, record.PlanFile)); err != nil || string(plan) != "version: 1\n" {
		t.Errorf("the plan reads %q, %v", plan, err)
	}
}

// The names are part of the format: go tool pprof is pointed at them.
func TestCaptureFiles(t *testing.T) {
	run := read(t, written(t))
	var got []string
	for _, c := range run.Captures {
		got = append(got, c.File)
	}
	want := []string{"profiles/shop/baseline-1.pb.gz", "profiles/shop/settle-1-2.pb.gz", "profiles/shop/goroutines-1.txt"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
}

// A run that goes on must not change a snapshot that was taken of it.
func TestRunIsASnapshot(t *testing.T) {
	w := create(t, filepath.Join(t.TempDir(), "out"))
	for range 3 { // which leaves room behind them for one more
		w.Note(record.Note{Code: "a"})
	}
	first := w.Run()
	w.Note(record.Note{Code: "b"})
	first.Notes = append(first.Notes, record.Note{Code: "mine"})
	second := w.Run()
	if len(second.Notes) != 4 || second.Notes[3].Code != "b" || first.Notes[3].Code != "mine" {
		t.Errorf("snapshots share memory: %v and %v", first.Notes, second.Notes)
	}
	closed(t, w)
}

// A writer that is killed leaves a line cut off anywhere.
func TestReadCutJournal(t *testing.T) {
	dir := written(t)
	journal := filepath.Join(dir, record.JournalFile)
	data, err := os.ReadFile(journal)
	if err != nil {
		t.Fatal(err)
	}
	endLine := bytes.LastIndexByte(data[:len(data)-1], '\n') + 1
	noteLine := bytes.LastIndexByte(data[:endLine-1], '\n') + 1
	for cut := noteLine; cut <= len(data); cut++ {
		if err := os.WriteFile(journal, data[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		run, err := record.Read(dir)
		if err != nil {
			t.Fatalf("Read(cut at %d of %d): %v", cut, len(data), err)
		}
		if ended := run.End != nil; ended != (cut == len(data)) {
			t.Errorf("Read(cut at %d of %d).End = %+v", cut, len(data), run.End)
		}
		if noted := len(run.Notes) == 1; noted != (cut >= endLine) {
			t.Errorf("Read(cut at %d of %d) has %d notes, the note ends at %d", cut, len(data), len(run.Notes), endLine)
		}
		if len(run.Captures) != 3 || len(run.Samples) != 20 {
			t.Errorf("Read(cut at %d of %d) lost what was before", cut, len(data))
		}
	}
}

func TestReadCutSeries(t *testing.T) {
	dir := written(t)
	edit(t, dir, "series/shop.jsonl", func(b []byte) []byte { return b[:len(b)-3] })
	if run := read(t, dir); len(run.Samples) != 19 {
		t.Errorf("Read(last sample cut) has %d samples, want 19", len(run.Samples))
	}
	if err := os.Remove(filepath.Join(dir, record.SeriesDir, "shop.jsonl")); err != nil {
		t.Fatal(err)
	}
	if run := read(t, dir); len(run.Samples) != 0 || len(run.Captures) != 3 {
		t.Errorf("Read(no series) has %d samples and %d captures, want 0 and 3", len(run.Samples), len(run.Captures))
	}
}

func TestReadDamagedProfile(t *testing.T) {
	file := "profiles/shop/settle-1-2.pb.gz"
	var heap bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&heap, 0); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		error  string // "": none
	}{
		// The twin of all others.
		{"intact", func(*testing.T, string) {}, ""},
		{"missing", func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, file)); err != nil {
				t.Fatal(err)
			}
		}, "no such file or directory"},
		{"cut", func(t *testing.T, dir string) { edit(t, dir, file, func(b []byte) []byte { return b[:len(b)/2] }) }, "unexpected EOF"},
		{"empty", func(t *testing.T, dir string) { edit(t, dir, file, func([]byte) []byte { return nil }) }, "empty"},
		{"noise", func(t *testing.T, dir string) {
			edit(t, dir, file, func([]byte) []byte { return []byte("\x00\x01noise") })
		}, "parsing profile"},
		{"another profile", func(t *testing.T, dir string) { edit(t, dir, file, func([]byte) []byte { return heap.Bytes() }) }, "not a goroutine profile"},
		{"folder", func(t *testing.T, dir string) {
			if err := errors.Join(os.Remove(filepath.Join(dir, file)), os.Mkdir(filepath.Join(dir, file), 0o755)); err != nil {
				t.Fatal(err)
			}
		}, "is a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := written(t)
			before := read(t, dir)
			c.damage(t, dir)
			got := read(t, dir)
			if c.error == "" {
				if d := cmp.Diff(before, got); d != "" {
					t.Errorf("Read changed (-before +after):\n%s", d)
				}
				return
			}
			if len(got.Captures) != 2 || len(got.Gaps) != 2 {
				t.Fatalf("Read has %d captures and the gaps %+v, want 2 and 2", len(got.Captures), got.Gaps)
			}
			want := record.Gap{At: 9, Target: "shop", What: file, Error: got.Gaps[1].Error, Kind: record.Settling, Round: 1, Needed: true}
			if d := cmp.Diff(want, got.Gaps[1]); d != "" || !strings.Contains(want.Error, c.error) {
				t.Errorf("gap (-want +got), with %q as its error:\n%s%+v", c.error, d, got.Gaps[1])
			}
			if strings.Contains(want.Error, filepath.Dir(dir)) {
				t.Errorf("the gap's error %q differs between two copies of the run", want.Error)
			}
		})
	}
}

// A heap profile that is damaged loses its stacks, and no verdict about goroutines.
func TestReadDamagedHeap(t *testing.T) {
	dir := written(t)
	edit(t, dir, "profiles/shop/heap-baseline.pb.gz", func(b []byte) []byte { return b[:len(b)/2] })
	run := read(t, dir)
	if m := run.Memories[0]; m.Profile != nil || m.Heap != 1<<40 || len(run.Captures) != 3 {
		t.Errorf("Read(damaged heap) has %+v and %d captures, want the numbers without the profile, and 3", m, len(run.Captures))
	}
	if len(run.Gaps) != 2 || run.Gaps[1].Needed || !strings.Contains(run.Gaps[1].Error, "unexpected EOF") {
		t.Errorf("gaps are %+v, want one for the heap that is not needed", run.Gaps)
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct {
		name    string
		journal string
		notARun bool
		want    string
	}{
		{"empty journal", "", true, "its journal has no header"},
		{"header cut off", `{"run":{"schema":1`, true, "its journal has no header"},
		{"no header", `{"note":{"code":"a"}}` + "\n", true, "its journal has no header"},
		{"no version", `{"run":{"plan":"a"}}` + "\n", true, "its journal has no header"},
		{"version below the first", `{"run":{"schema":-1}}` + "\n", true, "its journal has no header"},
		{"line that is no JSON", `{"run":{"schema":1}}` + "\nnonsense\n" + `{"note":{}}` + "\n", false, "journal.jsonl:2: invalid character"},
		{"newer", `{"run":{"schema":2,"tool":"9.0"}}` + "\n", false, "written in format 2 by leakgate 9.0; this leakgate reads up to format 1"},
		// The version is the news, not that this one cannot read it.
		{"newer, with events of another form", `{"run":{"schema":2,"tool":"9.0"}}` + "\n" + `{"phase":"soon"}` + "\n", false, "written in format 2 by leakgate 9.0; this leakgate reads up to format 1"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, record.JournalFile), []byte(c.journal), 0o644); err != nil {
			t.Fatal(err)
		}
		run, err := record.Read(dir)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) || errors.Is(err, record.ErrNotARun) != c.notARun {
			t.Errorf("Read(%s) = %v, want %q (not a run: %t)", c.name, err, c.want, c.notARun)
		}
		if d := cmp.Diff(record.Run{}, run); d != "" {
			t.Errorf("Read(%s) returned something beside its error (-want +got):\n%s", c.name, d)
		}
	}
	for name, dir := range map[string]string{"empty": t.TempDir(), "missing": filepath.Join(t.TempDir(), "none")} {
		if _, err := record.Read(dir); !errors.Is(err, record.ErrNotARun) || !strings.Contains(err.Error(), dir) {
			t.Errorf("Read(%s directory) = %v, want %v", name, err, record.ErrNotARun)
		}
	}
	dir := written(t)
	edit(t, dir, "series/shop.jsonl", func([]byte) []byte { return []byte("{}\nnonsense\n") })
	if _, err := record.Read(dir); err == nil || !strings.Contains(err.Error(), "shop.jsonl:2: invalid character") {
		t.Errorf("Read(broken series) = %v, want the file and line", err)
	}
}

// A run directory is what bug reports consist of: somebody else's.
func TestReadStaysInTheDirectory(t *testing.T) {
	raw, _ := profile(t, 0)
	for _, c := range []struct {
		name   string
		file   func(dir, outside string) string // as the journal names it
		follow bool
	}{
		{"up", func(string, string) string { return "../outside.pb.gz" }, false},
		{"up and up", func(string, string) string { return "../../../../../../../../etc/passwd" }, false},
		{"down and up", func(string, string) string { return "profiles/../../outside.pb.gz" }, false},
		{"absolute", func(_, outside string) string { return outside }, false},
		{"link", func(dir, outside string) string {
			if err := os.Symlink(outside, filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			return "link"
		}, false},
		{"link to a folder", func(dir, outside string) string {
			if err := os.Symlink(filepath.Dir(outside), filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			return "link/outside.pb.gz"
		}, false},
		{"none", func(string, string) string { return "" }, false},
		{"the directory", func(string, string) string { return "." }, false},
		// The same profile inside is read.
		{"inside", func(dir, _ string) string {
			if err := os.WriteFile(filepath.Join(dir, "inside.pb.gz"), raw, 0o644); err != nil {
				t.Fatal(err)
			}
			return "profiles/../inside.pb.gz"
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			parent := t.TempDir()
			dir, outside := filepath.Join(parent, "out"), filepath.Join(parent, "outside.pb.gz")
			if err := errors.Join(os.MkdirAll(filepath.Join(dir, record.ProfilesDir), 0o755), os.WriteFile(outside, raw, 0o644)); err != nil {
				t.Fatal(err)
			}
			name := c.file(dir, outside)
			line, err := json.Marshal(map[string]record.Capture{"capture": {Target: "shop", Kind: record.Baseline, File: name}})
			if err != nil {
				t.Fatal(err)
			}
			journal := append([]byte(`{"run":{"schema":1}}`+"\n"), append(line, '\n')...)
			if err := os.WriteFile(filepath.Join(dir, record.JournalFile), journal, 0o644); err != nil {
				t.Fatal(err)
			}
			run := read(t, dir)
			if c.follow {
				if len(run.Captures) != 1 || len(run.Gaps) != 0 {
					t.Errorf("Read(%s): %d captures, gaps %+v; want it read", name, len(run.Captures), run.Gaps)
				}
				return
			}
			if len(run.Captures) != 0 || len(run.Gaps) != 1 || !run.Gaps[0].Needed || run.Gaps[0].What != name {
				t.Errorf("Read(%s): %d captures, gaps %+v; want one needed gap", name, len(run.Captures), run.Gaps)
			}
		})
	}
}

// below lists the files below a directory.
func below(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, err = filepath.Rel(dir, name)
			out = append(out, filepath.ToSlash(name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestHostileTargetNames(t *testing.T) {
	for _, name := range []string{"../x", "../../../x", "a/b", `a\b`, "", ".", "..", "/etc/passwd", "x\x00y", "a b", "é", "<b>", "-rf", "con:1"} {
		parent := t.TempDir()
		dir := filepath.Join(parent, "1", "2", "out")
		w := create(t, dir)
		fill(t, w, name)
		closed(t, w)
		if d := cmp.Diff(w.Run(), read(t, dir)); d != "" {
			t.Errorf("target %q (-Run +Read):\n%s", name, d)
		}
		files := below(t, parent)
		for _, f := range files {
			if !strings.HasPrefix(f, "1/2/out/") {
				t.Errorf("target %q wrote %s", name, f)
			}
		}
		if len(files) != 7 { // journal, plan, series, three captures, a heap profile
			t.Errorf("target %q wrote %v", name, files)
		}
		if got := record.FileName(name); !filepath.IsLocal(got) || strings.ContainsAny(got, `/\`) {
			t.Errorf("FileName(%q) = %q", name, got)
		}
	}
}

func TestCreateKeepsTheLastRun(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "out")
	prev := dir + ".prev"
	for i, plan := range []string{"one", "two", "three"} {
		// A separator at the end must not put it inside.
		w, err := record.Create(dir+string(filepath.Separator), record.Header{Plan: plan}, nil)
		if err != nil {
			t.Fatalf("Create, run %s: %v", plan, err)
		}
		closed(t, w)
		if got := read(t, dir).Plan; got != plan {
			t.Errorf("%s holds run %q, want %q", dir, got, plan)
		}
		if i == 0 {
			if _, err := os.Stat(prev); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is there after the first run: %v", prev, err)
			}
			continue
		}
		if got, want := read(t, prev).Plan, []string{"one", "two"}[i-1]; got != want {
			t.Errorf("%s holds run %q, want %q", prev, got, want)
		}
	}
	if entries, _ := os.ReadDir(parent); len(entries) != 2 {
		t.Errorf("%d entries beside the run, want out and out.prev", len(entries))
	}
}

func TestCreateTakesAnEmptyDirectory(t *testing.T) {
	dir := t.TempDir()
	closed(t, create(t, dir))
	if _, err := os.Stat(dir + ".prev"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory moved away: %v", err)
	}
}

func TestCreateRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string // what is there before; still there afterwards
		dir   string
		want  string
	}{
		{"something else", []string{"out/thesis.txt"}, "out", "is not empty and not a run directory"},
		{"something else in the way of the last run", []string{"out/journal.jsonl", "out.prev/thesis.txt"}, "out", "is not one"},
		{"a file as the last run", []string{"out/journal.jsonl", "out.prev"}, "out", "is not one"},
		{"file", []string{"out"}, "out", "not a directory"},
		// Even root cannot create a directory below a file.
		{"below a file", []string{"file"}, "file/out", "not a directory"},
		{"far below a file", []string{"file"}, "file/a/b/out", "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			parent := t.TempDir()
			for _, f := range c.files {
				f = filepath.Join(parent, f)
				if err := errors.Join(os.MkdirAll(filepath.Dir(f), 0o755), os.WriteFile(f, []byte("mine"), 0o644)); err != nil {
					t.Fatal(err)
				}
			}
			dir := filepath.Join(parent, c.dir)
			w, err := record.Create(dir, header, nil)
			if w != nil || err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("Create = %v, %v; want an error with %q and the directory", w, err, c.want)
			}
			if d := cmp.Diff(c.files, below(t, parent)); d != "" {
				t.Errorf("files (-before +after):\n%s", d)
			}
			for _, f := range c.files {
				if b, _ := os.ReadFile(filepath.Join(parent, f)); string(b) != "mine" {
					t.Errorf("%s holds %q", f, b)
				}
			}
		})
	}
}

// A disk that fails amid a run: it goes on in memory, and says so.
func TestWriteFails(t *testing.T) {
	raw, parsed := profile(t, 0)
	for _, c := range []struct {
		name string
		dir  string // becomes a file
		do   func(*record.Writer)
	}{
		{"series", record.SeriesDir, func(w *record.Writer) { w.Sample(record.Sample{Target: "shop", Goroutines: 3}) }},
		{"capture", record.ProfilesDir, func(w *record.Writer) {
			w.Capture(record.Capture{Target: "shop", Kind: record.Baseline, Profile: parsed}, raw)
		}},
	} {
		dir := filepath.Join(t.TempDir(), "out")
		w := create(t, dir)
		path := filepath.Join(dir, c.dir)
		if err := errors.Join(os.Remove(path), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
		if err := w.Err(); err != nil {
			t.Errorf("%s: Err() = %v before any failure", c.name, err)
		}
		c.do(w)
		if err := w.Err(); err == nil || !strings.HasPrefix(err.Error(), "recording: ") {
			t.Errorf("%s: Err() = %v, want the failed write", c.name, err)
		}
		if run := w.Run(); len(run.Samples)+len(run.Captures) != 1 {
			t.Errorf("%s: the run holds %d samples and %d captures, want it to go on in memory", c.name, len(run.Samples), len(run.Captures))
		}
		if err := w.Close(record.End{Reason: record.Complete}); err == nil {
			t.Errorf("%s: Close() = nil, want the failed write", c.name)
		}
		if run := read(t, dir); run.End == nil {
			t.Errorf("%s: the journal has no end", c.name)
		}
	}
}

func TestWriteAfterClose(t *testing.T) {
	w := create(t, filepath.Join(t.TempDir(), "out"))
	closed(t, w)
	w.Note(record.Note{Code: "late"})
	if err := w.Err(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Err() = %v after a late note, want %v", err, os.ErrClosed)
	}
}

// Samplers, probes and the gate write side by side while the verdict is made.
func TestConcurrentUse(t *testing.T) {
	const writers, each = 8, 20
	dir := filepath.Join(t.TempDir(), "out")
	w := create(t, dir)
	raw, parsed := profile(t, 0)
	var wg sync.WaitGroup
	for i := range writers {
		name := fmt.Sprintf("shop-%d", i/2) // two for each target
		if i%2 == 0 {
			w.Target(record.Target{Name: name})
		}
		wg.Go(func() {
			for n := range each {
				at := time.Duration(n*writers + i)
				w.Sample(record.Sample{At: at, Target: name, Goroutines: n})
				w.Note(record.Note{At: at, Target: name})
				w.Gap(record.Gap{At: at, Target: name})
				w.Identity(record.Identity{At: at, Target: name})
				w.Settle(record.Settle{Target: name})
				w.Phase(record.Phase{Start: at})
				w.Load(record.Load{Start: at})
				w.Capture(record.Capture{At: at, Target: name, Kind: record.Settling, Round: i + 1, Seq: n, Profile: parsed}, raw)
				if run := w.Run(); len(run.Samples) < n || w.Err() != nil {
					t.Errorf("%d samples after %d, Err() = %v", len(run.Samples), n, w.Err())
				}
			}
		})
	}
	wg.Wait()
	closed(t, w)
	got, want := read(t, dir), w.Run()
	if n := len(got.Samples); n != writers*each || len(want.Samples) != n {
		t.Errorf("%d samples read, want %d", n, writers*each)
	}
	// The order of samples from different writers is that of time.
	got.Samples, want.Samples = nil, nil
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-Run +Read):\n%s", d)
	}
}

func FuzzRead(f *testing.F) {
	dir := written(f)
	for _, name := range []string{record.JournalFile, "series/shop.jsonl"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, data)
	}
	for _, seed := range []string{
		"", "\n\n", `{"run":{"schema":1}}`, `{"run":{"schema":1}}` + "\n" + `{"capture":{"file":"../../etc/passwd"}}` + "\n" + `{"target":{"name":"../x"}}` + "\n",
		`{"run":{"schema":1}}` + "\n" + `{"capture":{"file":"journal.jsonl"}}` + "\nnull\n[]\n",
	} {
		f.Add([]byte(seed), []byte(`{"at":1,"goroutines":3}`+"\n"))
	}
	f.Fuzz(func(t *testing.T, journal, series []byte) {
		dir := t.TempDir()
		err := errors.Join(
			os.WriteFile(filepath.Join(dir, record.JournalFile), journal, 0o644),
			os.Mkdir(filepath.Join(dir, record.SeriesDir), 0o755),
			os.WriteFile(filepath.Join(dir, record.SeriesDir, "shop.jsonl"), series, 0o644),
		)
		if err != nil {
			t.Fatal(err)
		}
		run, err := record.Read(dir)
		if err != nil {
			return
		}
		if run.Schema < 1 || run.Schema > record.Schema {
			t.Errorf("Read took format %d", run.Schema)
		}
		for _, c := range run.Captures {
			if c.Profile == nil {
				t.Errorf("capture %q without a profile", c.File)
			}
		}
	})
}
