package probe

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// lineReader reads lines of any length, and keeps at most one.
type lineReader struct {
	in  *bufio.Reader
	buf []byte
	n   int  // number of the last line, from 1
	cut bool // only the beginning of the last line was read
}

// next returns the next line, which is valid until the next call. Of a long line that is
// not needed, it returns only the beginning. The error is io.EOF at the end.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.in.ReadSlice('\n')
	if len(line) == 0 && err != nil {
		return nil, err
	}
	l.n++
	l.cut = false
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, ended(err)
	}
	l.buf = append(l.buf[:0], line...)
	keep := metricOf(bytes.TrimLeft(l.buf, " \t")) != ""
	l.cut = !keep
	for errors.Is(err, bufio.ErrBufferFull) {
		line, err = l.in.ReadSlice('\n')
		if !keep {
			continue
		}
		if len(l.buf)+len(line) > longestLine {
			return nil, &pageError{got: fmt.Sprintf("line %d is longer than %d MiB: %s", l.n, longestLine>>20, quoted(l.buf))}
		}
		l.buf = append(l.buf, line...)
	}
	return l.buf, ended(err)
}

// ended ignores the error of a last line without a newline.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// sample is one line of a page.
type sample struct {
	name   string
	labels []label
	value  float64
}

type label struct{ name, value string }

// label is the value of a label; empty without it.
func (s sample) label(name string) string {
	for _, l := range s.labels {
		if l.name == name {
			return l.value
		}
	}
	return ""
}

// sorted writes the labels in one order.
func (s sample) sorted() string {
	slices.SortFunc(s.labels, func(a, b label) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range s.labels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(l.name + "=" + strconv.Quote(l.value))
	}
	b.WriteByte('}')
	return b.String()
}

// parseSample parses a line of the text format or of OpenMetrics: name, labels, value and
// timestamp. What may follow, an exemplar, is not looked at.
func parseSample(line []byte) (s sample, err error) {
	n := nameLength(line, true)
	s.name, line = string(line[:n]), bytes.TrimLeft(line[n:], " \t")
	if len(line) > 0 && line[0] == '{' {
		if line, err = s.readLabels(line[1:]); err != nil {
			return s, err
		}
	}
	if s.name == "" {
		return s, errors.New("it has no name")
	}
	word, rest := cutWord(line)
	if s.value, err = number(word); err != nil {
		return s, err
	}
	if word, rest = cutWord(rest); len(word) > 0 && word[0] != '#' {
		if _, err := number(word); err != nil {
			return s, err
		}
		word, _ = cutWord(rest)
	}
	if len(word) > 0 && word[0] != '#' {
		return s, fmt.Errorf("%s follows its timestamp", quoted(word))
	}
	return s, nil
}

// readLabels reads labels up to the closing brace, and the name if it is among them.
func (s *sample) readLabels(line []byte) (rest []byte, err error) {
	for {
		name, value, rest, err := nextLabel(line)
		switch {
		case err != nil:
			return nil, err
		case name == nil && value == nil:
			return rest, nil
		case name != nil:
			s.labels = append(s.labels, label{unescaped(name), unescaped(value)})
		case s.name != "":
			return nil, fmt.Errorf("it has two names, %s and %s", s.name, quoted(value))
		default:
			s.name = unescaped(value)
		}
		line = rest
	}
}

// nextLabel reads an item in braces: a label, or the metric's name, which is a value
// without a label. Both are nil at the closing brace. Escapes are not resolved.
func nextLabel(line []byte) (name, value, rest []byte, err error) {
	line = bytes.TrimLeft(line, " \t,")
	if len(line) == 0 {
		return nil, nil, nil, errors.New("its brace is never closed")
	}
	if line[0] == '}' {
		return nil, nil, line[1:], nil
	}
	if line[0] == '"' {
		if name, line, err = quotedText(line); err != nil {
			return nil, nil, nil, err
		}
	} else {
		n := nameLength(line, false)
		if n == 0 {
			return nil, nil, nil, fmt.Errorf("%s is not a label", quoted(line))
		}
		name, line = line[:n], line[n:]
	}
	line = bytes.TrimLeft(line, " \t")
	if len(line) > 0 && line[0] == '=' {
		line = bytes.TrimLeft(line[1:], " \t")
		value, line, err = quotedText(line)
		return name, value, line, err
	}
	return nil, name, line, nil
}

// quotedText reads a text in double quotes, without its escapes.
func quotedText(line []byte) (text, rest []byte, err error) {
	if len(line) == 0 || line[0] != '"' {
		return nil, nil, errors.New("a label has no value in quotes")
	}
	for i := 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return line[1:i], line[i+1:], nil
		}
	}
	return nil, nil, errors.New("its quote is never closed")
}

// unescaped resolves the three escapes of the format. It is UTF-8, whatever the page is.
func unescaped(text []byte) string {
	return strings.ToValidUTF8(strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\n`, "\n").Replace(string(text)), "\uFFFD")
}

// nameLength is how long the name is that a line begins with: a metric's may have colons.
func nameLength(line []byte, colon bool) int {
	for i, c := range line {
		digit := c >= '0' && c <= '9' && i > 0
		if !digit && c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (c != ':' || !colon) {
			return i
		}
	}
	return len(line)
}

// cutWord splits off the first word.
func cutWord(line []byte) (word, rest []byte) {
	line = bytes.TrimLeft(line, " \t")
	if i := bytes.IndexAny(line, " \t"); i >= 0 {
		return line[:i], line[i:]
	}
	return line, nil
}

// number parses a number as the format has them: no underscores, no hexadecimal.
func number(word []byte) (float64, error) {
	v, err := strconv.ParseFloat(string(word), 64)
	if err != nil || bytes.ContainsAny(word, "pPxX_") {
		return 0, fmt.Errorf("%s is not a number", quoted(word))
	}
	return v, nil
}
