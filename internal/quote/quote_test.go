package quote

import (
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestText(t *testing.T) {
	for _, c := range []struct {
		name, text string
		most       int
		want       string
	}{
		{"short", "abc", 3, `"abc"`},
		{"one byte too long", "abcd", 3, `"abc"…`},
		{"escapes of a terminal", "\x1b[31mred", 80, `"\x1b[31mred"`},
		{"cut within a character", "aä", 2, `"a"…`},
	} {
		if got := Text(c.text, c.most); got != c.want {
			t.Errorf("Text(%s) = %s, want %s", c.name, got, c.want)
		}
		if got := Text([]byte(c.text), c.most); got != c.want {
			t.Errorf("Text(%s, as bytes) = %s, want %s", c.name, got, c.want)
		}
	}
}

func TestPlain(t *testing.T) {
	for _, c := range []struct {
		name, text string
		most       int
		want       string
	}{
		{"short", "it's fine", 80, "it's fine"},
		{"too long", "abcd", 3, "abc…"},
		{"escapes of a terminal", "\x1b[31mred\n", 80, `\x1b[31mred\n`},
	} {
		if got := Plain(c.text, c.most); got != c.want {
			t.Errorf("Plain(%s) = %s, want %s", c.name, got, c.want)
		}
	}
}

// FuzzQuote looks for a text that gets through to a terminal as it is.
func FuzzQuote(f *testing.F) {
	f.Add("\x1b]0;title\a", 40)
	f.Add(strings.Repeat("ä", 100), 41)
	f.Fuzz(func(t *testing.T, text string, most int) {
		if most < 0 {
			return
		}
		for _, got := range []string{Text(text, most), Plain(text, most)} {
			if !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Errorf("of %q: %q would write to a terminal", text, got)
			}
		}
		if quoted := Text(text, most); len(text) <= most {
			if back, err := strconv.Unquote(quoted); err != nil || back != text {
				t.Errorf("Text(%q) = %s, read back as %q, %v", text, quoted, back, err)
			}
		}
	})
}
