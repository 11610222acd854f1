package probe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/leakgate/leakgate/internal/promql"
)

const (
	// pageBuffer is what is read of a page at once. A line that is longer, and whose
	// beginning does not name a metric that is needed, is skipped without being kept.
	pageBuffer = 64 << 10
	// longestLine bounds a line that is needed: its labels are a few words.
	longestLine = 1 << 20
	// longestName is that of the longest metric that is needed, with room to spare.
	longestName = 64
)

// needed are the metrics that are read from a page; any other line may be whatever it
// likes.
var needed = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range slices.Concat(promql.Counters(), readAlso, []string{buildMetric}) {
		all[name] = true
	}
	return all
}()

// pageError is what is wrong with a page, and what to do about it.
type pageError struct{ got, hint string }

func (e *pageError) Error() string { return e.got }

// page is what a metrics page says of the metrics that are needed, each by its usual
// name.
type page struct {
	found   map[string]*found
	kinds   map[string]string // by TYPE
	version string            // of Go
	build   build             // of the main module
	odd     string            // the first line, if it does not belong on a metrics page
}

// buildMetric names the main module and its version, as client_golang's collector of
// build information does.
const buildMetric = "go_build_info"

// build is what a page says of the main module.
type build struct{ path, version string }

// found is a metric's first sample, and whether there are others.
type found struct {
	name   string // as on the page
	labels string
	value  float64

	series int     // with labels that differ
	other  string  // labels of the second
	twice  bool    // another value with the same labels
	second float64 // that value
	differ bool    // not all values are the same
}

// readPage reads a page in the text format or as OpenMetrics, line by line, and keeps
// nothing of the lines that are not needed.
func readPage(r io.Reader) (page, error) {
	p := page{found: map[string]*found{}, kinds: map[string]string{}}
	lines := lineReader{in: bufio.NewReaderSize(r, pageBuffer)}
	for first := true; ; {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return p, nil
		}
		if err != nil {
			return p, err
		}
		if lines.n == 1 {
			if line, err = beginning(line); err != nil {
				return p, err
			}
		}
		line = bytes.Trim(line, " \t\r\n")
		if len(line) == 0 {
			continue
		}
		if first && line[0] == '<' {
			return p, &pageError{"an HTML page, not metrics",
				"targets[].metrics is the full address, such as http://host:8080/metrics"}
		}
		if line[0] == '#' {
			p.comment(line)
			first = false
			continue
		}
		if err := p.line(line, lines.n); err != nil {
			return p, err
		}
		if first && !lines.cut {
			if _, err := parseSample(line); err != nil {
				p.odd = fmt.Sprintf("line %d is %s", lines.n, quoted(line))
			}
		}
		first = false
	}
}

// beginning takes a byte order mark off.
func beginning(line []byte) ([]byte, error) {
	if bytes.HasPrefix(line, []byte("\xff\xfe")) || bytes.HasPrefix(line, []byte("\xfe\xff")) {
		return nil, &pageError{"not metrics: UTF-16", "serve the page as UTF-8"}
	}
	return bytes.TrimPrefix(line, []byte("\ufeff")), nil
}

// line takes a sample in, if it is needed.
func (p *page) line(line []byte, n int) error {
	name := metricOf(line)
	if name == "" {
		return nil
	}
	s, err := parseSample(line)
	if err != nil {
		return &pageError{got: fmt.Sprintf("line %d cannot be read: %v: %s", n, err, quoted(line))}
	}
	if name == buildMetric {
		if p.build == (build{}) {
			p.build = build{s.label("path"), s.label("version")}
		}
		return nil
	}
	if name == "go_info" && p.version == "" {
		p.version = s.label("version")
	}
	labels := s.sorted()
	f, ok := p.found[name]
	if !ok {
		p.found[name] = &found{name: s.name, labels: labels, value: s.value, series: 1}
		return nil
	}
	f.differ = f.differ || s.value != f.value
	switch {
	case labels != f.labels:
		f.series++
		if f.other == "" {
			f.other = labels
		}
	case s.value != f.value:
		f.twice, f.second = true, s.value
	}
	return nil
}

// metricOf is the needed metric that a line is of, by its usual name; empty if it is of
// none.
func metricOf(line []byte) string {
	if len(line) == 0 {
		return ""
	}
	if line[0] != '{' {
		name := line[:nameLength(line, true)]
		if needed[string(name)] {
			return string(name)
		}
		return ""
	}
	for rest := line[1:]; ; {
		label, value, tail, err := nextLabel(rest)
		if err != nil || label == nil && value == nil {
			return ""
		}
		if label == nil {
			return usual(value)
		}
		rest = tail
	}
}

// usual is the usual name of a needed metric: OpenTelemetry's have dots where others have
// underscores.
func usual(name []byte) string {
	var buf [longestName]byte
	if len(name) > len(buf) {
		return ""
	}
	for i, c := range name {
		if buf[i] = c; c == '.' {
			buf[i] = '_'
		}
	}
	if needed[string(buf[:len(name)])] {
		return string(buf[:len(name)])
	}
	return ""
}

// comment keeps the type of a metric that is needed.
func (p *page) comment(line []byte) {
	rest, ok := bytes.CutPrefix(bytes.TrimLeft(line[1:], " \t"), []byte("TYPE"))
	if !ok {
		return
	}
	rest = bytes.TrimLeft(rest, " \t")
	var name string
	if len(rest) > 0 && rest[0] == '"' {
		value, tail, err := quotedText(rest)
		if err != nil {
			return
		}
		name, rest = usual(value), tail
	} else {
		n := nameLength(rest, true)
		name, rest = usual(rest[:n]), rest[n:]
	}
	if name != "" {
		p.kinds[name] = string(bytes.Trim(rest[:min(len(rest), longestName)], " \t"))
	}
}

// noCount are the types whose samples are no number of anything.
var noCount = []string{"histogram", "gaugehistogram", "summary", "info", "stateset"}

// metrics is what the page says of one process. The error is a *pageError or an
// *impossible.
func (p page) metrics(now time.Time) (metrics, error) {
	m := metrics{goVersion: p.version, build: p.build}
	for _, name := range promql.Counters() {
		f, ok := p.found[name]
		if kind := p.kinds[name]; slices.Contains(noCount, kind) {
			return m, &pageError{got: fmt.Sprintf("%s is a %s instead of a number of goroutines", name, kind)}
		}
		if !ok {
			continue
		}
		if err := f.single(); err != nil {
			return m, err
		}
		n, err := whole(f.name, f.value, mostGoroutines, "goroutines")
		if err != nil {
			return m, err
		}
		m.counter, m.goroutines = f.name, n
		break
	}
	switch {
	case m.counter == "" && p.odd != "":
		return m, &pageError{got: "not metrics: " + p.odd}
	case m.counter == "":
		return m, &pageError{got: "no goroutine count; looked for " + strings.Join(promql.Counters(), ", ")}
	}
	others := values{}
	for name, f := range p.found {
		if !f.differ { // of several processes: whose it is cannot be told
			others[name] = f.value
		}
	}
	return m, m.fill(others, now)
}

// single is an error unless there is one series, with one value.
func (f *found) single() error {
	switch {
	case f.series > 1:
		return &pageError{got: fmt.Sprintf("%s has %d series, %s and %s; want one process per page",
			f.name, f.series, shown(f.labels), shown(f.other)),
			hint: "use the process's own page, not that of a gateway or a federation; or leave targets[].metrics out"}
	case f.twice:
		return &pageError{got: fmt.Sprintf("%s is listed twice, as %g and as %g", f.name, f.value, f.second),
			hint: "do two exporters write to one page? leave targets[].metrics out: leakgate then counts the profile"}
	}
	return nil
}

// shown is a series' labels in a message.
func shown(labels string) string {
	if len(labels) > mostQuoted {
		return strings.ToValidUTF8(labels[:mostQuoted], "") + "…}"
	}
	return labels
}
