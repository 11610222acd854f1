package loadgen

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/leakgate/leakgate/internal/input"
)

// maxGroups is how many kinds of request from a file are reported apart.
const maxGroups = 50

// maxTargets is how long a file of targets may be, in bytes: a million requests.
const maxTargets = 256 << 20

// ReadTargets reads a file in vegeta's http or json target format. An empty
// format goes by the file's ending. Body files (@name) are taken relative to
// the working directory, as vegeta does, or else to the file's folder.
func ReadTargets(file, format string) ([]Request, error) {
	data, err := input.ReadFile(context.Background(), file, maxTargets)
	if err != nil {
		return nil, fmt.Errorf("reading targets: %w", err)
	}
	if format == "" {
		format = vegeta.HTTPTargetFormat
		if strings.EqualFold(filepath.Ext(file), ".json") {
			format = vegeta.JSONTargetFormat
		}
	}
	requests, err := parseTargets(data, format, filepath.Dir(file))
	if err != nil {
		return nil, fmt.Errorf("%s, in %s format: %w", file, format, err)
	}
	return requests, nil
}

// parseTargets reads targets; dir is where their bodies may lie.
func parseTargets(data []byte, format, dir string) ([]Request, error) {
	var targeter vegeta.Targeter
	switch format {
	case vegeta.HTTPTargetFormat:
		if n := longLine(data); n > 0 {
			return nil, fmt.Errorf("line %d is longer than %d bytes", n, bufio.MaxScanTokenSize-1)
		}
		targeter = vegeta.NewHTTPTargeter(bytes.NewReader(bodiesBeside(data, dir)), nil, nil)
	case vegeta.JSONTargetFormat:
		if len(data) > 0 && data[len(data)-1] != '\n' { // vegeta would lose an unfinished last line
			data = append(slices.Clip(data), '\n')
		}
		targeter = vegeta.NewJSONTargeter(bytes.NewReader(data), nil, nil)
	default:
		return nil, errors.New("no such target format; http or json")
	}
	targets, err := vegeta.ReadAllTargets(targeter)
	if errors.Is(err, vegeta.ErrNoTargets) {
		return nil, ErrNoRequests
	}
	if err != nil {
		return nil, err
	}
	out := make([]Request, len(targets))
	for i, t := range targets {
		for name := range t.Header {
			if strings.ContainsAny(name, " \t") { // vegeta took a request for a header
				return nil, fmt.Errorf("%q is not the name of a header: an empty line goes between two requests", name)
			}
		}
		out[i] = Request{Method: t.Method, URL: t.URL, Header: t.Header, Body: t.Body, Weight: 1}
	}
	return out, nil
}

// longLine is the number of the first line that vegeta would take for the end
// of the file, since its scanner cannot hold it; 0 if there is none.
func longLine(data []byte) int {
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if len(bytes.TrimSuffix(line, []byte("\n"))) >= bufio.MaxScanTokenSize {
			return n
		}
	}
	return 0
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
		r.Name = r.name()
		if !names[r.Name] && len(names) >= maxGroups {
			r.Name = "(other requests)"
		}
		names[r.Name] = true
		r.Grouped = true
		out[i] = r
	}
	return out
}
