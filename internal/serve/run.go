package serve

import (
	"crypto/rand"
	"encoding/hex"
	"regexp"
	"time"

	"github.com/leakgate/leakgate/verdict"
)

// State is how far a run has come.
type State string

// The states, in their order.
const (
	Queued   State = "queued"
	Running  State = "running"
	Finished State = "finished"
)

// undecided is the one word for a run that has no outcome yet, queued or under way.
const undecided = "running"

// Run is a run as it is on disk, in run.json.
type Run struct {
	ID        string            `json:"id"`
	Plan      string            `json:"plan"`             // name of the mounted plan, or that in the posted one
	Posted    bool              `json:"posted,omitempty"` // the plan's text came with the request
	Key       string            `json:"key,omitempty"`    // the same key of the same plan is the same run
	Variables map[string]string `json:"variables,omitempty"`
	Webhook   bool              `json:"webhook,omitempty"` // a webhook asked for it, and not POST /runs
	State     State             `json:"state"`
	Outcome   verdict.Outcome   `json:"outcome,omitempty"` // of a finished run
	Headline  string            `json:"headline,omitempty"`
	Said      string            `json:"said,omitempty"` // on standard error, by a run that came to no verdict
	Code      *int              `json:"exit_code,omitempty"`
	Findings  *int              `json:"findings,omitempty"` // confirmed leaks; nil where there is no verdict
	Process   int               `json:"process,omitempty"`  // id of the process while it runs, for people
	Created   time.Time         `json:"created"`
	Started   time.Time         `json:"started,omitzero"`
	Ended     time.Time         `json:"finished,omitzero"`
}

// answer is the run in one word, for who polls: running, pass, fail or inconclusive.
func (r Run) answer() string {
	if r.State != Finished {
		return undecided
	}
	return string(r.Outcome)
}

// inconclusive ends a run that came to no verdict. Nothing but a verdict makes a pass.
func (r Run) inconclusive(why string, now time.Time) Run {
	r.State, r.Outcome, r.Headline, r.Ended, r.Process = Finished, verdict.Inconclusive, "could not tell: "+why, now, 0
	return r
}

// job is what a run was asked with. Two plans of the same name are not loaded at once,
// whether they are mounted or posted, since they most likely load the same service.
type job struct {
	plan   string
	posted bool
	key    string
}

func (r Run) job() job { return job{r.Plan, r.Posted, r.Key} }

// idBytes is how much of a run's id is random. Ids need not be secret, only different.
const idBytes = 4

// newID begins with the time, so that ids sort by it.
func newID(now time.Time) string {
	b := make([]byte, idBytes)
	_, _ = rand.Read(b) // never fails
	return now.UTC().Format("20060102-150405-") + hex.EncodeToString(b)
}

// isID matches ids: a folder below the state directory, and never a path.
var isID = regexp.MustCompile(`^[0-9]{8}-[0-9]{6}-[0-9a-f]{8}$`)
