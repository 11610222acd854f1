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
	CodeFlips       = "identity-flips"
	CodeLost        = "target-lost"
	CodeGap         = "samples-missing"
	CodeRefused     = "load-refused"
	CodeFailing     = "requests-failing"
	CodeSlow        = "load-not-delivered"
	CodeUnsent      = "request-not-sent"
	CodeStopped     = "load-stopped"
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

// loadChecks asks whether the load that the plan describes reached the service.
func loadChecks(run record.Run, policy Policy) []Check {
	rounds := Check{Name: "rounds", Outcome: Pass, Limit: float64(policy.MinRounds), Unit: "rounds"}
	var out []Check
	for _, l := range run.Loads {
		if l.Kind == record.Round {
			rounds.Measured = max(rounds.Measured, float64(l.Round))
		}
	}
	if rounds.Measured < rounds.Limit {
		rounds.Outcome = Inconclusive
		rounds.Message = fmt.Sprintf("%.0f of at least %.0f rounds were completed", rounds.Measured, rounds.Limit)
	}
	out = append(out, rounds)
	if len(run.Loads) == 0 {
		return append(out, Check{Name: "load", Outcome: Inconclusive, Unit: "requests", Message: "no load was sent"})
	}
	return append(out, delivered(run, policy), answered(run), succeeded(run, policy), entries(run, policy))
}

// delivered compares the rate of the worst round with what was asked for.
func delivered(run record.Run, policy Policy) Check {
	c := Check{Name: "rate", Outcome: Pass, Measured: math.Inf(1), Unit: "requests/s"}
	var worst record.Load
	stopped := ""
	for _, l := range run.Loads {
		if l.Stopped != "" && l.Stopped != record.StoppedByUs {
			stopped = l.Stopped
		}
		if l.Kind == record.Round && l.Stopped != record.StoppedByUs && achieved(l) < c.Measured {
			c.Measured, worst = achieved(l), l
		}
	}
	if math.IsInf(c.Measured, 1) {
		c.Measured = 0
	}
	c.Measured = math.Round(c.Measured*10) / 10
	c.Limit = math.Round(worst.Asked*policy.Delivered*10) / 10
	switch {
	case stopped != "":
		c.Outcome, c.Code, c.Message = Inconclusive, CodeStopped, stopped
	case worst.Asked > 0 && worst.Expected > 0 && float64(worst.Sent) < policy.Delivered*float64(worst.Expected):
		c.Outcome, c.Code = Inconclusive, CodeSlow
		c.Message = fmt.Sprintf("round %d sent %.1f of the %.1f requests/s that were asked for", worst.Round, c.Measured, worst.Asked)
		c.Hint = "lower load.rate, or raise load.connections if the service answers slowly; the load generator itself may be out of CPU"
	}
	return c
}

func achieved(l record.Load) float64 {
	d := min(l.Planned, l.End-l.Start) // answers that come late do not lower the rate at which was sent
	if d <= 0 {
		return 0
	}
	return float64(l.Sent) / d.Seconds()
}

// answered asks whether a service was there at all: a request that fails by
// design still gets an answer, or is given up by the client.
func answered(run record.Run) Check {
	c := Check{Name: "answered", Outcome: Pass, Measured: 1, Limit: 0.5, Unit: "share of requests"}
	for _, l := range run.Loads {
		if l.Sent == 0 {
			c.Measured = 0
			c.Outcome, c.Code, c.Message = Inconclusive, CodeRefused, "no request was sent"
			continue
		}
		share := float64(l.Answered+l.Abandoned+timeouts(l)) / float64(l.Sent)
		if share >= c.Measured && l.Answered+l.Abandoned > 0 {
			continue
		}
		c.Measured = round3(share)
		if share < c.Limit || l.Answered+l.Abandoned == 0 {
			kind, n := commonError(l)
			c.Outcome, c.Code = Inconclusive, CodeRefused
			c.Message = fmt.Sprintf("%d of %d requests of the %s got no answer; %d times: %s", l.Sent-l.Answered-l.Abandoned, l.Sent, phaseName(l), n, kind)
			c.Hint = "is the service listening where load.requests point?"
		}
	}
	return c
}

func timeouts(l record.Load) uint64 {
	var n uint64
	for _, e := range l.Entries {
		n += e.Errors[record.TimeoutError]
	}
	return n
}

func commonError(l record.Load) (kind string, n uint64) {
	for _, e := range l.Entries {
		for _, k := range sortedKeys(e.Errors) {
			if e.Errors[k] > n {
				kind, n = k, e.Errors[k]
			}
		}
	}
	return kind, n
}

func phaseName(l record.Load) string {
	if l.Kind == record.Warmup {
		return "warm-up"
	}
	return fmt.Sprintf("round %d", l.Round)
}

// succeeded holds all requests without a floor of their own against the
// plan's, in the worst round.
func succeeded(run record.Run, policy Policy) Check {
	c := Check{Name: "success", Outcome: Pass, Measured: 1, Limit: policy.Success, Unit: "share of requests"}
	for _, l := range run.Loads {
		if l.Kind != record.Round {
			continue
		}
		var ok, all uint64
		codes := map[string]uint64{}
		for i, e := range l.Entries {
			if ownFloor(policy, i) >= 0 {
				continue
			}
			ok += e.Succeeded
			all += e.Sent - e.Abandoned
			codes = addCounts(codes, e.Codes)
			codes = addCounts(codes, e.Errors)
		}
		if all == 0 || float64(ok)/float64(all) >= c.Measured {
			continue
		}
		c.Measured = round3(float64(ok) / float64(all))
		if float64(ok) < c.Limit*float64(all) {
			failing(&c, fmt.Sprintf("%d of %d requests of round %d", all-ok, all, l.Round), codes)
		}
	}
	return c
}

// entries looks at every request of the load on its own: it was sent, it ever
// succeeded where it is meant to, and in every round as often as it says itself.
func entries(run record.Run, policy Policy) Check {
	c := Check{Name: "entries", Outcome: Pass, Unit: "requests below their success floor"}
	type sum struct {
		name                       string
		sent, succeeded, abandoned uint64
		codes                      map[string]uint64
	}
	var sums []sum
	for _, l := range run.Loads {
		if l.Kind != record.Round {
			continue
		}
		for i, e := range l.Entries {
			if i == len(sums) {
				sums = append(sums, sum{name: e.Name})
			}
			t := &sums[i]
			t.sent, t.succeeded, t.abandoned = t.sent+e.Sent, t.succeeded+e.Succeeded, t.abandoned+e.Abandoned
			t.codes = addCounts(addCounts(t.codes, e.Codes), e.Errors)
			floor, all := ownFloor(policy, i), e.Sent-e.Abandoned
			if floor <= 0 || all == 0 || float64(e.Succeeded) >= floor*float64(all) {
				continue
			}
			c.Measured++
			codes := addCounts(addCounts(nil, e.Codes), e.Errors)
			failing(&c, fmt.Sprintf("%s: %d of %d requests of round %d", e.Name, all-e.Succeeded, all, l.Round), codes)
		}
	}
	if c.Outcome != Pass {
		return c
	}
	for i, t := range sums {
		floor := ownFloor(policy, i)
		if floor < 0 {
			floor = policy.Success
		}
		switch {
		case t.sent == 0:
			c.Outcome, c.Code, c.Measured = Inconclusive, CodeUnsent, c.Measured+1
			c.Message = t.name + " was never sent: the rounds are too short for its weight"
			c.Hint = "lengthen load.round, raise load.rate, or raise its weight"
		case floor > 0 && t.succeeded == 0 && t.sent > t.abandoned:
			c.Measured++
			failing(&c, fmt.Sprintf("%s: all %d requests", t.name, t.sent-t.abandoned), t.codes)
		}
	}
	return c
}

// redirected warns of requests that were answered by redirects alone, as an
// expired login is: leakgate does not follow them.
func redirected(load []LoadEntry) []Warning {
	var out []Warning
	for _, e := range load {
		var other uint64
		for code, n := range e.Codes {
			if code[0] != '3' {
				other += n
			}
		}
		if len(e.Codes) > 0 && other == 0 {
			out = append(out, Warning{Code: "redirected", Message: e.Name + " was only ever answered with a redirect, which is not followed: has a login expired?"})
		}
	}
	return out
}

func ownFloor(policy Policy, entry int) float64 {
	if entry < len(policy.Entries) {
		return policy.Entries[entry]
	}
	return -1
}

func failing(c *Check, what string, codes map[string]uint64) {
	c.Outcome, c.Code = Inconclusive, CodeFailing
	c.Message = what + " failed"
	var worst string
	for _, k := range sortedKeys(codes) {
		if (len(k) != 3 || k[0] >= '4') && codes[k] > codes[worst] {
			worst = k
		}
	}
	if worst != "" {
		c.Message += fmt.Sprintf(", %d times: %s", codes[worst], worst)
	}
	c.Hint = "mend the requests or the service; where failing is the point, set `success: 0` on the request"
}

// validity asks whether one target was the same process throughout, and was
// seen whenever it mattered.
func validity(run record.Run, t record.Target) []Check {
	return []Check{measured(run, t.Name), sameProcess(run, t)}
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
	last := t.Sight
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
				c.Message = fmt.Sprintf("restarted or replaced: %s, seen %s into the run", what, s.At.Round(time.Second))
				c.Hint = "find out why it restarted, and run again; a crash under load is worth a look of its own"
			}
			back = back || t.Start > 0 && !startMoved(t.Sight, s) && startMoved(last, s)
		}
		last = merge(last, s)
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
	if t.Start > 0 || t.TotalAlloc > 0 {
		return true
	}
	for _, s := range run.Sights {
		if s.Target == t.Name && (s.Start > 0 || s.TotalAlloc > 0) {
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
	case b.NumGC > 0 && b.NumGC < a.NumGC:
		return fmt.Sprintf("collections since the start went down from %d to %d", a.NumGC, b.NumGC)
	}
	return ""
}

// startMoved allows for a second of drift: a process computes its start time
// from clock ticks.
func startMoved(a, b record.Sight) bool {
	return a.Start > 0 && b.Start > 0 && math.Abs(a.Start-b.Start) > 1
}

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
	if b.NumGC == 0 {
		b.NumGC = a.NumGC
	}
	return b
}

func round3(x float64) float64 { return math.Floor(x*1000) / 1000 }

// Hopeless finds what already makes the run inconclusive, whatever else will
// be measured, so that a gate can stop instead of loading on.
func Hopeless(run record.Run, policy Policy) (Check, bool) {
	var all []Check
	if len(run.Loads) > 0 {
		all = append(all, answered(run), delivered(run, policy), succeeded(run, policy), entries(run, policy))
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
