package plan

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the generated parts of docs/plan.md")

const docsFile = "../../docs/plan.md"

// The generated parts of docs/plan.md are what the code says. To rewrite them:
//
//	go test ./internal/plan -run TestDocs -update
func TestDocs(t *testing.T) {
	page, err := os.ReadFile(docsFile)
	if err != nil {
		t.Fatal(err)
	}
	text := string(page)
	parts := []struct{ name, body string }{
		{"smallest", fenced("yaml", read(t, "testdata/valid/smallest.yaml"))},
		{"full", fenced("yaml", read(t, "testdata/valid/full.yaml"))},
		{"reference", reference()},
		{"broken", fenced("yaml", read(t, "testdata/broken.yaml"))},
		{"errors", fenced("", brokenErrors(t))},
	}
	for _, p := range parts {
		begin, end := "<!-- generated: "+p.name+" -->\n", "<!-- end: "+p.name+" -->\n"
		head, rest, ok := strings.Cut(text, begin)
		got, tail, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("docs/plan.md has no part between %q and %q", strings.TrimSpace(begin), strings.TrimSpace(end))
		}
		if got != p.body && !*update {
			t.Errorf("docs/plan.md, part %q, is not what the code says; run with -update. It has\n%s\nwant\n%s", p.name, got, p.body)
		}
		text = head + begin + p.body + end + tail
	}
	if *update && text != string(page) {
		if err := os.WriteFile(docsFile, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func fenced(language, body string) string { return "```" + language + "\n" + body + "```\n" }

// brokenErrors is what `leakgate run` prints of testdata/broken.yaml.
func brokenErrors(t *testing.T) string {
	t.Helper()
	_, err := Parse("plan.yaml", []byte(read(t, "testdata/broken.yaml")), func(string) (string, bool) { return "", false })
	if err == nil {
		t.Fatal("testdata/broken.yaml has no problem")
	}
	var b strings.Builder
	for line := range strings.Lines(err.Error() + "\n") {
		b.WriteString("leakgate: error: " + line)
	}
	return b.String()
}

// reference describes every key, a table for each mapping.
func reference() string {
	var b strings.Builder
	table(&b, reflect.TypeFor[Plan](), "")
	return b.String()
}

func table(b *strings.Builder, t reflect.Type, path string) {
	heading := "The plan"
	if path != "" {
		heading = "`" + path + "`"
	}
	fmt.Fprintf(b, "\n### %s\n\n| key | type | default | meaning |\n| --- | --- | --- | --- |\n", heading)
	for f := range documented(t) {
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.Tag.Get("yaml"), typeName(f), defaultOf(f), strings.ReplaceAll(f.Tag.Get("doc"), "|", `\|`))
	}
	for f := range documented(t) {
		inner, below := f.Type, f.Tag.Get("yaml")
		if path != "" {
			below = path + "." + below
		}
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Slice {
			inner, below = inner.Elem(), below+"[]"
		}
		if inner.Kind() == reflect.Struct {
			table(b, inner, below)
		}
	}
}

// documented yields the fields of a struct that are keys of the plan.
func documented(t reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if f := t.Field(i); f.Tag.Get("yaml") != "-" && !yield(f) {
				return
			}
		}
	}
}

func typeName(f reflect.StructField) string {
	t := f.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if enum := f.Tag.Get("enum"); enum != "" {
		return "`" + strings.ReplaceAll(enum, ",", "` or `") + "`"
	}
	switch t {
	case reflect.TypeFor[Duration]():
		return "duration"
	case reflect.TypeFor[Rate]():
		return "rate"
	case reflect.TypeFor[Share]():
		return "share"
	case reflect.TypeFor[OneIn]():
		return "one in"
	case reflect.TypeFor[Date]():
		return "date"
	}
	switch t.Kind() {
	case reflect.Struct:
		return "mapping"
	case reflect.Slice:
		return "list"
	case reflect.Map:
		return "mapping of strings"
	case reflect.Float64:
		return "number"
	case reflect.Int:
		return "whole number"
	case reflect.Bool:
		return "true or false"
	}
	return "string"
}

func defaultOf(f reflect.StructField) string {
	switch d, ok := f.Tag.Lookup("default"); {
	case f.Tag.Get("required") == "true":
		return "**required**"
	case ok:
		return "`" + d + "`"
	case f.Type.Kind() == reflect.Bool:
		return "`false`"
	}
	return ""
}

// Every key says what it is.
func TestEveryKeyIsDocumented(t *testing.T) {
	var walk func(reflect.Type)
	walk = func(s reflect.Type) {
		for i := range s.NumField() {
			f := s.Field(i)
			key, doc := f.Tag.Get("yaml"), f.Tag.Get("doc")
			if key == "-" {
				continue
			}
			if key == "" || doc == "" || !strings.HasSuffix(doc, ".") {
				t.Errorf("%s.%s: key %q, doc %q, want both, and a full stop", s.Name(), f.Name, key, doc)
			}
			inner := f.Type
			for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct {
				walk(inner)
			}
		}
	}
	walk(reflect.TypeFor[Plan]())
}
