package probe

import "github.com/leakgate/leakgate/internal/quote"

const (
	// mostQuoted is how much foreign text a message quotes, in bytes: two lines of a
	// terminal.
	mostQuoted = 160
	// mostMessage is how much of a server's own message is kept, in bytes: with the query
	// that it quotes, a dozen lines.
	mostMessage = 1000
)

// quoted quotes foreign text for a message.
func quoted[T ~string | ~[]byte](text T) string { return quote.Text(text, mostQuoted) }

// plain is a server's own message, as it may go to a terminal.
func plain(text string) string { return quote.Plain(text, mostMessage) }
