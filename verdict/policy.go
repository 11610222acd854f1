package verdict

import (
	"slices"
	"time"
)

// Policy is what the plan demands. It is stored in the run directory as JSON,
// so that a run can be judged again without the plan's environment.
type Policy struct {
	Tolerance int           `json:"tolerance"`        // goroutines that the total may stay above its baseline
	Percent   float64       `json:"percent"`          // the same, as a share of the baseline in percent; the larger counts
	Detect    int           `json:"detect,omitempty"` // smallest leak to be seen, one goroutine in so many requests; 0: no demand
	MinRounds int           `json:"min_rounds"`
	MaxRounds int           `json:"max_rounds"`
	Success   float64       `json:"success"`            // floor on the share of requests that succeed, 0 to 1
	Entries   []float64     `json:"entries,omitempty"`  // the same per request entry, for entries that set their own; -1: none of its own
	Delivered float64       `json:"delivered"`          // floor on the share of the asked rate that was sent, 0 to 1
	Confirm   time.Duration `json:"confirm"`            // how long suspects get to fall, from the end of the load
	Thorough  bool          `json:"thorough,omitempty"` // go on until every stack of every target is decided
	FailOld   bool          `json:"fail_old,omitempty"` // a proven leak that was there before the load fails too
	GroupBy   string        `json:"group_by,omitempty"` // goroutine label over whose values growth is divided
	Heap      Reaction      `json:"heap,omitempty"`     // to a heap that grows while goroutines do not; warn if empty
	Resident  Reaction      `json:"resident,omitempty"` // to resident memory that grows while neither does; warn if empty
	Threads   Reaction      `json:"threads,omitempty"`  // to threads that grow; warn if empty
	Ignore    []Rule        `json:"ignore,omitempty"`

	// Uncounted lets a run pass of whose load nobody says how much there was.
	Uncounted bool `json:"uncounted,omitempty"`
	// Unidentified are the plan's targets that pass even if nothing shows that one
	// process answered throughout.
	Unidentified []string `json:"unidentified,omitempty"`

	Production Production `json:"production,omitzero"`

	// Thresholds are the numbers that decide; nil: DefaultThresholds.
	Thresholds *Thresholds `json:"thresholds,omitempty"`
}

// limits are the policy's thresholds.
func (p Policy) limits() *Thresholds {
	if p.Thresholds != nil {
		return p.Thresholds
	}
	t := DefaultThresholds()
	return &t
}

// Reaction is what growth beside the goroutines' does to a run.
type Reaction string

// The reactions.
const (
	ReactWarn   Reaction = "warn"
	ReactFail   Reaction = "fail"
	ReactIgnore Reaction = "ignore"
)

// Rule lets a stack grow that matches all of the regular expressions that are
// not empty; one at least is not.
type Rule struct {
	Function  string `json:"function,omitempty"`   // the blamed function
	Frame     string `json:"frame,omitempty"`      // any function of the stack
	CreatedBy string `json:"created_by,omitempty"` // the function that started the goroutines, where a dump tells
	Label     string `json:"label,omitempty"`      // a label, as name=value, that all of the growth carries
	Reason    string `json:"reason"`
	Owner     string `json:"owner,omitempty"`
	Until     string `json:"until,omitempty"` // YYYY-MM-DD; from the day after, the rule no longer ignores
	Max       int    `json:"max,omitempty"`   // goroutines; more than this is no longer ignored; 0: any number
}

// DefaultPolicy is right for CI.
func DefaultPolicy() Policy {
	return Policy{
		Tolerance: 10, Percent: 2, MinRounds: 2, MaxRounds: 6,
		Success: 0.99, Delivered: 0.9, Confirm: 150 * time.Second,
	}
}

// wantsCreator reports whether a rule can only be applied when it is known who
// started the goroutines.
func (p Policy) wantsCreator() bool {
	return slices.ContainsFunc(p.Ignore, func(r Rule) bool { return r.CreatedBy != "" })
}

// Production is where the service will run, as far as the plan says.
type Production struct {
	Rate     float64 `json:"rate,omitempty"`     // requests per second, over all replicas
	Memory   uint64  `json:"memory,omitempty"`   // bytes that a replica may use
	Replicas int     `json:"replicas,omitempty"` // that share the rate
}
