// Package quote quotes foreign text for a message: escaped, so that it writes nothing
// to a terminal, and shortened, so that it does not bury what the message says.
package quote

import (
	"strconv"
	"strings"
	"unicode"
)

// ellipsis stands where a text was cut.
const ellipsis = "…"

// Text quotes a text, as "a\tb". Of one that is longer than most bytes, it quotes the
// beginning, and puts an ellipsis behind the closing quote.
func Text[T ~string | ~[]byte](text T, most int) string {
	if len(text) <= most {
		return strconv.Quote(string(text))
	}
	return strconv.Quote(Cut(string(text), most)) + ellipsis
}

// Plain is a text without quotes: what does not print is escaped, and what is longer
// than most bytes is cut.
func Plain(text string, most int) string {
	if len(text) > most {
		text = Cut(text, most) + ellipsis
	}
	var b strings.Builder
	for _, r := range text {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		}
	}
	return b.String()
}

// Cut is the beginning of a text, at most so many bytes, and no half character at its end.
func Cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "")
}
