package verdict

import (
	"cmp"
	"fmt"
	"slices"
	"time"

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
	missing    string // why it is not known in every window; empty if it is
}

// besides are the target's heap, resident memory and threads, as far as it tells, or as
// the plan demands.
func (a *analysis) besides(run record.Run) []beside {
	m, windows := a.memory, len(a.history.windows)
	if m == nil {
		m = &Memory{}
	}
	if windows < 2 {
		return nil // the other checks say why
	}
	var out []beside
	add := func(b beside, known int) {
		if known < windows {
			b.missing = fmt.Sprintf("known in %d of %d windows", known, windows)
		}
		if known > 0 || b.react == ReactFail {
			out = append(out, b)
		}
	}
	bytes := func(b beside, xs []uint64, quadrant Quadrant, least uint64, of func(record.Memory) uint64) {
		b.unit, b.looked, b.grows = "MiB", true, len(xs) > 0 && m.Quadrant == quadrant
		if len(xs) > 0 {
			first, last := float64(xs[0]), float64(xs[len(xs)-1])
			b.grown, b.limit = mebi(last-first), mebi(max(float64(least), memoryShare*first))
			b.kept, b.watched = a.keptMemory(run, first, last, of)
		}
		add(b, len(xs))
	}
	bytes(beside{name: "heap", code: "heap-growing", react: a.policy.Heap}, m.Heap, HeapGrew, heapLeast, func(m record.Memory) uint64 { return m.Heap })
	resident := beside{name: "resident", code: "resident-growing", react: a.policy.Resident}
	if resident.react == ReactFail && !a.residentNow(run) {
		resident.missing = "known as the most since the start alone: give the target's metrics"
	}
	bytes(resident, m.Resident, ResidentGrew, residentLeast, func(m record.Memory) uint64 { return cmp.Or(m.Resident, m.Peak) })
	threads := beside{name: "threads", code: "threads-growing", react: a.policy.Threads, grows: m.threadsGrow(), limit: threadsLeast, unit: "threads"}
	if n := len(m.Threads); n > 0 {
		threads.grown = float64(m.Threads[n-1] - m.Threads[0])
	}
	add(threads, len(m.Threads))
	return out
}

// residentNow reports whether the target says what is resident now, and not only what
// was the most.
func (a *analysis) residentNow(run record.Run) bool {
	return slices.ContainsFunc(run.Memories, func(m record.Memory) bool { return m.Target == a.target && m.Resident > 0 })
}

func mebi(bytes float64) float64 { return float64(int64(bytes/(1<<20)*10)) / 10 }

// keptMemory reports whether at least half of the growth was still there at the end
// of the long look after the last round, and whether that look is over.
func (a *analysis) keptMemory(run record.Run, first, last float64, of func(record.Memory) uint64) (kept, watched bool) {
	end := time.Duration(a.history.loadEnd[a.history.rounds()])
	for _, m := range run.Memories {
		if m.Target != a.target || m.Kind != record.Confirm || m.Round != a.history.rounds() || of(m) == 0 {
			continue
		}
		kept = float64(of(m))-first >= (last-first)/2
		watched = !kept || m.At-end >= a.policy.Confirm*9/10 // it is read now and then
	}
	return kept, watched || a.policy.Confirm <= 0
}

// wants tells what growth beside the goroutines' needs before it may fail: more
// rounds, or a long look.
func (b beside) wants(rounds int) Action {
	switch {
	case b.react != ReactFail || !b.grows || b.missing != "":
	case rounds < surelyRounds:
		return Load
	case b.looked && !b.watched:
		return Watch
	}
	return Stop
}

// reportBesides makes checks of what the plan lets fail, and warnings of the rest.
func (a *analysis) reportBesides(run record.Run) {
	for _, b := range a.besides(run) {
		a.wants = max(a.wants, b.wants(a.history.rounds()))
		if b.react == ReactFail {
			a.extra = append(a.extra, a.checkBeside(b))
		} else if b.grows && b.react != ReactIgnore {
			a.warnings = append(a.warnings, Warning{Code: b.code, Target: a.target, Message: a.memory.Message})
		}
	}
}

func (a *analysis) checkBeside(b beside) Check {
	c := Check{Name: b.name, Target: a.target, Outcome: Pass, Measured: b.grown, Limit: b.limit, Unit: b.unit}
	if b.missing != "" {
		c.Outcome, c.Code, c.Message = Inconclusive, CodeGap, "not judged, as the plan asks: it is "+b.missing
		c.Hint = "the heap profile and metrics tell; or set policy." + b.name + ": warn"
		return c
	}
	if !b.grows {
		return c
	}
	c.Message = a.memory.Message
	switch {
	case b.looked && b.watched && !b.kept:
		c.Message += "; most of it was gone when it was left alone: slow, not leaked"
	case b.wants(a.history.rounds()) != Stop:
		c.Outcome, c.Code = Inconclusive, "unconfirmed"
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
