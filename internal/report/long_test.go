package report

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/leakgate/leakgate/verdict"
)

// everyText puts a text in place of every string of a value.
func everyText(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		if !v.IsNil() {
			everyText(v.Elem(), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				everyText(v.Field(i), text)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			everyText(v.Index(i), text)
		}
	}
}

// filled is a fail in which every text is the given one.
func filled(t *testing.T, text string) verdict.Verdict {
	t.Helper()
	v := withSource()
	b, err := json.Marshal(v) // a copy of its own
	if err != nil {
		t.Fatal(err)
	}
	var out verdict.Verdict
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	outcome := out.Outcome
	explainedIn(&out, text)
	everyText(reflect.ValueOf(&out).Elem(), text)
	out.Outcome = outcome
	for i := range out.Checks {
		out.Checks[i].Outcome = []verdict.Outcome{verdict.Fail, verdict.Inconclusive, verdict.Pass}[i%3]
	}
	return out
}

// A target chooses its functions' names, its labels and its Go version, each as
// long as it likes. What is shown stays readable, whatever the format; the whole
// is in verdict.json alone.
func TestLongTexts(t *testing.T) {
	const long = 64 << 10 // in each of some hundred places
	short := filled(t, "short")
	for _, c := range []struct{ name, unit string }{
		{"letters", "a"}, {"letters of two bytes", "é"}, {"escapes", "\x1b"}, {"bytes that are no text", "\xff"},
		{"what HTML escapes", "<"}, {"what Markdown escapes", "*"}, {"slashes", "/"}, {"lines", "\n"}, {"commands", "::error::x\n##[error]"},
	} {
		v := filled(t, strings.Repeat(c.unit, long/len(c.unit)))
		for name, render := range everything() {
			if name == "json" {
				continue
			}
			var small, large bytes.Buffer
			if err := render(&small, short); err != nil {
				t.Fatal(err)
			}
			if err := render(&large, v); err != nil {
				t.Fatal(err)
			}
			// Each place shows so many characters, of which each is a dozen bytes at
			// most when escaped: less than one long name in all.
			if most := small.Len() * 1000; large.Len() > most || large.Len() > 8<<20 {
				t.Errorf("%s: %s of 64 KiB come to %d bytes, with short ones %d", name, c.name, large.Len(), small.Len())
			}
			if !utf8.Valid(large.Bytes()) || bytes.ContainsRune(large.Bytes(), 0x1b) && !strings.Contains(name, "colour") {
				t.Errorf("%s: %s: not UTF-8, or with an escape", name, c.name)
			}
		}
	}
}

func TestShortened(t *testing.T) {
	for _, c := range []struct {
		name, text string
		most       int
		want       string
	}{
		{"fits", "abcdefgh", 8, "abcdefgh"},
		{"one more", "abcdefghi", 8, "abcd…ghi"},
		{"characters count, not bytes", "éééééééé", 8, "éééééééé"},
		{"between characters", "éééééééééé", 8, "éééé…ééé"},
		{"bytes that are no text", strings.Repeat("\xff", 12), 8, "\xff\xff\xff\xff…\xff\xff\xff"},
		{"nothing", "", 8, ""},
	} {
		if got := shortened(c.text, c.most); got != c.want {
			t.Errorf("shortened(%s) = %q, want %q", c.name, got, c.want)
		}
	}
	// Nothing is escaped before it is cut: no half of an escape is left.
	got := printable(strings.Repeat("\x1b", 5000))
	if head, tail, ok := strings.Cut(got, "…"); !ok || strings.ReplaceAll(head, `\x1b`, "") != "" || strings.ReplaceAll(tail, `\x1b`, "") != "" {
		t.Errorf("printable cut an escape: %.60q", got)
	}
	// The end of a name says which function it is.
	if name := printable(strings.Repeat("x/", 5000) + "cart.Refresh"); !strings.HasSuffix(name, "cart.Refresh") || len(name) > 2*maxText {
		t.Errorf("printable(long name) = %.60q", name)
	}
	// A name as generic types have them stays whole.
	if name := "example.com/a/b.Cache[" + strings.Repeat("example.com/long/path.Type,", 18) + "int].Get"; printable(name) != name {
		t.Errorf("printable(%q) is cut", name)
	}
}

// What a script reads is whole, and what a terminal would obey is escaped.
func TestJSONIsWholeAndPrintable(t *testing.T) {
	for _, text := range []string{strings.Repeat("a", 8<<10), "\x1b[2J", "\u009b31m", "\u202egnp", "##[error]x", "é…→\u2028\U000e0001", "a\nb\tc"} {
		v := filled(t, text)
		var b bytes.Buffer
		if err := JSON(&b, v); err != nil {
			t.Fatal(err)
		}
		var back verdict.Verdict
		if err := json.Unmarshal(b.Bytes(), &back); err != nil {
			t.Fatalf("%.20q: %v", text, err)
		}
		if back.Plan != text || back.Findings[0].Stack[0].Function != text {
			t.Errorf("%.20q came back as %.20q", text, back.Plan)
		}
		if i := strings.IndexFunc(b.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("%.20q: verdict.json has %.12q in it", text, b.String()[i:])
		}
	}
}
