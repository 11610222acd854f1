package loadgen

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// maxGroups is how many kinds of request from a file are reported apart.
const maxGroups = 50

// ReadTargets reads a file in vegeta's http or json target format. An empty
// format goes by the file's ending. Body files (@name) are taken relative to
// the working directory, as vegeta does, or else to the file's folder.
func ReadTargets(file, format string) ([]Request, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading targets: %w", err)
	}
	if format == "" {
		format = vegeta.HTTPTargetFormat
		if strings.EqualFold(filepath.Ext(file), ".json") {
			format = vegeta.JSONTargetFormat
		}
	}
	var targeter vegeta.Targeter
	switch format {
	case vegeta.HTTPTargetFormat:
		targeter = vegeta.NewHTTPTargeter(bytes.NewReader(bodiesBeside(data, filepath.Dir(file))), nil, nil)
	case vegeta.JSONTargetFormat:
		if len(data) > 0 && data[len(data)-1] != '\n' { // vegeta would lose an unfinished last line
			data = append(data, '\n')
		}
		targeter = vegeta.NewJSONTargeter(bytes.NewReader(data), nil, nil)
	default:
		return nil, fmt.Errorf("%q is not a target format; http or json", format)
	}
	targets, err := vegeta.ReadAllTargets(targeter)
	if errors.Is(err, vegeta.ErrNoTargets) {
		return nil, fmt.Errorf("%s: %w", file, ErrNoRequests)
	}
	if err != nil {
		return nil, fmt.Errorf("%s, in %s format: %w", file, format, err)
	}
	out := make([]Request, len(targets))
	for i, t := range targets {
		out[i] = Request{Method: t.Method, URL: t.URL, Header: t.Header, Body: t.Body, Weight: 1}
	}
	return out, nil
}

// bodiesBeside rewrites @name lines whose file is only found beside the
// targets.
func bodiesBeside(data []byte, dir string) []byte {
	lines := bytes.Split(data, []byte("\n"))
	for i, l := range lines {
		name, ok := strings.CutPrefix(strings.TrimSpace(string(l)), "@")
		if !ok || filepath.IsAbs(name) {
			continue
		}
		if _, err := os.Stat(name); err == nil {
			continue
		}
		if beside := filepath.Join(dir, name); fileExists(beside) {
			lines[i] = []byte("@" + beside)
		}
	}
	return bytes.Join(lines, []byte("\n"))
}

func fileExists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// Group makes requests with the same name share one line of the results, and
// bounds the lines; for loads of many different requests.
func Group(requests []Request) []Request {
	names := map[string]bool{}
	out := make([]Request, len(requests))
	for i, r := range requests {
		if r.Name == "" {
			r.Name = r.Method + " " + r.URL
		}
		if !names[r.Name] && len(names) >= maxGroups {
			r.Name = "(other requests)"
		}
		names[r.Name] = true
		r.Grouped = true
		out[i] = r
	}
	return out
}
