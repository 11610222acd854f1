package plan

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// document reads one YAML document. The library is known to panic on some
// input that it does not expect; that is an error here.
func document(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return dec.Decode(n)
}

var (
	yamlLine = regexp.MustCompile(`^line (\d+): `)
	// parserError matches what yaml.v3.0.1 reports with a line counted from 0;
	// its other errors count from 1.
	parserError   = regexp.MustCompile(`^did not find expected (node content|key|'-' indicator|',' or|<)`)
	unknownAnchor = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)
)

// syntax reports what is not YAML.
func (d *decoder) syntax(text []byte, err error) {
	reason := strings.TrimPrefix(err.Error(), "yaml: ")
	p := Problem{File: d.file, Column: 1}
	if m := yamlLine.FindStringSubmatch(reason); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		reason = strings.TrimPrefix(reason, m[0])
		if parserError.MatchString(reason) {
			p.Line++
		}
	} else {
		at := offender(text, reason)
		p.Line = 1 + bytes.Count(text[:at], []byte("\n"))
		p.Column = at - bytes.LastIndexByte(text[:at], '\n')
	}
	if bytes.Contains(text, []byte("\t")) && (strings.Contains(reason, "cannot start any token") ||
		strings.Contains(reason, "tab character")) {
		p.Hint = "indent with spaces, not tabs"
	}
	p.Message = "not YAML: " + reason
	d.problems = append(d.problems, p)
}

// offender finds what yaml.v3 complains about without a line: an anchor that is
// not there, or a byte that is no text. Otherwise it is on the first line.
func offender(text []byte, reason string) int {
	if m := unknownAnchor.FindStringSubmatch(reason); m != nil {
		return max(bytes.Index(text, []byte("*"+m[1])), 0)
	}
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		return 0 // UTF-16, where a byte is not a character
	}
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 || r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f {
			return i
		}
		i += n
	}
	return 0
}
