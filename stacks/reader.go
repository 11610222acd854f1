package stacks

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"sync"

	"github.com/leakgate/leakgate/internal/budget"
)

// Reader parses the profiles of one target. What they have in common, which is
// nearly all of it, is kept once: a second profile of the same twenty thousand
// stacks costs a look-up for each of them. Its methods may be called from several
// goroutines; they take turns.
type Reader struct {
	budget *budget.Budget
	seeds  [2]maphash.Seed
	mask   func([]byte) []byte // nil: nothing is to be hidden

	mu        sync.Mutex
	root      string // the toolchain's folder
	texts     map[string]int32
	names     []string
	functions map[functionID]int32
	normals   []normal // by function
	frames    map[frameID]int32
	lines     []normal // by frame, with the line
	same      []int32  // by frame, the first frame that is the same once names are undone
	firsts    map[Frame]int32
	raw       map[digest]*origin
	places    map[digest]*origin
	numbers   *Numbers
	parsed    uint32 // profiles so far
	stacks    int    // the most that one of them had
	buffer    []byte
}

type (
	functionID struct{ name, file int32 }
	frameID    struct {
		function int32
		line     int64
	}
	// digest stands for a stack's frames. Two stacks of one process share one by
	// chance once in 2^64 times the age of the universe.
	digest [2]uint64
)

// Numbers are a Reader's numbers for keys and sites: the same text has the same number.
type Numbers struct {
	keys, sites map[string]int
}

func numberOf(known map[string]int, text string) int {
	n, ok := known[text]
	if !ok {
		n = len(known)
		known[text] = n
	}
	return n
}

// origin is what all goroutines at one place have in common.
type origin struct {
	stack Stack // without counts
	site  string
	from  *Numbers
	key   int    // number of stack.Key
	place int    // number of site
	seen  uint32 // the profile that it was last in
	at    int    // and its position there
}

// What is kept of a place for the rest of a run, in bytes: an entry of two maps, the
// origin itself, and what each frame and each name add.
const (
	originCost = 512
	frameCost  = 72
	nameCost   = 96
	rawCost    = 64 // of a stack that differs from others in runtime frames alone
)

// NewReader returns a reader whose profiles, and what it remembers of them, are charged to
// a budget; nil is unlimited.
func NewReader(b *Budget) *Reader {
	r := &Reader{
		budget: b, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()},
		numbers: &Numbers{keys: map[string]int{}, sites: map[string]int{}},
	}
	r.forget()
	return r
}

// forget drops what was learnt of functions and places.
func (r *Reader) forget() {
	r.texts, r.names = map[string]int32{}, nil
	r.functions, r.normals = map[functionID]int32{}, nil
	r.frames, r.lines = map[frameID]int32{}, nil
	r.firsts, r.same = map[Frame]int32{}, nil
	r.raw, r.places = map[digest]*origin{}, map[digest]*origin{}
}

// digest mixes frame ids.
func (r *Reader) digest(ids []int32) digest {
	b := r.buffer[:0]
	for _, id := range ids {
		b = binary.LittleEndian.AppendUint32(b, uint32(id))
	}
	r.buffer = b
	return digest{maphash.Bytes(r.seeds[0], b), maphash.Bytes(r.seeds[1], b)}
}

// name keeps a string of a message, once.
func (r *Reader) name(text []byte) (int32, error) {
	if id, ok := r.texts[string(text)]; ok {
		return id, nil
	}
	if err := r.budget.Reserve(int64(len(text)) + nameCost); err != nil {
		return 0, err
	}
	id, name := int32(len(r.names)), string(text)
	r.texts[name] = id
	r.names = append(r.names, name)
	return id, nil
}

// function keeps a function of a message, normalised once.
func (r *Reader) function(m *message, f wireFunction) (int32, error) {
	name, err := m.text(f.name)
	if err != nil {
		return 0, err
	}
	file, err := m.text(f.file)
	if err != nil {
		return 0, err
	}
	var id functionID
	if id.name, err = r.name(name); err != nil {
		return 0, err
	}
	if id.file, err = r.name(file); err != nil {
		return 0, err
	}
	at, ok := r.functions[id]
	if !ok {
		at = int32(len(r.normals))
		r.functions[id] = at
		r.normals = append(r.normals, normalise(Frame{Function: r.names[id.name], File: r.names[id.file]}, r.root))
	}
	return at, nil
}

// frame keeps a call of a function.
func (r *Reader) frame(function int32, line int64) (int32, error) {
	id := frameID{function, line}
	at, ok := r.frames[id]
	if !ok {
		if err := r.budget.Reserve(frameCost); err != nil {
			return 0, err
		}
		at = int32(len(r.lines))
		r.frames[id] = at
		n := r.normals[function]
		n.Line = int(line)
		r.lines = append(r.lines, n)
		first, ok := r.firsts[n.Frame]
		if !ok {
			first = at
			r.firsts[n.Frame] = first
		}
		r.same = append(r.same, first)
	}
	return at, nil
}

// calls are the frames of every location of a message, by the location's position.
type calls struct {
	frames []int32 // of all locations, one after another
	first  []int   // where a location's frames begin; one more for the end
}

// calls reads the frames of all locations. Those without a name are left out.
func (r *Reader) calls(m *message) (calls, error) {
	functions := make([]int32, len(m.functions.all))
	for i, f := range m.functions.all {
		at, err := r.function(m, f)
		if err != nil {
			return calls{}, err
		}
		functions[i] = at
	}
	c := calls{frames: make([]int32, 0, len(m.lines)), first: make([]int, 0, len(m.locations.all)+1)}
	for _, l := range m.locations.all {
		c.first = append(c.first, len(c.frames))
		for _, line := range m.lines[l.first : l.first+l.n] {
			if line.function == math.MaxUint64 || r.normals[functions[line.function]].Function == "" {
				continue
			}
			at, err := r.frame(functions[line.function], line.line)
			if err != nil {
				return calls{}, err
			}
			c.frames = append(c.frames, at)
		}
	}
	c.first = append(c.first, len(c.frames))
	return c, nil
}

// maxDepth bounds the frames of a stack. Go's profiles have 128 at most, and a recursion's
// dump a few hundred.
const maxDepth = 1 << 14

// of are the frames of a sample, innermost first.
func (c calls) of(s *sample, ids []int32) ([]int32, error) {
	for _, l := range s.locations {
		if len(ids)+c.first[l+1]-c.first[l] > maxDepth {
			return nil, fmt.Errorf("%w: a stack of more than %d frames", ErrTooLarge, maxDepth)
		}
		ids = append(ids, c.frames[c.first[l]:c.first[l+1]]...)
	}
	return ids, nil
}

// origin finds the place of a stack, or makes it.
func (r *Reader) origin(ids []int32) (*origin, error) {
	raw := r.digest(ids)
	if o, ok := r.raw[raw]; ok {
		return o, nil
	}
	if err := r.budget.Reserve(rawCost); err != nil {
		return nil, err
	}
	all := make([]normal, len(ids))
	for i, id := range ids {
		all[i] = r.lines[id]
	}
	id := r.place(ids, all)
	o, ok := r.places[id]
	if !ok { // it differs from others in more than its runtime frames
		s := assemble(all)
		o = &origin{stack: s, site: s.Site()}
		o.stack.from = o
		o.from, o.key, o.place = r.numbers, numberOf(r.numbers.keys, s.Key), numberOf(r.numbers.sites, o.site)
		cost := originCost + len(s.Frames)*frameCost + len(s.Key) + len(o.site)
		if err := r.budget.Reserve(int64(cost)); err != nil {
			return nil, err
		}
		r.places[id] = o
	}
	r.raw[raw] = o
	return o, nil
}

// place is what tells a stack from others: its state, and its frames without the
// runtime's, as Stack.place writes them out.
func (r *Reader) place(ids []int32, all []normal) digest {
	kept := make([]int32, 1, len(ids)+1)
	kept[0] = int32(stateNumber(innermost(all)))
	for i, id := range ids {
		if !all[i].runtime {
			kept = append(kept, r.same[id])
		}
	}
	if len(kept) == 1 {
		for _, id := range ids {
			kept = append(kept, r.same[id])
		}
	}
	return r.digest(kept)
}
