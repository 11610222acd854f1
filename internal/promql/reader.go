package promql

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/leakgate/leakgate/internal/quote"
)

// reader reads a selector from left to right, by PromQL's rules.
type reader struct {
	text string
	at   int // in bytes
}

// Hints: what to write instead.
const (
	hintOne    = `write one selector, such as {job="checkout"}`
	hintOr     = `write one matcher for both, such as {job=~"a|b"}; if they differ in more than one label, write two targets`
	hintRange  = "leave it out: leakgate asks for the samples that it needs"
	hintNow    = "leave it out: leakgate asks for current samples"
	hintString = `put the value in quotes, as in {job="checkout"}`
	hintOp     = `a matcher is label="value", label!="value", label=~"regexp" or label!~"regexp"`
	hintLabel  = `a label name has letters, digits and _; put any other in quotes, as in {"my.label"="x"}`
	hintBraces = `put matchers in braces, as in {job="checkout"}`
)

// wrong makes an error about what is at the reader's position.
func (r *reader) wrong(hint, format string, args ...any) *Error {
	at := 1 + utf8.RuneCountInString(r.text[:r.at])
	return &Error{Got: fmt.Sprintf(format, args...) + " at character " + strconv.Itoa(at), Hint: hint}
}

// space skips blanks and comments.
func (r *reader) space() {
	for r.at < len(r.text) {
		switch c := r.text[r.at]; {
		case strings.IndexByte(" \t\r\n", c) >= 0:
			r.at++
		case c == '#':
			_, rest, _ := strings.Cut(r.text[r.at:], "\n")
			r.at = len(r.text) - len(rest)
		default:
			return
		}
	}
}

// next returns the next byte after blanks; 0 at the end.
func (r *reader) next() byte {
	r.space()
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

// word reads a name, if one comes next: letters, digits, _ and, in a metric's, colons.
func (r *reader) word(colon bool) string {
	from := r.at
	for r.at < len(r.text) {
		c := r.text[r.at]
		digit := c >= '0' && c <= '9' && r.at > from
		if !digit && c != '_' && (c|0x20 < 'a' || c|0x20 > 'z') && (c != ':' || !colon) {
			break
		}
		r.at++
	}
	return r.text[from:r.at]
}

// ahead quotes what comes next, shortened for a message.
func (r *reader) ahead() string {
	rest := r.text[r.at:]
	if i := strings.IndexFunc(rest, unicode.IsSpace); i > 0 {
		rest = rest[:i]
	}
	return quote.Text(rest, mostQuoted)
}

// selector reads the whole text.
func (r *reader) selector() (s Selector, err error) {
	if !utf8.ValidString(r.text) {
		return s, &Error{"is not UTF-8", hintOne}
	}
	if r.next() == 0 {
		return s, &Error{"is empty", hintOne}
	}
	s.Metric = r.word(true)
	if s.Metric == "" && r.next() != '{' {
		return s, r.wrong(hintOne, "is not a selector: it has %s", r.ahead())
	}
	if r.next() == '(' {
		return s, r.wrong(hintOne+"; leakgate does the rest itself", "is not a selector: it calls %s", s.Metric)
	}
	if r.next() == '{' {
		if err := r.braces(&s); err != nil {
			return s, err
		}
	}
	return s, r.end()
}

// end returns an error for anything that follows the selector.
func (r *reader) end() error {
	c := r.next()
	at := r.at
	word := strings.ToLower(r.word(false))
	r.at = at
	switch {
	case c == 0:
		return nil
	case c == '[':
		return r.wrong(hintRange, "is not a selector: it has a range")
	case c == '@' || word == "offset":
		return r.wrong(hintNow, "is not a selector: it has %s", r.ahead())
	case word == "or":
		return r.wrong(hintOr, `is not a selector: it joins two with "or"`)
	case c == '=' || c == '!':
		return r.wrong(hintBraces, "is not a selector: it has %s", r.ahead())
	}
	return r.wrong(hintOne, "is not a selector: it continues with %s", r.ahead())
}

// braces reads the matchers. One of them may be the metric's name, in quotes.
func (r *reader) braces(s *Selector) error {
	opened := r.at
	for r.at++; ; {
		if r.next() == '}' {
			r.at++
			return nil
		}
		if r.next() == 0 {
			r.at = opened
			return r.wrong("close it with }", "is not a selector: its brace is never closed,")
		}
		if err := r.matcher(s); err != nil {
			return err
		}
		switch c := r.next(); {
		case c == ',':
			r.at++
		case c == '}' || c == 0:
		case strings.EqualFold(r.peekWord(), "or"):
			return r.wrong(hintOr, `has "or" between its matchers, which only MetricsQL allows,`)
		default:
			return r.wrong("separate matchers with commas", "is not a selector: it has %s", r.ahead())
		}
	}
}

// peekWord returns the next word without reading it.
func (r *reader) peekWord() string {
	at := r.at
	defer func() { r.at = at }()
	return r.word(false)
}

// matcher reads one condition, or the metric's name in quotes.
func (r *reader) matcher(s *Selector) error {
	at := r.at
	var m Matcher
	var err error
	inQuotes := isQuote(r.text[r.at])
	if inQuotes {
		m.Label, err = r.str()
	} else if m.Label = r.word(false); m.Label == "" {
		return r.wrong(hintLabel, "is not a selector: it has %s", r.ahead())
	}
	if err != nil {
		return err
	}
	if c := r.next(); inQuotes && (c == ',' || c == '}') {
		switch {
		case s.Metric != "":
			r.at = at
			return r.wrong("name the metric once", "names two metrics, %s and %s,", s.Metric, quote.Text(m.Label, mostQuoted))
		case m.Label == "":
			r.at = at
			return r.wrong(hintOne, "has an empty metric name")
		}
		s.Metric = m.Label
		return nil
	}
	if m.Label == "" {
		r.at = at
		return r.wrong(hintLabel, "has an empty label name")
	}
	if m.Op, err = r.op(); err != nil {
		return err
	}
	if at = r.at; r.next() == 0 || !isQuote(r.text[r.at]) {
		return r.wrong(hintString, "has no value for %s", quote.Text(m.Label, mostQuoted))
	}
	if m.Value, err = r.str(); err != nil {
		return err
	}
	if m.Op == "=~" || m.Op == "!~" {
		if m.re, err = regexp.Compile("^(?s:" + m.Value + ")$"); err != nil {
			r.at = at
			return r.wrong("Prometheus uses the syntax of Go's regular expressions, RE2",
				"has %s, which is not a valid regular expression,", quote.Text(m.Value, mostQuoted))
		}
	}
	s.Matchers = append(s.Matchers, m)
	return nil
}

// op reads one of the four operators.
func (r *reader) op() (string, error) {
	r.space()
	rest := r.text[r.at:]
	for _, op := range []string{"=~", "!~", "!=", "="} {
		if after, ok := strings.CutPrefix(rest, op); ok && !strings.HasPrefix(after, "=") && !strings.HasPrefix(after, "~") {
			r.at += len(op)
			return op, nil
		}
	}
	return "", r.wrong(hintOp, "has no operator")
}

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

// str reads a string: in double or single quotes with Go's escapes, or in backticks
// without any.
func (r *reader) str() (string, error) {
	from, quote := r.at, r.text[r.at]
	rest := r.text[r.at+1:]
	var b strings.Builder
	for rest != "" {
		if rest[0] == quote {
			r.at = len(r.text) - len(rest) + 1
			return r.sound(from, b.String())
		}
		if quote == '`' {
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		c, wide, tail, err := strconv.UnquoteChar(rest, quote)
		if err != nil || rest[0] == '\n' {
			r.at = len(r.text) - len(rest)
			return "", r.wrong(`write \\ for a backslash`, "has an invalid escape in a string, %s,", r.ahead())
		}
		if c < utf8.RuneSelf || !wide {
			b.WriteByte(byte(c))
		} else {
			b.WriteRune(c)
		}
		rest = tail
	}
	r.at = from
	return "", r.wrong("close it with "+string(quote), "is not a selector: its string is never closed,")
}

// sound returns the string if it is UTF-8: escapes can produce text that is not.
func (r *reader) sound(from int, text string) (string, error) {
	if utf8.ValidString(text) {
		return text, nil
	}
	r.at = from
	return "", r.wrong(hintOne, "has a string that is not UTF-8")
}
