package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/leakgate/leakgate/internal/input"
)

// maxTargets is how long a file of targets may be, in bytes: a million requests.
const maxTargets = 256 << 20

// ReadTargets reads a file in vegeta's http or json target format. An empty
// format goes by the file's ending. Body files (@name) are taken relative to
// the working directory, as vegeta does, or else to the file's folder. Errors
// name the file and the line.
//
// More than vegeta itself reads are a byte order mark, lines of any length, and
// JSON objects over several lines; less are what it drops without a word, as keys
// that it does not know, and what no server understands, as a blank in a URL.
func ReadTargets(file, format string) ([]Request, error) {
	data, err := input.ReadFile(context.Background(), file, maxTargets)
	if err != nil {
		return nil, fmt.Errorf("reading targets: %w", err)
	}
	if format == "" {
		format = formatByEnding(file)
	}
	return parseTargets(data, format, file)
}

// targetFormat is a format of files of targets.
type targetFormat struct {
	name    string // as a plan names it
	endings []string
	read    func(data []byte, file string) ([]Request, error)
}

// targetFormats returns all formats; the first is for files with any other ending. A new
// format is one line here, and one file.
func targetFormats() []targetFormat { return []targetFormat{httpFormat, jsonFormat} }

// TargetFormats returns the names of the formats of files of targets.
func TargetFormats() []string {
	var names []string
	for _, f := range targetFormats() {
		names = append(names, f.name)
	}
	return names
}

// formatByEnding returns the format for a file's ending.
func formatByEnding(file string) string {
	for _, f := range targetFormats() {
		if slices.Contains(f.endings, strings.ToLower(filepath.Ext(file))) {
			return f.name
		}
	}
	return targetFormats()[0].name
}

// parseTargets reads the targets of a file, beside which their bodies may lie.
func parseTargets(data []byte, format, file string) ([]Request, error) {
	if wide(data) {
		return nil, fmt.Errorf("%s: is UTF-16 (save it as UTF-8)", file)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	i := slices.IndexFunc(targetFormats(), func(f targetFormat) bool { return f.name == format })
	if i < 0 {
		return nil, fmt.Errorf("%s: %q is not a target format; known: %s", file, format, strings.Join(TargetFormats(), ", "))
	}
	out, err := targetFormats()[i].read(data, file)
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s, in %s format: %w", file, format, ErrNoRequests)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// wide reports whether a text is UTF-16: by its byte order mark, or by the zeros in
// the characters of which every target has some.
func wide(data []byte) bool {
	if len(data) < 2 {
		return false
	}
	mark := data[0] == 0xff && data[1] == 0xfe || data[0] == 0xfe && data[1] == 0xff
	return mark || (data[0] == 0) != (data[1] == 0)
}

// TargetError is why a file of targets cannot be read.
type TargetError struct {
	File    string
	Line    int // from 1
	Message string
	Hint    string // what to do; may be empty
	Err     error  // what is behind it; may be nil
}

// Error is the file, the line, the message, and the hint in brackets.
func (e *TargetError) Error() string {
	text := fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Unwrap is what is behind it.
func (e *TargetError) Unwrap() error { return e.Err }

// place names a line of a file in reports.
func place(file string, line int) string { return fmt.Sprintf("%s:%d", filepath.Base(file), line) }

// pastedVersion matches the end of a request line, which is not part of a URL.
var pastedVersion = regexp.MustCompile(`\s(HTTP/\d\S*)$`)

// checkURL returns what is wrong with the URL of a target, and a hint. It never repeats
// anything that may be secret.
func checkURL(text string) (message, hint string) {
	if m := pastedVersion.FindStringSubmatch(text); m != nil {
		return fmt.Sprintf("%q follows the URL", m[1]), "leave it out: a target is a method and a full URL"
	}
	for i, c := range text {
		if !unicode.IsSpace(c) && !unicode.IsControl(c) && c != utf8.RuneError {
			continue
		}
		what, escaped := fmt.Sprintf("the character %U", c), url.PathEscape(string(c))
		switch {
		case c == ' ':
			what = "a blank"
		case c == utf8.RuneError:
			what, escaped = "a byte that is not UTF-8", fmt.Sprintf("%%%02X", text[i])
		}
		return fmt.Sprintf("%s in the URL %s", what, shownURL(text)), "write " + escaped + " for it"
	}
	u, err := url.ParseRequestURI(text)
	switch {
	case err != nil:
		var reason *url.Error // its text repeats the whole URL
		if errors.As(err, &reason) {
			err = reason.Err
		}
		if strings.Contains(text, "%") {
			return fmt.Sprintf("%s is not a URL: %s", shownURL(text), err), "write %25 for a percent sign"
		}
		return fmt.Sprintf("%s is not a URL", shownURL(text)), "begin it with http:// or https://"
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Sprintf("%s is not an http or https URL", shownURL(text)), "begin it with http:// or https://"
	case u.Host == "":
		return fmt.Sprintf("%s has no host", shownURL(text)), "write the full URL, such as http://host/path"
	}
	return "", ""
}

// maxShown is how much of a line is quoted in an error, in bytes.
const maxShown = 80

// shownURL quotes a URL without its query and without a user.
func shownURL(text string) string {
	text, query, _ := strings.Cut(text, "?")
	if scheme, rest, ok := strings.Cut(text, "://"); ok {
		if at := strings.LastIndex(rest, "@"); at >= 0 {
			text = scheme + "://***" + rest[at:]
		}
	}
	if query != "" {
		text += "?…"
	}
	return shown(text)
}

// shown quotes the beginning of a text.
func shown(text string) string {
	if len(text) > maxShown {
		text = strings.ToValidUTF8(text[:maxShown], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}
