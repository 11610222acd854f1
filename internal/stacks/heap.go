package stacks

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
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
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		plain, err := gunzip(data)
		if err != nil {
			return nil, err
		}
		data = plain
	}
	p, err := profile.ParseData(data)
	if err != nil {
		return nil, fmt.Errorf("parsing heap profile (%d bytes, starting %.20q): %w", len(data), data, err)
	}
	objects, space := -1, -1
	for i, t := range p.SampleType {
		switch t.Type {
		case "inuse_objects":
			objects = i
		case "inuse_space":
			space = i
		}
	}
	if objects < 0 || space < 0 {
		return nil, fmt.Errorf("%w: it counts %s", ErrNotHeap, sampleTypes(p))
	}
	n := normaliser{root: gorootOf(p), known: map[Frame]normal{}}
	h := &Heap{}
	byKey := map[string]int{}
	for _, s := range p.Sample {
		if len(s.Value) <= max(objects, space) || s.Value[objects] < 0 || s.Value[space] < 0 {
			return nil, fmt.Errorf("sample with values %v: want objects and bytes", s.Value)
		}
		st := n.protoFrames(s)
		if st.Probe || s.Value[space] == 0 {
			continue
		}
		i, seen := byKey[st.Key]
		if !seen {
			i = len(h.Sites)
			byKey[st.Key] = i
			h.Sites = append(h.Sites, Site{Key: st.Key, Frames: st.Frames})
		}
		h.Sites[i].Objects += s.Value[objects]
		h.Sites[i].Bytes += s.Value[space]
		h.Objects += s.Value[objects]
		h.Bytes += s.Value[space]
	}
	slices.SortFunc(h.Sites, func(a, b Site) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), strings.Compare(a.Key, b.Key))
	})
	return h, nil
}

// Of is the site with a key; all zero if the profile has none.
func (h *Heap) Of(key string) Site {
	if h != nil {
		for _, s := range h.Sites {
			if s.Key == key {
				return s
			}
		}
	}
	return Site{Key: key}
}
