package verdict

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/leakgate/leakgate/record"
)

// beside is growth that is not the goroutines' own, and what the plan makes of it.
type beside struct {
	name, code string
	react      Reaction
	grows      bool
	grown      float64 // in unit
	limit      float64 // the growth below which it is taken to be level
	unit       string
	looked     bool   // it has to be seen to stay in a long look before it fails
	kept       bool   // it was
	watched    bool   // the look is over
	known      int    // in so many windows
	missing    string // why it is not known in every window; empty if it is
}

// besidesOf are the target's heap, resident memory and threads, as far as it tells, or as
// the plan demands.
func besidesOf(s subject, r memoryReading) (out []beside) {
	m, windows := r.memory, len(s.history.windows)
	if m == nil {
		m = &Memory{}
	}
	if windows <= 1 {
		return nil // the other checks say why
	}
	limits := s.limits.Memory
	heap := besideBytes(s, m.Heap, limits.HeapLeast, func(m record.Memory) uint64 { return m.Heap })
	heap.name, heap.code, heap.react, heap.grows = "heap", "heap-growing", s.policy.Heap, m.Quadrant == HeapGrew
	resident := besideBytes(s, m.Resident, limits.ResidentLeast, func(m record.Memory) uint64 { return cmp.Or(m.Resident, m.Peak) })
	resident.name, resident.code, resident.react, resident.grows = "resident", "resident-growing", s.policy.Resident, m.Quadrant == ResidentGrew
	if resident.react == ReactFail && !residentNow(s) {
		resident.missing = "known as the most since the start alone: give the target's metrics"
	}
	threads := beside{
		name: "threads", code: "threads-growing", react: s.policy.Threads, grows: m.threadsGrow(limits),
		limit: float64(limits.ThreadsLeast), unit: "threads", known: len(m.Threads),
	}
	if n := len(m.Threads); n > 0 {
		threads.grown = float64(m.Threads[n-1] - m.Threads[0])
	}
	for _, b := range []beside{heap, resident, threads} {
		if b.known < windows {
			b.missing = fmt.Sprintf("known in %d of %d windows", b.known, windows)
		}
		if b.known > 0 || b.react == ReactFail {
			out = append(out, b)
		}
	}
	return out
}

// besideBytes is growth of memory, which has to stay through a long look.
func besideBytes(s subject, xs []uint64, least uint64, of func(record.Memory) uint64) beside {
	b := beside{unit: "MiB", looked: true, known: len(xs)}
	if len(xs) > 0 {
		first, last := float64(xs[0]), float64(xs[len(xs)-1])
		b.grown, b.limit = mebi(last-first), mebi(max(float64(least), s.limits.Memory.Share*first))
		b.kept, b.watched = keptMemory(s, first, last, of)
	}
	return b
}

// residentNow reports whether the target says what is resident now, and not only what was
// the most.
func residentNow(s subject) bool {
	return slices.ContainsFunc(s.run.Memories, func(m record.Memory) bool { return m.Target == s.target && m.Resident > 0 })
}

// keptMemory reports whether at least half of the growth was still there at the end of the
// long look after the last round, and whether that look is over.
func keptMemory(s subject, first, last float64, of func(record.Memory) uint64) (kept, watched bool) {
	limits := s.limits.Memory
	end := s.history.loadEnd[s.history.rounds()]
	for _, m := range s.run.Memories {
		if m.Target != s.target || m.Kind != record.Confirm || m.Round != s.history.rounds() || of(m) == 0 {
			continue
		}
		kept = float64(of(m))-first >= limits.Kept*(last-first)
		watched = !kept || (m.At-end).Seconds() >= limits.Watched*s.policy.Confirm.Seconds()
	}
	return kept, watched || s.policy.Confirm <= 0
}

// needs is what growth beside the goroutines' needs before it may fail: more rounds, or a
// long look.
func (b beside) needs(rounds, surely int) Action {
	switch {
	case b.react != ReactFail || !b.grows || b.missing != "":
	case rounds < surely:
		return Load
	case b.looked && !b.watched:
		return Watch
	}
	return Stop
}

// detectBesides makes checks of what the plan lets fail, and warnings of the rest.
func detectBesides(a assessment) (out detection) {
	for _, b := range besidesOf(a.subject, a.memory) {
		out.wants = max(out.wants, b.needs(a.history.rounds(), a.limits.Memory.SurelyRounds))
		if b.react == ReactFail {
			out.checks = append(out.checks, a.checkBeside(b))
		} else if b.grows && b.react != ReactIgnore {
			out.warnings = append(out.warnings, Warning{Code: b.code, Target: a.target, Message: a.memory.memory.Message})
		}
	}
	return out
}

func (a assessment) checkBeside(b beside) Check {
	c := Check{Name: b.name, Target: a.target, Outcome: Pass, Measured: b.grown, Limit: b.limit, Unit: b.unit}
	if b.missing != "" {
		c.Outcome, c.Code, c.Message = Inconclusive, CodeGap, "not judged, as the plan asks: it is "+b.missing
		c.Hint = "the heap profile and metrics tell; or set policy." + b.name + ": warn"
		return c
	}
	if !b.grows {
		return c
	}
	c.Message = a.memory.memory.Message
	switch {
	case b.looked && b.watched && !b.kept:
		c.Message += "; most of it was gone when it was left alone: slow, not leaked"
	case b.needs(a.history.rounds(), a.limits.Memory.SurelyRounds) != Stop:
		c.Outcome, c.Code = Inconclusive, CodeUnconfirmed
		c.Hint = "allow more rounds (load.rounds.max), and let the run finish"
	default:
		c.Outcome, c.Code = Fail, b.code
		c.Hint = "compare the heap profiles in the run directory: go tool pprof -diff_base"
		if b.name != "heap" {
			c.Hint = "see the target's threads and mappings: /proc/PID/smaps, threadcreate"
		}
	}
	return c
}
