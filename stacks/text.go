package stacks

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// What the lines of the debug=1 form look like. Blanks stand for tabs where a person
// copied it from a screen.
var (
	textHead    = regexp.MustCompile(`^([a-z]+) profile: `)
	textTotal   = regexp.MustCompile(`^(goroutine|goroutineleak) profile: total (\d+)$`)
	textRecord  = regexp.MustCompile(`^(\d+) @((?: 0x[0-9a-f]+)*)$`)
	textFrame   = regexp.MustCompile(`^#\s+0x[0-9a-f]+\s+(.+)\+0x[0-9a-f]+\s+(.+):(\d+)$`)
	textNoName  = regexp.MustCompile(`^#\s+0x[0-9a-f]+$`)
	textLabels  = regexp.MustCompile(`^# labels: (.*)$`)
	textComment = regexp.MustCompile(`^#?$`)
)

// maxLine bounds a line of a text profile, in bytes.
const maxLine = 1 << 20

// textReader reads the debug=1 form: records of a count and addresses, each
// followed by its frames as comments, runtime frames already left out (which
// is why it knows no wait state), and since Go 1.9 by its labels.
type textReader struct {
	n        normaliser
	samples  []Stack
	kind     string
	total    int // by the first line; -1 before it
	sum      int
	nameless int // goroutines with addresses, and without a frame

	count     int // of the record that is being read
	addresses int
	frames    []Frame
	labels    map[string]string
}

func parseText(data []byte) (*Profile, error) {
	r := textReader{n: normaliser{known: map[Frame]normal{}}, total: -1}
	sc := bufio.NewScanner(bytes.NewReader(data))
	sc.Buffer(nil, maxLine)
	at := 1
	for ; sc.Scan(); at++ {
		if err := r.line(strings.TrimSpace(sc.Text())); err != nil {
			return nil, fmt.Errorf("line %d: %w", at, err)
		}
	}
	r.flush()
	switch err := sc.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fmt.Errorf("line %d is longer than %d MiB", at, maxLine>>20)
	case err != nil:
		return nil, fmt.Errorf("reading text profile: %w", err)
	case r.total != r.sum:
		return nil, fmt.Errorf("%w: its total is %d, but its records add up to %d: was it cut off?", ErrInconsistent,
			r.total, r.sum)
	case r.nameless > 0:
		return nil, fmt.Errorf("%w: %d of %d goroutines have only addresses", ErrNoSymbols, r.nameless, r.total)
	}
	open := 1 // the request that was answered with this
	if r.kind == leakedType {
		open = 0
	}
	return collect(r.samples, open), nil
}

// line reads one line.
func (r *textReader) line(line string) error {
	if m := textFrame.FindStringSubmatch(line); m != nil {
		at, err := strconv.Atoi(m[3])
		if err != nil {
			return fmt.Errorf("line number %q: %w", m[3], err)
		}
		r.frames = append(r.frames, Frame{Function: m[1], File: m[2], Line: at})
		return nil
	}
	if m := textRecord.FindStringSubmatch(line); m != nil {
		r.flush()
		c, err := strconv.Atoi(m[1])
		if err != nil || c > maxCount {
			return fmt.Errorf("count %q is not a number of goroutines", m[1])
		}
		r.count, r.addresses = c, strings.Count(m[2], " ")
		r.sum += c
		return nil
	}
	if m := textLabels.FindStringSubmatch(line); m != nil {
		r.labels = textLabelsOf(m[1])
		return nil
	}
	if textHead.MatchString(line) {
		return r.head(line)
	}
	if !textNoName.MatchString(line) && !textComment.MatchString(line) {
		return fmt.Errorf("%.60q does not belong in a goroutine profile", line)
	}
	return nil
}

func (r *textReader) head(line string) error {
	m := textTotal.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("%w: it begins %.60q", ErrNotGoroutine, line)
	}
	if r.total >= 0 {
		return fmt.Errorf("%w: a second profile begins", ErrInconsistent)
	}
	total, err := strconv.Atoi(m[2])
	if err != nil {
		return fmt.Errorf("total %q: %w", m[2], err)
	}
	r.kind, r.total = m[1], total
	return nil
}

// unstarted is how many addresses a goroutine has that has never run: the one that it
// will return to, which is printed without its name.
const unstarted = 1

// flush ends a record.
func (r *textReader) flush() {
	if r.count > 0 {
		if r.n.root == "" {
			r.n.root = textGoroot(r.frames)
		}
		if r.addresses > unstarted && len(r.frames) == 0 {
			r.nameless += r.count
		}
		s := r.n.stack(r.frames)
		s.State = "" // debug=1 has none
		s.Count = r.count
		for k, v := range r.labels {
			s.label(k+"="+v, r.count)
		}
		r.samples = append(r.samples, s)
	}
	r.frames, r.labels, r.count = nil, nil, 0
}

// textLabelsOf reads labels as runtime/pprof writes them, quoted by %q. What cannot
// be read is no label: it must not cost the profile.
func textLabelsOf(text string) map[string]string {
	inner, ok := strings.CutPrefix(text, "{")
	if !ok {
		return nil
	}
	if labels, rest, ok := readLabels(inner); ok && rest == "" {
		return labels
	}
	var labels map[string]string // other writers, and older ones
	if json.Unmarshal([]byte(text), &labels) != nil {
		return nil
	}
	return labels
}

// readLabels reads key: value pairs up to the closing brace, and returns what follows
// it. Both are quoted as Go quotes, or bare words, as Go 1.27 writes what needs no quotes:
// {tenant: blue, empty: , "a key": "a, b"}.
func readLabels(text string) (labels map[string]string, rest string, ok bool) {
	labels = map[string]string{}
	for {
		text = strings.TrimLeft(text, " ,")
		if rest, ok := strings.CutPrefix(text, "}"); ok {
			return labels, rest, true
		}
		key, after, ok := readWord(text)
		if !ok {
			return nil, "", false
		}
		after, ok = strings.CutPrefix(strings.TrimLeft(after, " "), ":")
		if !ok {
			return nil, "", false
		}
		value, after, ok := readWord(strings.TrimLeft(after, " "))
		if !ok {
			return nil, "", false
		}
		labels[key], text = value, after
	}
}

// readWord reads a quoted string, or a bare word, which may be empty and ends before
// whatever Go would quote it for.
func readWord(text string) (word, rest string, ok bool) {
	if strings.HasPrefix(text, `"`) {
		return readQuoted(text)
	}
	i := strings.IndexAny(text, `:,{}[]" `)
	if i < 0 {
		return "", "", false
	}
	return text[:i], text[i:], true
}

func readQuoted(text string) (value, rest string, ok bool) {
	quoted, err := strconv.QuotedPrefix(text)
	if err != nil {
		return "", "", false
	}
	value, err = strconv.Unquote(quoted)
	return value, text[len(quoted):], err == nil
}

// textGoroot finds the toolchain's folder from a frame whose function is
// surely the standard library's: its import path ends its file's folder.
func textGoroot(frames []Frame) string {
	for _, f := range frames {
		pkg := packagePath(f.Function)
		first, _, _ := strings.Cut(pkg, "/")
		if !standard[first] {
			continue
		}
		if i := strings.LastIndex(f.File, "/src/"+pkg+"/"); i > 0 {
			return f.File[:i]
		}
	}
	return ""
}
