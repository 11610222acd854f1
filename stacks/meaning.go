package stacks

import "strings"

// meanings says what a stack of library code usually means when it leaks,
// because no frame of it shows the code that is to blame.
var meanings = []struct{ function, meaning string }{
	{"net/http.(*persistConn).", "a client connection that nobody closes: a response body left open, or a Transport made per request without CloseIdleConnections"},
	{"net/http.(*http2ClientConn).", "an HTTP/2 client connection that nobody closes: a Transport made per request"},
	{"net/http.(*connReader).backgroundRead", "belongs to a handler that does not return: look for the handler among the findings"},
	{"net/http.(*conn).serve", "a server connection that stays open: a client that keeps it, or a handler that does not return"},
	{"database/sql.(*DB).connectionOpener", "a sql.DB opened per request and never closed: open one and share it"},
	{"database/sql.(*Tx).awaitDone", "a transaction with neither Commit nor Rollback"},
	{"database/sql.(*Rows).awaitDone", "rows that are neither read to the end nor closed"},
	{"context.(*cancelCtx).propagateCancel", "a context derived and never cancelled: call its cancel function"},
	{"os/exec.(*Cmd).", "a command that was started and never waited for"},
	{"google.golang.org/grpc.newClientStream", "a client stream that is neither read to its end nor cancelled"},
	{"google.golang.org/grpc.(*ccBalancerWrapper).", "a ClientConn that nobody closes: one per target is enough"},
	{"google.golang.org/grpc/internal/transport.", "a gRPC connection that nobody closes"},
}

// Meaning explains a stack whose blamed frame is library code, or is empty.
func Meaning(s Stack) string {
	i := Blame(s.Frames)
	if i < 0 {
		return ""
	}
	for _, f := range s.Frames[:i+1] {
		for _, m := range meanings {
			if strings.HasPrefix(f.Function, m.function) {
				return m.meaning
			}
		}
	}
	return ""
}
