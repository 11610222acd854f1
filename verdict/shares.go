package verdict

import (
	"cmp"
	"fmt"
	"time"

	"github.com/leakgate/leakgate/record"
)

// Of a load that several machines share, each has to have sent its part: what one lacks,
// others can make up for in the sum, and the service has seen another load than the plan's.

// shares asks that of the machine that sent the least of its part, in any round.
func shares(run record.Run, policy Policy) (Check, bool) {
	limits := policy.limits().Load
	c := Check{Name: "shares", Outcome: Pass, Measured: 1, Limit: policy.Delivered, Unit: "share of a machine's part"}
	found := false
	for _, l := range run.Loads {
		if l.Kind != record.Round || l.Stopped != "" {
			continue
		}
		for _, p := range l.Parts {
			found = true
			if p.Late.Abs().Seconds() > limits.Skew*l.Planned.Seconds() && c.Outcome == Pass {
				skewed(&c, l, p, limits)
			}
			if p.Expected == 0 || l.Asked == 0 {
				continue
			}
			if share := float64(p.Sent) / float64(p.Expected); share < c.Measured {
				c.Measured = roundedDown(share)
				if share < c.Limit {
					short(&c, l, p, limits)
				}
			}
		}
	}
	return c, found
}

// skewed says that a machine began too late, or too early.
func skewed(c *Check, l record.Load, p record.Part, limits LoadThresholds) {
	c.Outcome, c.Code = Inconclusive, CodeSkewed
	than := "later than the first pod"
	if p.Late < 0 {
		than = "earlier than it was to"
	}
	c.Message = fmt.Sprintf("%s began round %d %s %s; at most %s may lie between the pods", p.Name, l.Round,
		tenthSecond(p.Late.Abs()), than, tenthSecond(time.Duration(limits.Skew*float64(l.Planned))))
	c.Hint = "are the clocks of the nodes set? longer rounds bear more"
}

// short says that a machine did not send its part, and why.
func short(c *Check, l record.Load, p record.Part, limits LoadThresholds) {
	c.Outcome, c.Code = Inconclusive, CodeSlow
	c.Message = fmt.Sprintf("%s sent %d of the %d requests that were its part of round %d", p.Name, p.Sent, p.Expected, l.Round)
	c.Hint = "lower load.rate, or raise load.connections if the service answers slowly"
	one := record.Load{CPU: p.CPU, Delay: p.Delay, Connections: p.Connections, Workers: p.Workers, Parts: []record.Part{p}}
	if why := saturated(one, limits); why != "" {
		c.Code = CodeGenerator
		c.Message += "; the pod was the bottleneck: " + why
		c.Hint = "raise load.kubernetes.cpu or pods, or lower load.rate"
	}
}

// throttled is the largest share of the time in which a generator was held back by a limit.
func throttled(l record.Load) float64 {
	most := 0.0
	for _, p := range l.Parts {
		most = max(most, p.Throttled)
	}
	return most
}

// throttledLoad warns of generators that sent what they had to, and were held back now and
// then: what the service saw came in bursts, and latencies are the generator's too.
func throttledLoad(run record.Run, policy Policy) []Warning {
	var worst record.Part
	for _, l := range run.Loads {
		for _, p := range l.Parts {
			if l.Kind == record.Round && l.Asked > 0 && p.Throttled >= policy.limits().Load.Throttled &&
				cmp.Compare(p.Throttled, worst.Throttled) > 0 {
				worst = p
			}
		}
	}
	if worst.Name == "" {
		return nil
	}
	return []Warning{{Code: CodeGenerator, Message: fmt.Sprintf(
		"%s was held back by its processor limit in %.0f%% of the time: the load came in bursts; raise load.kubernetes.cpu", worst.Name,
		percent*worst.Throttled)}}
}

// stoppedHint is what to do about a load that was stopped.
func stoppedHint(code string) string {
	switch code {
	case CodeNotReady:
		return "kubectl get pods and describe say more; load.kubernetes.ready waits longer"
	case CodeGone:
		return "run again when the nodes of the load are at rest; the pods may need more memory, or nodes of their own"
	case CodeUnread:
		return "what a pod's log holds is the load's result: is its node reachable, and the image of this version of leakgate?"
	}
	return "leakgate check sends each request once and prints the answers; what a command printed is in the run directory, under load"
}

func tenthSecond(d time.Duration) time.Duration { return d.Round(time.Second / ten) }
