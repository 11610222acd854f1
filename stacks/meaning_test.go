package stacks

import (
	"strings"
	"testing"
)

func TestMeaning(t *testing.T) {
	std := func(names ...string) (out []Frame) {
		for _, n := range names {
			out = append(out, Frame{Function: n, Std: true})
		}
		return out
	}
	own := Frame{Function: "example.com/shop.work"}
	for _, c := range []struct {
		name    string
		frames  []Frame
		creator string
		want    string // part of it; empty: nothing is said
	}{
		{"AfterFunc or WithCancel on another's context", std("context.(*cancelCtx).propagateCancel.func2"), "", "stop function that context.AfterFunc returned"},
		{"what time.AfterFunc runs", []Frame{own}, "time.goFunc", "time.AfterFunc"},
		{"what context.AfterFunc runs", []Frame{own}, "context.(*afterFuncCtx).cancel.func1", "context.AfterFunc"},
		{"signal.NotifyContext", std("os/signal.NotifyContext.func1"), "", "signal.NotifyContext"},
		{"sync.Cond", append(std("sync.(*Cond).Wait"), own), "", "Broadcast"},
		// What an errgroup waits with is a WaitGroup: the errgroup says more.
		{"errgroup.Wait", append(std("sync.(*WaitGroup).Wait"), Frame{Function: "golang.org/x/sync/errgroup.(*Group).Wait"}, own), "", "errgroup"},
		{"errgroup with a limit", []Frame{{Function: "golang.org/x/sync/errgroup.(*Group).Go"}, own}, "", "room"},
		{"a function of an errgroup", []Frame{own, {Function: "golang.org/x/sync/errgroup.(*Group).Go.func1"}}, "golang.org/x/sync/errgroup.(*Group).Go", "does not return"},
		// Nothing but Go's own code below it: what it waits for is not known.
		{"a function of an errgroup, alone", append(std("io.ReadAll"), Frame{Function: "golang.org/x/sync/errgroup.(*Group).Go.func1"}), "", ""},
		{"a full pool of a database", append(std("database/sql.(*DB).conn", "database/sql.(*DB).QueryContext"), own), "", "pool is full"},
		// Its twin begins with the same letters and is something else.
		{"a database per request", std("database/sql.(*DB).connectionOpener"), "", "sql.DB opened per request"},
		{"an HTTP/2 request", std("net/http.(*http2clientStream).writeRequest", "net/http.(*http2clientStream).doRequest"), "", "never ends"},
		{"an HTTP/2 connection", std("net/http.(*http2clientConnReadLoop).run", "net/http.(*http2ClientConn).readLoop"), "", "Transport made per request"},
		{"an HTTP/2 client of Go 1.27", std("net/http/internal/http2.(*ClientConn).readLoop"), "", "Transport made per request"},
		{"a gRPC stream that waits", []Frame{{Function: "google.golang.org/grpc/internal/transport.(*recvBufferReader).readClient"}, own}, "", "deadline"},
		{"a gRPC connection", []Frame{{Function: "google.golang.org/grpc/internal/transport.(*http2Client).reader"}}, "", "nobody closes"},
		// The service's own code is to blame, whatever called it.
		{"own code", []Frame{own, {Function: "net/http.(*conn).serve", Std: true}}, "net/http.(*Server).Serve", ""},
		{"nothing", nil, "", ""},
	} {
		s := Stack{Frames: c.frames}
		if c.creator != "" {
			s.CreatedBy = &Frame{Function: c.creator}
		}
		if got := Meaning(s); !strings.Contains(got, c.want) || c.want == "" && got != "" {
			t.Errorf("Meaning(%s) = %q, want %q", c.name, got, c.want)
		}
	}
}
