package probe

import (
	"context"
	"errors"
	"regexp"
	"strconv"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// Memory reads what the target holds after a collection that it is asked for,
// and who it is; raw is its heap profile, which `go tool pprof` opens. What the
// target does not offer is left out: raw is nil without a heap profile.
func (t *Target) Memory(ctx context.Context) (m record.Memory, s record.Identity, raw []byte, err error) {
	m.Target, s.Target = t.name, t.name
	if t.measured() {
		page, _, err := t.measure(ctx)
		if err != nil {
			return m, s, nil, err
		}
		s = t.seen(page)
		m.Resident, m.Threads = page.resident, page.threads
	}
	if raw, err = t.heap(ctx, &m, &s); err != nil {
		return m, s, nil, err
	}
	if m.Threads == 0 {
		m.Threads, err = t.startedThreads(ctx)
	}
	return m, s, raw, err
}

// heap reads the heap profile, and then the statistics: the second collection frees what
// a sync.Pool keeps, such as the writer that compressed the last answer, and the first
// does not.
func (t *Target) heap(ctx context.Context, m *record.Memory, s *record.Identity) ([]byte, error) {
	if t.lacks("heap", "") {
		return nil, nil
	}
	raw, err := t.heapProfile(ctx, m)
	if err != nil && t.hasNone(err, "heap", "") {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t.serves("heap", "")
	text, err := t.tail(ctx, "heap", "debug=1&gc=1")
	if err != nil {
		return nil, err
	}
	t.order.Lock()
	t.identify(text, s)
	t.order.Unlock()
	m.Heap, m.Objects, m.Peak = text.number("HeapAlloc"), text.number("HeapObjects"), text.number("MaxRSS")
	m.Stacks, m.Runtime = text.number("Stack"), text.number("Sys")-min(text.number("Sys"), text.number("HeapReleased"))
	return raw, nil
}

func (t *Target) heapProfile(ctx context.Context, m *record.Memory) ([]byte, error) {
	t.order.Lock()
	defer t.order.Unlock()
	lease := t.cfg.Memory.Lease()
	defer lease.End(0)
	u := t.profileURL("heap", "gc=1")
	raw, err := t.get(ctx, u, lease)
	if err != nil {
		return nil, err
	}
	raw, m.Profile, err = t.reader.ReadHeap(raw)
	if err != nil {
		e := &Error{Target: t.name, Asked: "GET " + clean(u.String()), Got: err.Error(), Err: err}
		if errors.Is(err, stacks.ErrTooLarge) {
			e.Code, e.Hint = CodeTooLarge, memoryHint
		}
		return nil, t.hidden(e)
	}
	return raw, nil
}

var threadTotal = regexp.MustCompile(`^threadcreate profile: total (\d+)\n`)

// startedThreads is how many threads the target has started, which never decreases; 0 if
// its profile is not served.
func (t *Target) startedThreads(ctx context.Context) (int, error) {
	t.order.Lock()
	defer t.order.Unlock()
	lease := t.cfg.Memory.Lease()
	defer lease.End(0)
	body, err := t.get(ctx, t.profileURL("threadcreate", "debug=1"), lease)
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
