package probe

import (
	"strconv"
	"strings"
	"unicode"
)

// mostQuoted is how much of foreign text a message quotes, in bytes: two lines of a
// terminal.
const mostQuoted = 160

// quoted quotes foreign text for a message: escaped, and shortened.
func quoted[T ~string | ~[]byte](text T) string {
	if len(text) <= mostQuoted {
		return strconv.Quote(string(text))
	}
	return strconv.Quote(strings.ToValidUTF8(string(text[:mostQuoted]), "")) + "…"
}

// mostMessage is how much of a server's own message is kept, in bytes: with the query that
// it quotes, a dozen lines.
const mostMessage = 1000

// plain is a message of a server's own, without what would write to a terminal, and
// shortened.
func plain(text string) string {
	if len(text) > mostMessage {
		text = strings.ToValidUTF8(text[:mostMessage], "") + "…"
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
