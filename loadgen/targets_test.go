package loadgen

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// targetFile writes a file of targets beside a body.
func targetFile(t testing.TB, name, text string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{name: text, "order.json": `{"sku": 1}`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, name)
}

func TestReadTargets(t *testing.T) {
	get := Request{Method: "GET", URL: "http://a.example/1", Weight: 1}
	post := Request{
		Method: "POST", URL: "http://a.example/2", Weight: 1,
		Header: http.Header{"Content-Type": {"application/json"}, "X-Id": {"a", "b"}}, Body: []byte(`{"sku": 1}`),
	}
	for _, c := range []struct {
		name, file, format, text string
		want                     []Request
	}{
		{"http", "t.http", "", "GET http://a.example/1\n", []Request{get}},
		{"no ending", "targets", "", "GET http://a.example/1\n", []Request{get}},
		{"last line without an end", "t.http", "", "GET http://a.example/1", []Request{get}},
		// Two requests without headers need no empty line between them.
		{"no empty line", "t.http", "", "GET http://a.example/1\nGET http://a.example/1\n", []Request{get, get}},
		{"comments and empty lines", "t.http", "", "# first\n\n# second\nGET http://a.example/1\n\n\n# third\nGET http://a.example/1\n# the end\n", []Request{get, get}},
		{"headers and body", "t.http", "", "POST http://a.example/2\nContent-Type: application/json\n# comment\nX-Id: a\nX-Id: b\n@order.json\n\nGET http://a.example/1\n", []Request{post, get}},
		{"CRLF", "t.http", "", "POST http://a.example/2\r\nContent-Type: application/json\r\nX-Id: a\r\nX-Id: b\r\n@order.json\r\n\r\nGET http://a.example/1\r\n", []Request{post, get}},
		{"json", "t.json", "", `{"method": "GET", "url": "http://a.example/1"}` + "\n\n" +
			`{"method": "POST", "url": "http://a.example/2", "header": {"Content-Type": ["application/json"], "X-Id": ["a", "b"]}, "body": "eyJza3UiOiAxfQ=="}` + "\n", []Request{get, post}},
		// vegeta by itself would lose it.
		{"json, last line without an end", "t.JSON", "", `{"method": "GET", "url": "http://a.example/1"}` + "\n" + `{"method": "GET", "url": "http://a.example/1"}`, []Request{get, get}},
		// A format that is named goes before the ending.
		{"json by format", "t.http", "json", `{"method": "GET", "url": "http://a.example/1"}`, []Request{get}},
		{"http by format", "t.json", "http", "GET http://a.example/1\n", []Request{get}},
	} {
		got, err := ReadTargets(targetFile(t, c.file, c.text), c.format)
		if err != nil {
			t.Errorf("ReadTargets(%s): %v", c.name, err)
			continue
		}
		if d := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); d != "" {
			t.Errorf("ReadTargets(%s) (-want +got):\n%s", c.name, d)
		}
	}
}

// A body in the working directory goes before one beside the targets, as
// vegeta has it.
func TestReadTargetsBodyInWorkingDirectory(t *testing.T) {
	file := targetFile(t, "t.http", "POST http://a.example/\n@order.json\n")
	t.Chdir(t.TempDir())
	for _, want := range []string{`{"sku": 1}`, "mine"} {
		got, err := ReadTargets(file, "")
		if err != nil || len(got) != 1 || string(got[0].Body) != want {
			t.Fatalf("ReadTargets = %v, %v, want the body %q", got, err, want)
		}
		if err := os.WriteFile("order.json", []byte("mine"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadTargetsRefuses(t *testing.T) {
	for _, c := range []struct{ name, file, format, text, want string }{
		{"method", "t.http", "", "get http://a.example/\n", "bad method: get"},
		{"URL", "t.http", "", "GET a.example\n", "bad URL: a.example"},
		{"no URL", "t.http", "", "GET\n", "bad target: GET"},
		{"header", "t.http", "", "GET http://a.example/\nnonsense\n", "bad header: nonsense"},
		{"body that is missing", "t.http", "", "GET http://a.example/\n@nowhere\n", "bad body"},
		{"empty", "t.http", "", "", "no requests to send"},
		{"nothing but comments", "t.http", "", "# later\n\n", "no requests to send"},
		{"empty json", "t.json", "", "\n", "no requests to send"},
		{"json without method", "t.json", "", `{"url": "http://a.example/"}`, "method is missing"},
		{"json without URL", "t.json", "", `{"method": "GET"}`, "url is missing"},
		{"no json", "t.json", "", "GET http://a.example/\n", "parse error"},
		{"json cut off", "t.json", "", `{"method": "GET", "url": "http://a.exam`, "parse error"},
		{"format", "t.http", "yaml", "GET http://a.example/\n", `in yaml format: no such target format; http or json`},
		// vegeta takes the second request for a header of the first.
		{"no empty line after a header", "t.http", "", "GET http://a.example/1\nX-Id: a\nGET http://a.example/2\n", `"GET http" is not the name of a header: an empty line goes between two requests`},
		{"no empty line after a comment", "t.http", "", "GET http://a.example/1\n# next\nGET http://a.example/2\n", `"GET http" is not the name of a header`},
		// vegeta takes it for the end of the file, and what follows would be lost.
		{"line that is too long", "t.http", "", "GET http://a.example/1\n\nGET http://a.example/" + strings.Repeat("x", bufio.MaxScanTokenSize) + "\n\nGET http://a.example/3\n", "line 3 is longer than"},
	} {
		file := targetFile(t, c.file, c.text)
		got, err := ReadTargets(file, c.format)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("ReadTargets(%s) = %.100v, %v; want an error with %q and the file's name", c.name, got, err, c.want)
		}
		if empty := c.want == ErrNoRequests.Error(); errors.Is(err, ErrNoRequests) != empty {
			t.Errorf("ReadTargets(%s): errors.Is(%v, ErrNoRequests) = %t", c.name, err, !empty)
		}
	}
	if _, err := ReadTargets(filepath.Join(t.TempDir(), "none"), ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("ReadTargets(no file) = %v, want %v", err, fs.ErrNotExist)
	}
}

// The longest line that is read, and its twin above that is not.
func TestReadTargetsLongLine(t *testing.T) {
	url := "http://a.example/" + strings.Repeat("x", bufio.MaxScanTokenSize-len("GET http://a.example/")-1)
	got, err := parseTargets([]byte("GET "+url+"\nGET http://a.example/2\n"), "http", "")
	if err != nil || len(got) != 2 || got[0].URL != url {
		t.Errorf("parseTargets(a line of %d bytes) = %d requests, %v; want 2", len("GET "+url), len(got), err)
	}
}

func TestGroup(t *testing.T) {
	var in []Request
	for i := range maxGroups + 10 {
		in = append(in, Request{Method: "GET", URL: fmt.Sprintf("http://a.example/%d", i)})
	}
	in = append(in, Request{URL: "http://a.example/0"}, Request{Method: "GET", URL: "http://a.example/x", Name: in[1].name()})
	lines := map[string]int{}
	for i, r := range Group(in) {
		lines[r.Name]++
		if !r.Grouped || r.URL != in[i].URL {
			t.Errorf("Group made %+v of %+v", r, in[i])
		}
	}
	if len(lines) != maxGroups+1 || lines["(other requests)"] != 10 || lines["GET http://a.example/0"] != 2 || lines["GET http://a.example/1"] != 2 {
		t.Errorf("Group(%d kinds) = %v, want %d lines and 10 others", maxGroups+10, lines, maxGroups+1)
	}
	if in[0].Name != "" || in[0].Grouped {
		t.Errorf("Group edited its argument: %+v", in[0])
	}
}

func FuzzReadTargets(f *testing.F) {
	for _, seed := range []string{
		"GET http://a.example/1\n", "POST http://a.example/\nX-Id: a\n# comment\n\nGET http://a.example/\n", "GET http://a.example/\nnonsense",
		`{"method": "POST", "url": "http://a.example/", "header": {"A": ["b"]}, "body": "eA=="}`, `{"method": 1}`, "", "\xff\x00",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, asJSON bool) {
		format := "http"
		if asJSON {
			format = "json"
		}
		for line := range bytes.Lines(data) {
			if bytes.HasPrefix(bytes.TrimSpace(line), []byte("@")) {
				t.Skip("would read files")
			}
		}
		requests, err := parseTargets(data, format, t.TempDir())
		if (err == nil) != (len(requests) > 0) {
			t.Fatalf("parseTargets = %d requests, %v", len(requests), err)
		}
		for _, r := range requests {
			if r.Method == "" || r.URL == "" || r.Weight != 1 {
				t.Errorf("parseTargets made %+v", r)
			}
		}
		if v, err := NewVegeta(Config{Requests: Group(requests)}); err == nil && len(v.names) > maxGroups+1 {
			t.Errorf("%d lines of results", len(v.names))
		}
	})
}
