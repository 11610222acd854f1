package verdict

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/leakgate/leakgate/record"
)

const (
	// plants is how many synthetic leaks of each rate are planted.
	plants = 200
	// caughtShare is the share of them that has to be caught for the rate to
	// be claimed: more than the 95 in 100 that is promised, so that what chance
	// takes from 200 does not break the promise.
	caughtShare = 0.96
	// hopeless is the share below which no smaller leak is looked at: two standard
	// deviations below the promise. Between the two, chance decides, and a smaller one
	// may do better.
	hopeless = 0.92
)

// plantedRates are the rates tried, one goroutine in so many requests, each
// about a quarter smaller than the one before.
var plantedRates = []int{
	1, 2, 3, 4, 5, 7, 10, 13, 16, 20, 25, 30, 40, 50, 65, 80, 100, 130, 160, 200, 250, 300, 400, 500, 650, 800, 1000,
	1300, 1600, 1900, 2400, 3000, 4000, 5000, 6500, 8000, 10000, 13000, 16000, 20000, 25000, 30000, 40000, 50000,
}

// sensitivity plants synthetic leaks at falling rates into the run's rounds
// and judges them as it judges any stack: the smallest rate that is still
// caught, as requests per goroutine; 0 if none is. A planted leak that asks
// for further rounds gets them, as the run would have, up to the plan's budget.
//
// A leak is planted on a stack of its own, as most are; where only the count of all
// goroutines is known, on that. Which replica answers a request is not known, so each
// is credited with its share of them.
func sensitivity(run record.Run, policy Policy) int {
	best := 0
	for i, t := range run.Targets {
		h := historyOf(run, t.Name, policy.MaxRounds)
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
	blank := trend{workers: h.workers, budget: max(policy.MaxRounds, len(requests)), family: len(trends) + 1}
	ground := make([]band, len(h.windows)) // what was there without the leak
	for _, t := range trends {
		blank.restless = t.restless // the same for all
		if t.counted {
			ground = t.bands
			t.budget, t.requests, t.bands = blank.budget, nil, nil
			blank = t
		}
	}
	blank.bands = ground[:1:1]
	best := 0
	for i, rate := range plantedRates {
		caught := 0
		for seed := range plants {
			if plantAndJudge(requests, blank, ground, rate*replicas, uint64(seed)) {
				caught++
			}
		}
		if float64(caught) < hopeless*plants {
			break
		}
		if float64(caught) >= caughtShare*plants {
			best = plantedRates[max(0, i-1)] // a quarter more than what is caught here: real stacks scatter more than planted ones
		}
	}
	return best
}

// plantAndJudge leaks goroutines at random, one in rate requests, onto the ground, and
// plays the run to its end: further rounds have the last one's requests, and stand on
// the ground of those that there were.
func plantAndJudge(requests []uint64, t trend, ground []band, rate int, seed uint64) bool {
	src := rand.NewPCG(seed, uint64(rate))
	leaked := 0
	for i := range t.budget {
		r := requests[min(i, len(requests)-1)]
		n := int(distuv.Poisson{Lambda: max(float64(r)/float64(rate), 1e-9), Src: src}.Rand())
		leaked += n
		on := ground[1+i%(len(ground)-1)]
		t.bands = append(t.bands, band{on.lo + leaked, on.mid + leaked, on.hi + leaked})
		t.requests = append(t.requests, r)
		if i+1 < len(requests) {
			continue // the run went on here, whatever this stack did
		}
		switch t.classify() {
		case leak:
			if t.outgrows(nil) {
				return true
			}
		case undecided:
			if !t.matters() {
				return false
			}
		default:
			return false
		}
	}
	return false
}

// sense adds what a pass is worth, and holds it against the plan's demand.
func (v *Verdict) sense(run record.Run, policy Policy) {
	if v.Requests == 0 && v.Rounds > 0 { // nobody counts them
		v.detectUncounted(policy)
		return
	}
	v.Sensitivity = &Sensitivity{OneIn: sensitivity(run, policy)}
	if policy.Detect == 0 {
		return
	}
	c := Check{Name: "sensitivity", Outcome: Pass, Measured: float64(v.Sensitivity.OneIn), Limit: float64(policy.Detect), Unit: "requests per goroutine"}
	if v.Sensitivity.OneIn < policy.Detect {
		c.Code = "too-weak"
		c.Outcome = Inconclusive
		c.Message = fmt.Sprintf("a leak of one goroutine in %d %ss would have been caught, the plan asks for one in %d", v.Sensitivity.OneIn, v.Unit, policy.Detect)
		c.Hint = fmt.Sprintf("send about %d %ss in a round, or allow more rounds", v.perRound()*uint64(policy.Detect)/uint64(max(1, v.Sensitivity.OneIn)), v.Unit)
	}
	v.Checks = append(v.Checks, c)
	if v.Outcome == Pass {
		v.Outcome = c.Outcome
	}
}

// detectUncounted says that a demand per request cannot be met where nobody counts
// requests.
func (v *Verdict) detectUncounted(policy Policy) {
	if policy.Detect == 0 {
		return
	}
	v.Checks = append(v.Checks, Check{
		Name: "sensitivity", Outcome: Inconclusive, Limit: float64(policy.Detect), Unit: "requests per goroutine", Code: "too-weak",
		Message: fmt.Sprintf("the plan asks for a leak of one goroutine in %d requests to be seen, and nobody counts the requests", policy.Detect),
		Hint:    "give load.none.requests a query, or let the command of load.exec print a summary",
	})
	if v.Outcome == Pass {
		v.Outcome = Inconclusive
	}
}

func (v *Verdict) perRound() uint64 { return v.Requests / uint64(max(1, v.Rounds)) }
