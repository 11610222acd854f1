package verdict

import (
	"cmp"
	"fmt"
	"math"
	"time"

	"github.com/leakgate/leakgate/record"
)

// Codes of what makes a run inconclusive.
const (
	CodeUnreachable = "target-unreachable"
	CodeRestarted   = "target-restarted"
	CodeReplaced    = "target-replaced"
	CodeFlips       = "identity-flips"
	CodeLost        = "target-lost"
	CodeInstances   = "instances-changed"
	CodeGap         = "samples-missing"
	CodeCounts      = "profile-inconsistent"
	CodeRefused     = "load-refused"
	CodeFailing     = "requests-failing"
	CodeSlow        = "load-not-delivered"
	CodeGenerator   = "generator-saturated"
	CodeUnsent      = "request-not-sent"
	CodeStopped     = "load-stopped"
	CodeRounds      = "rounds-missing"
	CodeUnmeasured  = "not-measured"
	CodeUncounted   = "load-uncounted"
	CodeIncomplete  = "run-incomplete"
	CodeInterrupted = "interrupted"
)

// recorded tells whether the run came to its end.
func recorded(run record.Run) Check {
	c := Check{Name: "recorded", Outcome: Pass, Measured: 1, Limit: 1, Unit: "complete run"}
	switch {
	case run.End == nil:
		c.Outcome, c.Measured, c.Code = Inconclusive, 0, CodeIncomplete
		c.Message = "the run has no end: leakgate was killed, or is still running"
		c.Hint = "run it again; what was recorded so far is in the run directory"
	case run.End.Reason == record.Interrupted:
		c.Outcome, c.Measured, c.Code = Inconclusive, 0, CodeInterrupted
		c.Message = "interrupted before the end"
	case run.End.Reason != record.Complete:
		c.Outcome, c.Measured, c.Code = Inconclusive, 0, run.End.Code
		c.Message, c.Hint = cmp.Or(run.End.Message, "aborted: "+run.End.Code), run.End.Hint
	}
	return c
}

// validity asks whether one target was the same process throughout, and was
// seen whenever it mattered.
func validity(run record.Run, t record.Target) []Check {
	out := []Check{measured(run, t.Name), sameProcess(run, t)}
	if t.Counter != "" {
		out = append(out, sameCounts(run, t))
	}
	return out
}

const (
	// countsApart is the share by which a target's metrics and its profiles may
	// differ about how many goroutines there are, and fewApart the goroutines:
	// they are read one after the other, while the target goes on.
	countsApart = 0.25
	fewApart    = 25
	// near is how far apart in time they may be compared.
	near = 1500 * time.Millisecond
)

// sameCounts asks whether metrics and profiles tell of the same process: in
// quiet moments they agree. One moment in which they do not is chance.
func sameCounts(run record.Run, t record.Target) Check {
	c := Check{Name: "counts agree", Target: t.Name, Outcome: Pass, Unit: "windows in which metrics and profile differ"}
	type window struct {
		kind  record.Kind
		round int
	}
	differ := map[window]bool{}
	for _, p := range run.Captures {
		if p.Target != t.Name || p.Kind != record.Baseline && p.Kind != record.Settling {
			continue
		}
		for _, s := range run.Samples {
			if s.Target != t.Name || !s.Metric || s.At < p.At-near || s.At > p.At+near {
				continue
			}
			w := window{p.Kind, p.Round}
			apart := math.Abs(float64(s.Goroutines - p.Profile.Total))
			ok := apart <= max(fewApart, countsApart*float64(max(s.Goroutines, p.Profile.Total)))
			if was, seen := differ[w]; !seen {
				differ[w] = !ok
			} else {
				differ[w] = was && !ok
			}
			if differ[w] && c.Message == "" {
				c.Message = fmt.Sprintf("%s says %d goroutines, the profile of the same moment has %d (%s into the run)", t.Counter, s.Goroutines, p.Profile.Total, p.At.Round(time.Second))
			}
		}
	}
	for _, d := range differ {
		if d {
			c.Measured++
		}
	}
	if c.Measured < 2 || int(c.Measured) < len(differ) {
		c.Message = ""
		return c
	}
	c.Outcome, c.Code = Inconclusive, CodeCounts
	c.Hint = "do targets[].pprof and targets[].metrics lead to the same process?"
	return c
}

func measured(run record.Run, target string) Check {
	c := Check{Name: "measured", Target: target, Outcome: Pass, Unit: "missing samples"}
	var first *record.Gap
	for i, g := range run.Gaps {
		if g.Target != target || !g.Needed {
			continue
		}
		c.Measured++
		if first == nil {
			first = &run.Gaps[i]
		}
	}
	if first != nil {
		c.Outcome, c.Code, c.Hint = Inconclusive, CodeGap, first.Hint
		if first.Inconsistent {
			c.Code = CodeCounts
		}
		if first.Code != "" {
			c.Code = first.Code
		}
		if first.Kind == record.Preflight {
			c.Code = CodeUnreachable
		}
		c.Message = fmt.Sprintf("%s, %s into the run: %s", first.What, first.At.Round(time.Second), first.Error)
	}
	return c
}

// sameProcess watches what only grows, or never changes, within one process.
func sameProcess(run record.Run, t record.Target) Check {
	c := Check{Name: "same process", Target: t.Name, Outcome: Pass, Unit: "changes of identity"}
	last, first := t.Sight, t.Sight
	if !identifiable(run, t) {
		c.Message = "not known: the target offers neither a start time nor memory counters"
	}
	back := false // it is the first process again
	for _, s := range run.Sights {
		if s.Target != t.Name {
			continue
		}
		what := changed(last, s)
		if what != "" {
			c.Measured++
			if c.Measured == 1 {
				c.Outcome, c.Code = Inconclusive, CodeRestarted
				c.Message = fmt.Sprintf("restarted: %s, seen %s into the run", what, s.At.Round(time.Second))
				c.Hint = "find out why it restarted, and run again; a crash under load is worth a look of its own"
			}
			back = back || t.Start > 0 && !startMoved(t.Sight, s) && startMoved(last, s)
		}
		if c.Measured > 0 && c.Code != CodeReplaced && rebuilt(first, s) { // it may only be seen later than the change
			c.Code = CodeReplaced
			c.Message = fmt.Sprintf("replaced by another build: %s, seen %s into the run", cmp.Or(what, changed(release(first), release(s))), s.At.Round(time.Second))
			c.Hint = "was it deployed in the middle of the run? run again when the deploy is over"
		}
		if what != "" { // another process, of which nothing is known but this
			last = s
			continue
		}
		last = merge(last, s)
		if c.Measured == 0 {
			first = last
		}
	}
	if c.Measured >= 3 || back {
		c.Code = CodeFlips
		c.Message = fmt.Sprintf("several processes answer at this address: its identity changed %.0f times", c.Measured)
		c.Hint = "is there a load balancer in front of pprof? list every replica as a target of its own"
	}
	return c
}

// identifiable tells whether anything would show that a target was restarted.
func identifiable(run record.Run, t record.Target) bool {
	if t.Start > 0 || t.TotalAlloc > 0 || t.Allocated > 0 {
		return true
	}
	for _, s := range run.Sights {
		if s.Target == t.Name && (s.Start > 0 || s.TotalAlloc > 0 || s.Allocated > 0) {
			return true
		}
	}
	return false
}

// changed says what shows that two sights are of different processes, if so.
func changed(a, b record.Sight) string {
	switch {
	case startMoved(a, b):
		return fmt.Sprintf("start time moved from %s to %s", clock(a.Start), clock(b.Start))
	case a.Build != "" && b.Build != "" && a.Build != b.Build:
		return fmt.Sprintf("build changed from %.12s to %.12s", a.Build, b.Build)
	case a.GoVersion != "" && b.GoVersion != "" && a.GoVersion != b.GoVersion:
		return fmt.Sprintf("Go version changed from %s to %s", a.GoVersion, b.GoVersion)
	case b.TotalAlloc > 0 && b.TotalAlloc < a.TotalAlloc:
		return fmt.Sprintf("bytes allocated since the start went down from %d to %d", a.TotalAlloc, b.TotalAlloc)
	case b.Allocated > 0 && b.Allocated < a.Allocated:
		return fmt.Sprintf("bytes allocated since the start went down from %d to %d, by its metrics", a.Allocated, b.Allocated)
	case b.NumGC > 0 && b.NumGC < a.NumGC:
		return fmt.Sprintf("collections since the start went down from %d to %d", a.NumGC, b.NumGC)
	}
	return ""
}

// rebuilt tells whether two sights are of different executables.
func rebuilt(a, b record.Sight) bool {
	return a.Build != "" && b.Build != "" && a.Build != b.Build || a.GoVersion != "" && b.GoVersion != "" && a.GoVersion != b.GoVersion
}

// release is what tells one executable from another.
func release(s record.Sight) record.Sight {
	return record.Sight{Build: s.Build, GoVersion: s.GoVersion}
}

// startMoved allows for a second of drift: on Linux, a process computes its start
// time from ticks of 10 ms since the boot, and the boot's time, in whole seconds,
// may be rounded otherwise later. So two start times in ticks are those of one
// process only if they lie whole seconds apart.
func startMoved(a, b record.Sight) bool {
	if a.Start <= 0 || b.Start <= 0 {
		return false
	}
	apart := math.Abs(a.Start - b.Start)
	if inTicks(a.Start) && inTicks(b.Start) && math.Abs(apart-math.Round(apart)) > 1.5*tick {
		return true
	}
	return apart > 1+1.5*tick
}

// tick is the unit of a process's start time in /proc, in seconds.
const tick = 0.01

// inTicks tells whether a start time is a whole number of ticks.
func inTicks(unix float64) bool { return math.Abs(unix/tick-math.Round(unix/tick)) < 0.001 }

func clock(unix float64) string {
	return time.Unix(int64(unix), 0).UTC().Format(time.TimeOnly)
}

// merge keeps what the newer sight does not offer.
func merge(a, b record.Sight) record.Sight {
	if b.Start == 0 {
		b.Start = a.Start
	}
	if b.Build == "" {
		b.Build = a.Build
	}
	if b.GoVersion == "" {
		b.GoVersion = a.GoVersion
	}
	if b.TotalAlloc == 0 {
		b.TotalAlloc = a.TotalAlloc
	}
	if b.Allocated == 0 {
		b.Allocated = a.Allocated
	}
	if b.NumGC == 0 {
		b.NumGC = a.NumGC
	}
	return b
}

// Hopeless finds what already makes the run inconclusive, whatever else will
// be measured, so that a gate can stop instead of loading on.
func Hopeless(run record.Run, policy Policy) (Check, bool) {
	var all []Check
	if len(run.Loads) > 0 {
		all = append(all, answered(run), delivered(run, policy), succeeded(run, policy), entries(run, policy))
		if c, ok := heldOpen(run, policy); ok {
			all = append(all, c)
		}
	}
	for _, t := range run.Targets {
		all = append(all, validity(run, t)...)
	}
	for _, c := range all {
		if c.Outcome == Inconclusive {
			return c, true
		}
	}
	return Check{}, false
}
