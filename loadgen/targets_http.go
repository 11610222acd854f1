package loadgen

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// httpFormat is vegeta's http format.
var httpFormat = targetFormat{
	name: vegeta.HTTPTargetFormat, endings: []string{".http"},
	read: func(data []byte, file string) ([]Request, error) {
		return (&httpTargets{file: file, lines: strings.Split(string(data), "\n")}).read()
	},
}

// httpTargets reads vegeta's http format: a line with method and URL, and below it
// its headers and the file of its body, up to an empty line.
type httpTargets struct {
	file  string
	lines []string
	next  int // index of the line that is read next
}

func (h *httpTargets) read() ([]Request, error) {
	var out []Request
	for h.next < len(h.lines) {
		line := h.line()
		if line == "" || line[0] == '#' {
			continue
		}
		r, err := h.target(line)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// line returns the next line, without surrounding blanks.
func (h *httpTargets) line() string {
	h.next++
	return strings.TrimSpace(h.lines[h.next-1])
}

// fail makes an error about the last line that was read.
func (h *httpTargets) fail(message, hint string) *TargetError {
	return &TargetError{File: h.file, Line: h.next, Message: message, Hint: hint}
}

var (
	startsTarget = regexp.MustCompile(`^[A-Z]+\s`)
	isMethod     = regexp.MustCompile(`^[A-Z]+$`)
	anyMethod    = regexp.MustCompile(`(?i)^(get|head|post|put|patch|delete|options|trace|connect)$`)
)

// target reads a request, given its first line.
func (h *httpTargets) target(line string) (Request, error) {
	method, address := line, ""
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		method, address = line[:i], strings.TrimSpace(line[i:])
	}
	switch {
	case strings.HasPrefix(line, "{"):
		return Request{}, h.fail("an object is not a target in http format", "if the file is JSON, set load.format: json")
	case !isMethod.MatchString(method) && anyMethod.MatchString(method):
		return Request{}, h.fail(shown(method)+" is not a method", "write "+strings.ToUpper(method))
	case !isMethod.MatchString(method):
		return Request{}, h.fail(shown(method)+" is not a method", "begin a target with one, such as GET http://host/path")
	case address == "":
		return Request{}, h.fail("no URL after "+shown(method), "write the full URL, such as GET http://host/path")
	}
	if message, hint := checkURL(address); message != "" {
		return Request{}, h.fail(message, hint)
	}
	r := Request{Method: method, URL: address, Header: http.Header{}, Weight: 1, Place: place(h.file, h.next)}
	if h.next < len(h.lines) && startsTarget.MatchString(strings.TrimSpace(h.lines[h.next])+" ") {
		return r, nil
	}
	err := h.below(&r)
	return r, err
}

// betweenTargets is a hint: vegeta needs to know where headers end.
const betweenTargets = "put an empty line between two requests"

// below reads the lines below a request's first line.
func (h *httpTargets) below(r *Request) error {
	for h.next < len(h.lines) {
		line := h.line()
		switch {
		case line == "":
			return nil
		case line[0] == '#':
			continue
		case line[0] == '@':
			body, err := h.body(line[1:])
			r.Body = body
			return err
		}
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		first, _, _ := strings.Cut(name, " ")
		switch {
		case strings.ContainsAny(name, " \t") && isMethod.MatchString(first):
			return h.fail(shown(name)+" is not the name of a header", betweenTargets)
		case !ok || strings.ContainsAny(name, " \t"):
			return h.fail(shown(first)+" is not a header", "write Name: value; "+betweenTargets)
		case name == "" || value == "":
			return h.fail("a header without "+missing(name), "write Name: value")
		}
		r.Header[name] = append(r.Header[name], value) // in its own spelling, as vegeta does
	}
	return nil
}

func missing(name string) string {
	if name == "" {
		return "a name"
	}
	return "a value: " + shown(name)
}

// body reads a file in the working directory or else beside the targets.
func (h *httpTargets) body(name string) ([]byte, error) {
	file := name
	beside := filepath.Join(filepath.Dir(h.file), name)
	if !filepath.IsAbs(name) && !fileExists(name) && fileExists(beside) {
		file = beside
	}
	body, err := os.ReadFile(file)
	if err != nil {
		fail := h.fail("reading the body: "+err.Error(),
			"put the body's file beside the targets, or in the working directory")
		fail.Err = err
		return nil, fail
	}
	return body, nil
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
