package verdict

import (
	"fmt"

	"github.com/leakgate/leakgate/stacks"
)

// Slope is how a target's goroutines grew while it was under load, round by round: what it
// does when staging never comes to rest, and the sense in which Prometheus'
// deriv(go_goroutines[10m]) asks.
type Slope struct {
	Target    string    `json:"target"`
	PerSecond float64   `json:"per_second"` // goroutines per second of load: the median over all pairs of rounds
	Low       float64   `json:"low"`        // its interval of 95 in 100; with fewer than five rounds, that of all pairs
	High      float64   `json:"high"`
	Per1000   float64   `json:"per_1000_requests"`
	Levels    []float64 `json:"levels"` // goroutines in the middle of each round
}

// String is the slope in a sentence's part.
func (s Slope) String() string {
	return fmt.Sprintf("%+.3g goroutines a second under load (%.3g to %.3g), %+.3g per 1,000 requests", s.PerSecond, s.Low, s.High, s.Per1000)
}

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

// Connections is how many goroutines a target had per connection that was held, in every
// round: at the start of the time in which all were open, in its middle and at its end.
// While connections are level, so has this to be.
type Connections struct {
	Target string       `json:"target"`
	Open   int          `json:"open"`   // connections, in the middle of the last round
	Rounds [][3]float64 `json:"rounds"` // goroutines per connection
}

// Projection is what a leak comes to in production, in the sense of Prometheus'
// predict_linear: a straight line from here.
type Projection struct {
	Target    string  `json:"target,omitempty"`      // whose findings; empty for the largest leak that a pass may have missed
	PerSecond float64 `json:"goroutines_per_second"` // of each replica
	Bytes     int64   `json:"bytes_per_second"`
	Full      float64 `json:"memory_full_s,omitempty"` // seconds until a replica's memory is used up; 0 if the plan does not name it
	Message   string  `json:"message"`
}

// Text names what a site allocated: 5,000 objects of 4 KiB from bufio.NewReaderSize.
func (s HeapSite) Text() string {
	return fmt.Sprintf("about %d objects of %s from %s", s.Objects, Bytes(s.Bytes/max(s.Objects, 1)), s.From)
}

// descriptor is what the runtime keeps per goroutine on the heap, in bytes, where no
// profile tells (Go 1.26: 448).
const descriptor = 448

// Frame is one call of a finding's stack, innermost first.
type Frame = stacks.Frame

// Explanation is how the verdict on one stack came about: what was seen, what was asked
// of it, in order, and which answer decided.
type Explanation struct {
	ID       string `json:"id"` // of the stack: what leakgate explain takes
	Target   string `json:"target"`
	Function string `json:"function"` // the blamed function
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`
	Class    string `json:"class"` // what it was taken for: leak, likely, pool, noise, draining, undecided, ignored, held or steady

	Windows []Seen     `json:"windows"`           // the baseline, then one per round
	Looks   []Looked   `json:"looks,omitempty"`   // long looks without load
	Asked   []Question `json:"asked"`             // in order; the last one decided
	Reason  string     `json:"reason"`            // the decision, in a sentence
	Change  string     `json:"change,omitempty"`  // what would have changed the answer
	Nearest bool       `json:"nearest,omitempty"` // of a pass: the stack that came closest to a leak
}

// Seen is how many goroutines a window had, of its profiles the fewest, the middle and
// the most (the highest of five or more is left out).
type Seen struct {
	Low      int    `json:"low"`
	Middle   int    `json:"middle"`
	High     int    `json:"high"`
	Requests uint64 `json:"requests,omitempty"` // sent since the window before; 0 where nobody counts them
	// Floor is the fewest goroutines under load, in the round before the window, and
	// Profiles of how many profiles; 0 where none was taken.
	Floor    int `json:"floor,omitempty"`
	Profiles int `json:"profiles,omitempty"`
}

// Looked is a long look at a stack while nothing was asked of it.
type Looked struct {
	Round   int     `json:"round"`
	Seconds float64 `json:"seconds"` // from the end of the load to the last capture
	Age     float64 `json:"age_s"`   // how long the goroutines of the first round had been there by then, in seconds
	Lowest  int     `json:"lowest"`  // goroutines
	Last    int     `json:"last"`
}

// Question is something that was asked of a stack's history.
type Question struct {
	Rule      string  `json:"rule"`     // its name, as in docs/thresholds.md
	Question  string  `json:"question"` // for people
	Answer    bool    `json:"answer"`
	Statistic float64 `json:"statistic"` // what was compared
	Limit     float64 `json:"limit"`     // with what
	Unit      string  `json:"unit,omitempty"`
	Threshold string  `json:"threshold,omitempty"` // the threshold that the limit comes from, as judge --thresholds takes it
}
