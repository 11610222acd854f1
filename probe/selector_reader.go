package probe

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// selectorReader reads a selector from left to right, by PromQL's rules.
type selectorReader struct {
	text string
	at   int // in bytes
}

// What to write instead of what no selector can have.
const (
	hintOne    = `write one selector, as {job="checkout"}`
	hintOr     = `write one matcher for both, as {job=~"a|b"}; what differs in more than one label is two targets`
	hintRange  = "leave it out: leakgate asks for the samples that it needs"
	hintNow    = "leave it out: leakgate asks for the present"
	hintString = `a value stands in quotes, as {job="checkout"}`
	hintOp     = `a matcher is label="value", label!="value", label=~"regexp" or label!~"regexp"`
	hintLabel  = `a label's name is letters, digits and _; any other stands in quotes, as {"my.label"="x"}`
)

// wrong is an error about what stands at the reader's place.
func (r *selectorReader) wrong(hint, format string, args ...any) *SelectorError {
	at := 1 + utf8.RuneCountInString(r.text[:r.at])
	return &SelectorError{Got: fmt.Sprintf(format, args...) + " at character " + strconv.Itoa(at), Hint: hint}
}

// space skips blanks and comments.
func (r *selectorReader) space() {
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

// next is the byte that comes, after blanks; 0 at the end.
func (r *selectorReader) next() byte {
	r.space()
	if r.at == len(r.text) {
		return 0
	}
	return r.text[r.at]
}

// word is the name that comes, if any: letters, digits, _ and, in a metric's, colons.
func (r *selectorReader) word(colon bool) string {
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

// ahead is what comes, shortened for a message.
func (r *selectorReader) ahead() string {
	rest := r.text[r.at:]
	if i := strings.IndexFunc(rest, unicode.IsSpace); i > 0 {
		rest = rest[:i]
	}
	return quoted(rest)
}

// selector is the whole text.
func (r *selectorReader) selector() (s Selector, err error) {
	if !utf8.ValidString(r.text) {
		return s, &SelectorError{"is not UTF-8", hintOne}
	}
	if r.next() == 0 {
		return s, &SelectorError{"is empty, and is not a selector", hintOne}
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

// end is an error for anything that follows the selector.
func (r *selectorReader) end() error {
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
		return r.wrong(hintOr, `is not a selector: it joins two by "or"`)
	case c == '=' || c == '!':
		return r.wrong(`matchers stand in braces, as {job="checkout"}`, "is not a selector: it has %s", r.ahead())
	}
	return r.wrong(hintOne, "is not a selector: it goes on with %s", r.ahead())
}

// braces are the matchers. One of them may be the metric's name, in quotes.
func (r *selectorReader) braces(s *Selector) error {
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
		case strings.EqualFold(r.lookWord(), "or"):
			return r.wrong(hintOr, `has "or" between its matchers, which only MetricsQL knows,`)
		default:
			return r.wrong("matchers are divided by commas", "is not a selector: it has %s", r.ahead())
		}
	}
}

// lookWord is the word that comes, which is not read.
func (r *selectorReader) lookWord() string {
	at := r.at
	defer func() { r.at = at }()
	return r.word(false)
}

// matcher is one condition, or the metric's name in quotes.
func (r *selectorReader) matcher(s *Selector) error {
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
			return r.wrong("name the metric once", "names two metrics, %s and %s,", s.Metric, quoted(m.Label))
		case m.Label == "":
			r.at = at
			return r.wrong(hintOne, "has an empty name")
		}
		s.Metric = m.Label
		return nil
	}
	if m.Label == "" {
		r.at = at
		return r.wrong(hintLabel, "has an empty label")
	}
	if m.Op, err = r.op(); err != nil {
		return err
	}
	if at = r.at; r.next() == 0 || !isQuote(r.text[r.at]) {
		return r.wrong(hintString, "has no value for %s", quoted(m.Label))
	}
	if m.Value, err = r.str(); err != nil {
		return err
	}
	if m.Op == "=~" || m.Op == "!~" {
		if m.re, err = regexp.Compile("^(?s:" + m.Value + ")$"); err != nil {
			r.at = at
			return r.wrong("Prometheus reads Go's regular expressions, RE2",
				"has %s, which is no regular expression,", quoted(m.Value))
		}
	}
	s.Matchers = append(s.Matchers, m)
	return nil
}

// op is one of the four operators.
func (r *selectorReader) op() (string, error) {
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

// str is a string in double quotes or single ones, with Go's escapes, or in backticks,
// with none.
func (r *selectorReader) str() (string, error) {
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
			return "", r.wrong(`write \\ for a backslash`, "has %s in a string, which cannot be read,", r.ahead())
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

// sound is the string if it is UTF-8: escapes can write what is not.
func (r *selectorReader) sound(from int, text string) (string, error) {
	if utf8.ValidString(text) {
		return text, nil
	}
	r.at = from
	return "", r.wrong(hintOne, "has a string that is not UTF-8")
}
