package probe

import (
	"context"
	"regexp"
	"strconv"
	"strings"

	"github.com/leakgate/leakgate/internal/stacks"
	"github.com/leakgate/leakgate/record"
)

// Memory reads what the target holds after a collection that it is asked for,
// and who it is; raw is its heap profile, which `go tool pprof` opens. What the
// target does not offer is left out: raw is nil without a heap profile.
func (t *Target) Memory(ctx context.Context) (m record.Memory, s record.Sight, raw []byte, err error) {
	m.Target, s.Target = t.name, t.name
	if t.measured() {
		page, _, err := t.measure(ctx)
		if err != nil {
			return m, s, nil, err
		}
		s = t.seen(page)
		m.Resident, m.Threads = page.resident, page.threads
	}
	// Two collections: what a sync.Pool keeps, such as the writer that compressed the
	// last answer, survives one.
	heap := t.profileURL("heap", "gc=1")
	if !t.lacksHeap() {
		if raw, _, err = t.get(ctx, heap, ""); err != nil && t.noHeapHere(err) {
			raw, err = nil, nil
		}
		if err != nil {
			return m, s, nil, err
		}
	}
	if raw != nil {
		text, err := t.heapText(ctx, true)
		if err != nil {
			return m, s, nil, err
		}
		s.TotalAlloc, s.NumGC = memStat(text, "TotalAlloc"), memStat(text, "NumGC")
		m.Heap, m.Objects, m.Peak = memStat(text, "HeapAlloc"), memStat(text, "HeapObjects"), memStat(text, "MaxRSS")
		m.Stacks, m.Runtime = memStat(text, "Stack"), memStat(text, "Sys")-memStat(text, "HeapReleased")
		if m.Profile, err = stacks.ParseHeap(raw); err != nil {
			return m, s, nil, &Error{Target: t.name, Asked: "GET " + clean(heap.String()), Got: err.Error(), Err: err}
		}
	}
	if m.Threads == 0 {
		m.Threads, err = t.startedThreads(ctx)
	}
	return m, s, raw, err
}

var threadTotal = regexp.MustCompile(`^threadcreate profile: total (\d+)\n`)

// startedThreads is how many threads the target has started, which never gets
// less; 0 where its profile is not served.
func (t *Target) startedThreads(ctx context.Context) (int, error) {
	body, _, err := t.get(ctx, t.profileURL("threadcreate", "debug=1"), "")
	if e, ok := err.(*Error); ok && e.Status != 0 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if found := threadTotal.FindSubmatch(body); found != nil {
		n, err := strconv.Atoi(string(found[1]))
		if err == nil {
			return n, nil
		}
	}
	return 0, nil
}

// memStat reads a number from the comments that end a heap profile's text, the
// first of two if there are two (in use / of the system).
func memStat(body []byte, name string) uint64 {
	text := string(body[max(0, len(body)-32<<10):])
	_, rest, ok := strings.Cut(text, "\n# "+name+" = ")
	if !ok {
		return 0
	}
	line, _, _ := strings.Cut(rest, "\n")
	word, _, _ := strings.Cut(line, " / ")
	n, err := strconv.ParseUint(strings.TrimSpace(word), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
