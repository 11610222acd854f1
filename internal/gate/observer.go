package gate

import (
	"time"

	"github.com/leakgate/leakgate/record"
)

// Observer is told what happens, for a person who watches. Its methods are
// called from several goroutines.
type Observer interface {
	// Begin opens a phase that will take about planned; 0 if that is not known.
	Begin(phase record.Phase, planned time.Duration, note string)
	// Sample is every count of a target.
	Sample(s record.Sample)
	// Load is the result of a phase of load.
	Load(l record.Load)
	// Say is one line for people.
	Say(text string)
}

// Silent is an Observer that watches nothing.
type Silent struct{}

// Begin does nothing.
func (Silent) Begin(record.Phase, time.Duration, string) {}

// Sample does nothing.
func (Silent) Sample(record.Sample) {}

// Load does nothing.
func (Silent) Load(record.Load) {}

// Say does nothing.
func (Silent) Say(string) {}
