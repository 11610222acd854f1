package verdict

import (
	"cmp"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// readMemory reads a target's memory in the windows that were compared.
func readMemory(s subject, suspects []suspect) memoryReading {
	windows := memoriesOf(s)
	if len(windows) <= 1 {
		return memoryReading{descriptor: descriptor}
	}
	m := &Memory{Target: s.target, Quadrant: NoneGrew}
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
	out := memoryReading{memory: m}
	out.grown, out.descriptor = heapSites(s, m, windows)
	setQuadrant(s, out, suspects, outside)
	return out
}

// memoriesOf are what was read of memory in each window, up to the first that lacks it.
func memoriesOf(s subject) (out []record.Memory) {
	for r := 0; r <= s.history.rounds(); r++ {
		i := slices.IndexFunc(s.run.Memories, func(m record.Memory) bool {
			return m.Target == s.target && m.Round == r && (m.Kind == record.Settling || m.Kind == record.Baseline)
		})
		if i < 0 {
			break
		}
		out = append(out, s.run.Memories[i])
	}
	return out
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

// setQuadrant says what grew, in a sentence.
func setQuadrant(s subject, r memoryReading, suspects []suspect, outside []uint64) {
	m, limits := r.memory, s.limits.Memory
	leaked := leakedCounts(s, suspects)
	switch {
	case len(leaked) > 0 && len(m.Heap) > 0:
		m.Each = retainedBy(s, r, leaked)
		m.Quadrant, m.Message = GoroutinesGrew, memoryTiny
		if m.Each != nil && m.Each.Heap >= limits.Tiny {
			m.Quadrant, m.Message = BothGrew, memoryRetaining(*m.Each)
		}
	case len(leaked) > 0:
		m.Quadrant = GoroutinesGrew
	case limits.grows(m.Heap, limits.HeapLeast):
		ignored := slices.ContainsFunc(suspects, func(x suspect) bool { return x.rule != nil && x.class == trend.Leak })
		m.Quadrant, m.Message = HeapGrew, memoryHeap(m, ignored)
	case limits.grows(m.Resident, limits.ResidentLeast) && limits.grows(outside, limits.ResidentLeast):
		m.Quadrant, m.Message = ResidentGrew, memoryResident(m.Resident)
	}
	if m.threadsGrow(limits) {
		m.Message = strings.TrimPrefix(m.Message+"; "+memoryThreads(m.Threads), "; ")
	}
}

// leakedCounts are the goroutines of all leaking stacks in every window, less those that a
// rule ignores.
func leakedCounts(s subject, suspects []suspect) (out []float64) {
	for _, x := range suspects {
		if !x.leaks() {
			continue
		}
		if out == nil {
			out = make([]float64, len(s.history.windows))
		}
		for i, b := range x.trend.Bands {
			out[i] += float64(b.Middle)
		}
	}
	return out
}

// leastPairs is how many windows a slope over all their pairs needs, the baseline left out.
const leastPairs = 3

// retainedBy is what one more goroutine costs: the median over all pairs of windows, so that
// one window in which the heap did something else does not matter (Theil and Sen's
// estimate). The baseline is left out: what the first round still brings into being is no
// leak's. Nil where too few leaked to tell.
func retainedBy(s subject, r memoryReading, leaked []float64) *Retained {
	m := r.memory
	n := min(len(leaked), len(m.Heap))
	if n < leastPairs || leaked[n-1]-leaked[1] < float64(s.limits.Memory.EnoughLeaked) || len(m.Stacks) < n {
		return nil
	}
	var heap, stack []float64
	for i := 1; i < n; i++ {
		heap, stack = append(heap, float64(m.Heap[i])), append(stack, float64(m.Stacks[i]))
	}
	each := stat.TheilSen(leaked[1:n], heap, 1).Slope - float64(r.descriptor)
	return &Retained{Heap: int64(max(0, each)), Stack: int64(max(0, stat.TheilSen(leaked[1:n], stack, 1).Slope))}
}

// maxSites is how many places a person is shown.
const maxSites = 5

// heapSites finds where the heap grew since the baseline, the most first, and what the
// runtime keeps per goroutine. The largest of them are the memory's, with the profiles that
// they come from.
func heapSites(s subject, m *Memory, windows []record.Memory) (grown []HeapSite, perGoroutine int64) {
	perGoroutine = descriptor
	first, last := windows[0].Profile, (*stacks.Heap)(nil)
	m.Base = windows[0].File
	for _, w := range windows[1:] {
		if w.Profile != nil {
			last, m.Last = w.Profile, w.File
		}
	}
	if first == nil || last == nil {
		m.Base, m.Last = "", ""
		return nil, perGoroutine
	}
	base := make(map[string]stacks.Site, len(first.Sites))
	for _, site := range first.Sites {
		base[site.Key] = site
	}
	for _, site := range last.Sites {
		if isDescriptor(site) && site.Objects > 0 {
			perGoroutine = site.Bytes / site.Objects
			continue
		}
		if g, ok := grownSite(site, base[site.Key]); ok {
			grown = append(grown, g)
		}
	}
	slices.SortStableFunc(grown, func(x, y HeapSite) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), strings.Compare(x.Function, y.Function))
	})
	for _, site := range grown[:min(len(grown), maxSites)] {
		if uint64(site.Bytes) >= s.limits.Memory.HeapLeast && float64(site.Bytes) >= s.limits.Memory.SiteShare*float64(grown[0].Bytes) {
			m.Sites = append(m.Sites, site)
		}
	}
	return grown, perGoroutine
}

// grownSite is by how much a place on the heap grew, if it did.
func grownSite(now, before stacks.Site) (HeapSite, bool) {
	out := HeapSite{Objects: now.Objects - before.Objects, Bytes: now.Bytes - before.Bytes, Stack: now.Frames}
	if out.Bytes <= 0 || out.Objects <= 0 {
		return out, false
	}
	if i := stacks.Blame(now.Frames); i >= 0 {
		f := now.Frames[i]
		out.Function, out.File, out.Line, out.From = f.Function, f.File, f.Line, now.Frames[0].Function
	}
	return out, true
}

// isDescriptor reports whether a site is where the runtime makes goroutines.
func isDescriptor(s stacks.Site) bool {
	return slices.ContainsFunc(s.Frames, func(f stacks.Frame) bool { return f.Function == "runtime.malg" })
}

// sameCause finds the place whose objects a finding's goroutines keep: it is in the
// function that waits, that the go statement started or that has the go statement, or it is
// in any function of the stack and as many objects came from there as goroutines leaked.
func (r memoryReading) sameCause(f *Finding, limits MemoryThresholds) *HeapSite {
	if f.Leaked < limits.EnoughLeaked {
		return nil
	}
	near, anywhere := map[string]bool{}, map[string]bool{}
	for i, fr := range f.Stack {
		if fr.Std {
			continue
		}
		anywhere[outermost(fr.Function)] = true
		if fr.Function == f.Function || i == len(f.Stack)-1 {
			near[outermost(fr.Function)] = true
		}
	}
	if f.Creator != "" {
		near[outermost(f.Creator)] = true
	}
	for _, s := range r.grown {
		if float64(s.Bytes) < float64(f.Leaked)*float64(limits.Tiny)/limits.Alike {
			break // the rest is smaller still
		}
		objects, leaked := float64(s.Objects), float64(f.Leaked)
		alike := objects*limits.Alike >= leaked && objects <= limits.Alike*leaked
		for _, fr := range s.Stack {
			if name := outermost(fr.Function); !fr.Std && (near[name] || anywhere[name] && alike) {
				return &s
			}
		}
	}
	return nil
}

func (m *Memory) threadsGrow(limits MemoryThresholds) bool {
	threads := make([]uint64, len(m.Threads))
	for i, t := range m.Threads {
		threads[i] = uint64(t)
	}
	return limits.grows(threads, limits.ThreadsLeast)
}
