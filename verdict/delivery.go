package verdict

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/record"
)

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
		rounds.Outcome, rounds.Code = Inconclusive, CodeRounds
		rounds.Message = fmt.Sprintf("%.0f of at least %.0f rounds were completed", rounds.Measured, rounds.Limit)
	}
	out = append(out, rounds)
	if len(run.Loads) == 0 {
		return append(out, Check{Name: "load", Outcome: Inconclusive, Code: CodeRounds, Unit: "requests", Message: "no load was sent"})
	}
	out = append(out, delivered(run, policy))
	if c, ok := shares(run, policy); ok {
		out = append(out, c)
	}
	out = append(out, answered(run, policy), succeeded(run, policy), entries(run, policy))
	if c, ok := heldOpen(run, policy); ok {
		out = append(out, c)
	}
	return append(out, counted(run, policy))
}

// counted asks whether anybody says that there was load. Where nobody does, and the plan
// does not say that this is right, a run may find a leak, and cannot pass.
func counted(run record.Run, policy Policy) Check {
	c := Check{Name: "counted", Outcome: Pass, Unit: "rounds that nobody counted"}
	for _, l := range run.Loads {
		if l.Kind == record.Round && l.Uncounted {
			c.Measured++
		}
	}
	if c.Measured > 0 && !policy.Uncounted {
		c.Outcome, c.Code = Inconclusive, CodeUncounted
		c.Message = "nobody says that anything was sent: the load's command printed no summary that leakgate can read"
		c.Hint = "let it print one of k6, ghz, vegeta or wrk; load.exec.summary: none passes the run without one"
	}
	return c
}

// heldOpen asks whether as many connections were held as the plan wants, in the worst
// round.
func heldOpen(run record.Run, policy Policy) (Check, bool) {
	c := Check{Name: "held", Outcome: Pass, Measured: math.Inf(1), Unit: "connections"}
	limits := policy.limits().Load
	for _, l := range run.Loads {
		if l.Kind != record.Round || l.Held == 0 || l.Stopped != "" {
			continue
		}
		var open []float64
		for _, o := range l.Open {
			if part := o.At.Seconds() / l.Planned.Seconds(); part > limits.HeldFrom && part < limits.HeldTo {
				open = append(open, float64(o.Open))
			}
		}
		if n := stat.Median(open); n < c.Measured {
			c.Measured, c.Limit = n, policy.Delivered*float64(l.Held)
			if n < c.Limit {
				c.Outcome, c.Code = Inconclusive, CodeSlow
				c.Message = fmt.Sprintf("round %d held %.0f of %d connections", l.Round, n, l.Held)
				c.Hint = "see the errors of opening them; lower connections, or raise the limit on open files"
			}
		}
	}
	return c, !math.IsInf(c.Measured, 1)
}

// delivered compares the rate of the worst round with what was asked for.
func delivered(run record.Run, policy Policy) Check {
	c := Check{Name: "rate", Outcome: Pass, Measured: math.Inf(1), Unit: "requests/s"}
	var worst record.Load
	var stopped record.Load
	for _, l := range run.Loads {
		if l.Stopped != "" && l.Stopped != record.StoppedByUs {
			stopped = l
		}
		if l.Kind == record.Round && l.Stopped != record.StoppedByUs && achieved(l) < c.Measured {
			c.Measured, worst = achieved(l), l
		}
	}
	if math.IsInf(c.Measured, 1) {
		c.Measured = 0
	}
	c.Measured, c.Limit = tenth(c.Measured), tenth(worst.Asked*policy.Delivered)
	counted, uncounted := countedRounds(run)
	switch {
	case stopped.Stopped != "":
		c.Outcome, c.Code, c.Message = Inconclusive, cmp.Or(stopped.Code, CodeStopped), stopped.Stopped
		c.Hint = stoppedHint(stopped.Code)
	case counted > 0 && uncounted > 0:
		c.Outcome, c.Code = Inconclusive, CodeUncounted
		c.Message = fmt.Sprintf("the requests of %d of %d rounds were not counted", uncounted, counted+uncounted)
		c.Hint = "what the load's command printed is in the run directory, under load"
	case worst.Asked > 0 && worst.Expected > 0 && float64(worst.Requests()) < policy.Delivered*float64(worst.Expected):
		c.Outcome, c.Code = Inconclusive, CodeSlow
		c.Message = fmt.Sprintf("round %d sent %.1f of the %.1f requests/s that were asked for", worst.Round, c.Measured, worst.Asked)
		c.Hint = "lower load.rate, or raise load.connections if the service answers slowly"
		if why := saturated(worst, policy.limits().Load); why != "" {
			c.Code = CodeGenerator
			c.Message += "; the machine that generates the load was the bottleneck: " + why
			c.Hint = "lower load.rate, or run leakgate on a machine with more to spare"
		}
	}
	return c
}

// countedRounds is of how many rounds somebody knows how many requests were sent.
func countedRounds(run record.Run) (counted, uncounted int) {
	for _, l := range run.Loads {
		switch {
		case l.Kind != record.Round:
		case l.Uncounted:
			uncounted++
		default:
			counted++
		}
	}
	return counted, uncounted
}

// uncountedLoad warns of load of which nobody knows that it was sent.
func uncountedLoad(run record.Run) []Warning {
	if _, n := countedRounds(run); n == 0 {
		return nil
	}
	return []Warning{{Code: CodeUncounted, Message: "nobody counted the requests: whether the load reached the service, only who sends it knows"}}
}

// saturated says why a load that was not delivered was the generator's own
// fault, if it was: it was out of processor time, or did not even have in flight
// what it might have had.
func saturated(l record.Load, limits LoadThresholds) string {
	switch {
	case l.CPU >= limits.Busy:
		return fmt.Sprintf("leakgate itself used %.0f%% of its processors", percent*l.CPU)
	case l.Delay >= limits.Late:
		return fmt.Sprintf("one in ten of leakgate's goroutines waited %s or more for a processor", l.Delay.Round(time.Millisecond))
	case throttled(l) >= limits.Throttled:
		return fmt.Sprintf("a generator was held back by its processor limit in %.0f%% of the time", percent*throttled(l))
	case l.Connections > 0 && float64(l.Workers) < limits.Idle*float64(l.Connections):
		return fmt.Sprintf("at most %d of %d connections were in use", l.Workers, l.Connections)
	}
	return ""
}

func achieved(l record.Load) float64 {
	d := min(l.Planned, l.End-l.Start) // answers that come late do not lower the rate at which was sent
	if d <= 0 {
		return 0
	}
	return float64(l.Requests()) / d.Seconds()
}

// answered asks whether a service was there at all: a request that fails by
// design still gets an answer, or is given up by the client.
func answered(run record.Run, policy Policy) Check {
	c := Check{Name: "answered", Outcome: Pass, Measured: 1, Limit: policy.limits().Load.Answered, Unit: "share of requests"}
	for _, l := range run.Loads {
		if l.Sent == 0 && l.Stopped != "" && l.Stopped != record.StoppedByUs {
			continue // why it was stopped says more
		}
		if l.Sent == 0 {
			c.Measured = 0
			c.Outcome, c.Code, c.Message = Inconclusive, CodeRefused, "no request was sent"
			continue
		}
		share := float64(l.Answered+l.Abandoned+timeouts(l)) / float64(l.Sent)
		if share >= c.Measured && l.Answered+l.Abandoned > 0 {
			continue
		}
		c.Measured = roundedDown(share)
		if share < c.Limit || l.Answered+l.Abandoned == 0 {
			kind, n := commonError(l)
			c.Outcome, c.Code = Inconclusive, CodeRefused
			c.Message = fmt.Sprintf("%d of %d requests of the %s got no answer; %d times: %s", l.Sent-l.Answered-l.Abandoned, l.Sent, phaseName(l), n, kind)
			c.Hint = "is the service listening where load.requests point?"
			if kind == record.OwnLimitError {
				c.Code, c.Hint = CodeGenerator, "raise it for leakgate, as with ulimit -n 4096, or lower load.connections"
			}
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
		for _, k := range slices.Sorted(maps.Keys(e.Errors)) {
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
		c.Measured = roundedDown(float64(ok) / float64(all))
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
			if !strings.HasPrefix(code, "3") {
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

// okGRPC is the code of gRPC's success.
const okGRPC = "OK"

func failing(c *Check, what string, codes map[string]uint64) {
	c.Outcome, c.Code = Inconclusive, CodeFailing
	c.Message = what + " failed"
	var worst string
	for _, k := range slices.Sorted(maps.Keys(codes)) {
		if k != okGRPC && (len(k) != len("200") || k[0] >= '4') && codes[k] > codes[worst] {
			worst = k
		}
	}
	if worst != "" {
		c.Message += fmt.Sprintf(", %d times: %s", codes[worst], worst)
	}
	c.Hint = "fix the requests or the service; where failing is the point, set `success: 0` on the request"
}
