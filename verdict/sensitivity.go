package verdict

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// sensitivity plants synthetic leaks at falling rates into the run's rounds
// and judges them as it judges any stack: the smallest rate that is still
// caught, as requests per goroutine; 0 if none is. A planted leak that asks
// for further rounds gets them, as the run would have, up to the plan's budget.
//
// A leak is planted on a stack of its own, as most are; where only the count of all
// goroutines is known, on that. Which replica answers a request is not known, so each
// is credited with its share of them.
func sensitivity(run record.Run, policy Policy) int {
	policy.Thresholds = policy.limits()
	best := 0
	for i, t := range run.Targets {
		h := historyOf(run, t.Name, policy)
		if h.rounds() < 1 {
			return 0
		}
		n := h.sensitivity(policy, len(run.Targets))
		if i == 0 || n < best {
			best = n
		}
	}
	return best
}

func (h history) sensitivity(policy Policy, replicas int) int {
	var requests []uint64
	for _, w := range h.windows[1:] {
		requests = append(requests, w.requests)
	}
	trends := h.trends(byKey)
	blank := h.blank(len(trends) + 1)
	blank.Budget, blank.Requests = max(policy.MaxRounds, len(requests)), nil
	ground := make([]trend.Band, len(h.windows)) // what was there without the leak
	for _, t := range trends {
		blank.Restless = t.Restless // the same for all
		if t.Counted {
			ground = t.Bands
			t.Budget, t.Requests, t.Bands = blank.Budget, nil, nil
			blank = t
		}
	}
	blank.Bands = ground[:1:1]
	limits := h.limits.Sensitivity
	best := 0
	for i, rate := range limits.Rates {
		caught := 0
		for seed := range limits.Plants {
			if plantAndJudge(requests, blank, ground, rate*replicas, uint64(seed)) {
				caught++
			}
		}
		if float64(caught) < limits.Lost*float64(limits.Plants) {
			break
		}
		if float64(caught) >= limits.Caught*float64(limits.Plants) {
			best = limits.Rates[max(0, i-1)]
		}
	}
	return best
}

// leastMean keeps Poisson's distribution defined where no request was sent.
const leastMean = 1e-9

// plantAndJudge leaks goroutines at random, one in rate requests, onto the ground, and plays
// the run to its end: further rounds have the last one's requests, and stand on the ground
// of those that there were.
func plantAndJudge(requests []uint64, t trend.Trend, ground []trend.Band, rate int, seed uint64) bool {
	src := rand.NewPCG(seed, uint64(rate))
	leaked := 0
	for i := range t.Budget {
		r := requests[min(i, len(requests)-1)]
		n := int(distuv.Poisson{Lambda: max(float64(r)/float64(rate), leastMean), Src: src}.Rand())
		leaked += n
		on := ground[1+i%(len(ground)-1)]
		t.Bands = append(t.Bands, trend.Band{Low: on.Low + leaked, Middle: on.Middle + leaked, High: on.High + leaked})
		t.Requests = append(t.Requests, r)
		if i+1 < len(requests) {
			continue // the run went on here, whatever this stack did
		}
		switch t.Classify(nil) {
		case trend.Leak:
			if t.Outgrows(nil, nil) {
				return true
			}
		case trend.Undecided:
			if !t.Matters() {
				return false
			}
		default:
			return false
		}
	}
	return false
}

// sense adds what a pass is worth, and holds it against the plan's demand, if there is one.
func (v *Verdict) sense(run record.Run, policy Policy) (Check, bool) {
	c := Check{Name: "sensitivity", Outcome: Pass, Limit: float64(policy.Detect), Unit: "requests per goroutine"}
	if v.Requests == 0 && v.Rounds > 0 { // nobody counts them
		c.Outcome, c.Code = Inconclusive, codeWeak
		c.Message = fmt.Sprintf("the plan asks for a leak of one goroutine in %d requests to be seen, and nobody counts the requests", policy.Detect)
		c.Hint = "give load.none.requests a query, or let the command of load.exec print a summary"
		return c, policy.Detect > 0
	}
	v.Sensitivity = &Sensitivity{OneIn: sensitivity(run, policy)}
	c.Measured = float64(v.Sensitivity.OneIn)
	if v.Sensitivity.OneIn < policy.Detect {
		c.Outcome, c.Code = Inconclusive, codeWeak
		c.Message = fmt.Sprintf("a leak of one goroutine in %d %ss would have been caught, the plan asks for one in %d", v.Sensitivity.OneIn, v.Unit, policy.Detect)
		c.Hint = fmt.Sprintf("send about %d %ss in a round, or allow more rounds", v.perRound()*uint64(policy.Detect)/uint64(max(1, v.Sensitivity.OneIn)), v.Unit)
	}
	return c, policy.Detect > 0
}

func (v *Verdict) perRound() uint64 { return v.Requests / uint64(max(1, v.Rounds)) }
