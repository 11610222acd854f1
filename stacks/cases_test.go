package stacks

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"
)

func readCase(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/cases/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// labelsOf are all labels of a profile, sorted.
func labelsOf(p *Profile) []string {
	all := map[string]bool{}
	for _, s := range p.Stacks {
		for l := range s.Labels {
			all[l] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// Files that people have sent, or that are made as theirs were.
func TestCases(t *testing.T) {
	for _, c := range []struct {
		name, file string
		total      int
		labels     []string // some of them
		err        error
		says       string
	}{
		// Goroutines that write a profile for somebody who never reads it leak; the
		// observer has nothing to do with them.
		{name: "a service writes profiles, before", file: "base.pb.gz", total: 3},
		{name: "a service writes profiles, after", file: "selfprofiler.pb.gz", total: 503},
		// Labels are quoted by %q, which is not JSON.
		{name: "labels in plain text", file: "d1.ctrl.txt", total: 3, labels: []string{"ctrl=\x1b[31mred\x1b[0m"}},
		{name: "a label that is not UTF-8", file: "d1.bad.txt", total: 3, labels: []string{"bad=x\xffy"}},
		{name: "labels in the headers of a dump", file: "all.txt", total: 17,
			labels: []string{"brace=}]:", "quote=a\"b", "comma=a, b: c", "empty=", "bs=a\\b", "nl=a\nb"}},
		{name: "labels in the headers of a dump of Go 1.27", file: "labels-go1.27.txt", total: 7, labels: []string{
			"tenant=blue", "tenant=1", "peer=[::1]:5432", "a key=v", "brace=}]:", "comma=a, b: c", "quote=a\"b",
			"empty=", "path=a/b.c_d", "line=a\nb", "umlaut=ü"}},
		{name: "a bracket in a label", file: "brace.txt", total: 2, labels: []string{"brace=}]:"}},
		{name: "goroutineleak as text", file: "leak.txt", total: 5},
		{name: "a byte order mark", file: "t_bom.txt", total: 5},
		{name: "as it was served", file: "t_ok.txt", total: 5},
		{name: "blanks for tabs", file: "t_spaces.txt", total: 5},
		{name: "a dump", file: "d_ok.txt", total: 2},
		{name: "UTF-16", file: "t_utf16.txt", err: ErrEncoding, says: "save it as UTF-8"},
		{name: "seconds=5", file: "delta-positive.pb.gz", err: ErrDelta, says: "leave seconds= out"},
		{name: "empty names", file: "emptyname.pb.gz", err: ErrNoSymbols, says: "500 of 509"},
		{name: "no functions", file: "nofunctions.pb.gz", err: ErrNoSymbols, says: "507 of 507"},
	} {
		p, err := Parse(readCase(t, c.file))
		if c.err != nil {
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %v, want %v with %q", c.name, err, c.err, c.says)
			}
			continue
		}
		if err != nil || p.Total != c.total {
			t.Errorf("%s: %+v, %v; want %d goroutines", c.name, p, err, c.total)
			continue
		}
		got := labelsOf(p)
		for _, l := range c.labels {
			if !slices.Contains(got, l) {
				t.Errorf("%s: labels %q, want %q among them", c.name, got, l)
			}
		}
	}
}

// Text in the forms in which it reaches a file: what is read adds up, or is refused.
func TestTextForms(t *testing.T) {
	const two = "goroutine 1 [running]:\nmain.main()\n\t/src/a.go:3 +0x1\n\n" +
		"goroutine 7 [chan receive, 3 minutes%s]%s:\nmain.leak()\n\t/src/a.go:9 +0x1\ncreated by main.main in goroutine 1\n\t/src/a.go:4 +0x2\n\n"
	dump := func(inside, after string) string {
		return strings.Replace(strings.Replace(two, "%s", inside, 1), "%s", after, 1)
	}
	plain := "goroutine profile: total 6\n5 @ 0x1 0x2\n# labels: {\"a\":\"b\"}\n#\t0x1\tmain.leak+0x1\t/src/a.go:3\n\n1 @ 0x9\n\n"
	for _, c := range []struct {
		name, text string
		total      int
		label      string
		says       string // of an error
	}{
		{name: "a dump", text: dump("", ""), total: 2},
		{name: "labels of Go 1.26", text: dump(` labels:{"peer": "[::1]:5432"}`, ""), total: 2, label: "peer=[::1]:5432"},
		{name: "labels of Go 1.27", text: dump("", ` {peer: "[::1]:5432", "a b": "}]:"}`), total: 2, label: "a b=}]:"},
		{name: "labels of Go 1.27, a bare key", text: dump("", ` {peer: "[::1]:5432"}`), total: 2, label: "peer=[::1]:5432"},
		{name: "labels of Go 1.27, bare words",
			text: dump("", ` {tenant: blue, peer: "[::1]:5432"}`), total: 2, label: "tenant=blue"},
		{name: "labels of Go 1.27, after a bare word",
			text: dump("", ` {tenant: blue, peer: "[::1]:5432"}`), total: 2, label: "peer=[::1]:5432"},
		{name: "labels of Go 1.27, a number alone", text: dump("", ` {tenant: 1}`), total: 2, label: "tenant=1"},
		{name: "labels of Go 1.27, an empty value", text: dump("", ` {empty: , tenant: a/b.c_d}`), total: 2, label: "empty="},
		{name: "labels of Go 1.27, after an empty value",
			text: dump("", ` {empty: , tenant: a/b.c_d}`), total: 2, label: "tenant=a/b.c_d"},
		{name: "labels of Go 1.27, an empty value at the end",
			text: dump("", ` {tenant: blue, empty: }`), total: 2, label: "empty="},
		{name: "labels of Go 1.27, an empty key", text: dump("", ` {: v}`), total: 2, label: "=v"},
		{name: "labels of Go 1.27, no end", text: dump("", ` {tenant: blue`), total: 2},
		{name: "labels that cannot be read", text: dump("", ` {peer: [}`), total: 2},
		{name: "a marked dump", text: "\ufeff" + dump("", ""), total: 2},
		{name: "a dump from Windows", text: strings.ReplaceAll(dump("", ""), "\n", "\r\n"), total: 2},
		{name: "an indented dump with blanks", text: "    " + strings.ReplaceAll(strings.ReplaceAll(dump("", ""), "\t", "    "), "\n", "\n    "), total: 2},
		{name: "system traceback", text: strings.ReplaceAll(dump("", ""), "goroutine 7 [", "goroutine 7 gp=0xc0 m=nil mp=0x1 ["), total: 2},
		{name: "a header that nobody knows", text: dump("", "") + "goroutine 9 waits for a channel:\nmain.x()\n\t/src/a.go:1\n", says: "contradicts itself"},
		{name: "text", text: plain, total: 6, label: "a=b"},
		{name: "text from Windows", text: strings.ReplaceAll(plain, "\n", "\r\n"), total: 6, label: "a=b"},
		{name: "text with trailing blanks", text: strings.ReplaceAll(plain, "\n", "  \n"), total: 6, label: "a=b"},
		{name: "labels by another writer", text: strings.Replace(plain, `{"a":"b"}`, `{"a":"\/b"}`, 1), total: 6, label: "a=/b"},
		{name: "labels that are none", text: strings.Replace(plain, `{"a":"b"}`, `{`, 1), total: 6},
		{name: "prose in the middle", text: strings.Replace(plain, "1 @", "(5 more)\n1 @", 1), says: "does not belong in a goroutine profile"},
		{name: "frames without names", text: "goroutine profile: total 5\n5 @ 0x1 0x2\n#\t0x1\n", says: "no function names"},
		{name: "two profiles", text: plain + plain, says: "a second profile begins"},
		{name: "a heap profile", text: "heap profile: 1: 2 [3: 4] @ heap/1048576\n", says: "not a goroutine profile"},
		{name: "threads", text: "threadcreate profile: total 9\n9 @\n", says: "not a goroutine profile"},
		{name: "UTF-16 without a mark", text: "g\x00o\x00r\x00o\x00", says: "UTF-8"},
	} {
		p, err := Parse([]byte(c.text))
		switch {
		case c.says != "":
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s: %+v, %v; want an error with %q", c.name, p, err, c.says)
			}
		case err != nil || p.Total != c.total:
			t.Errorf("%s: %+v, %v; want %d goroutines", c.name, p, err, c.total)
		case c.label == "" && len(labelsOf(p)) > 0:
			t.Errorf("%s: labels %q, want none", c.name, labelsOf(p))
		case c.label != "" && !slices.Contains(labelsOf(p), c.label):
			t.Errorf("%s: labels %q, want %q", c.name, labelsOf(p), c.label)
		}
	}
}

// Whose request it was: exactly as many goroutines as requests are open are taken out,
// and none that only looks like one.
func TestObserver(t *testing.T) {
	ours := []string{"runtime/pprof.writeRuntimeProfile@", "runtime/pprof.(*Profile).WriteTo@", "net/http/pprof.handler.ServeHTTP@", "net/http.(*conn).serve@"}
	watcher := []string{"net/http.(*connReader).startBackgroundRead@"}
	stuck := append([]string{"internal/poll.(*FD).Write@", "net/http.(*response).Write@"}, ours[1:]...)
	for _, c := range []struct {
		name       string
		counts     []int64
		stacks     [][]string
		total, own int
	}{
		{"this request alone", []int64{1, 3}, [][]string{ours, {"main.work@"}}, 3, 1},
		{"HTTP/2", []int64{1, 3}, [][]string{append(slices.Clone(ours[:3]), "net/http.(*http2serverConn).runHandler@"), {"main.work@"}}, 3, 1},
		// Handlers that write to readers who never read leak, and one request is ours.
		{"stuck handlers", []int64{1, 200}, [][]string{ours, stuck}, 200, 1},
		// As a dump shows it: its go statement is all that it has.
		{"the watcher of our connection, not run yet", []int64{1, 1, 3}, [][]string{ours, watcher, {"main.work@"}}, 3, 1},
		{"the watcher of somebody's connection too", []int64{1, 2, 3}, [][]string{ours, watcher, {"main.work@"}}, 4, 1},
		{"another scraper", []int64{3}, [][]string{ours}, 2, 1},
		{"a goroutine that writes a profile", []int64{200}, [][]string{{"io.(*pipe).write@", "runtime/pprof.(*Profile).WriteTo@", "main.upload.func1@"}}, 200, 0},
		{"a handler of one's own", []int64{200}, [][]string{{"runtime/pprof.(*Profile).WriteTo@", "main.debug@", "net/http.(*conn).serve@"}}, 200, 0},
		{"a handler called by a job", []int64{200}, [][]string{append(slices.Clone(ours[:3]), "main.job@")}, 200, 0},
	} {
		p, err := Parse(protoOf(t, c.counts, c.stacks...))
		total, _, totalErr := NewReader(nil).Total(protoOf(t, c.counts, c.stacks...))
		if total != c.total || totalErr != nil {
			t.Errorf("%s: Total = %d, %v; want %d", c.name, total, totalErr, c.total)
		}
		if err != nil || p.Total != c.total || p.Own != c.own {
			t.Errorf("%s: %+v, %v; want %d goroutines and %d of our own", c.name, p, err, c.total, c.own)
		}
	}
}

// Profiles that are none, as protocol buffers.
func TestProtoRefuses(t *testing.T) {
	base := func(change func(*profile.Profile)) []byte {
		p, err := profile.ParseData(protoOf(t, []int64{3, 2}, []string{"main.a@a.go"}, []string{"main.b@b.go", "main.c@c.go"}))
		if err != nil {
			t.Fatal(err)
		}
		change(p)
		var b bytes.Buffer
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		name   string
		change func(*profile.Profile)
		want   error // nil: it is read
	}{
		{"as it is", func(*profile.Profile) {}, nil},
		{"a growing delta", func(p *profile.Profile) { p.DurationNanos = 5e9 }, ErrDelta},
		{"a shrinking delta", func(p *profile.Profile) { p.Sample[0].Value[0] = -3 }, ErrDelta},
		{"a whole delta", func(p *profile.Profile) { p.DurationNanos = 1; p.Sample[0].Value[0] = -3 }, ErrDelta},
		{"one stack without names", func(p *profile.Profile) { p.Sample[1].Location[0].Line, p.Sample[1].Location[1].Line = nil, nil }, ErrNoSymbols},
		{"blank names", func(p *profile.Profile) { p.Function[0].Name = "" }, ErrNoSymbols},
		{"an unnamed frame beside a named one", func(p *profile.Profile) { p.Sample[1].Location[0].Line = nil }, nil},
		{"a goroutine that has not run yet", func(p *profile.Profile) { p.Sample[0].Location = nil }, nil},
		{"more than there can be", func(p *profile.Profile) { p.Sample[0].Value[0] = 9e18 }, ErrInconsistent},
		{"threads", func(p *profile.Profile) { p.SampleType[0].Type = "threadcreate" }, ErrNotGoroutine},
	} {
		if _, err := Parse(base(c.change)); !errors.Is(err, c.want) || c.want == nil && err != nil {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
