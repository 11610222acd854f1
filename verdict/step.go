package verdict

import "time"

// Action is what a gate should measure next.
type Action int

// The actions. Watch means: no load, and another capture of each target in
// Step.Targets.
const (
	Stop Action = iota
	Load
	Watch
)

// Step is the next action, with the reason as a person would put it; rounds
// that the plan asks for in any case need none.
type Step struct {
	Action  Action
	Targets []string // to watch
	Why     string
	Until   time.Duration // Watch: at the latest, from the end of the load
	// Dump are targets whose debug=2 dump is wanted first, where it can be had: it tells who
	// started what grew, and whether it has moved.
	Dump []string
}
