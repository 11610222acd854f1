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

// Kind names what happens in a phase.
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
	// Loaded is only of captures: while a round is loaded, the fewest goroutines of every
	// stack over all profiles that were taken then; Seq is how many those are.
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
	Group    string   `json:"group,omitempty"`    // name of the plan's target, where its selector stands for several processes
	// CountOnly: how many goroutines it has is all that is known, every Every.
	CountOnly bool          `json:"count_only,omitempty"`
	Every     time.Duration `json:"every,omitempty"`
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
// neither is known it is the linker's build id, which is none of them, and says so.
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

// Broken is of another process, Unbroken of the same; otherwise it is not known.
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

// Load is what one phase of load asked for and got.
type Load struct {
	Kind    Kind          `json:"kind"` // Warmup or Round
	Round   int           `json:"round,omitempty"`
	Start   time.Duration `json:"start"`
	End     time.Duration `json:"end"`
	Asked   float64       `json:"asked"`   // requests per second; 0 means max
	Planned time.Duration `json:"planned"` // how long it was to last
	Workers int           `json:"workers"` // the most that were in flight at once
	// Connections is the most that could have been in flight at once; 0 in runs of
	// before it was recorded. CPU is the share of the processors that leakgate
	// itself used, 0 to 1, and Delay for how long nine in ten of its goroutines
	// waited for one at most; 0 where the system does not tell.
	Connections int           `json:"connections,omitempty"`
	CPU         float64       `json:"cpu,omitempty"`
	Delay       time.Duration `json:"delay,omitempty"`
	Expected    uint64        `json:"expected"` // requests that the rate asked for; 0 for max
	Stopped     string        `json:"stopped,omitempty"`
	Sent        uint64        `json:"sent"`             // requests, and connections that were opened
	Opened      uint64        `json:"opened,omitempty"` // of them, connections
	Answered    uint64        `json:"answered"`         // got a whole response, whatever its status
	Succeeded   uint64        `json:"succeeded"`
	Abandoned   uint64        `json:"abandoned"` // hung up on purpose; neither success nor failure
	Entries     []Entry       `json:"entries"`
	Held        int           `json:"held,omitempty"` // connections that were to be held open at once
	Open        []Open        `json:"open,omitempty"` // how many were
	// Uncounted: nobody knows how many requests were sent; each round counts as one.
	Uncounted bool `json:"uncounted,omitempty"`
}

// Requests is how many requests were sent; of a load of connections alone, how many of
// those were opened.
func (l Load) Requests() uint64 {
	if l.Opened < l.Sent {
		return l.Sent - l.Opened
	}
	return l.Sent
}

// ByConnection reports whether a load was connections alone.
func (l Load) ByConnection() bool { return l.Held > 0 && l.Opened == l.Sent }

// Open is how many connections were open at a moment of a Load.
type Open struct {
	At   time.Duration `json:"at"` // from the start of the load
	Open int           `json:"n"`
}

// Trial is a phase of load that sent only some of the plan's requests, after the
// verdict, to learn which of them leaks. Its captures have the Kind Trying and
// its Round; those of Round 0 precede the first trial.
type Trial struct {
	Load
	Only []int `json:"only"` // positions in Load.Entries
}

// Entry is one request of the plan within a Load.
type Entry struct {
	Name      string            `json:"name"` // method and URL, without secrets
	Sent      uint64            `json:"sent"`
	Answered  uint64            `json:"answered"`
	Succeeded uint64            `json:"succeeded"` // status 200 to 399
	Abandoned uint64            `json:"abandoned,omitempty"`
	Cut       uint64            `json:"cut,omitempty"` // connections that were cut off on purpose
	Codes     map[string]uint64 `json:"codes,omitempty"`
	Errors    map[string]uint64 `json:"errors,omitempty"` // at most a few kinds; the rest under "other"
	BytesIn   uint64            `json:"bytes_in"`
	BytesOut  uint64            `json:"bytes_out"`
	Mean      time.Duration     `json:"mean"`
	P50       time.Duration     `json:"p50"`
	P90       time.Duration     `json:"p90"`
	P99       time.Duration     `json:"p99"`
	Max       time.Duration     `json:"max"`
}

// StoppedByUs is why a Load ended early when the run did, for instance by an
// interrupt: no fault of the load.
const StoppedByUs = "context"

// TimeoutError is the kind of error, in an Entry, of requests that took longer
// than the plan allows.
const TimeoutError = "timeout"

// OwnLimitError is the kind of error, in an Entry, of requests that were not sent
// since leakgate itself may open no more files.
const OwnLimitError = "leakgate's own limit of open files (ulimit -n)"

// Settle is how a target came to rest after a phase of load.
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

// Gap is a measurement that was due and is missing.
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

// Note is something that a person should know and no other record holds.
type Note struct {
	At      time.Duration `json:"at"`
	Target  string        `json:"target,omitempty"`
	Code    string        `json:"code"`
	Message string        `json:"message"`
}

// Reasons for which a run ended.
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
