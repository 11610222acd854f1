// Package slo sums up leak-suspected operation: how many minutes of a window there
// were, in which episodes, and whether that is within a budget. It is given samples;
// it asks no server.
package slo

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// Sample says whether a leak was suspected at a moment.
type Sample struct {
	At        time.Time
	Suspected bool
}

// Of reads a sample from the value of a query: 1 is suspected, 0 is not. NaN says
// nothing, and is not known. Any other value answers another question.
func Of(at time.Time, value float64) (s Sample, known bool, err error) {
	switch {
	case math.IsNaN(value):
		return s, false, nil
	case value != 0 && value != 1:
		return s, false, fmt.Errorf("suspicion is %g at %s; want 0 or 1", value, at.UTC().Format(time.RFC3339))
	}
	return Sample{At: at, Suspected: value == 1}, true, nil
}

// Episode is a stretch of time in which a leak was suspected.
type Episode struct {
	Start   time.Time `json:"start"`
	End     time.Time `json:"end"`
	Minutes float64   `json:"minutes"`
}

// Report is how a service did in a window.
type Report struct {
	Service  string    `json:"service"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Minutes  float64   `json:"suspected_minutes"`
	Budget   float64   `json:"budget_minutes"`
	Known    float64   `json:"known"`  // share of the window that samples cover
	Within   bool      `json:"within"` // the budget
	Source   string    `json:"source"` // what was asked
	Episodes []Episode `json:"episodes"`
}

const (
	// together is the number of steps by which suspicion may pause within one episode.
	together = 5
	// Enough is the share of the window that has to be known for the budget to count as
	// kept.
	Enough = 0.95
)

// Sum makes a report of samples that lie a step apart. Two of one moment count once: it
// is suspect if either is.
func Sum(service string, samples []Sample, start, end time.Time, step, budget time.Duration) Report {
	r := Report{Service: service, Start: start, End: end, Budget: budget.Minutes(), Episodes: []Episode{}}
	samples = slices.Clone(samples)
	slices.SortStableFunc(samples, func(a, b Sample) int {
		if c := a.At.Compare(b.At); c != 0 || a.Suspected == b.Suspected {
			return c
		} else if a.Suspected {
			return -1
		}
		return 1
	})
	samples = slices.CompactFunc(samples, func(a, b Sample) bool { return a.At.Equal(b.At) })
	var last *Episode
	for _, s := range samples {
		if !s.Suspected {
			continue
		}
		r.Minutes += step.Minutes()
		if last == nil || s.At.Sub(last.End) > together*step {
			r.Episodes = append(r.Episodes, Episode{Start: s.At})
			last = &r.Episodes[len(r.Episodes)-1]
		}
		last.End = s.At.Add(step)
		last.Minutes += step.Minutes()
	}
	if d := end.Sub(start); d > 0 {
		r.Known = math.Min(1, math.Round(1000*float64(len(samples))*step.Seconds()/d.Seconds())/1000)
	}
	r.Within = r.Minutes <= r.Budget
	return r
}

// Outcome is 0 if the budget was kept, 1 if not, and 3 if too little is known.
func (r Report) Outcome() int {
	switch {
	case !r.Within:
		return 1
	case r.Known < Enough:
		return 3
	}
	return 0
}

// Text writes the report as a table.
func (r Report) Text(w io.Writer) error {
	word := map[int]string{0: "KEPT", 1: "MISSED", 3: "COULD NOT TELL"}[r.Outcome()]
	_, err := fmt.Fprintf(w, "%s  %s: %.0f of %.0f minutes of leak-suspected operation, %s to %s\n", word, r.Service,
		r.Minutes, r.Budget,
		r.Start.UTC().Format("2006-01-02 15:04"), r.End.UTC().Format("2006-01-02 15:04 MST"))
	if err == nil && r.Known < 1 {
		_, err = fmt.Fprintf(w, "  known for %.1f%% of that time\n", 100*r.Known)
	}
	if err == nil && len(r.Episodes) > 0 {
		_, err = fmt.Fprintf(w, "\n  %-17s  %-17s  %8s\n", "from", "to (UTC)", "minutes")
	}
	for _, e := range r.Episodes {
		if err == nil {
			_, err = fmt.Fprintf(w, "  %-17s  %-17s  %8.0f\n", e.Start.UTC().Format("2006-01-02 15:04"),
				e.End.UTC().Format("2006-01-02 15:04"), e.Minutes)
		}
	}
	return err
}
