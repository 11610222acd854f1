package record

import (
	"time"
)

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
	Code        string        `json:"code,omitempty"`   // why it was stopped, where that is one of the causes below
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
	// Parts is what each machine sent of a load that several shared; nil where leakgate
	// itself sent it.
	Parts []Part `json:"parts,omitempty"`
}

// Part is what one machine sent of a load that several shared.
type Part struct {
	Name      string        `json:"name"` // of its pod
	Node      string        `json:"node,omitempty"`
	Late      time.Duration `json:"late,omitempty"` // by how much it began later than the first; negative: earlier than it was to
	Took      time.Duration `json:"took"`           // by its own clock
	Expected  uint64        `json:"expected"`       // its share of the load's
	Sent      uint64        `json:"sent"`
	Succeeded uint64        `json:"succeeded"`
	Workers   int           `json:"workers"`
	// Connections is the most that it could have had in flight at once; CPU, Delay: see Load.
	Connections int           `json:"connections,omitempty"`
	CPU         float64       `json:"cpu,omitempty"`
	Delay       time.Duration `json:"delay,omitempty"`
	// Throttled is the share of the periods of its processor limit in which it was made to
	// wait, 0 to 1.
	Throttled float64 `json:"throttled,omitempty"`
	// Entries is how often it sent each of the load's entries.
	Entries []uint64 `json:"entries,omitempty"`
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

// Causes of a Load that could not be sent by other machines, or of which they did not say
// what they sent, as its Code.
const (
	// NotReady: a machine was not ready to send in time.
	NotReady = "generator-not-ready"
	// Lost: a machine ended before its share was sent.
	Lost = "generator-lost"
	// Unread: what a machine says that it sent could not be read.
	Unread = "generator-unread"
)

// TimeoutError is the kind of error, in an Entry, of requests that took longer
// than the plan allows.
const TimeoutError = "timeout"

// OwnLimitError is the kind of error, in an Entry, of requests that were not sent
// since leakgate itself may open no more files.
const OwnLimitError = "leakgate's own limit of open files (ulimit -n)"
