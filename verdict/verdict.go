// Package verdict decides: Judge turns a record.Run and a Policy into a
// Verdict, Next says what a gate should measure next. Both are pure: no
// network, no clock, no files and no error. What is missing from a run makes
// the verdict inconclusive; it never makes it a pass.
package verdict

import (
	"fmt"
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// Schema is the version of verdict.json. Keys are added without raising it.
const Schema = 1

// Outcome is what a release manager reads.
type Outcome string

// The outcomes, and the exit codes that belong to them: 0, 1 and 3.
const (
	Pass         Outcome = "pass"
	Fail         Outcome = "fail"
	Inconclusive Outcome = "inconclusive"
)

// Verdict is the one value that every report is made from.
type Verdict struct {
	Schema   int       `json:"schema"`
	Outcome  Outcome   `json:"outcome"`
	Plan     string    `json:"plan"`
	Headline string    `json:"headline"`
	Reason   string    `json:"reason,omitempty"` // why it is not a pass, in one sentence
	Hint     string    `json:"hint,omitempty"`   // what to do about it
	Requests uint64    `json:"requests"`         // sent in the rounds that were judged, warm-up left out; 0 where nobody counts them
	Unit     string    `json:"unit"`             // of Requests: request, or connection where only connections are held
	Rounds   int       `json:"rounds"`
	Checks   []Check   `json:"checks"`
	Findings []Finding `json:"findings"`
	More     int       `json:"more_findings,omitempty"` // findings beyond MaxFindings
	Unclear  int       `json:"unclear,omitempty"`       // stacks that grew, beside the findings, and of which it could not be told what they are
	// Explanations are of every stack that was ever above its baseline: leaks first, then
	// what came closest to one.
	Explanations []Explanation `json:"explanations,omitempty"`
	Ignored      []Ignored     `json:"ignored,omitempty"`
	Sensitivity  *Sensitivity  `json:"sensitivity,omitempty"`
	Warnings     []Warning     `json:"warnings"`
	Targets      []Target      `json:"targets"`
	Memory       []Memory      `json:"memory,omitempty"`
	Slopes       []Slope       `json:"slopes,omitempty"`
	Projections  []Projection  `json:"projections,omitempty"`
	Connections  []Connections `json:"connections,omitempty"`
	Load         []LoadEntry   `json:"load"`
	Timing       Timing        `json:"timing"`
	Tool         string        `json:"tool"`
	Started      time.Time     `json:"started"`
}

// Check is one question that was asked, whatever the answer.
type Check struct {
	Name     string  `json:"name"`
	Target   string  `json:"target,omitempty"` // empty for the run as a whole
	Outcome  Outcome `json:"outcome"`
	Measured float64 `json:"measured"`
	Limit    float64 `json:"limit"`
	Unit     string  `json:"unit"`
	Code     string  `json:"code,omitempty"` // what went wrong, for scripts: target-restarted, load-refused, …
	Message  string  `json:"message,omitempty"`
	Hint     string  `json:"hint,omitempty"`
}

// Evidence for a finding.
const (
	Growing = "growing" // it grew again every round, in proportion to requests
	Proven  = "proven"  // the runtime says that it can never wake
	Held    = "held"    // it grows while connections are held, and goes with them
	// Unconfirmed is added to what else there is while a leak still needs its long look.
	Unconfirmed = "unconfirmed"
	Rising      = "rising" // all goroutines together rise from round to round under load
)

// Class is how sure a finding is.
type Class string

// The classes. A confirmed finding fails the run. A likely one grew in every round and
// stayed through the long look, but the evidence for it alone is short of the rule: it
// turns no pass into a fail.
const (
	Confirmed Class = "confirmed"
	Likely    Class = "likely"
)

// Finding is a stack that leaks, with the other stacks that grow by the same cause.
type Finding struct {
	ID       string    `json:"id"` // of the stack, the same in every run: what leakgate explain takes
	Class    Class     `json:"class"`
	Target   string    `json:"target"`
	Targets  []string  `json:"targets,omitempty"` // all targets on which the same stack leaks, where there are more
	Function string    `json:"function"`
	File     string    `json:"file"`
	Line     int       `json:"line"`
	Module   string    `json:"module,omitempty"`
	State    string    `json:"state,omitempty"`
	Wait     string    `json:"wait,omitempty"` // longest wait seen in a dump
	Creator  string    `json:"created_by,omitempty"`
	Created  string    `json:"created_at,omitempty"` // file:line of the go statement
	Evidence []string  `json:"evidence"`
	Counts   []int     `json:"counts"`                  // goroutines at baseline and after each round; of what is held, early and late in the last
	Profiles []string  `json:"profiles,omitempty"`      // of what is held: the profiles of then, below the run directory
	Before   int       `json:"leaked_before,omitempty"` // of Leaked, those that, as is proven, could never wake since before the load
	Kept     *int      `json:"kept,omitempty"`
	Leaked   int       `json:"leaked"`            // goroutines more than at baseline
	Per1000  float64   `json:"per_1000_requests"` // or connections, by Unit; 0 where nobody counts them
	Unit     string    `json:"unit,omitempty"`    // request, or connection where only connections are held
	Labels   []Label   `json:"labels,omitempty"`
	Retains  *HeapSite `json:"retains,omitempty"`          // the place on the heap that grew by the same cause
	Requests []Blamed  `json:"requests,omitempty"`         // which requests leak it, where trials were made; those that leak first
	Cleared  int       `json:"requests_cleared,omitempty"` // requests that do not leak it, as trials showed
	Members  []Member  `json:"members,omitempty"`          // other stacks that grow by the same cause
	Note     string    `json:"note,omitempty"`             // what this stack usually means
	Stack    []Frame   `json:"stack"`
	Source   *Source   `json:"source,omitempty"` // nil where no checkout holds it
}

// Member is another stack that grows by a finding's cause, as the second goroutine of a
// connection does.
type Member struct {
	ID       string  `json:"id"`
	Function string  `json:"function"`
	File     string  `json:"file"`
	Line     int     `json:"line"`
	State    string  `json:"state,omitempty"`
	Creator  string  `json:"created_by,omitempty"`
	Counts   []int   `json:"counts"`
	Leaked   int     `json:"leaked"`
	Ratio    float64 `json:"ratio"` // goroutines of it for each of the finding's own
	Stack    []Frame `json:"stack"`
}

// Source is where a finding lies in a checkout of the service, whose it is, and
// who may have brought it in. Judge leaves it empty, since it reads no files: what
// reads a checkout adds it (internal/source).
type Source struct {
	Path     string   `json:"path"` // below the repository's root, with slashes
	Line     int      `json:"line"`
	Owners   []string `json:"owners,omitempty"`   // as CODEOWNERS names them
	Since    string   `json:"since,omitempty"`    // the tag or revision from which on commits are suspected
	Suspects []Commit `json:"suspects,omitempty"` // commits since then that touched functions of the stack, newest first
}

// Commit is a change that may have brought a leak in.
type Commit struct {
	Hash     string    `json:"hash"`
	Author   string    `json:"author"`
	Date     time.Time `json:"date"`
	Subject  string    `json:"subject"`
	Function string    `json:"function"` // of the stack, the innermost that it touched
}

// Label is how much of a finding carries one goroutine label.
type Label struct {
	Label  string `json:"label"`  // name=value
	Growth int    `json:"growth"` // goroutines
}

// Blamed is what trials, which load some requests only, say of requests and a finding's
// stack.
type Blamed struct {
	Requests []string `json:"requests"`           // method and URL
	Any      bool     `json:"any,omitempty"`      // all requests of the plan leak it alike: Requests names those that were tried
	Together bool     `json:"together,omitempty"` // the requests leak when they are loaded together, and none of them does alone
	Sent     uint64   `json:"sent"`
	Leaked   int      `json:"leaked"` // goroutines
	Each     float64  `json:"per_request"`
	Low      float64  `json:"low"` // the interval that holds Each in 95 of 100 cases
	High     float64  `json:"high"`
	Answer   Answer   `json:"answer"`
}

// Answer is whether requests leak.
type Answer string

// The answers. Unclear: too few were sent, or the stack moved by itself.
const (
	Leaks      Answer = "leaks"
	LeaksNot   Answer = "does not leak"
	LeaksMaybe Answer = "unclear"
)

// Ignored is growth that a rule of the plan covers.
type Ignored struct {
	Target   string `json:"target"`
	Function string `json:"function"`
	Growth   int    `json:"growth"` // goroutines
	Reason   string `json:"reason"`
	Owner    string `json:"owner,omitempty"`
	Until    string `json:"until,omitempty"`
}

// Sensitivity is what a pass is worth.
type Sensitivity struct {
	OneIn int `json:"one_in"` // the run would have caught a leak of one goroutine in so many requests; 0: none
}

// Warning is something to know that does not change the outcome.
type Warning struct {
	Code    string `json:"code"`
	Target  string `json:"target,omitempty"`
	Message string `json:"message"`
}

// Target is a watched process, with its totals and a thinned-out series.
type Target struct {
	Name      string `json:"name"`
	GoVersion string `json:"go_version,omitempty"`
	Build     string `json:"build,omitempty"`
	Pprof     string `json:"pprof,omitempty"`
	Metrics   string `json:"metrics,omitempty"`   // address of its metrics, or of the Prometheus server that knows it
	Selector  string `json:"selector,omitempty"`  // by which Prometheus knows it
	Instances int    `json:"instances,omitempty"` // so many together, where it stands for a selector's
	// Pod is the pod that it is, with its image and digest; nil for a target that is none.
	Pod      *record.Pod `json:"pod,omitempty"`
	Totals   []int       `json:"totals"` // goroutines at baseline and after each round
	Series   []Point     `json:"series,omitempty"`
	Profiles []string    `json:"-"`
	Baseline string      `json:"baseline_profile,omitempty"` // file below the run directory
	Last     string      `json:"last_profile,omitempty"`
}

// Point is a sample of a series.
type Point struct {
	Second     float64 `json:"s"` // since the start of the run
	Goroutines int     `json:"n"`
}

// LoadEntry sums up one request of the plan over the rounds.
type LoadEntry struct {
	Name      string            `json:"name"`
	Sent      uint64            `json:"sent"`
	Succeeded uint64            `json:"succeeded"`
	Abandoned uint64            `json:"abandoned,omitempty"`
	Codes     map[string]uint64 `json:"codes,omitempty"`
	Errors    map[string]uint64 `json:"errors,omitempty"`
	P50ms     float64           `json:"p50_ms"` // of the slowest round
	P99ms     float64           `json:"p99_ms"` // of the slowest round
}

// Timing is where the wall time went, in seconds. Ratio is what the gate costs
// over the load itself.
type Timing struct {
	Wall   float64        `json:"wall_s"`
	Load   float64        `json:"load_s"`
	Ratio  float64        `json:"ratio"` // Wall / Load; 0 if nothing was loaded
	Phases []record.Phase `json:"-"`
}

// String says where the time went, in a sentence.
func (t Timing) String() string {
	s := fmt.Sprintf("%.0fs of load in %.0fs", t.Load, t.Wall)
	if t.Ratio > 0 {
		s += fmt.Sprintf(", %.1f times the load", t.Ratio)
	}
	return s
}

// Name is what a finding is called in a line: its function, or its target where only the
// number of goroutines is known.
func (f Finding) Name() string {
	if f.Function == stacks.AllGoroutines {
		return f.Target
	}
	return f.Function
}

// blamedRequests are the requests that leak a finding, in order.
func (f Finding) blamedRequests() (out []string) {
	for _, b := range f.Requests {
		if b.Answer == Leaks {
			out = append(out, b.Requests...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Is reports whether a finding has some evidence.
func (f Finding) Is(evidence string) bool { return slices.Contains(f.Evidence, evidence) }

// MaxFindings is how many findings a verdict lists; the rest, which grew least, is counted.
const MaxFindings = 1000

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
