package loadgen

import "context"

// The kinds of stream, as a plan names them.
const (
	WebSocket = "websocket"
	SSE       = "sse"
	Poll      = "poll"
	GRPC      = "grpc"
)

// streamKind is a kind of connection that lasts.
type streamKind struct {
	name string // as a plan names it
	word string // as people read it
	open opener
}

// streamKinds returns all kinds. A new kind is one line here, and one file.
func streamKinds() []streamKind { return []streamKind{webSocketKind, eventsKind, pollKind, grpcKind} }

func streamKindOf(name string) (streamKind, bool) {
	for _, k := range streamKinds() {
		if k.name == name {
			return k, true
		}
	}
	return streamKind{}, false
}

// StreamKinds returns the kinds of stream, as a plan names them.
func StreamKinds() []string {
	var names []string
	for _, k := range streamKinds() {
		names = append(names, k.name)
	}
	return names
}

// StreamWord returns what people call a kind of stream, such as WebSocket for "websocket".
// An unknown kind is returned unchanged.
func StreamWord(kind string) string {
	if k, known := streamKindOf(kind); known {
		return k.word
	}
	return kind
}

// held is an open connection.
type held interface {
	// done is closed when the other side has closed it, or when it has failed; then err
	// says why, and is nil after a normal close.
	done() <-chan struct{}
	err() error
	// close closes it properly, and waits a moment for the other side.
	close()
}

// opener opens a connection with the given dialer, whose connections can be cut off from
// outside.
type opener func(ctx context.Context, cfg StreamsConfig, s Stream, conns *connections) (held, error)
