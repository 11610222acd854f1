package loadgen_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
)

// script runs a shell script as load.
func script(t *testing.T, text, summary string, phase time.Duration) record.Load {
	t.Helper()
	d, err := loadgen.NewExec(loadgen.ExecConfig{Command: []string{"sh", "-c", text}, Env: os.Environ(), Summary: summary, Rate: 250, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return d.Run(t.Context(), loadgen.Phase{Round: 3, Duration: phase})
}

func TestExec(t *testing.T) {
	sample := func(name string) string {
		path, err := filepath.Abs(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name, script, summary   string
		sent, failed, noAnswers uint64
		uncounted               bool
		done                    bool // long before its time
		stopped                 string
	}{
		{name: "ghz", script: "cat " + sample("ghz.json"), sent: 2000, failed: 20},
		{name: "k6, written to the file", script: "echo log; cp " + sample("k6.json") + " $LEAKGATE_SUMMARY", sent: 1500, failed: 15},
		{name: "k6's newer form", script: "cat " + sample("k6-values.json"), summary: "k6", sent: 1500, failed: 15},
		// A threshold of k6's own is no failure of the load: the plan has its own floor.
		{name: "k6 that missed a threshold", script: "cat " + sample("k6.json") + "; exit 99", sent: 1500, failed: 15},
		{name: "vegeta", script: "cat " + sample("vegeta.json"), sent: 230, failed: 32, noAnswers: 30},
		{name: "wrk", script: "cat " + sample("wrk.txt"), sent: 152, failed: 28, noAnswers: 8},
		{name: "a log around it", script: "echo '{not json'; cat " + sample("ghz.json") + "; echo done", sent: 2000, failed: 20},
		{name: "a log of objects around it", script: `echo '{"level":"info"} {"level":{"of":1}}'; cat ` + sample("ghz.json") + `; echo '{"level":"bye"}'`, sent: 2000, failed: 20},
		{name: "two summaries", script: "cat " + sample("ghz.json") + "; cat " + sample("vegeta.json") + " >&2; cat " + sample("ghz.json"), sent: 2000, failed: 20},
		{name: "k6 without HTTP", script: `echo '{"metrics": {"iterations": {"count": 200}, "checks": {"passes": 150, "fails": 50}}}'`, sent: 200, failed: 50},
		{name: "k6 without HTTP and checks", script: `echo '{"metrics": {"iterations": {"count": 200}}}'`, stopped: "add a check to the script"},
		{name: "k6 that was aborted", script: "cat " + sample("k6.json") + "; exit 107", sent: 1500, failed: 15, stopped: "sh exited with exit status 107"},
		{name: "nothing to read", script: "echo hello; sleep 0.1", uncounted: true, sent: 1},
		{name: "nothing to be read", script: "sleep 0.1; cat " + sample("ghz.json"), summary: "none", uncounted: true, sent: 1},
		{name: "nothing done", script: "true", done: true, stopped: "without a summary of what it sent"},
		{name: "cut off in the file", script: "head -c 100 " + sample("ghz.json") + " > $LEAKGATE_SUMMARY; sleep 0.1", stopped: "no summary that is known; known: k6, ghz, vegeta, wrk"},
		{name: "goes on in the background", script: "sleep 60 >/dev/null 2>&1 & sleep 0.1", stopped: "left processes behind"},
		{name: "goes on, and holds the output", script: "sleep 60 & sleep 0.1", stopped: "left processes behind"},
		{name: "another form than said", script: "cat " + sample("ghz.json"), summary: "wrk", stopped: "there is no summary of wrk"},
		{name: "fails", script: "echo no such host >&2; exit 7", stopped: "sh exited with exit status 7: no such host"},
		{name: "fails with a summary", script: "cat " + sample("ghz.json") + "; exit 1", sent: 2000, failed: 20, stopped: "sh exited with exit status 1"},
	} {
		phase := 100 * time.Millisecond
		if c.done {
			phase = time.Minute
		}
		l := script(t, c.script, c.summary, phase)
		noAnswers := l.Sent - l.Answered
		if l.Sent != c.sent || l.Sent-l.Succeeded != c.failed || noAnswers != c.noAnswers || l.Uncounted != c.uncounted || !strings.Contains(l.Stopped, c.stopped) || (c.stopped == "") != (l.Stopped == "") {
			t.Errorf("%s: %d sent, %d failed, %d without an answer, uncounted %v, stopped %q; want %d, %d, %d, %v, %q", c.name,
				l.Sent, l.Sent-l.Succeeded, noAnswers, l.Uncounted, l.Stopped, c.sent, c.failed, c.noAnswers, c.uncounted, c.stopped)
		}
	}
}

// The command is told what a round asks for.
func TestExecEnvironment(t *testing.T) {
	logs := t.TempDir()
	d, err := loadgen.NewExec(loadgen.ExecConfig{
		Command: []string{"sh", "-c", "echo $LEAKGATE_RATE $LEAKGATE_DURATION $LEAKGATE_SECONDS $LEAKGATE_ROUND $OWN"}, Env: []string{"OWN=s3cret", "PATH=" + os.Getenv("PATH")},
		Rate: 12.5, Logs: logs, Mask: func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), "s3cret", "***")) },
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Run(t.Context(), loadgen.Phase{Round: 2, Duration: 1500 * time.Millisecond})
	got, err := os.ReadFile(filepath.Join(logs, "load-0.txt"))
	if err != nil || string(got) != "12.5 1.5s 1.5 2 ***\n" {
		t.Errorf("the command was told %q, %v; want its rate, duration, seconds, round and its own environment, masked", got, err)
	}
	if _, err := loadgen.NewExec(loadgen.ExecConfig{Command: []string{"no-such-program"}}); err == nil {
		t.Error("NewExec(no such program) = nil, want an error before anything is loaded")
	}
}

// A run that ends ends the command too, with its children.
func TestExecStops(t *testing.T) {
	d, err := loadgen.NewExec(loadgen.ExecConfig{Command: []string{"sh", "-c", "sleep 60 & wait"}, Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if l := d.Run(ctx, loadgen.Phase{Duration: time.Minute}); l.Stopped != record.StoppedByUs || time.Since(began) > 5*time.Second {
		t.Errorf("load %+v after %s, want it stopped at once", l, time.Since(began))
	}
}

// What a command starts ends with it, also what does not listen to a signal.
func TestExecEndsAll(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	d, err := loadgen.NewExec(loadgen.ExecConfig{Command: []string{"sh", "-c", `sh -c 'trap "" TERM; echo $$ > ` + file + `; sleep 60; sleep 60' & wait`}, Env: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for {
			if b, err := os.ReadFile(file); err == nil && len(b) > 0 {
				cancel()
				return
			}
			runtime.Gosched()
		}
	}()
	if l := d.Run(ctx, loadgen.Phase{Duration: time.Minute}); l.Stopped != record.StoppedByUs {
		t.Errorf("load %+v, want it stopped", l)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/stat")
	if err == nil && !strings.Contains(string(stat), ") Z ") && !strings.Contains(string(stat), ") X ") {
		t.Errorf("its child goes on: %s", stat)
	}
}

// Output without end takes no memory without end, and secrets are in no name.
func TestExecBounds(t *testing.T) {
	logs := t.TempDir()
	d, err := loadgen.NewExec(loadgen.ExecConfig{
		Command: []string{"sh", "-c", "head -c 70000000 /dev/zero | tr '\\0' x; echo s3cret >&2; exit 3 # s3cret"}, Env: os.Environ(), Logs: logs,
		Mask: func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), "s3cret", "***")) },
	})
	if err != nil {
		t.Fatal(err)
	}
	l := d.Run(t.Context(), loadgen.Phase{Duration: time.Second})
	if !strings.Contains(l.Stopped, "printed more than 64 MiB") {
		t.Errorf("stopped by %q, want it said that too much was printed", l.Stopped)
	}
	info, err := os.Stat(filepath.Join(logs, "load-0.txt"))
	if err != nil || info.Size() > 5<<20 {
		t.Errorf("the log has %d bytes, %v; want it cut", info.Size(), err)
	}
	d, err = loadgen.NewExec(loadgen.ExecConfig{ // its line is cut within the secret
		Command: []string{"sh", "-c", "printf '%196s' 1 | tr ' ' 0 >&2; echo s3cret >&2; exit 3"}, Env: os.Environ(),
		Mask: func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), "s3cret", "***")) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if l = d.Run(t.Context(), loadgen.Phase{Duration: time.Second}); strings.Contains(l.Stopped, "s3") {
		t.Errorf("stopped by %q, which has a part of the secret", l.Stopped)
	}
	d, err = loadgen.NewExec(loadgen.ExecConfig{
		Command: []string{"sh", "-c", "echo s3cret >&2; exit 3"}, Env: os.Environ(),
		Mask: func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), "s3cret", "***")) },
	})
	if err != nil {
		t.Fatal(err)
	}
	l = d.Run(t.Context(), loadgen.Phase{Duration: time.Second})
	if l.Entries[0].Name != "sh -c echo *** >&2; exit 3" || l.Stopped != "the load failed: sh exited with exit status 3: ***" {
		t.Errorf("load %q stopped by %q, want secrets masked", l.Entries[0].Name, l.Stopped)
	}
}

func TestNone(t *testing.T) {
	n := 100.0
	count := func(context.Context) (float64, error) { n += 50; return n, nil }
	open := func(context.Context) (float64, error) { return 7, nil }
	l := loadgen.NewNone(loadgen.NoneConfig{Requests: count, Connections: open}).Run(t.Context(), loadgen.Phase{Duration: 50 * time.Millisecond})
	if l.Sent != 50 || l.Succeeded != 50 || l.Workers != 7 || len(l.Open) == 0 || l.Uncounted {
		t.Errorf("load %+v, want 50 requests over 7 connections", l)
	}
	if l := loadgen.NewNone(loadgen.NoneConfig{}).Run(t.Context(), loadgen.Phase{Duration: 10 * time.Millisecond}); !l.Uncounted || l.Sent != 1 {
		t.Errorf("load %+v without a query, want it uncounted", l)
	}
	n = 100
	down := func(context.Context) (float64, error) { n -= 50; return n, nil }
	if l := loadgen.NewNone(loadgen.NoneConfig{Requests: down}).Run(t.Context(), loadgen.Phase{Duration: 10 * time.Millisecond}); !strings.Contains(l.Stopped, "went down") {
		t.Errorf("load %+v whose count went down, want it stopped", l)
	}
	fails := func(context.Context) (float64, error) { return 0, errors.New("no such series") }
	if l := loadgen.NewNone(loadgen.NoneConfig{Requests: fails}).Run(t.Context(), loadgen.Phase{Duration: time.Minute}); !strings.Contains(l.Stopped, "no such series") {
		t.Errorf("load %+v whose query fails, want it stopped at once", l)
	}
}

// A count that cannot be one stops the load before it is taken for requests.
func TestNoneRefuses(t *testing.T) {
	phase := loadgen.Phase{Duration: 10 * time.Millisecond}
	for _, c := range []struct {
		name   string
		counts []float64 // of requests, one a question
		open   float64
		want   string
		sent   uint64
	}{
		{"counted", []float64{100, 150}, 7, "", 50},
		{"extrapolated", []float64{100.4, 150.1}, 6.6, "", 50},
		{"NaN", []float64{math.NaN()}, 7, "counting the load: NaN is not a number of requests", 0},
		{"NaN at the end", []float64{100, math.NaN()}, 7, "counting the load: NaN is not a number of requests", 0},
		{"infinite", []float64{100, math.Inf(1)}, 7, "counting the load: +Inf is not a number of requests", 0},
		{"negative", []float64{-100, 50}, 7, "counting the load: -100 is not a number of requests", 0},
		{"beyond counting", []float64{100, 1e300}, 7, "counting the load: 1e+300 is not a number of requests", 0},
		{"falls", []float64{100, 50}, 7, "the number of requests went down", 0},
		{"stays", []float64{100, 100}, 7, "the number of requests stayed at 100", 0},
		{"less than one more", []float64{100, 100.2}, 7, "the number of requests stayed at 100", 0},
		{"connections that are none", []float64{100, 150}, math.NaN(), "NaN is not a number of open connections", 0},
		{"less than no connections", []float64{100, 150}, -1, "-1 is not a number of open connections", 0},
		{"connections without an end", []float64{100, 150}, math.Inf(1), "+Inf is not a number of open connections", 0},
	} {
		asked := 0
		count := func(context.Context) (float64, error) {
			asked++
			return c.counts[min(asked, len(c.counts))-1], nil
		}
		open := func(context.Context) (float64, error) { return c.open, nil }
		l := loadgen.NewNone(loadgen.NoneConfig{Requests: count, Connections: open}).Run(t.Context(), phase)
		if !strings.Contains(l.Stopped, c.want) || (l.Stopped == "") != (c.want == "") || l.Sent != c.sent {
			t.Errorf("Run(%s) sent %d, stopped by %q; want %d, %q", c.name, l.Sent, l.Stopped, c.sent, c.want)
		}
	}
}

func TestTogether(t *testing.T) {
	s := newStreamServer(t)
	v, err := loadgen.NewVegeta(loadgen.Config{Requests: []loadgen.Request{{URL: s.URL + "/poll", Name: "a"}, {URL: s.URL + "/poll", Name: "b"}}, Rate: 20})
	if err != nil {
		t.Fatal(err)
	}
	d := loadgen.NewTogether([]loadgen.Driver{v, streams(t, loadgen.Stream{Kind: loadgen.SSE, URL: s.URL + "/events", Connections: 3, Name: "c"})}, []int{2, 1})
	l := d.Run(t.Context(), loadgen.Phase{Duration: time.Second})
	if len(l.Entries) != 3 || l.Entries[0].Sent < 8 || l.Entries[2].Sent != 3 || l.Held != 3 || l.Asked != 20 || len(l.Open) == 0 {
		t.Errorf("load %+v, want ten requests each of a and b, and three connections of c", l)
	}
	l = d.Run(t.Context(), loadgen.Phase{Duration: 500 * time.Millisecond, Only: []int{2}})
	if len(l.Entries) != 3 || l.Entries[0].Sent != 0 || l.Entries[2].Sent != 3 {
		t.Errorf("load %+v of c alone, want three connections", l)
	}
	l = d.Run(t.Context(), loadgen.Phase{Duration: 500 * time.Millisecond, Only: []int{1}, Rate: 10})
	if len(l.Entries) != 3 || l.Entries[1].Sent == 0 || l.Entries[0].Sent != 0 || l.Entries[2].Sent != 0 {
		t.Errorf("load %+v of b alone, want no other", l)
	}
}
