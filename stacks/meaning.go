package stacks

import "strings"

// meaning is what a function on a leaked stack usually means.
type meaning struct {
	function string // a prefix of the function's name
	exact    bool   // the whole name
	says     string
}

const (
	unclosedBody    = "an HTTP/2 request that never ends: a response body left open, or a request without a deadline"
	unclosedClient2 = "an HTTP/2 client connection that nobody closes: a Transport made per request"
	openServer2     = "an HTTP/2 server connection that stays open: a client that keeps it"
	unclosedDB      = "a sql.DB opened per request and never closed: open one and share it"
	unclosedGRPC    = "a gRPC ClientConn that nobody closes: one per target is enough"
)

// meanings say what a stack of library code usually means when it leaks, because no frame
// of it shows the code that is to blame. The first that is on the stack holds: what is
// more specific comes first.
var meanings = []meaning{
	{function: "net/http.(*persistConn).", says: "a client connection that nobody closes: a response body left open, or a Transport made per request without CloseIdleConnections"},
	{function: "net/http.(*http2clientStream).", says: unclosedBody},
	{function: "net/http/internal/http2.(*clientStream).", says: unclosedBody}, // since Go 1.27
	{function: "golang.org/x/net/http2.(*clientStream).", says: unclosedBody},
	{function: "net/http.(*http2ClientConn).", says: unclosedClient2},
	{function: "net/http/internal/http2.(*ClientConn).", says: unclosedClient2},
	{function: "golang.org/x/net/http2.(*ClientConn).", says: unclosedClient2},
	{function: "net/http.(*http2serverConn).", says: openServer2},
	{function: "net/http/internal/http2.(*serverConn).", says: openServer2},
	{function: "golang.org/x/net/http2.(*serverConn).", says: openServer2},
	{function: "net/http.(*connReader).backgroundRead", says: "belongs to a handler that does not return: look for the handler among the findings"},
	{function: "net/http.(*conn).serve", says: "a server connection that stays open: a client that keeps it, or a handler that does not return"},
	{function: "database/sql.(*DB).connectionOpener", says: unclosedDB},
	{function: "database/sql.(*DB).connectionCleaner", says: unclosedDB},
	{function: "database/sql.(*DB).conn", exact: true, says: "waits for a connection while the pool is full: rows or transactions that are never closed hold the others"},
	{function: "database/sql.(*Tx).awaitDone", says: "a transaction with neither Commit nor Rollback"},
	{function: "database/sql.(*Rows).awaitDone", says: "rows that are neither read to the end nor closed"},
	{function: "context.(*cancelCtx).propagateCancel", says: "a context or an AfterFunc that hangs on a context of a type of its own and never ends: call the cancel function, or the stop function that context.AfterFunc returned"},
	{function: "os/signal.NotifyContext", says: "a context from signal.NotifyContext that nobody ends: call the stop function that it returned"},
	{function: "os/exec.(*Cmd).", says: "a command that was started and never waited for"},
	{function: "google.golang.org/grpc.newClientStream", says: "a client stream that is neither read to its end nor cancelled"},
	{function: "google.golang.org/grpc/internal/transport.(*recvBufferReader).", says: "waits for a message of a stream that never comes: give the call a deadline, or cancel its context"},
	{function: "google.golang.org/grpc/internal/transport.(*http2Server).", says: "a gRPC connection that a client keeps open"},
	{function: "google.golang.org/grpc/internal/transport.", says: "a gRPC connection that nobody closes"},
	{function: "google.golang.org/grpc/internal/grpcsync.(*CallbackSerializer).run", says: unclosedGRPC},
	{function: "google.golang.org/grpc/internal/resolver/dns.(*dnsResolver).watcher", says: unclosedGRPC},
	{function: "google.golang.org/grpc.(*ccBalancerWrapper).", says: unclosedGRPC},
	{function: "google.golang.org/grpc.(*addrConn).", says: unclosedGRPC},
	{function: "golang.org/x/sync/errgroup.(*Group).Wait", exact: true, says: "waits for a function of an errgroup that does not return: look for it among the findings"},
	{function: "golang.org/x/sync/errgroup.(*Group).Go", exact: true, says: "waits for room in an errgroup with a limit: its functions do not return"},
	{function: "sync.(*Cond).Wait", says: "waits on a sync.Cond for a Signal or a Broadcast that never comes"},
	{function: "sync.(*WaitGroup).Wait", says: "waits for a WaitGroup: something never calls Done"},
}

// creators say the same of the function whose go statement started the goroutine, where
// no frame of the stack tells.
var creators = []meaning{
	{function: "time.goFunc", says: "what time.AfterFunc runs, and which does not return"},
	{function: "context.(*afterFuncCtx).cancel", says: "what context.AfterFunc runs when its context ends, and which does not return"},
	{function: "golang.org/x/sync/errgroup.(*Group).", says: "a function of an errgroup that does not return: its Wait waits for ever"},
}

func (m meaning) fits(function string) bool {
	return function == m.function || !m.exact && strings.HasPrefix(function, m.function)
}

// Meaning explains a stack by the library code down to its blamed frame, or by what
// started it; it is empty where neither tells.
func Meaning(s Stack) string {
	frames := s.Frames[:Blame(s.Frames)+1]
	for _, m := range meanings {
		for _, f := range frames {
			if m.fits(f.Function) {
				return m.says
			}
		}
	}
	if s.CreatedBy == nil {
		return ""
	}
	for _, m := range creators {
		if m.fits(s.CreatedBy.Function) {
			return m.says
		}
	}
	return ""
}
