package plan

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// streamKind is a kind of stream, by the field of Stream that names it.
type streamKind struct {
	key     string   // as a plan has it, and loadgen
	schemes []string // that its address may have
	sends   bool     // messages can be sent on it
	field   int
}

// streamKinds returns the kinds of stream, in the order of the fields.
func streamKinds() []streamKind {
	var kinds []streamKind
	t := reflect.TypeFor[Stream]()
	for i := range t.NumField() {
		tag := t.Field(i).Tag
		if schemes, ok := tag.Lookup("schemes"); ok {
			kinds = append(kinds, streamKind{tag.Get("yaml"), strings.Fields(schemes), tag.Get("sends") != "false", i})
		}
	}
	return kinds
}

// streamKeys returns the names of the kinds of stream.
func streamKeys() []string {
	var keys []string
	for _, k := range streamKinds() {
		keys = append(keys, k.key)
	}
	return keys
}

// Kind returns the kind of a stream, as "websocket", and its address.
func (s Stream) Kind() (kind, address string) {
	for _, k := range streamKinds() {
		if address := reflect.ValueOf(s).Field(k.field).String(); address != "" {
			return k.key, address
		}
	}
	return "", ""
}

const (
	// leastHold is the shortest time for which a connection is held: what is shorter is a
	// request.
	leastHold = 100 * time.Millisecond
	// leastEvery is the shortest time between two messages on a connection: below it, the
	// clock decides.
	leastEvery = time.Millisecond
)

func (d *decoder) stream(s *Stream, at string) {
	d.streamKind(s, at)
	if (s.GRPC == "") != (s.Method == "") && d.sound(at+".grpc", at+".method") {
		d.bad(at+".method", "such as /chat.Chat/Join", "grpc and method go together")
	}
	if s.Method != "" && !grpcMethod.MatchString(s.Method) {
		d.bad(at+".method", "such as /chat.Chat/Join", "%s is not the full name of a method", quoted(s.Method))
	}
	if s.Connections < 1 || s.Connections > maxConnections {
		d.bad(at+".connections", "", "%d is not between 1 and %d", s.Connections, maxConnections)
	}
	if s.Hold > 0 && s.Hold < Duration(leastHold) {
		d.bad(at+".hold", "use load.requests for short requests",
			"%s is too short to hold a connection; the minimum is %s", time.Duration(s.Hold), leastHold)
	}
	if s.Every > 0 && s.Every < Duration(leastEvery) {
		d.bad(at+".every", "", "%s is too short; the minimum is %s", time.Duration(s.Every), leastEvery)
	}
	if d.given(at+".every") && s.Send == "" && s.GRPC == "" {
		d.bad(at+".every", "", "there is no message to send")
	}
}

// streamKind checks that a stream is of one kind, and that it may send what it sends.
func (d *decoder) streamKind(s *Stream, at string) {
	n := 0
	for _, k := range streamKinds() {
		address := reflect.ValueOf(s).Elem().Field(k.field).String()
		if address == "" && !d.given(at+"."+k.key) {
			continue
		}
		n++
		d.address(address, at+"."+k.key, k.schemes)
		if !k.sends && s.Send != "" {
			d.bad(at+".send", "", "%s cannot send messages", k.key)
		}
	}
	if n != 1 {
		d.bad(at, "such as {websocket: ws://127.0.0.1:8080/ws, connections: 200}",
			"has %d of %s; want exactly one", n, listed(streamKeys(), "and"))
	}
}

// listed writes words for people: a, b and c.
func listed(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	n := len(words) - 1
	return fmt.Sprintf("%s %s %s", strings.Join(words[:n], ", "), last, words[n])
}

var grpcMethod = regexp.MustCompile(`^/[A-Za-z_][\w.]*/[A-Za-z_]\w*$`)
