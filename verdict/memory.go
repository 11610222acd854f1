package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// Quadrant says which of a target's goroutines and heap grew with the rounds.
type Quadrant string

// The quadrants, and the case that neither grew while resident memory did.
const (
	NoneGrew       Quadrant = "level"
	BothGrew       Quadrant = "retaining"  // a leak that keeps what it captured
	GoroutinesGrew Quadrant = "goroutines" // a leak with next to nothing captured
	HeapGrew       Quadrant = "heap"       // slices, maps, caches
	ResidentGrew   Quadrant = "resident"   // memory outside of Go's heap: mapped, of C, of threads
)

// Memory is what a target held at baseline and after each round, after a forced
// collection. A list is empty where the target does not tell.
type Memory struct {
	Target   string     `json:"target"`
	Quadrant Quadrant   `json:"quadrant"`
	Heap     []uint64   `json:"heap,omitempty"`     // bytes of live objects
	Stacks   []uint64   `json:"stacks,omitempty"`   // bytes of goroutine stacks
	Resident []uint64   `json:"resident,omitempty"` // bytes; without metrics, the most since the start
	Threads  []int      `json:"threads,omitempty"`
	Each     *Retained  `json:"per_goroutine,omitempty"` // of what leaked, all findings together
	Sites    []HeapSite `json:"sites,omitempty"`         // where the heap grew most
	Message  string     `json:"message,omitempty"`
	Base     string     `json:"baseline_profile,omitempty"` // heap profiles, below the run directory
	Last     string     `json:"last_profile,omitempty"`
}

// Retained is what a leaked goroutine keeps, in bytes. Its descriptor, which is
// the runtime's and the same for all, is left out.
type Retained struct {
	Heap  int64 `json:"heap"`
	Stack int64 `json:"stack"`
}

// HeapSite is a place that allocates, and by how much what is in use from there
// grew since the baseline: estimates from the heap profile's sample.
type HeapSite struct {
	Function string  `json:"function"` // the frame to blame
	File     string  `json:"file"`
	Line     int     `json:"line"`
	From     string  `json:"from"` // the innermost frame: what allocated
	Objects  int64   `json:"objects"`
	Bytes    int64   `json:"bytes"`
	Stack    []Frame `json:"stack"`
}

// Text names what a site allocated: 5,000 objects of 4 KiB from bufio.NewReaderSize.
func (s HeapSite) Text() string {
	return fmt.Sprintf("about %d objects of %s from %s", s.Objects, Bytes(s.Bytes/max(s.Objects, 1)), s.From)
}

// Cause says that a finding's goroutines and a place on the heap grew by the same
// cause; empty where none is known.
func (f Finding) Cause() string {
	if f.Retains == nil {
		return ""
	}
	in := ""
	if f.State != "" {
		in = " in " + f.State
	}
	return fmt.Sprintf("%d goroutines%s and %s: same cause", f.Leaked, in, f.Retains.Text())
}

const (
	// heapLeast and residentLeast are the growth, in bytes, below which memory is
	// taken to be level, and memoryShare the same as a share of the baseline's.
	heapLeast     = 1 << 20
	residentLeast = 8 << 20
	memoryShare   = 0.05
	// threadsLeast is the growth in threads from which they are said to grow.
	threadsLeast = 20
	// tiny is the heap per leaked goroutine, in bytes, below which it counts as next
	// to nothing: half of the smallest stack.
	tiny = 1024
	// descriptor is what the runtime keeps per goroutine on the heap, in bytes,
	// where no profile tells (Go 1.26: 448).
	descriptor = 448
	// enoughLeaked is how many goroutines have to leak for the memory of one to be
	// told from what the heap does by itself.
	enoughLeaked = 50
	// surelyRounds is after how many rounds of growth memory alone may fail a plan
	// that asks for it.
	surelyRounds = 4
)

// memory reads a target's memory in the windows that were compared. It returns
// nil where nothing was read.
func (a *analysis) readMemory(run record.Run) *Memory {
	var windows []record.Memory
	for r := 0; r <= a.history.rounds(); r++ {
		i := slices.IndexFunc(run.Memories, func(m record.Memory) bool {
			return m.Target == a.target && m.Round == r && (m.Kind == record.Settling || m.Kind == record.Baseline)
		})
		if i < 0 {
			break
		}
		windows = append(windows, run.Memories[i])
	}
	if len(windows) < 2 {
		return nil
	}
	m := &Memory{Target: a.target, Quadrant: NoneGrew}
	var outside []uint64 // resident, and not the runtime's
	byMetrics := windows[0].Resident > 0
	for _, w := range windows {
		resident := w.Peak
		if byMetrics {
			resident = w.Resident
		}
		m.Heap, m.Stacks, m.Resident = append(m.Heap, w.Heap), append(m.Stacks, w.Stacks), append(m.Resident, resident)
		m.Threads = append(m.Threads, w.Threads)
		outside = append(outside, resident-min(resident, w.Runtime))
	}
	m.dropUnknown()
	a.sites(m, windows)
	a.quadrant(m, outside)
	return m
}

// dropUnknown empties the lists of what the target does not tell.
func (m *Memory) dropUnknown() {
	for _, l := range []*[]uint64{&m.Heap, &m.Stacks, &m.Resident} {
		if slices.Contains(*l, 0) {
			*l = nil
		}
	}
	if slices.Contains(m.Threads, 0) {
		m.Threads = nil
	}
}

// quadrant says what grew, in a sentence.
func (a *analysis) quadrant(m *Memory, outside []uint64) {
	leaked := a.leakedCounts()
	heap := grows(m.Heap, heapLeast)
	n := len(m.Heap)
	switch {
	case len(leaked) > 0 && n > 0:
		m.Each = a.retained(m, leaked)
		m.Quadrant = GoroutinesGrew
		m.Message = "goroutines leak, and with them next to nothing on the heap: tiny captures"
		if m.Each != nil && m.Each.Heap >= tiny {
			m.Quadrant = BothGrew
			m.Message = fmt.Sprintf("every leaked goroutine keeps %s on the heap and a stack of %s", Bytes(m.Each.Heap), Bytes(m.Each.Stack))
		}
	case len(leaked) > 0:
		m.Quadrant = GoroutinesGrew
	case heap:
		m.Quadrant = HeapGrew
		m.Message = fmt.Sprintf("the heap grew in every round, by %s in all, and no goroutines that count did: slices, maps or caches that only grow", Bytes(int64(m.Heap[n-1]-m.Heap[0])))
		if len(m.Sites) > 0 {
			m.Message += "; most from " + m.Sites[0].Function
		}
		if slices.ContainsFunc(a.suspects, func(s suspect) bool { return s.rule != nil && s.class == leak }) {
			m.Message += "; goroutines that a rule ignores may hold it"
		}
	case len(m.Resident) > 0 && grows(m.Resident, residentLeast) && grows(outside, residentLeast):
		r := m.Resident
		m.Quadrant = ResidentGrew
		m.Message = fmt.Sprintf("resident memory grew in every round, by %s in all, and neither heap nor goroutines did: memory outside of Go's heap, as mapped files, C's or threads' stacks", Bytes(int64(r[len(r)-1]-r[0])))
	}
	if m.threadsGrow() {
		t := m.Threads
		m.Message = strings.TrimPrefix(m.Message+fmt.Sprintf("; threads grew in every round, from %d to %d: goroutines in system calls or cgo that do not return", t[0], t[len(t)-1]), "; ")
	}
}

func (m *Memory) threadsGrow() bool {
	threads := make([]uint64, len(m.Threads))
	for i, t := range m.Threads {
		threads[i] = uint64(t)
	}
	return grows(threads, threadsLeast)
}

// leakedCounts are the goroutines of all leaking stacks in every window, less those
// that a rule ignores.
func (a *analysis) leakedCounts() []float64 {
	var out []float64
	for _, s := range a.suspects {
		if s.rule != nil || s.class != leak && s.proven == 0 {
			continue
		}
		if out == nil {
			out = make([]float64, len(a.history.windows))
		}
		for i, b := range s.trend.bands {
			out[i] += float64(b.mid)
		}
	}
	return out
}

// retained is what one more goroutine costs: the median over all pairs of
// windows, so that one window in which the heap did something else does not
// matter (Theil and Sen's estimate). The baseline is left out: what the first round
// still brings into being is no leak's. Nil where too few leaked to tell.
func (a *analysis) retained(m *Memory, leaked []float64) *Retained {
	n := min(len(leaked), len(m.Heap))
	if n < 3 || leaked[n-1]-leaked[1] < enoughLeaked || len(m.Stacks) < n {
		return nil
	}
	var heap, stack []float64
	for i := 1; i < n; i++ {
		heap, stack = append(heap, float64(m.Heap[i])), append(stack, float64(m.Stacks[i]))
	}
	each := stat.TheilSen(leaked[1:n], heap, 1).Slope - float64(a.descriptor)
	return &Retained{Heap: int64(max(0, each)), Stack: int64(max(0, stat.TheilSen(leaked[1:n], stack, 1).Slope))}
}

// grows reports whether something grew in every round, not less and less, by so
// much in all.
func grows(xs []uint64, least uint64) bool {
	n := len(xs) - 1
	if n < 2 || xs[n] < xs[0]+max(least, uint64(memoryShare*float64(xs[0]))) {
		return false
	}
	each := float64(xs[n]-xs[0]) / float64(n)
	for i := 1; i <= n; i++ {
		if float64(xs[i])-float64(xs[i-1]) < each/4 {
			return false
		}
	}
	return float64(xs[n])-float64(xs[n-1]) >= 0.6*each
}

// maxSites is how many places a person is shown.
const maxSites = 5

// sites finds where the heap grew most since the baseline.
func (a *analysis) sites(m *Memory, windows []record.Memory) {
	a.descriptor = descriptor
	first, last := windows[0].Profile, (*stacks.Heap)(nil)
	m.Base = windows[0].File
	for _, w := range windows[1:] {
		if w.Profile != nil {
			last, m.Last = w.Profile, w.File
		}
	}
	if first == nil || last == nil {
		m.Base, m.Last = "", ""
		return
	}
	base := make(map[string]stacks.Site, len(first.Sites))
	for _, s := range first.Sites {
		base[s.Key] = s
	}
	for _, s := range last.Sites {
		if isDescriptor(s) && s.Objects > 0 {
			a.descriptor = s.Bytes / s.Objects
			continue
		}
		before := base[s.Key]
		if s.Bytes-before.Bytes <= 0 || s.Objects-before.Objects <= 0 {
			continue
		}
		site := HeapSite{Objects: s.Objects - before.Objects, Bytes: s.Bytes - before.Bytes, Stack: s.Frames}
		if i := stacks.Blame(s.Frames); i >= 0 {
			f := s.Frames[i]
			site.Function, site.File, site.Line, site.From = f.Function, f.File, f.Line, s.Frames[0].Function
		}
		a.grown = append(a.grown, site)
	}
	slices.SortStableFunc(a.grown, func(x, y HeapSite) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), strings.Compare(x.Function, y.Function))
	})
	for _, s := range a.grown[:min(len(a.grown), maxSites)] {
		if s.Bytes >= heapLeast && 10*s.Bytes >= a.grown[0].Bytes {
			m.Sites = append(m.Sites, s)
		}
	}
}

// isDescriptor reports whether a site is where the runtime makes goroutines.
func isDescriptor(s stacks.Site) bool {
	return slices.ContainsFunc(s.Frames, func(f stacks.Frame) bool { return f.Function == "runtime.malg" })
}

// sameCause finds the place whose objects a finding's goroutines keep: it is in
// the function that waits, that the go statement started or that has the go
// statement, or it is in any function of the stack and as many objects came from
// there as goroutines leaked.
func (a *analysis) sameCause(f *Finding) *HeapSite {
	if f.Leaked < enoughLeaked {
		return nil
	}
	near, any := map[string]bool{}, map[string]bool{}
	for i, fr := range f.Stack {
		if fr.Std {
			continue
		}
		any[outermost(fr.Function)] = true
		if fr.Function == f.Function || i == len(f.Stack)-1 {
			near[outermost(fr.Function)] = true
		}
	}
	if f.Creator != "" {
		near[outermost(f.Creator)] = true
	}
	for _, s := range a.grown {
		if s.Bytes < int64(f.Leaked)*tiny/2 {
			break // the rest is smaller still
		}
		alike := 2*s.Objects >= int64(f.Leaked) && s.Objects <= 2*int64(f.Leaked)
		for _, fr := range s.Stack {
			if name := outermost(fr.Function); !fr.Std && (near[name] || any[name] && alike) {
				return &s
			}
		}
	}
	return nil
}

// outermost is the declared function that a closure is in.
func outermost(function string) string {
	for {
		i := strings.LastIndexByte(function, '.')
		if i < 0 || !isClosure(function[i+1:]) {
			return function
		}
		function = function[:i]
	}
}

// isClosure reports whether the last part of a function's name is one that the
// compiler gave: func1, or the number of a closure within another.
func isClosure(part string) bool {
	digits := strings.TrimPrefix(part, "func")
	return digits != "" && strings.Trim(digits, "0123456789") == ""
}

// Bytes writes a size for people: 4.0 KiB.
func Bytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}
