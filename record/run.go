// Package record holds the values that pass between measuring and judging, and
// the run directory that keeps them: a Run with its phases, captures, samples,
// load results and gaps. It measures nothing and decides nothing.
package record

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/leakgate/leakgate/stacks"
)

// Schema is the version of the run directory's format. A directory with a
// larger one was written by a newer leakgate and is refused.
const Schema = 1

// Run is everything that was measured, in the order in which it happened. All
// times in it are offsets from Started, in nanoseconds.
type Run struct {
	Header
	Phases     []Phase
	Targets    []Target
	Identities []Identity
	Samples    []Sample
	Captures   []Capture
	Memories   []Memory
	Loads      []Load
	Trials     []Trial
	Settles    []Settle
	Gaps       []Gap
	Notes      []Note
	Changes    []Change
	Left       []Left
	End        *End // nil: leakgate was killed or crashed before the end
}

// Header opens a run. Settings is the effective policy, as the package that
// judges wrote it, without secrets.
type Header struct {
	Schema   int             `json:"schema"`
	Tool     string          `json:"tool"` // leakgate's version
	Plan     string          `json:"plan"` // the plan's name
	Started  time.Time       `json:"started"`
	Settings json.RawMessage `json:"settings"`
}

// Kind says what happens in a phase.
type Kind string

// The phases of a run, in order; round, settle and confirm repeat.
const (
	Preflight Kind = "preflight"
	Warmup    Kind = "warmup"
	Baseline  Kind = "baseline" // settling and sampling after the warm-up
	Round     Kind = "round"    // load
	Settling  Kind = "settle"   // settling and sampling after a round
	Confirm   Kind = "confirm"  // the long look at suspects, without load
	Evidence  Kind = "evidence"
	Trying    Kind = "trial" // loading some requests alone, to learn which of them leaks
	Holding   Kind = "held"  // only of captures: while connections are held
	// Loaded is for captures only: during a round's load, the minimum count of every stack
	// over all profiles taken then; Seq is the number of these profiles.
	Loaded Kind = "loaded"
	Leaked Kind = "leaked" // only of captures: goroutines that the runtime has proven can never wake
)

// Phase is a stretch of the run. Round counts from 1; 0 outside the rounds.
type Phase struct {
	Kind  Kind          `json:"kind"`
	Round int           `json:"round,omitempty"`
	Start time.Duration `json:"start"`
	End   time.Duration `json:"end"`
}

// Target is a watched process as the preflight found it.
type Target struct {
	Name     string   `json:"name"`
	Pprof    string   `json:"pprof,omitempty"`   // address without secrets
	Metrics  string   `json:"metrics,omitempty"` // address without secrets
	Profiles []string `json:"profiles,omitempty"`
	Counter  string   `json:"counter,omitempty"`  // metric that counts goroutines; "" where the profile is counted
	Selector string   `json:"selector,omitempty"` // by which Prometheus knows it
	Group    string   `json:"group,omitempty"`    // name of the plan's target, if its selector matches several processes
	// CountOnly means that only the number of goroutines is known, once per Every.
	CountOnly bool          `json:"count_only,omitempty"`
	Every     time.Duration `json:"every,omitempty"`
	Pod       *Pod          `json:"pod,omitempty"` // nil for a target that is none
	Identity
}

// Identity is what was seen of a target's identity at one moment. Zero values
// mean that the target does not offer it.
type Identity struct {
	At         time.Duration `json:"at"`
	Target     string        `json:"target"`
	GoVersion  string        `json:"go_version,omitempty"`
	Build      string        `json:"build,omitempty"`       // build id of the executable
	Binary     string        `json:"binary,omitempty"`      // path of the executable
	Module     string        `json:"module,omitempty"`      // path of its main module
	Version    string        `json:"version,omitempty"`     // of the main module
	Revision   string        `json:"revision,omitempty"`    // commit it was built from
	Modified   bool          `json:"modified,omitempty"`    // and there were changes that were not committed
	Start      float64       `json:"start,omitempty"`       // process start, Unix seconds
	TotalAlloc uint64        `json:"total_alloc,omitempty"` // bytes allocated since the start; only grows within one process
	NumGC      uint64        `json:"num_gc,omitempty"`      // collections since the start; only grows within one process
	Allocated  uint64        `json:"allocated,omitempty"`   // as TotalAlloc, by the target's metrics, which count a little differently

	// Continuity says whether the collections that the target lists, with the moments at
	// which they ended, include the one that was seen last before.
	Continuity Continuity `json:"continuity,omitempty"`
	// Listeners are the addresses of the poll descriptors on which it accepts connections:
	// the system lays them out anew for every process.
	Listeners []string `json:"listeners,omitempty"`
}

// shortRevision is how many digits of a commit name it to a person, as in Go's own
// pseudo-versions.
const shortRevision = 12

// BuildName says what the target was built from: its module's version and its commit. Where
// neither is known it is the linker's build id, and says that it is one.
func (i Identity) BuildName() string {
	name := i.Version
	commit := i.Revision[:min(len(i.Revision), shortRevision)]
	if commit != "" && !strings.Contains(name, commit) { // a pseudo-version has it
		name += " at " + commit
	}
	if commit != "" && i.Modified {
		name += " with changes"
	}
	switch {
	case name != "" && i.Module != "":
		return strings.Join(strings.Fields(i.Module+" "+name), " ")
	case name != "":
		return strings.TrimSpace(name)
	case i.Build != "" && i.Module != "":
		return i.Module + ", build id " + i.Build
	case i.Build != "":
		return "build id " + i.Build
	}
	return ""
}

// Continuity is how an identity of a target relates to the one before.
type Continuity string

// Broken means another process, Unbroken the same one; otherwise it is unknown.
const (
	Broken   Continuity = "broken"
	Unbroken Continuity = "unbroken"
)

// Sample is a cheap count of a target's goroutines.
type Sample struct {
	At         time.Duration `json:"at"`
	Target     string        `json:"target"`
	Goroutines int           `json:"goroutines"`
	Resident   uint64        `json:"resident,omitempty"` // bytes, where the target says
	Threads    int           `json:"threads,omitempty"`  // of the operating system, where the target's metrics say
	Taken      time.Time     `json:"-"`                  // when it was counted, if that was not just now; not recorded
	Metric     bool          `json:"metric,omitempty"`   // counted by the target's metrics, not in its profile
}

// Capture is a goroutine profile taken in a quiet moment, for comparison. The
// captures of one target with the same Kind and Round form a window.
type Capture struct {
	At      time.Duration   `json:"at"`
	Target  string          `json:"target"`
	Kind    Kind            `json:"kind"` // Baseline, Settling or Confirm
	Round   int             `json:"round,omitempty"`
	Seq     int             `json:"seq"`             // position within the window
	File    string          `json:"file,omitempty"`  // below the run directory; empty where there is but a count
	Count   *int            `json:"count,omitempty"` // goroutines, without a File
	Profile *stacks.Profile `json:"-"`               // parsed from File, or of the Count
}

// Memory is what a target held in a quiet moment, after a forced collection. What
// the target does not offer is 0.
type Memory struct {
	At       time.Duration `json:"at"`
	Target   string        `json:"target"`
	Kind     Kind          `json:"kind"` // Baseline, Settling or Confirm
	Round    int           `json:"round,omitempty"`
	Heap     uint64        `json:"heap,omitempty"`     // bytes of live objects
	Objects  uint64        `json:"objects,omitempty"`  // live objects
	Stacks   uint64        `json:"stacks,omitempty"`   // bytes of goroutine stacks
	Runtime  uint64        `json:"runtime,omitempty"`  // bytes that Go's runtime has of the system, less what it gave back
	Resident uint64        `json:"resident,omitempty"` // bytes, by the target's metrics
	Peak     uint64        `json:"peak,omitempty"`     // bytes that were resident at most since the start
	Threads  int           `json:"threads,omitempty"`  // of the operating system; without metrics, how many were ever started
	File     string        `json:"file,omitempty"`     // heap profile, below the run directory
	Profile  *stacks.Heap  `json:"-"`                  // parsed from File
}

// Settle describes how a target came to rest after a phase of load.
type Settle struct {
	Target string        `json:"target"`
	Kind   Kind          `json:"kind"` // Baseline or Settling
	Round  int           `json:"round,omitempty"`
	After  time.Duration `json:"after"` // from the end of the load to the first capture
	Quiet  bool          `json:"quiet"` // false: the time was up while the count still moved
	Peak   int           `json:"peak"`  // goroutines, the most seen while settling
	Last   int           `json:"last"`  // goroutines
	PerSec float64       `json:"per_second,omitempty"`
	Arrive time.Duration `json:"arrive,omitempty"` // when a count that still fell would reach the baseline, from the end of the load
}

// Gap is a measurement that was due but is missing.
type Gap struct {
	At     time.Duration `json:"at"`
	Target string        `json:"target"`
	What   string        `json:"what"` // what was asked for: the address, without secrets
	Error  string        `json:"error"`
	Kind   Kind          `json:"kind"`
	Round  int           `json:"round,omitempty"`
	Needed bool          `json:"needed"`         // the verdict depends on it
	Code   string        `json:"code,omitempty"` // what it means for the run, where that it is missing does not say it all
	Hint   string        `json:"hint,omitempty"`
	// Inconsistent: something came, and it contradicts itself.
	Inconsistent bool `json:"inconsistent,omitempty"`
}

// Note is something that a person should know and that no other record holds.
type Note struct {
	At      time.Duration `json:"at"`
	Target  string        `json:"target,omitempty"`
	Code    string        `json:"code"`
	Message string        `json:"message"`
}

// Reasons why a run ended.
const (
	Complete    = "complete"    // it had what the verdict needs
	Interrupted = "interrupted" // a signal
	Aborted     = "aborted"     // it could not go on: see Message
)

// End closes a run.
type End struct {
	At      time.Duration `json:"at"`
	Reason  string        `json:"reason"`
	Code    string        `json:"code,omitempty"` // what stopped it, for Aborted
	Message string        `json:"message,omitempty"`
	Hint    string        `json:"hint,omitempty"`
}
