package loadgen

import (
	"bytes"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

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
		{"byte order mark", "t.http", "", "\ufeffGET http://a.example/1\r\n", []Request{get}},
		{"json, byte order mark and CRLF", "t.json", "", "\ufeff{\"method\": \"GET\",\r\n\"url\": \"http://a.example/1\"}\r\n", []Request{get}},
		// vegeta by itself takes one line for one object.
		{"json over several lines", "t.json", "", "{\n  \"method\": \"GET\",\n  \"url\": \"http://a.example/1\"\n}\n{\n\"method\": \"GET\", \"url\": \"http://a.example/1\"}", []Request{get, get}},
		{"json, two on a line", "t.json", "", `{"method": "GET", "url": "http://a.example/1"} {"method": "GET", "url": "http://a.example/1"}`, []Request{get, get}},
		// vegeta by itself takes it for the end of the file.
		{"long line", "t.http", "", "# " + strings.Repeat("x", 1<<17) + "\nGET http://a.example/1\n", []Request{get}},
		// A format that is named goes before the ending.
		{"json by format", "t.http", "json", `{"method": "GET", "url": "http://a.example/1"}`, []Request{get}},
		{"http by format", "t.json", "http", "GET http://a.example/1\n", []Request{get}},
	} {
		got, err := ReadTargets(targetFile(t, c.file, c.text), c.format)
		if err != nil {
			t.Errorf("ReadTargets(%s): %v", c.name, err)
			continue
		}
		if d := cmp.Diff(c.want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(Request{}, "Place")); d != "" {
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
	const get = "GET http://a.example/1\n"
	for _, c := range []struct{ name, file, format, text, want string }{
		{"method", "t.http", "", "get http://a.example/\n", `:1: "get" is not a method (write GET)`},
		{"no method", "t.http", "", get + "\nhttp://a.example/\n", `:3: "http://a.example/" is not a method (begin a target with one, such as GET http://host/path)`},
		{"URL", "t.http", "", "GET a.example\n", `:1: "a.example" is not a URL (begin it with http:// or https://)`},
		{"host", "t.http", "", "GET /cart\n", `:1: "/cart" is not an http or https URL (begin it with http:// or https://)`},
		{"no URL", "t.http", "", get + "\n# next\nGET\n", `:4: no URL after "GET" (write the full URL, such as GET http://host/path)`},
		{"a blank in the query", "t.http", "", get + "\nGET http://a.example/?q=a b\n", `:3: a blank in the URL "http://a.example/?…" (write %20 for it)`},
		{"a blank in the path", "t.http", "", "GET http://a.example/a b\n", `:1: a blank in the URL "http://a.example/a b" (write %20 for it)`},
		{"a tab", "t.http", "", "GET http://a.example/?a=\tb\n", "(write %09 for it)"},
		{"a blank that is none", "t.http", "", "GET http://a.example/?q=a\u00a0b\n", `:1: the character U+00A0 in the URL "http://a.example/?…" (write %C2%A0 for it)`},
		{"no UTF-8", "t.http", "", "GET http://a.example/?q=\xe4\n", `:1: a byte that is not UTF-8 in the URL "http://a.example/?…" (write %E4 for it)`},
		{"stray per cent sign", "t.http", "", "GET http://a.example/100%\n", `:1: "http://a.example/100%" is not a URL: invalid URL escape "%" (write %25 for a percent sign)`},
		{"pasted line", "t.http", "", "GET http://a.example/ HTTP/1.1\n", `:1: "HTTP/1.1" follows the URL (leave it out: a target is a method and a full URL)`},
		{"pasted request", "t.http", "", "GET /cart HTTP/2\nHost: a.example\n", `:1: "HTTP/2" follows the URL`},
		{"header", "t.http", "", "GET http://a.example/\nX-Id: a\nnonsense s3cret\n", `:3: "nonsense" is not a header (write Name: value; put an empty line between two requests)`},
		{"header without value", "t.http", "", "GET http://a.example/\nX-Id:\n", `:2: a header without a value: "X-Id" (write Name: value)`},
		{"body that is missing", "t.http", "", "GET http://a.example/\n@nowhere\n", ":2: reading the body: open nowhere"},
		{"JSON in http format", "t.http", "", `{"method": "GET"}`, ":1: an object is not a target in http format (if the file is JSON, set load.format: json)"},
		{"empty", "t.http", "", "", "no requests to send"},
		{"nothing but comments", "t.http", "", "# later\n\n", "no requests to send"},
		{"UTF-16", "t.http", "", "\xff\xfeG\x00E\x00T\x00", ": is UTF-16 (save it as UTF-8)"},
		{"UTF-16 of the other order, without a mark", "t.json", "", "\x00{\x00}", ": is UTF-16 (save it as UTF-8)"},
		{"empty json", "t.json", "", "\n", "no requests to send"},
		{"json without method", "t.json", "", `{"url": "http://a.example/"}`, `:1: method is missing (write "method": "GET")`},
		{"json without URL", "t.json", "", "\n{\"method\": \"GET\"}", `:2: url is missing (write "url": "http://host/path")`},
		{"json, headers", "t.json", "", "{\n\"method\": \"GET\",\n\"headers\": {}}", `:3: "headers" is not a key of a target (did you mean "header"?)`},
		{"json, another spelling", "t.json", "", `{"Method": "GET"}`, `:1: "Method" is not a key of a target (did you mean "method"?)`},
		{"json, another key", "t.json", "", `{"weight": 3}`, `:1: "weight" is not a key of a target (known keys: method, url, body, header)`},
		{"json, a key twice", "t.json", "", `{"method": "GET", "url": "http://a.example/", "url": "http://b.example/"}`, `:1: "url" is given twice`},
		{"json, a header that is no list", "t.json", "", "{\"method\": \"GET\", \"url\": \"http://a.example/\",\n\"header\": {\"X-A\": \"1\"}}", `:2: header is a string (write lists of strings, such as {"X-Id": ["1"]})`},
		{"json, a body that is no base64", "t.json", "", `{"method": "GET", "url": "http://a.example/", "body": "{}"}`, ":1: body is not base64"},
		{"json, a blank", "t.json", "", `{"method": "GET", "url": "http://a.example/?q=a b"}`, `:1: a blank in the URL "http://a.example/?…" (write %20 for it)`},
		{"json, a list", "t.json", "", `[{"method": "GET"}]`, ":1: a list is not a target (write one object after another, without brackets and commas)"},
		{"json, commas between", "t.json", "", "{\"method\": \"GET\", \"url\": \"http://a.example/\"},\n{}", ":1: not JSON: invalid character ','"},
		{"json, a number", "t.json", "", "\n\n7", ":3: this is not a target"},
		{"no json", "t.json", "", "GET http://a.example/\n", "(if the file has lines as GET http://host/path, set load.format: http)"},
		{"json cut off", "t.json", "", "\n{\"method\": \"GET\",\n\"url\": \"http://a.exam", ":2: the object that begins here is not closed"},
		{"format", "t.http", "yaml", "GET http://a.example/\n", `t.http: "yaml" is not a target format; known: http, json`},
		// vegeta takes the second request for a header of the first.
		{"no empty line after a header", "t.http", "", "GET http://a.example/1\nX-Id: a\nGET http://a.example/2\n", `:3: "GET http" is not the name of a header (put an empty line between two requests)`},
		{"no empty line after a comment", "t.http", "", "GET http://a.example/1\n# next\nGET http://a.example/2\n", `:3: "GET http" is not the name of a header`},
		{"user and password", "t.http", "", "GET http://me:s3cret@a.example/?token=s3cret a\n", `a blank in the URL "http://***@a.example/?…"`},
	} {
		file := targetFile(t, c.file, c.text)
		got, err := ReadTargets(file, c.format)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) || strings.Contains(err.Error(), "s3cret") {
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

// Files as they were found in the field.
func TestReadTargetsFiles(t *testing.T) {
	for _, c := range []struct{ file, url, wrong string }{
		{file: "pretty.json", url: "http://127.0.0.1:18210/echo?j=pretty"},
		{file: "url_semicolon.http", url: "http://127.0.0.1:18210/echo?a=1;b=2"},
		{file: "hdrplural.json", wrong: `hdrplural.json:1: "headers" is not a key of a target (did you mean "header"?)`},
		{file: "url_space.http", wrong: `url_space.http:1: a blank in the URL "http://127.0.0.1:18210/echo?…" (write %20 for it)`},
	} {
		got, err := ReadTargets(filepath.Join("testdata", "targets", c.file), "")
		switch {
		case c.wrong != "":
			if err == nil || !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("ReadTargets(%s) = %v, %v; want an error with %q", c.file, got, err, c.wrong)
			}
		case err != nil || len(got) != 1 || got[0].URL != c.url || got[0].Place != c.file+":1":
			t.Errorf("ReadTargets(%s) = %+v, %v; want %s of its first line", c.file, got, err, c.url)
		}
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
		requests, err := parseTargets(data, format, "t")
		if (err == nil) != (len(requests) > 0) {
			t.Fatalf("parseTargets = %d requests, %v", len(requests), err)
		}
		for _, r := range requests {
			if r.Method == "" || strings.ContainsFunc(r.URL, unicode.IsSpace) || r.URL == "" || r.Weight != 1 || r.Place == "" {
				t.Errorf("parseTargets made %+v", r)
			}
		}
		if v, err := NewVegeta(Config{Requests: Group(requests)}); err == nil && len(v.names) > maxGroups+1 {
			t.Errorf("%d lines of results", len(v.names))
		}
	})
}
