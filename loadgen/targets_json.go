package loadgen

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// jsonFormat is vegeta's json format.
var jsonFormat = targetFormat{
	name: vegeta.JSONTargetFormat, endings: []string{".json"},
	read: func(data []byte, file string) ([]Request, error) {
		return (&jsonTargets{file: file, data: data}).read()
	},
}

// jsonTargets reads vegeta's json format: an object for each request. vegeta wants
// each on a line of its own.
type jsonTargets struct {
	file string
	data []byte
}

// jsonTarget is an object of vegeta's json format.
type jsonTarget struct {
	Method string      `json:"method"`
	URL    string      `json:"url"`
	Body   []byte      `json:"body"` // in base64
	Header http.Header `json:"header"`
}

// jsonKeys are the keys of a jsonTarget.
var jsonKeys = [...]string{"method", "url", "body", "header"}

func (j *jsonTargets) read() ([]Request, error) {
	dec := json.NewDecoder(bytes.NewReader(j.data))
	var out []Request
	for {
		var raw json.RawMessage
		err := dec.Decode(&raw)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, j.syntax(err, j.skipBlanks(dec.InputOffset()))
		}
		r, err := j.target(raw, dec.InputOffset()-int64(len(raw)))
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
}

// fail makes an error about the text at an offset.
func (j *jsonTargets) fail(offset int64, message, hint string) *TargetError {
	return &TargetError{File: j.file, Line: j.line(offset), Message: message, Hint: hint}
}

func (j *jsonTargets) line(offset int64) int {
	return 1 + bytes.Count(j.data[:min(max(0, offset), int64(len(j.data)))], []byte("\n"))
}

// skipBlanks returns the offset of the next non-blank character.
func (j *jsonTargets) skipBlanks(offset int64) int64 {
	rest := j.data[min(offset, int64(len(j.data))):]
	return offset + int64(len(rest)-len(bytes.TrimLeft(rest, " \t\r\n")))
}

// syntax makes an error for text that is not JSON.
func (j *jsonTargets) syntax(err error, start int64) error {
	var wrong *json.SyntaxError
	rest := j.data[min(start, int64(len(j.data))):]
	switch {
	case startsTarget.Match(rest):
		return j.fail(start, "not JSON: "+err.Error(), "if the file has lines as GET http://host/path, set load.format: http")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return j.fail(start, "the object that begins here is not closed", "")
	case errors.As(err, &wrong):
		return j.fail(wrong.Offset-1, "not JSON: "+err.Error(), "")
	}
	return j.fail(start, "not JSON: "+err.Error(), "")
}

// target reads the request of an object.
func (j *jsonTargets) target(raw json.RawMessage, start int64) (Request, error) {
	switch raw[0] {
	case '{':
	case '[':
		return Request{}, j.fail(start, "a list is not a target",
			"write one object after another, without brackets and commas")
	default:
		return Request{}, j.fail(start, "this is not a target",
			`write an object, such as {"method": "GET", "url": "http://host/path"}`)
	}
	if err := j.keys(raw, start); err != nil {
		return Request{}, err
	}
	var t jsonTarget
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&t); err != nil {
		return Request{}, j.mistyped(err, start)
	}
	switch {
	case t.Method == "":
		return Request{}, j.fail(start, "method is missing", `write "method": "GET"`)
	case !isMethod.MatchString(t.Method) && anyMethod.MatchString(t.Method):
		return Request{}, j.fail(start, shown(t.Method)+" is not a method", "write "+strings.ToUpper(t.Method))
	case t.URL == "":
		return Request{}, j.fail(start, "url is missing", `write "url": "http://host/path"`)
	}
	if message, hint := checkURL(t.URL); message != "" {
		return Request{}, j.fail(start, message, hint)
	}
	for name := range t.Header {
		if name == "" || strings.ContainsAny(name, " \t") {
			return Request{}, j.fail(start, shown(name)+" is not the name of a header", "")
		}
	}
	return Request{
		Method: t.Method, URL: t.URL, Header: t.Header, Body: t.Body, Weight: 1, Place: place(j.file, j.line(start)),
	}, nil
}

// keys refuses keys that vegeta would drop, and duplicate ones.
func (j *jsonTargets) keys(raw json.RawMessage, start int64) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return j.fail(start, "not JSON: "+err.Error(), "")
	}
	seen := map[string]bool{}
	for dec.More() {
		token, err := dec.Token()
		key, ok := token.(string)
		at := start + dec.InputOffset()
		switch {
		case err != nil || !ok:
			return j.fail(at, "an object has a key that is not a string", "")
		case !slices.Contains(jsonKeys[:], key):
			return j.fail(at, shown(key)+" is not a key of a target", meant(key))
		case seen[key]:
			return j.fail(at, shown(key)+" is given twice", "")
		}
		seen[key] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return j.fail(at, "not JSON: "+err.Error(), "")
		}
	}
	return nil
}

// meant is a hint at the key that was probably meant.
func meant(key string) string {
	low := strings.ToLower(key)
	for _, k := range jsonKeys {
		if low == k || low == k+"s" || strings.TrimSuffix(low, "_base64") == k {
			return `did you mean "` + k + `"?`
		}
	}
	if low == "uri" || low == "path" {
		return `did you mean "url"?`
	}
	return "known keys: " + strings.Join(jsonKeys[:], ", ")
}

// mistyped makes an error for a value of the wrong type.
func (j *jsonTargets) mistyped(err error, start int64) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return j.fail(start, "body is not base64: "+err.Error(), "vegeta's JSON format takes bodies in base64")
	}
	key, _, _ := strings.Cut(wrong.Field, ".")
	hint := "write a text"
	if key == "header" {
		hint = `write lists of strings, such as {"X-Id": ["1"]}`
	}
	return j.fail(start+wrong.Offset, key+" is a "+wrong.Value, hint)
}
