package verdict

import "slices"

// loadTrend is growth under load, and what is made of it.
type loadTrend struct {
	slope    *Slope  // nil where there are too few samples
	scatter  float64 // of the difference of two of its levels by themselves, in goroutines
	rising   bool    // another round would show whether it goes on
	suspects []suspect
}

// memoryReading is a target's memory, and what findings are held against.
type memoryReading struct {
	memory     *Memory    // nil where the target does not tell
	grown      []HeapSite // every place where the heap grew, the most first
	descriptor int64      // bytes that the runtime keeps per goroutine
}

// heldReading is what a subject did while connections were held.
type heldReading struct {
	connections *Connections // nil where none were held, or too little is known
	holds       int          // rounds in which connections were held
	outlasted   bool         // what came up was still there when they were closed, in every round
}

// assessment is all that is known of a subject, each part a value that the parts after it
// read: history → suspects → growth under load → memory and held connections → detections.
type assessment struct {
	subject
	suspects []suspect // above their baseline, sorted by key
	load     loadTrend
	memory   memoryReading
	held     heldReading
	detection
}

// detection is what one detector adds.
type detection struct {
	checks   []Check // beside those of growth and baseline
	findings []Finding
	unclear  int // stacks that grew, of which it cannot be told what they are
	ignored  []Ignored
	warnings []Warning
	wants    Action // what is needed before there is an answer
}

// with adds what another detector found.
func (d detection) with(o detection) detection {
	return detection{
		checks: append(slices.Clip(d.checks), o.checks...), findings: append(slices.Clip(d.findings), o.findings...),
		unclear: d.unclear + o.unclear, ignored: append(slices.Clip(d.ignored), o.ignored...),
		warnings: append(slices.Clip(d.warnings), o.warnings...), wants: max(d.wants, o.wants),
	}
}

// confirmed is how many leaks have had their long look.
func (a assessment) confirmed() (n int) {
	for _, x := range a.suspects {
		if x.leaks() && !x.pending {
			n++
		}
	}
	for _, f := range a.findings {
		if f.Is(Held) {
			n++
		}
	}
	return n
}

// pending are the leaks that have not had it.
func (a assessment) pending() []suspect {
	return slices.DeleteFunc(slices.Clone(a.suspects), func(x suspect) bool { return !x.leaks() || !x.pending })
}
