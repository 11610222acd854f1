package verdict

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leakgate/leakgate/internal/stacks"
	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/record"
)

// Connections is how many goroutines a target had per connection that was held, in
// every round: at the start of the time in which all were open, in its middle and at
// its end. While connections are level, so has this to be.
type Connections struct {
	Target string       `json:"target"`
	Open   int          `json:"open"`   // connections, in the middle of the last round
	Rounds [][3]float64 `json:"rounds"` // goroutines per connection
}

const (
	// heldParts is into how many parts the time is divided in which all connections
	// are open; the first is left out, since goroutines that belong to a connection may
	// come up late.
	heldParts = 4
	// heldLeast is the growth, in goroutines, in each of the last two parts, from which
	// connections are said to gather goroutines, and heldShare the same per connection.
	heldLeast = 10
	heldShare = 0.01
	// openShare is the share of its connections that a load has to hold open for their
	// number to count as level.
	openShare = 0.9
)

// readConnections looks at the rounds in which connections were held.
func (a *analysis) readConnections(run record.Run) {
	c := &Connections{Target: a.target}
	for r := 1; r <= a.history.rounds(); r++ {
		i := slices.IndexFunc(run.Loads, func(l record.Load) bool { return l.Kind == record.Round && l.Round == r })
		if i < 0 || len(run.Loads[i].Open) == 0 {
			return
		}
		parts, open, ok := a.heldIn(run, run.Loads[i])
		if !ok {
			return
		}
		c.Open = open
		c.Rounds = append(c.Rounds, parts)
	}
	if len(c.Rounds) > 0 {
		a.connections = c
	}
}

// heldIn is goroutines per connection in the parts of a round but the first.
func (a *analysis) heldIn(run record.Run, l record.Load) (parts [3]float64, open int, ok bool) {
	most := 0
	for _, o := range l.Open {
		most = max(most, o.Open)
	}
	var level []record.Open // while nearly all are open
	for _, o := range l.Open {
		if float64(o.Open) >= openShare*float64(most) {
			level = append(level, o)
		}
	}
	if most == 0 || len(level) < heldParts {
		return parts, 0, false
	}
	from, to := l.Start+level[0].At, l.Start+level[len(level)-1].At
	before := a.total.bands[0].mid
	for i := range parts {
		start := from + time.Duration(i+1)*(to-from)/heldParts
		end := from + time.Duration(i+2)*(to-from)/heldParts
		var goroutines, connections []float64
		for _, s := range run.Samples {
			if s.Target == a.target && s.At >= start && s.At <= end {
				goroutines = append(goroutines, float64(s.Goroutines-before))
			}
		}
		for _, o := range level {
			if at := l.Start + o.At; at >= start && at <= end {
				connections = append(connections, float64(o.Open))
			}
		}
		if len(goroutines) == 0 || len(connections) == 0 {
			return parts, 0, false
		}
		n := stat.Median(connections)
		parts[i], open = math.Round(1000*stat.Median(goroutines)/n)/1000, int(n)
	}
	return parts, open, true
}

// gathers tells whether connections gather goroutines while they are held: in every
// round, in the second half of the time as in the first.
func (c *Connections) gathers() bool {
	least := max(heldShare, heldLeast/float64(max(c.Open, 1)))
	for _, p := range c.Rounds {
		first, second := p[1]-p[0], p[2]-p[1]
		if first < least || second < least || second < first/2 {
			return false
		}
	}
	return len(c.Rounds) >= 2
}

// checkConnections adds a check, and a finding where connections gather goroutines
// that go when they are closed: the windows after the rounds do not show them.
func (a *analysis) checkConnections(run record.Run) {
	c := a.connections
	if c == nil {
		return
	}
	last := c.Rounds[len(c.Rounds)-1]
	check := Check{Name: "connections", Target: a.target, Outcome: Pass, Measured: last[2], Limit: math.Round(1000*(last[0]+max(heldShare, heldLeast/float64(max(c.Open, 1))))) / 1000, Unit: "goroutines per connection"}
	if c.gathers() {
		check.Outcome, check.Code = Fail, "connections-growing"
		check.Message = fmt.Sprintf("each of %d connections gathers goroutines while it is held: %.2f, %.2f and %.2f of them in the last round", c.Open, last[0], last[1], last[2])
		check.Hint = "something that is started per message or per tick does not end before the connection does"
		a.gathered(run, check)
	}
	a.extra = append(a.extra, check)
}

// gathered makes the finding: the stack that grew most while connections were held.
func (a *analysis) gathered(run record.Run, check Check) {
	rounds := a.history.rounds()
	var first, last *record.Capture
	for i, c := range run.Captures {
		if c.Target == a.target && c.Kind == record.Holding && c.Round == rounds {
			if first == nil {
				first = &run.Captures[i]
			}
			last = &run.Captures[i]
		}
	}
	if first == nil || first == last {
		return
	}
	deltas := stacks.Diff(first.Profile, last.Profile)
	if len(deltas) == 0 || deltas[0].Growth() <= 0 {
		return
	}
	d := deltas[0]
	s := suspect{key: d.Stack.Key, id: byKey, stack: d.Stack, class: leak, trend: a.history.of(byKey, d.Stack.Key)}
	if slices.ContainsFunc(a.suspects, func(o suspect) bool { return o.key == s.key && (o.class == leak || o.rule != nil) }) {
		return // it stays behind too: then that is the finding
	}
	f := a.finding(run, s)
	f.Counts, f.Leaked, f.Kept = []int{d.Before, d.After}, d.Growth(), nil
	f.Evidence, f.Per1000 = []string{Held}, 0
	f.Note = "it grows while connections are held, and goes when they are closed; the counts are of the last round, early and late"
	a.leaks, a.findings = append(a.leaks, s), append(a.findings, f)
}
