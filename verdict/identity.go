package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
)

// sameProcess watches what only grows, or never changes, within one process.
func sameProcess(run record.Run, t record.Target, limits IdentityThresholds) Check {
	c := Check{Name: "same process", Target: t.Name, Outcome: Pass, Unit: "changes of identity"}
	last, first := t.Identity, t.Identity
	if !identifiable(run, t) {
		c.Message = "not known: the target offers no start time, no memory counters and no dump"
	}
	back := false // it is the first process again
	for _, s := range identitiesOf(run, t.Name) {
		what := limits.changed(last, s)
		if what != "" {
			c.Measured++
			if c.Measured == 1 {
				c.Outcome, c.Code = Inconclusive, CodeRestarted
				c.Message = fmt.Sprintf("restarted: %s, seen %s into the run", what, s.At.Round(time.Second))
				c.Hint = "find out why it restarted, and run again; a crash under load is worth a look of its own"
			}
			back = back || t.Start > 0 && !limits.startMoved(t.Identity, s) && limits.startMoved(last, s)
		}
		if c.Measured > 0 && c.Code != CodeReplaced && rebuilt(first, s) { // it may only be seen later than the change
			c.Code = CodeReplaced
			c.Message = fmt.Sprintf("replaced by another build: %s, seen %s into the run", cmp.Or(what, limits.changed(release(first), release(s))), s.At.Round(time.Second))
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
	if c.Measured >= limits.Balanced || back {
		c.Code = CodeFlips
		c.Message = fmt.Sprintf("several processes answer at this address: its identity changed %.0f times", c.Measured)
		c.Hint = "is there a load balancer in front of pprof? list every replica as a target of its own"
	}
	return c
}

// identitiesOf is all that was seen of a target's identity, in the order of time: profiles
// say which build they are of.
func identitiesOf(run record.Run, target string) []record.Identity {
	var out []record.Identity
	for _, s := range run.Identities {
		if s.Target == target {
			out = append(out, s)
		}
	}
	for _, p := range inTime(run, target) {
		if p.Profile.BuildID != "" {
			out = append(out, record.Identity{At: p.At, Target: target, Build: p.Profile.BuildID})
		}
	}
	slices.SortStableFunc(out, func(a, b record.Identity) int { return cmp.Compare(a.At, b.At) })
	return out
}

// identifiable reports whether anything would show that a target was restarted.
func identifiable(run record.Run, t record.Target) bool {
	return shows(t.Identity) || slices.ContainsFunc(run.Identities, func(s record.Identity) bool { return s.Target == t.Name && shows(s) })
}

// shows reports whether an identity says who the target is.
func shows(s record.Identity) bool {
	return s.Start > 0 || s.TotalAlloc > 0 || s.Allocated > 0 || len(s.Listeners) > 0
}

// identified asks whether it is known who answered, up to the last profile that decides
// something. Where it is not, one restart makes a leak look like work that ended.
func identified(run record.Run, t record.Target, policy Policy) Check {
	c := Check{Name: "identity", Target: t.Name, Outcome: Pass, Measured: 1, Limit: 1, Unit: "known process"}
	if slices.Contains(policy.Unidentified, t.Name) || t.Group != "" && slices.Contains(policy.Unidentified, t.Group) {
		c.Message = "the plan passes it without (identity: unknown)"
		return c
	}
	var decided, seen time.Duration
	for _, p := range run.Captures {
		if p.Target == t.Name && decides(p.Kind) {
			decided = max(decided, p.At)
		}
	}
	known := shows(t.Identity)
	for _, s := range run.Identities {
		if s.Target == t.Name && shows(s) {
			known, seen = true, max(seen, s.At)
		}
	}
	if known && seen >= decided {
		return c
	}
	c.Outcome, c.Code, c.Measured = Inconclusive, CodeIdentity, 0
	c.Hint = "serve the heap profile or the target's metrics (targets[].metrics); identity: unknown passes it without"
	c.Message = "nothing shows that one process answered throughout: no start time, no memory counters and no dump"
	if known {
		c.Message = fmt.Sprintf("who answered is not known from %s into the run on", seen.Round(time.Second))
	}
	return c
}

// changed says what shows that two identities are of different processes, if so.
func (l IdentityThresholds) changed(a, b record.Identity) string {
	switch {
	case l.startMoved(a, b):
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
	case b.Continuity == record.Broken:
		return "the collections that it lists do not include the last that was seen"
	case len(a.Listeners) > 0 && len(b.Listeners) > 0 && !overlap(a.Listeners, b.Listeners):
		return fmt.Sprintf("it accepts connections elsewhere in its memory, at %s instead of %s", b.Listeners[0], a.Listeners[0])
	}
	return ""
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// rebuilt reports whether two identities are of different executables.
func rebuilt(a, b record.Identity) bool {
	return a.Build != "" && b.Build != "" && a.Build != b.Build || a.GoVersion != "" && b.GoVersion != "" && a.GoVersion != b.GoVersion
}

// release is what tells one executable from another.
func release(s record.Identity) record.Identity {
	return record.Identity{Build: s.Build, GoVersion: s.GoVersion}
}

// startMoved allows for a second of drift: on Linux, a process computes its start
// time from ticks of 10 ms since the boot, and the boot's time, in whole seconds,
// may be rounded otherwise later. So two start times in ticks are those of one
// process only if they lie whole seconds apart.
func (l IdentityThresholds) startMoved(a, b record.Identity) bool {
	if a.Start <= 0 || b.Start <= 0 {
		return false
	}
	apart := math.Abs(a.Start - b.Start)
	rounding := l.Rounding * l.Tick
	if l.inTicks(a.Start) && l.inTicks(b.Start) && math.Abs(apart-math.Round(apart)) > rounding {
		return true
	}
	return apart > time.Second.Seconds()+rounding
}

// inTicks reports whether a start time is a whole number of ticks.
func (l IdentityThresholds) inTicks(unix float64) bool {
	return math.Abs(unix/l.Tick-math.Round(unix/l.Tick)) < l.Whole
}

func clock(unix float64) string {
	return time.Unix(int64(unix), 0).UTC().Format(time.TimeOnly)
}

// merge keeps what the newer identity does not offer.
func merge(a, b record.Identity) record.Identity {
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
	if len(b.Listeners) == 0 {
		b.Listeners = a.Listeners
	}
	return b
}
