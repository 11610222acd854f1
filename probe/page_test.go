package probe

import (
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// noon is when pages are read in these tests.
var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// rest is what every page has beside what its row is about.
const rest = "process_start_time_seconds 1.7e9\ngo_threads 11\ngo_info{version=\"go1.26.8\"} 1\n" +
	"process_resident_memory_bytes 4096\ngo_memstats_alloc_bytes_total 12345\n"

// Pages that were refused for a line that has nothing to do with goroutines, and their
// twins in which the line that counts is the one that is wrong.
func TestPages(t *testing.T) {
	for _, c := range []struct {
		file string
		want metrics
		err  string
	}{
		{file: "exemplar_in_text", want: metrics{goroutines: 8, start: 1.7e9, allocated: 12345}},
		{file: "nonutf8", want: metrics{goroutines: 8, start: 1.7e9, allocated: 12345}},
		{file: "om_exemplar", want: metrics{goroutines: 8, start: 1.7e9, allocated: 12345}},
		{file: "om_ts", want: metrics{goroutines: 8}},
		{file: "trailing_space", want: metrics{goroutines: 8, start: 1.7e9, allocated: 12345}},
		{file: "utf8", want: metrics{goroutines: 8, start: 1.7e9, allocated: 12345}},
		{file: "utf8_goroutine", want: metrics{goroutines: 8, counter: "go.goroutine.count"}},
		{file: "nan", err: "go_goroutines is NaN; a number of goroutines is a whole number from 1 to 100000000"},
		{file: "neg", err: "go_goroutines is -8; a number of goroutines is a whole number from 1 to 100000000"},
	} {
		text, err := os.ReadFile(filepath.Join("testdata/pages", c.file))
		if err != nil {
			t.Fatal(err)
		}
		kind, body, _ := strings.Cut(string(text), "\n")
		if c.want.counter == "" && c.err == "" {
			c.want.counter = "go_goroutines"
		}
		got, err := readMetrics(strings.NewReader(body), kind, noon)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("readMetrics(%s) = %+v, %v; want %q", c.file, got, err, c.err)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("readMetrics(%s) = %+v, %v; want %+v", c.file, got, err, c.want)
		}
	}
}

// What stands beside the metrics that are needed never costs the page.
func TestOtherLinesCostNothing(t *testing.T) {
	want := metrics{counter: "go_goroutines", goroutines: 8, start: 1.7e9, goVersion: "go1.26.8", resident: 4096, allocated: 12345, threads: 11}
	for name, other := range map[string]string{
		"exemplar with a timestamp":   `http_requests_total{code="200"} 5 # {trace_id="ab"} 1.0 1700000000.5`,
		"exemplar of a bucket":        `rpc_bucket{le="1"} 2 # {} 0.5`,
		"float timestamp":             `a 1 1700000000.123`,
		"text for a value":            `state running`,
		"info":                        "# TYPE target info\ntarget_info{a=\"b\"} 1",
		"stateset":                    "# TYPE f stateset\nf{f=\"a\"} 1\nf{f=\"b\"} 0",
		"gaugehistogram":              "# TYPE g gaugehistogram\ng_bucket{le=\"+Inf\"} 1\ng_gcount 1\ng_gsum 2",
		"unknown and made-up types":   "# TYPE u unknown\nu 1\n# TYPE v banana\nv 1",
		"native histogram":            `h {count:12,sum:3.5,schema:0,zero_threshold:1e-4,zero_count:0,positive_spans:[0:1],positive_buckets:[12]} st@1`,
		"created and units":           "# UNIT x_seconds seconds\nx_seconds_created 1.7e9",
		"UTF-8 names":                 `{"http.server.duration","server.name"="ä"} 3`,
		"UTF-8 name that is not last": `{server="a","http.duration"} 3`,
		"an open brace":               `a{b="c 3`,
		"an open quoted name":         `{"a.b 3`,
		"an unknown escape":           `a{b="\x"} 3`,
		"help twice":                  "# HELP go_goroutines n\n# HELP go_goroutines m\n# TYPE go_goroutines gauge\n# TYPE go_goroutines gauge",
		"type after use":              "# TYPE a counter\na 1\n# TYPE a gauge",
		"bytes":                       "\x00\x01\xff\xfe\n\x1b[31m",
		"empty lines":                 "\n\n \t \n",
		"names that begin alike":      "go_goroutines_peak nan\ngo_goroutine{} x",
		"no end":                      "# EO",
		"a line of 3 MiB":             `a{b="` + strings.Repeat("x", 3<<20) + `"} 1`,
		"a quoted line of 3 MiB":      `{"a.b",c="` + strings.Repeat("x", 3<<20) + `"} 1`,
		"a comment of 3 MiB":          "# HELP a " + strings.Repeat("x", 3<<20),
		"a sample after the end":      "# EOF\na 1",
	} {
		for kind, page := range map[string]string{
			"before":     other + "\ngo_goroutines 8\n" + rest,
			"after":      "go_goroutines 8\n" + rest + other,
			"with CRLF":  strings.ReplaceAll("go_goroutines 8\n"+other+"\n"+rest, "\n", "\r\n"),
			"with a BOM": "\ufeffgo_goroutines 8\n" + other + "\n" + rest,
		} {
			if got, err := readMetrics(strings.NewReader(page), "", noon); err != nil || got != want {
				t.Errorf("readMetrics(%s, %s) = %+v, %v; want %+v", name, kind, got, err, want)
			}
		}
	}
}

// The line that counts may be written in every way that the formats know.
func TestCountedLines(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want int
	}{
		"plain":                      {"go_goroutines 8", 8},
		"exponent":                   {"go_goroutines 1.2e+01", 12},
		"tabs and blanks":            {"\tgo_goroutines\t 8 \t", 8},
		"empty braces":               {"go_goroutines{} 8", 8},
		"no blank after braces":      {`go_goroutines{a="}"}8`, 8},
		"comma at the end":           {`go_goroutines{a="b",} 8`, 8},
		"timestamp in milliseconds":  {"go_goroutines 8 1700000000123", 8},
		"negative timestamp":         {"go_goroutines 8 -1.5", 8},
		"exemplar":                   {`go_goroutines 8 # {a="b"} 1`, 8},
		"timestamp and exemplar":     {`go_goroutines 8 1.5 # {a="b"} 1`, 8},
		"name in quotes":             {`{"go_goroutines"} 8`, 8},
		"name in quotes, not first":  {`{a="b", "go.goroutine.count"} 8`, 8},
		"label in quotes":            {`go_goroutines{"a.b"="c"} 8`, 8},
		"escapes":                    {`go_goroutines{a="\\\"\n{}"} 8`, 8},
		"not UTF-8":                  {"go_goroutines{a=\"\xff\"} 8", 8},
		"twice the same":             {"go_goroutines{a=\"b\",c=\"d\"} 8\ngo_goroutines{c=\"d\", a=\"b\"} 8", 8},
		"the most":                   {"go_goroutines 1e8", 1e8},
		"one":                        {"go_goroutines 1", 1},
		"a long line that is needed": {`go_goroutines{a="` + strings.Repeat("x", 100<<10) + `"} 8`, 8},
	} {
		got, err := readMetrics(strings.NewReader(c.line+"\n"), "", noon)
		if err != nil || got.goroutines != c.want {
			t.Errorf("readMetrics(%s) = %+v, %v; want %d goroutines", name, got, err, c.want)
		}
	}
}

// A needed line that cannot be read, and a number that cannot be, are errors that quote
// them. Each has a twin above that is read.
func TestPagesRefused(t *testing.T) {
	const number = "; a number of goroutines is a whole number from 1 to 100000000"
	for _, c := range []struct{ page, want string }{
		{"go_goroutines eight\n", `line 1 cannot be read: "eight" is not a number: "go_goroutines eight"`},
		{"a 1\ngo_goroutines\n", `line 2 cannot be read: "" is not a number: "go_goroutines"`},
		{"go_goroutines{a=\"b 8\n", `line 1 cannot be read: its quote is never closed: "go_goroutines{a=\"b 8"`},
		{"go_goroutines{a} 8\n", `line 1 cannot be read: it has two names, go_goroutines and "a": "go_goroutines{a} 8"`},
		{"go_goroutines 8 now\n", `line 1 cannot be read: "now" is not a number: "go_goroutines 8 now"`},
		{"go_goroutines 8 1 2\n", `line 1 cannot be read: "2" follows its timestamp: "go_goroutines 8 1 2"`},
		{"go_goroutines 0x10\n", `line 1 cannot be read: "0x10" is not a number: "go_goroutines 0x10"`},
		{"go_goroutines {count:1,sum:2}\n", `line 1 cannot be read: it has two names, go_goroutines and "count"`},
		{"go_goroutines \x1b[31m\n", `"go_goroutines \x1b[31m"`},
		{"go_goroutines{a=\"" + strings.Repeat("x", 2<<20), "line 1 is longer than 1 MiB"},
		{"go_goroutines NaN\n", "go_goroutines is NaN" + number},
		{"go_goroutines +Inf\n", "go_goroutines is +Inf" + number},
		{"go_goroutines -Inf\n", "go_goroutines is -Inf" + number},
		{"go_goroutines -8\n", "go_goroutines is -8" + number},
		{"go_goroutines 0\n", "go_goroutines is 0" + number},
		{"go_goroutines 3.5\n", "go_goroutines is 3.5" + number},
		{"go_goroutines 9e18\n", "go_goroutines is 9e+18" + number},
		{"go_goroutines 100000001\n", "go_goroutines is 1.00000001e+08" + number},
		{"{\"go.goroutine.count\"} NaN\n", "go.goroutine.count is NaN" + number},
		{"go_goroutines 8\ngo_threads NaN\n", "go_threads is NaN; a number of threads is"},
		{"go_goroutines 8\ngo_threads -1\n", "go_threads is -1; a number of threads is"},
		{"go_goroutines 8\nprocess_resident_memory_bytes -1\n", "process_resident_memory_bytes is -1; bytes are a number from 0"},
		{"go_goroutines 8\nprocess_resident_memory_bytes +Inf\n", "process_resident_memory_bytes is +Inf; bytes"},
		{"go_goroutines 8\ngo_memstats_alloc_bytes_total NaN\n", "go_memstats_alloc_bytes_total is NaN; bytes"},
		{"# TYPE go_goroutines summary\ngo_goroutines{quantile=\"0.5\"} 8\n", "go_goroutines is a summary instead of a number of goroutines"},
		{"go_goroutines{i=\"a\"} 1\ngo_goroutines{i=\"b\"} 2\ngo_goroutines{i=\"c\"} 3\n", `go_goroutines has 3 series, {i="a"} and {i="b"}; want one process per page`},
		{"go_goroutines 8\ngo_goroutines 9\n", "go_goroutines is listed twice, as 8 and as 9"},
		{"up 1\n", "no goroutine count; looked for go_goroutines, "},
		{"", "no goroutine count"},
		{"hello world foo\n", `not metrics: line 1 is "hello world foo"`},
		{"{\"error\":\"login\"}", "not metrics: line 1 is"},
		{"\n <!doctype html>", "an HTML page, not metrics"},
		{"\xff\xfeg\x00o\x00", "not metrics: UTF-16"},
	} {
		got, err := readMetrics(strings.NewReader(c.page), "text/plain", noon)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("readMetrics(%.60q) = %+v, %v; want an error with %q", c.page, got, err, c.want)
		}
		if err != nil && (len(err.Error()) > 1000 || strings.ContainsAny(err.Error(), "\x1b\n")) {
			t.Errorf("readMetrics(%.60q) = %.200q…, which is long or writes to the terminal", c.page, err)
		}
	}
	if _, err := readMetrics(strings.NewReader(""), "application/vnd.google.protobuf; proto=x", noon); err == nil || !strings.Contains(err.Error(), "protobuf") {
		t.Errorf("protobuf: %v, want an error that names it", err)
	}
}

// A start time that cannot be one is not known; no target is refused for it.
func TestStartTime(t *testing.T) {
	day := float64(noon.Add(24 * time.Hour).Unix())
	for _, c := range []struct{ value, want float64 }{
		{1.7e9, 1.7e9}, {0.5, 0.5}, {day, day},
		{day + 1, 0}, {0, 0}, {-1, 0}, {math.NaN(), 0}, {math.Inf(1), 0}, {math.Inf(-1), 0}, {1.7e12, 0}, {math.MaxFloat64, 0},
	} {
		if got := startTime(c.value, noon); got != c.want {
			t.Errorf("startTime(%g) = %g, want %g", c.value, got, c.want)
		}
	}
	// Of several processes, it is not known whose it is.
	page := "go_goroutines 8\nprocess_start_time_seconds{p=\"a\"} 5\nprocess_start_time_seconds{p=\"b\"} 6\n"
	if m, err := readMetrics(strings.NewReader(page), "", noon); err != nil || m.start != 0 {
		t.Errorf("two start times = %+v, %v; want none", m, err)
	}
}

// largePage is a page of a million series, 50 MB.
type largePage struct {
	line string
	n    int
	rest string
}

func newLargePage(n int) *largePage {
	return &largePage{line: "http_requests_total{code=\"200\",path=\"/a/b\"} 5\n", n: n}
}

func (p *largePage) Read(b []byte) (int, error) {
	if p.rest == "" {
		switch {
		case p.n > 0:
			p.rest = p.line
		case p.n == 0:
			p.rest = "go_goroutines 8\n"
		default:
			return 0, io.EOF
		}
		p.n--
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// However long a page is, no more than the buffer is kept.
func TestLargePageKeepsNothing(t *testing.T) {
	if n := testing.AllocsPerRun(1, func() {
		if m, err := readMetrics(newLargePage(10_000), "", noon); err != nil || m.goroutines != 8 {
			t.Fatalf("readMetrics = %+v, %v; want 8", m, err)
		}
	}); n > 200 {
		t.Errorf("%.0f allocations for 10,000 lines; want a number that does not depend on them", n)
	}
}

func BenchmarkPage50MB(b *testing.B) {
	page, err := io.ReadAll(newLargePage(1_000_000))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(page)))
	b.ReportAllocs()
	for b.Loop() {
		if m, err := readMetrics(bytes.NewReader(page), "", noon); err != nil || m.goroutines != 8 {
			b.Fatal(m, err)
		}
	}
}

// FuzzMetrics looks for a page that makes the reader panic, or brings it to tell what
// cannot be.
func FuzzMetrics(f *testing.F) {
	files, _ := filepath.Glob("testdata/pages/*")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "\n")
		f.Add([]byte(body))
	}
	f.Add([]byte("go_goroutines{a=\"\\\\\\\"\"} 8 1 # {}\r\n" + rest))
	f.Add([]byte("{a=\"b\",\"go.goroutine.count\"} 8\n# TYPE \"go.goroutine.count\" gauge\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := readMetrics(bytes.NewReader(body), "", noon)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if m.goroutines < 1 || m.goroutines > mostGoroutines || m.threads < 0 || !(m.start >= 0) || m.start > 1e11 || m.resident > mostBytes {
			t.Fatalf("readMetrics(%q) = %+v", body, m)
		}
	})
}
