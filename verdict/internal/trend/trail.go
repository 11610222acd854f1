package trend

import "slices"

// Rule is a question that is asked of a history.
type Rule struct {
	Name      string // as explanations and docs/thresholds.md have it
	Question  string // for people
	Unit      string // of the statistic and its limit
	Threshold string // where the limit comes from, as judge --thresholds takes it; empty where it is the data's own
}

// The rules, in the order in which they are mostly asked.
var (
	RuleHidden   = Rule{"hidden", "Did the baseline hold work that is gone, with growth since?", "goroutines", "growth.fell"}
	RuleAbove    = Rule{"above", "Is the lowest count after the last round above the highest at its baseline?", "goroutines", ""}
	RuleWavers   = Rule{"turnover", "Does the normal coming and going on this stack explain the growth?", "goroutines", "growth.false_doubt"}
	RuleBounces  = Rule{"bounces", "Is it up and down again, below the baseline?", "rounds", "growth.base_rounds"}
	RuleNewest   = Rule{"new-height", "Is the last round at a new height?", "rounds", ""}
	RuleResumed  = Rule{"resumed", "Has growth stopped before, and gone on?", "", ""}
	RuleSilent   = Rule{"stopped", "Do the rounds without growth rule out the rate of those before?", "probability", "growth.silent"}
	RuleRounds   = Rule{"rounds", "Do enough rounds agree on one rate?", "rounds", "growth.repeat_rounds"}
	RuleSlows    = Rule{"slows", "Did the last round grow by less than those before it?", "probability", "growth.slowing"}
	RuleEvery    = Rule{"every-round", "Was each round at a new height?", "rounds", ""}
	RuleAmple    = Rule{"ample", "Was even the smallest growth of a round large enough?", "goroutines", "growth.ample_per_round"}
	RuleEven     = Rule{"even", "Did the rounds grow as evenly as a single leak would?", "probability", "growth.uneven"}
	RuleBeyond   = Rule{"beyond-pools", "Did it grow by more than a pool holds?", "goroutines", "growth.beyond_pools"}
	RuleMany     = Rule{"many-requests", "Did so large a share of requests add a goroutine that a pool would have been full at once?", "share of requests", "growth.many_requests"}
	RuleInFlight = Rule{"over-concurrency", "Did each round outgrow the number of requests in flight?", "goroutines", "growth.over_concurrency"}
	RuleWaited   = Rule{"waited", "Have the goroutines of earlier rounds waited for a minute, through the load?", "goroutines", "growth.waited"}
	RuleDips     = Rule{"dips", "Do goroutines leave this place under load?", "goroutines", "growth.dips"}
	RuleHeights  = Rule{"heights", "With no rounds left: were there enough new heights?", "rounds", "growth.clear_records"}
	RuleSize     = Rule{"size", "With no rounds left: did it grow by enough?", "goroutines", "growth.clear_growth"}
	RuleFilling  = Rule{"filling", "Could a pool that still fills look the same?", "goroutines", "growth.beyond_pools"}
	RuleGone     = Rule{"gone", "Had it fallen to its baseline when it was left alone?", "goroutines", "growth.residue"}
	RuleKept     = Rule{"kept", "Was at least half of the growth still there when it was left alone?", "goroutines", "growth.kept"}
	RuleLooked   = Rule{"looked", "Has it been left alone for long enough, counted from its first round?", "s", "settle.confirm"}
	RuleShrinks  = Rule{"shrinks", "Does it grow less every round?", "goroutines", "growth.shrunk"}
	RuleTail     = Rule{"tail", "Is what goes on after it filled up within the tolerance?", "goroutines", "policy.goroutines"}
	RuleCreeps   = Rule{"creeps", "Is it no more than the largest of random peaks creeps?", "goroutines", "growth.creeping"}
	RuleOutgrows = Rule{"outgrows", "Did it outgrow what its own coming and going explains?", "goroutines", "growth.false_red"}
	RuleRemains  = Rule{"remains", "Is clearly more left after this long look than after the one before?", "goroutines", ""}
)

// Asked is a rule with what was compared, and the answer.
type Asked struct {
	Rule
	Statistic, Limit float64
	Answer           bool
}

// Trail is every question that was asked of a history, in order. A nil Trail keeps
// nothing, and costs nothing.
type Trail struct{ Asked []Asked }

// ask keeps a question, once, and returns its answer.
func (t *Trail) ask(r Rule, statistic, limit float64, answer bool) bool {
	a := Asked{Rule: r, Statistic: statistic, Limit: limit, Answer: answer}
	if t != nil && !slices.Contains(t.Asked, a) {
		t.Asked = append(t.Asked, a)
	}
	return answer
}

// Ask keeps a question of whoever judges beyond the trend, and returns its answer.
func (t *Trail) Ask(r Rule, statistic, limit float64, answer bool) bool {
	return t.ask(r, statistic, limit, answer)
}
