package verdict

import (
	"fmt"
	"slices"
	"time"

	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// readConnections looks at the rounds in which connections were held.
func readConnections(s subject, suspects []suspect) (out heldReading) {
	c := &Connections{Target: s.target}
	for _, l := range s.run.Loads {
		if l.Kind != record.Round || l.Round > s.history.rounds() || len(l.Open) == 0 {
			continue
		}
		out.holds++
		parts, open, ok := heldIn(s, l)
		if !ok {
			continue
		}
		c.Open = open
		c.Rounds = append(c.Rounds, parts)
		out.outlasted = outlastsClosing(s, suspects, l, parts, open) && (out.outlasted || len(c.Rounds) == 1)
	}
	if len(c.Rounds) > 0 {
		out.connections = c
	}
	return out
}

// outlastsClosing reports whether more than half of what came up while connections were held was
// there some time after they were closed: then it is work that ends by itself, as that of
// requests beside them, and no connection's. Of connections that others hold nobody knows
// when they are closed.
func outlastsClosing(s subject, suspects []suspect, l record.Load, parts [3]float64, open int) bool {
	if l.Held == 0 {
		return false
	}
	next := slices.IndexFunc(s.run.Loads, func(o record.Load) bool { return o.Start >= l.End })
	i := slices.IndexFunc(s.run.Samples, func(x record.Sample) bool {
		return x.Target == s.target && x.At >= l.End+s.limits.Connections.AfterClosing
	})
	if i < 0 || next >= 0 && s.run.Samples[i].At >= s.run.Loads[next].Start {
		return false
	}
	// What was there before the round, and what pools and rules explain, is not its.
	before := s.total.Bands[l.Round-1].Middle
	more := explained(suspects, l.Round) - explained(suspects, l.Round-1)
	left := float64(s.run.Samples[i].Goroutines - before - more)
	return left > s.limits.Connections.Outlasts*(parts[len(parts)-1]-parts[0])*float64(open)
}

// heldIn is goroutines per connection in the parts of a round but the first.
func heldIn(s subject, l record.Load) (parts [3]float64, open int, ok bool) {
	level := levelOpen(s, l)
	divided := s.limits.Connections.Parts
	if len(level) < divided {
		return parts, 0, false
	}
	from, to := l.Start+level[0].At, l.Start+level[len(level)-1].At
	before := s.total.Bands[0].Middle
	part := (to - from) / time.Duration(divided)
	for i := range parts {
		start := from + time.Duration(i+1)*part
		end := start + part
		goroutines := s.samplesIn(start, end)
		var connections []float64
		for _, o := range level {
			if at := l.Start + o.At; at >= start && at <= end {
				connections = append(connections, float64(o.Open))
			}
		}
		if len(goroutines) == 0 || len(connections) == 0 {
			return parts, 0, false
		}
		n := stat.Median(connections)
		parts[i], open = rounded((stat.Median(goroutines)-float64(before))/n), int(n)
	}
	return parts, open, true
}

// levelOpen is how many connections were open while nearly all were.
func levelOpen(s subject, l record.Load) (level []record.Open) {
	most := 0
	for _, o := range l.Open {
		most = max(most, o.Open)
	}
	for _, o := range l.Open {
		if most > 0 && float64(o.Open) >= s.limits.Connections.Open*float64(most) {
			level = append(level, o)
		}
	}
	return level
}

// least is the growth per connection below which it is nothing.
func (c *Connections) least(l ConnectionThresholds) float64 {
	return max(l.Share, l.Least/float64(max(c.Open, 1)))
}

// gathers reports whether connections gather goroutines while they are held: in every
// round, in the second half of the time as in the first.
func (c *Connections) gathers(l ConnectionThresholds) bool {
	least := c.least(l)
	for _, p := range c.Rounds {
		early, middle, late := p[0], p[1], p[len(p)-1]
		first, second := middle-early, late-middle
		if first < least || second < least || second < l.Steady*first {
			return false
		}
	}
	return len(c.Rounds) >= l.Rounds
}

// detectConnections adds a check, and a finding where connections gather goroutines that go
// when they are closed: the windows after the rounds do not show them.
func detectConnections(a assessment) (out detection) {
	c, limits := a.held.connections, a.limits.Connections
	if a.held.holds == 0 {
		return out
	}
	check := Check{Name: "connections", Target: a.target, Outcome: Pass, Unit: "goroutines per connection"}
	if known := a.held.knownRounds(); known < limits.Rounds {
		check.Outcome, check.Code = Inconclusive, CodeGap
		check.Message, check.Hint = heldUnknown(a.held.holds-known, a.held.holds)
		out.checks = append(out.checks, check)
		return out
	}
	last := c.Rounds[len(c.Rounds)-1]
	check.Measured, check.Limit = last[len(last)-1], rounded(last[0]+c.least(limits))
	switch {
	case !c.gathers(limits):
	case a.held.outlasted:
		out.warnings = append(out.warnings, Warning{Code: "draining", Target: a.target, Message: heldSlow(last)})
	default:
		return a.gathered(check, last)
	}
	out.checks = append(out.checks, check)
	return out
}

// knownRounds is in how many rounds goroutines per connection are known.
func (h heldReading) knownRounds() int {
	if h.connections == nil {
		return 0
	}
	return len(h.connections.Rounds)
}

// gathered fails the check, and makes a finding of the stack that grew most while
// connections were held. What rules let grow is left out; where that is all, the check
// passes.
func (a assessment) gathered(check Check, last [3]float64) (out detection) {
	c := a.held.connections
	check.Outcome, check.Code = Fail, "connections-growing"
	check.Message, check.Hint = heldGathers(c.Open, last)
	deltas, profiles := heldGrowth(a.subject)
	left, covered := 0, false
	var worst stacks.Delta
	for _, d := range deltas {
		x := suspect{key: d.Stack.Key, id: byKey, stack: d.Stack, class: trend.Leak}
		if r := a.coverCount(x, d.After); r != nil {
			covered = true
			out.ignored = append(out.ignored, r.ignores(a.target, x, d.Growth()))
			continue
		}
		if left == 0 {
			worst = d
		}
		left += d.Growth()
	}
	if covered && float64(left) < c.least(a.limits.Connections)*float64(c.Open) {
		check.Outcome, check.Code, check.Message, check.Hint = Pass, "", "all that connections gather is ignored", ""
	} else if left > 0 && !slices.ContainsFunc(a.suspects, func(o suspect) bool {
		return o.key == worst.Stack.Key && (o.class == trend.Leak || o.rule != nil) // it stays behind too: then that is the finding
	}) {
		out.findings = append(out.findings, a.heldFinding(worst, profiles))
	}
	out.checks = append(out.checks, check)
	return out
}

// heldFinding is a stack that grows while connections are held. No trial could look for it:
// it leaves nothing behind.
func (a assessment) heldFinding(d stacks.Delta, profiles []string) Finding {
	x := suspect{key: d.Stack.Key, id: byKey, stack: d.Stack, class: trend.Leak, trend: a.history.of(byKey, d.Stack.Key)}
	f := a.finding(x)
	f.Counts, f.Leaked, f.Kept = []int{d.Before, d.After}, d.Growth(), nil
	f.Profiles, f.Evidence, f.Per1000, f.Requests, f.Cleared = profiles, []string{Held}, 0, nil, 0
	f.Note = "it grows while connections are held, and goes when they are closed; the counts are of the last round, early and late"
	return f
}

// heldGrowth are the stacks that grew between the first and the last profile that was taken
// while the last round's connections were held, the largest growth first, and the files of
// the two.
func heldGrowth(s subject) ([]stacks.Delta, []string) {
	var first, last *record.Capture
	for i, c := range s.run.Captures {
		if c.Target == s.target && c.Kind == record.Holding && c.Round == s.history.rounds() {
			if first == nil {
				first = &s.run.Captures[i]
			}
			last = &s.run.Captures[i]
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

func heldUnknown(unknown, holds int) (message, hint string) {
	return fmt.Sprintf("whether connections gather goroutines is not known: too few samples while they were held, in %d of %d rounds", unknown, holds),
		"lengthen load.round, to six scrape intervals where only Prometheus knows the target"
}

func heldSlow(p [3]float64) string {
	return fmt.Sprintf("goroutines kept coming while connections were held, %.2f, %.2f and %.2f for each in the last round, and were still there after the connections had closed: slow work, not the connections'", p[0], p[1], p[len(p)-1])
}

func heldGathers(open int, p [3]float64) (message, hint string) {
	return fmt.Sprintf("each of %d connections gathers goroutines while it is held: %.2f, %.2f and %.2f of them in the last round", open, p[0], p[1], p[len(p)-1]),
		"something that is started per message or per tick does not end before the connection does"
}
