package probe

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/leakgate/leakgate/record"
)

// statText is the end of a profile of the heap or of allocations as text, where the
// runtime's memory statistics stand (runtime.MemStats, Go 1.26).
type statText []byte

// statTail is how much of such a profile is kept, in bytes: the statistics, with two lists
// of 256 collections, take up to 12 KiB.
const statTail = 32 << 10

// statistics reads the memory statistics into an identity. It reports whether the target has
// them.
func (t *Target) statistics(ctx context.Context, collect bool, s *record.Identity) (bool, error) {
	text, err := t.statText(ctx, collect)
	if err != nil || text == nil {
		return false, err
	}
	t.order.Lock()
	defer t.order.Unlock()
	t.identify(text, s)
	return s.TotalAlloc > 0, nil
}

// identify fills in what the statistics show of the process. It is for the holder of
// t.order.
func (t *Target) identify(text statText, s *record.Identity) {
	s.TotalAlloc, s.NumGC = text.number("TotalAlloc"), text.number("NumGC")
	s.Continuity, t.last.continuity = t.last.continuity, ""
}

// statText reads the statistics; nil if the target has none.
func (t *Target) statText(ctx context.Context, collect bool) (statText, error) {
	query := "debug=1"
	if collect {
		query += "&gc=1"
	}
	for _, profile := range []string{"heap", "allocs"} {
		if t.lacks(profile, "debug=1") {
			continue
		}
		text, err := t.tail(ctx, profile, query)
		switch {
		case err == nil:
			t.serves(profile, "debug=1")
			return text, nil
		case !t.hasNone(err, profile, "debug=1"):
			return nil, err
		}
	}
	return nil, nil
}

// tail reads the end of a profile as text, and checks that it is a new one.
func (t *Target) tail(ctx context.Context, profile, query string) (statText, error) {
	t.order.Lock()
	defer t.order.Unlock()
	u := t.profileURL(profile, query)
	var text statText
	err := t.ask(ctx, u, "", func(r io.Reader, _ http.Header) error {
		end, err := readTail(r)
		text = end
		return err
	})
	if err != nil {
		return nil, err
	}
	return text, t.follow("GET "+clean(u.String()), text)
}

// readTail reads to the end, and returns the last statTail bytes at least.
func readTail(r io.Reader) ([]byte, error) {
	buffer := make([]byte, 0, 4*statTail)
	for {
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		switch {
		case err == io.EOF:
			return bytes.Clone(buffer[max(0, len(buffer)-statTail):]), nil
		case err != nil:
			return nil, err
		case len(buffer) == cap(buffer):
			buffer = append(buffer[:0], buffer[len(buffer)-statTail:]...)
		}
	}
}

// follow holds statistics against those that were read before: what a live process
// allocates to answer makes them differ, and the collections that it lists include the
// one that was seen last.
func (t *Target) follow(asked string, text statText) error {
	now := readings{collection: text.number("LastGC"), count: text.number("NumGC"), allocated: text.number("TotalAlloc")}
	if now.allocated == 0 {
		return nil
	}
	l := &t.last
	if now.allocated == l.allocated && now.count == l.count {
		return t.stale(asked, fmt.Sprintf("the statistics are a copy of the previous ones: again %d bytes allocated since the start", now.allocated))
	}
	if ends := text.numbers("PauseEnd"); l.collection > 0 && len(ends) > 0 {
		lost := now.count-l.count >= uint64(len(ends)) // so many since then that it may have left the list
		switch {
		case now.count < l.count || !lost && !slices.Contains(ends, l.collection):
			l.continuity = record.Broken
		case !lost && l.continuity == "": // a break stays one until somebody is told
			l.continuity = record.Unbroken
		}
	}
	l.collection, l.count, l.allocated = now.collection, now.count, now.allocated
	return nil
}

// number reads a statistic, the first of two if there are two (in use / of the system);
// 0 if it is not there.
func (s statText) number(name string) uint64 {
	word, _, _ := strings.Cut(s.line(name), " / ")
	n, err := strconv.ParseUint(strings.TrimSpace(word), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// numbers reads a statistic that is a list: [1 2 3].
func (s statText) numbers(name string) []uint64 {
	var out []uint64
	for word := range strings.FieldsSeq(strings.Trim(s.line(name), "[]")) {
		n, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			return nil
		}
		out = append(out, n)
	}
	return out
}

func (s statText) line(name string) string {
	_, rest, ok := strings.Cut(string(s), "\n# "+name+" = ")
	if !ok {
		return ""
	}
	line, _, _ := strings.Cut(rest, "\n")
	return line
}
