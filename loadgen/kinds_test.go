package loadgen

import (
	"slices"
	"strings"
	"testing"
)

// Every kind has all that its table asks for, and no name is given twice.
func TestKinds(t *testing.T) {
	for _, k := range streamKinds() {
		if k.name == "" || k.word == "" || k.open == nil {
			t.Errorf("stream kind %q has the word %q, and can be opened: %t; want a name, a word and an opener", k.name, k.word, k.open != nil)
		}
	}
	for _, f := range summaryForms() {
		if f.name == "" || f.read == nil {
			t.Errorf("summary %q can be read: %t; want a name and a reader", f.name, f.read != nil)
		}
	}
	for _, f := range targetFormats() {
		if f.name == "" || f.read == nil || len(f.endings) == 0 {
			t.Errorf("target format %q has the endings %q, and can be read: %t; want a name, an ending and a reader", f.name, f.endings, f.read != nil)
		}
	}
	for what, names := range map[string][]string{"streams": StreamKinds(), "summaries": SummaryForms(), "targets": TargetFormats()} {
		if sorted := slices.Sorted(slices.Values(names)); len(slices.Compact(sorted)) != len(names) {
			t.Errorf("the names of %s are %q, want none of them twice", what, names)
		}
	}
}

func TestStreamWord(t *testing.T) {
	for _, c := range []struct{ kind, want string }{
		{WebSocket, "WebSocket"}, {SSE, "SSE"}, {Poll, "long poll"}, {GRPC, "gRPC"},
		// Unknown: as it is, never empty.
		{"smoke signals", "smoke signals"},
	} {
		if got := StreamWord(c.kind); got != c.want {
			t.Errorf("StreamWord(%s) = %q, want %q", c.kind, got, c.want)
		}
	}
}

func TestNewStreamsRefusesUnknownKind(t *testing.T) {
	_, err := NewStreams(StreamsConfig{Streams: []Stream{{Kind: WebSocket}, {Kind: "carrier pigeon"}}})
	if err == nil || !strings.Contains(err.Error(), `stream 1: "carrier pigeon" is not a kind of stream; known: websocket, sse, poll, grpc`) {
		t.Errorf("NewStreams(carrier pigeon) = %v, want an error that lists the kinds", err)
	}
}
