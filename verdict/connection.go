package verdict

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// Connections is how many goroutines a target had per connection that was held, in
// every round: at the start of the time in which all were open, in its middle and at
// its end. While connections are level, so has this to be.
type Connections struct {
	Target string       `json:"target"`
	Open   int          `json:"open"`   // connections, in the middle of the last round
	Rounds [][3]float64 `json:"rounds"` // goroutines per connection

	outlasted bool // what came up was still there when the connections were closed, in every round
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
	for _, l := range run.Loads {
		if l.Kind != record.Round || l.Round > a.history.rounds() || len(l.Open) == 0 {
			continue
		}
		a.holds++
		parts, open, ok := a.heldIn(run, l)
		if !ok {
			continue
		}
		c.Open = open
		c.Rounds = append(c.Rounds, parts)
		c.outlasted = a.outlasts(run, l, parts, open) && (c.outlasted || len(c.Rounds) == 1)
	}
	if len(c.Rounds) > 0 {
		a.connections = c
	}
}

// afterClosing is how long after a round something may still be there that belonged
// to its connections.
const afterClosing = 2 * time.Second

// outlasts reports whether more than half of what came up while connections were held
// was there some time after they were closed: then it is work that ends by itself, as
// that of requests beside them, and no connection's. Of connections that others hold
// nobody knows when they are closed.
func (a *analysis) outlasts(run record.Run, l record.Load, parts [3]float64, open int) bool {
	if l.Held == 0 {
		return false
	}
	next := slices.IndexFunc(run.Loads, func(o record.Load) bool { return o.Start >= l.End })
	i := slices.IndexFunc(run.Samples, func(s record.Sample) bool { return s.Target == a.target && s.At >= l.End+afterClosing })
	if i < 0 || next >= 0 && run.Samples[i].At >= run.Loads[next].Start {
		return false
	}
	// What was there before the round, and what pools and rules explain, is not its.
	before := a.total.bands[l.Round-1].mid
	explained := a.explained(l.Round) - a.explained(l.Round-1)
	left := float64(run.Samples[i].Goroutines - before - explained)
	return left > (parts[2]-parts[0])*float64(open)/2
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

// least is the growth per connection below which it is nothing.
func (c *Connections) least() float64 { return max(heldShare, heldLeast/float64(max(c.Open, 1))) }

// gathers reports whether connections gather goroutines while they are held: in every
// round, in the second half of the time as in the first.
func (c *Connections) gathers() bool {
	least := c.least()
	for _, p := range c.Rounds {
		first, second := p[1]-p[0], p[2]-p[1]
		if first < least || second < least || second < first/2 {
			return false
		}
	}
	return len(c.Rounds) >= minRounds
}

// checkConnections adds a check, and a finding where connections gather goroutines
// that go when they are closed: the windows after the rounds do not show them.
func (a *analysis) checkConnections(run record.Run, rules []rule) {
	if a.holds == 0 {
		return
	}
	check := Check{Name: "connections", Target: a.target, Outcome: Pass, Unit: "goroutines per connection"}
	c := a.connections
	if c == nil || len(c.Rounds) < minRounds {
		check.Outcome, check.Code = Inconclusive, CodeGap
		check.Message = fmt.Sprintf("whether connections gather goroutines was not to be seen: too few samples while they were held, in %d of %d rounds", a.holds-a.heldRounds(), a.holds)
		check.Hint = "lengthen load.round, to six scrape intervals where only Prometheus knows the target"
		a.extra = append(a.extra, check)
		return
	}
	last := c.Rounds[len(c.Rounds)-1]
	check.Measured, check.Limit = last[2], math.Round(1000*(last[0]+c.least()))/1000
	switch {
	case !c.gathers():
	case c.outlasted:
		a.warnings = append(a.warnings, Warning{Code: "draining", Target: a.target, Message: fmt.Sprintf(
			"goroutines came up all the while connections were held, %.2f, %.2f and %.2f for each in the last round, and were still there after them: slow work, and no connection's", last[0], last[1], last[2])})
	default:
		a.gathered(run, check, last, rules)
		return
	}
	a.extra = append(a.extra, check)
}

// minRounds is in how many rounds growth has to be seen to be one that repeats.
const minRounds = 2

func (a *analysis) heldRounds() int {
	if a.connections == nil {
		return 0
	}
	return len(a.connections.Rounds)
}

// gathered fails the check, and makes a finding of the stack that grew most while
// connections were held. What rules let grow is left out; where that is all, the check
// passes.
func (a *analysis) gathered(run record.Run, check Check, last [3]float64, rules []rule) {
	check.Outcome, check.Code = Fail, "connections-growing"
	check.Message = fmt.Sprintf("each of %d connections gathers goroutines while it is held: %.2f, %.2f and %.2f of them in the last round", a.connections.Open, last[0], last[1], last[2])
	check.Hint = "something that is started per message or per tick does not end before the connection does"
	defer func() { a.extra = append(a.extra, check) }()
	deltas, profiles := a.heldGrowth(run)
	left, covered := 0, false
	var worst stacks.Delta
	for _, d := range deltas {
		s := suspect{key: d.Stack.Key, id: byKey, stack: d.Stack, class: leak}
		if r := a.coverHeld(rules, &s, d.After); r != nil {
			covered = true
			a.ignored = append(a.ignored, Ignored{Target: a.target, Function: blamed(s.stack), Growth: d.Growth(), Reason: r.Reason, Owner: r.Owner, Until: r.Until})
			continue
		}
		if left == 0 {
			worst = d
		}
		left += d.Growth()
	}
	if covered && float64(left) < a.connections.least()*float64(a.connections.Open) {
		check.Outcome, check.Code, check.Message, check.Hint = Pass, "", "all that connections gather is ignored", ""
		return
	}
	if left == 0 {
		return
	}
	if slices.ContainsFunc(a.suspects, func(o suspect) bool { return o.key == worst.Stack.Key && (o.class == leak || o.rule != nil) }) {
		return // it stays behind too: then that is the finding
	}
	s := suspect{key: worst.Stack.Key, id: byKey, stack: worst.Stack, class: leak, trend: a.history.of(byKey, worst.Stack.Key)}
	f := a.finding(run, s)
	f.Counts, f.Leaked, f.Kept = []int{worst.Before, worst.After}, worst.Growth(), nil
	f.Profiles = profiles
	f.Evidence, f.Per1000 = []string{Held}, 0
	f.Note = "it grows while connections are held, and goes when they are closed; the counts are of the last round, early and late"
	a.findings = append(a.findings, f) // no leak that a trial could look for: it leaves nothing behind
}

// coverHeld finds the rule that lets so many goroutines of a stack be there while
// connections are held.
func (a *analysis) coverHeld(rules []rule, s *suspect, n int) *rule {
	for i := range rules {
		if r := &rules[i]; (r.Max <= 0 || n <= r.Max) && a.matches(r, s) {
			return r
		}
	}
	return nil
}

// heldGrowth are the stacks that grew between the first and the last profile that was
// taken while the last round's connections were held, the largest growth first, and the
// files of the two.
func (a *analysis) heldGrowth(run record.Run) ([]stacks.Delta, []string) {
	var first, last *record.Capture
	for i, c := range run.Captures {
		if c.Target == a.target && c.Kind == record.Holding && c.Round == a.history.rounds() {
			if first == nil {
				first = &run.Captures[i]
			}
			last = &run.Captures[i]
		}
	}
	if first == nil || first == last {
		return nil, nil
	}
	var files []string
	if first.File != "" && last.File != "" {
		files = []string{first.File, last.File}
	}
	deltas := stacks.Diff(first.Profile, last.Profile)
	return slices.DeleteFunc(deltas, func(d stacks.Delta) bool { return d.Growth() <= 0 }), files
}
