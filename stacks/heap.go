package stacks

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/leakgate/leakgate/internal/budget"
)

// ErrNotHeap is returned for a profile of another kind.
var ErrNotHeap = errors.New("not a heap profile")

// Heap is a parsed heap profile: what was in use at the last collection.
type Heap struct {
	Sites   []Site // sorted by Bytes, the most first; the observer's own left out
	Objects int64  // in Sites
	Bytes   int64  // in Sites
}

// Site is a place that allocates, by the calls that led to it. Its numbers are
// estimates: the runtime looks at one allocation in 512 KiB.
type Site struct {
	Key     string  // identity: function names, innermost first, one per line
	Frames  []Frame // innermost first, runtime frames stripped
	Objects int64
	Bytes   int64
}

// ParseHeap reads a heap profile as net/http/pprof serves it with debug=0. It
// never panics; an error says what the bytes looked like.
func ParseHeap(data []byte) (*Heap, error) {
	_, h, err := NewReader(nil).ReadHeap(data)
	return h, err
}

// ReadHeap is ParseHeap, and returns the bytes to keep as well, as Read does.
func (r *Reader) ReadHeap(data []byte) ([]byte, *Heap, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lease := r.budget.Lease()
	kept, h, err := r.readHeap(data, lease)
	if h != nil {
		lease.End(int64(len(h.Sites)) * int64(unsafe.Sizeof(Site{})))
	}
	lease.End(0)
	return kept, h, tooLarge(err)
}

func (r *Reader) readHeap(raw []byte, lease *budget.Lease) ([]byte, *Heap, error) {
	raw, data, err := r.unpack(raw, lease)
	if err != nil {
		return nil, nil, err
	}
	h, err := r.parseHeap(data, lease)
	return raw, h, err
}

func (r *Reader) parseHeap(data []byte, lease *budget.Lease) (*Heap, error) {
	m, err := readMessage(data, lease)
	if err != nil {
		return nil, fmt.Errorf("parsing heap profile (%d bytes, starting %.20q): %w", len(data), data, err)
	}
	objects, space := m.typeAt("inuse_objects"), m.typeAt("inuse_space")
	if objects < 0 || space < 0 {
		return nil, fmt.Errorf("%w: it counts %s", ErrNotHeap, m.sampleTypes())
	}
	if m.duration != 0 {
		return nil, fmt.Errorf("it covers a stretch of time: %w; leave seconds= out of the address", ErrDelta)
	}
	if root := m.goroot(); root != "" && root != r.root {
		r.forget()
		r.root = root
	}
	h := &Heap{}
	if err := r.sites(h, m, objects, space); err != nil {
		return nil, err
	}
	slices.SortFunc(h.Sites, func(a, b Site) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Key, b.Key))
	})
	return h, nil
}

// sites adds up what was allocated at every place but the handlers that serve this
// profile.
func (r *Reader) sites(h *Heap, m *message, objects, space int) error {
	calls, err := r.calls(m)
	if err != nil {
		return err
	}
	var ids []int32
	byKey := map[string]int{}
	return m.eachSample(func(s *sample) error {
		if s.values[objects] < 0 || s.values[space] < 0 {
			return fmt.Errorf("sample with values %v: want objects and bytes", s.values)
		}
		if s.values[space] == 0 {
			return nil
		}
		if ids, err = calls.of(s, ids[:0]); err != nil {
			return err
		}
		o, err := r.origin(ids)
		if err != nil || hasHandler(o.stack.Frames) {
			return err
		}
		i, seen := byKey[o.stack.Key]
		if !seen {
			i = len(h.Sites)
			byKey[o.stack.Key] = i
			h.Sites = append(h.Sites, Site{Key: o.stack.Key, Frames: o.stack.Frames})
		}
		h.Sites[i].Objects += s.values[objects]
		h.Sites[i].Bytes += s.values[space]
		h.Objects += s.values[objects]
		h.Bytes += s.values[space]
		return nil
	})
}

// typeAt is the position of a sample type, or -1.
func (m *message) typeAt(name string) int {
	for i, t := range m.types {
		if kind, err := m.text(t.kind); err == nil && string(kind) == name {
			return i
		}
	}
	return -1
}
