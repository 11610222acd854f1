package verdict

import (
	"fmt"
	"slices"
	"time"

	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// What a verdict says, in the words that every report shows.

// drained says that a stack was slow.
func drained(x suspect) string {
	return fmt.Sprintf("%s grew by %d and fell to %d within %s of the load's end: slow, not leaked",
		blamed(x.stack), x.trend.Rise(), x.look.Lowest, x.look.LowestAfter.Round(time.Second))
}

// pooled says that a stack filled up.
func pooled(x suspect) string {
	return fmt.Sprintf("%s grew by %d above its baseline and stopped, or grows less every round: a pool, not a leak (counts %v)",
		blamed(x.stack), x.trend.Rise(), x.trend.Middles())
}

// leakMessage says what leaks.
func (a assessment) leakMessage(f Finding) (message, hint string) {
	hint = "open the stack in the report; the goroutines stay where it says"
	switch {
	case f.Is(Rising):
		return fmt.Sprintf("%s: goroutines rise from round to round under load, %s", f.Function, a.load.slope), hint
	case f.Is(Held):
		return fmt.Sprintf("%s grows while connections are held: %v goroutines early and late in the last round", f.Function, f.Counts), hint
	case f.Evidence[0] == Proven:
		return fmt.Sprintf("%s: the runtime proves that %s can never wake", f.Function, plural(f.Leaked, "goroutine")), hint
	}
	return fmt.Sprintf("%s grew again in every round: %v goroutines", f.Function, f.Counts), hint
}

func unconfirmedMessage(x suspect, p Policy) (message, hint string) {
	return blamed(x.stack) + " grew again in every round, but was not watched long enough to tell a leak from slow work",
		fmt.Sprintf("let the run finish: it watches for %s, counted from the first round", p.Confirm)
}

// undecidedMessage says why a stack cannot be told.
func undecidedMessage(x suspect) (message, hint string) {
	rounds := len(x.trend.Bands) - 1
	grew := fmt.Sprintf("%s grew by %d goroutines in %s (counts %v)", blamed(x.stack), x.trend.Rise(), plural(rounds, "round"), x.trend.Middles())
	hint = "raise load.rounds.max or load.round"
	if !asked(x, trend.RuleFilling) {
		return grew + ", without a pattern that tells a leak from a pool", hint
	}
	if x.trend.Counted {
		return grew + ": a pool that is still filling looks the same, as only the number of goroutines is known",
			"give the target's pprof in the plan, or raise load.rounds.max or load.rate"
	}
	return grew + ", and its goroutines take work: a pool that is still filling looks the same", hint
}

// asked reports whether a rule was asked and its answer is yes.
func asked(x suspect, r trend.Rule) bool {
	return slices.ContainsFunc(x.trail.Asked, func(a trend.Asked) bool { return a.Name == r.Name && a.Answer })
}

// another says why another round is made.
func another(x suspect) string {
	t := x.trend
	name, grown := blamed(x.stack), t.Rise()
	rounds := len(t.Bands) - 1
	switch {
	case asked(x, trend.RuleHidden):
		return name + " grows from below its baseline: another round"
	case t.Repeats() && grown >= t.Limits.AmplePerRound:
		return fmt.Sprintf("%s has grown in every round, by %d so far; a pool of workers can look like that: another round", name, grown)
	case t.Repeats():
		return fmt.Sprintf("%s grew by %d in %s: another round", name, grown, plural(rounds, "round"))
	}
	return fmt.Sprintf("%s grew by %d, not in every round: another round", name, grown)
}

func explainedMessage(above, explained, limit int) string {
	if above <= limit {
		return ""
	}
	return fmt.Sprintf("%d goroutines above the baseline, of which %d grew and stopped, drain or are ignored", above, explained)
}

func aboveMessage(above, base, limit int) (message, hint string) {
	return fmt.Sprintf("%d goroutines above the baseline of %d, tolerance %d", above, base, limit), "see the findings for the stacks that grew"
}

func stoppedMessage(above int) string {
	return fmt.Sprintf("%d goroutines above the baseline, but no longer growing", above)
}

func unclearMessage(above, base int) (message, hint string) {
	return fmt.Sprintf("%d goroutines above the baseline of %d, and the run ended before it was clear why", above, base),
		"raise load.rounds.max, or compare the profiles in the run directory with `leakgate diff`"
}

const memoryTiny = "goroutines leak, and with them next to nothing on the heap: they hold very little"

func memoryRetaining(each Retained) string {
	return fmt.Sprintf("every leaked goroutine keeps %s on the heap and a stack of %s", Bytes(each.Heap), Bytes(each.Stack))
}

func memoryHeap(m *Memory, ignored bool) string {
	grown := Bytes(int64(m.Heap[len(m.Heap)-1] - m.Heap[0]))
	out := fmt.Sprintf("the heap grew in every round, by %s in all, and no goroutines did (ignored ones aside): slices, maps or caches that only grow", grown)
	if len(m.Sites) > 0 {
		out += "; most from " + m.Sites[0].Function
	}
	if ignored {
		out += "; goroutines that a rule ignores may hold it"
	}
	return out
}

func memoryResident(r []uint64) string {
	return fmt.Sprintf("resident memory grew in every round, by %s in all, and neither heap nor goroutines did: memory outside of Go's heap, such as mapped files, C allocations or thread stacks", Bytes(int64(r[len(r)-1]-r[0])))
}

func memoryThreads(t []int) string {
	return fmt.Sprintf("threads grew in every round, from %d to %d: goroutines in system calls or cgo that do not return", t[0], t[len(t)-1])
}

// reason says why a stack is taken for what it is, and what would have changed the answer.
func (a assessment) reason(x suspect, class string) (why, change string) {
	t := x.trend
	rounds, grown := len(t.Bands)-1, t.Rise()
	counts := fmt.Sprintf("counts %v", t.Middles())
	switch class {
	case trend.Leak.String():
		return a.leakReason(x, counts), "a round in which it does not grow, or half of it gone when it is left alone"
	case classLikely:
		return fmt.Sprintf("it grew in every round (%s) and was still there after the long look; to be called a leak on its own evidence, %s", counts, a.lacks(x)),
			"the same growth for more rounds, or more requests in each"
	case classIgnored:
		return fmt.Sprintf("it grew by %d, and a rule in the plan allows it: %s", grown, x.rule.Reason), "another rule"
	case trend.Draining.String():
		return fmt.Sprintf("it grew by %d and had fallen to %d within %s of the load's end: slow work", grown, x.look.Lowest, x.look.LowestAfter.Round(time.Second)),
			"at least half of the growth still there at the end"
	case trend.Pool.String():
		return fmt.Sprintf("it grew by %d and stopped, or grows less every round (%s): a pool", grown, counts), "a new height in each of the next rounds"
	case trend.Noise.String():
		return fmt.Sprintf("it grew by %d, no more than what comes and goes on this stack explains (%s)", grown, counts),
			"growth that goes on in every round until it exceeds that"
	case trend.Steady.String():
		return fmt.Sprintf("after the last round it is no higher than at its baseline (%s)", counts), "a last round above the baseline, as some before it were"
	}
	message, _ := undecidedMessage(x)
	if !t.Matters() {
		return fmt.Sprintf("it grew by %d goroutines in %s, too few to justify another round (%s)", grown, plural(rounds, "round"), counts), "growth in every round"
	}
	return message, a.lacks(x)
}

// leakReason says by which rule a stack is a leak.
func (a assessment) leakReason(x suspect, counts string) string {
	left := ""
	if x.look != nil {
		left = fmt.Sprintf("; %d were still there after the long look", x.look.Lowest)
	}
	switch {
	case x.class != trend.Leak:
		return fmt.Sprintf("the runtime proves that %s can never wake", plural(x.proven, "goroutine"))
	case x.slope:
		return fmt.Sprintf("it rose from round to round under load (%s)%s", counts, left)
	case asked(x, trend.RuleBeyond):
		return fmt.Sprintf("it grew in every round, by more than a pool holds (%s)%s", counts, left)
	case asked(x, trend.RuleMany):
		return fmt.Sprintf("it grew in every round, with so many of the requests that a pool would have been full at once (%s)%s", counts, left)
	case asked(x, trend.RuleWaited):
		return fmt.Sprintf("it grew in every round, and its goroutines did not move while the service worked (%s)%s", counts, left)
	}
	return fmt.Sprintf("it reached a new height in round after round until the plan's rounds were used up (%s)%s", counts, left)
}

// lacks says what a stack lacks of a leak.
func (a assessment) lacks(x suspect) string {
	t, g := x.trend, a.limits.Growth
	switch {
	case x.pending:
		return fmt.Sprintf("it has to be left alone for %s, counted from its first round", a.policy.Confirm)
	case !a.spent():
		return "the run ended before the plan's rounds were used up, as it does when a leak is confirmed or it is stopped"
	case asked(x, trend.RuleFilling):
		return fmt.Sprintf("it has to grow by more than the %d goroutines that a pool may hold", g.BeyondPools)
	case asked(x, trend.RuleSlows):
		return "the last round has to grow as those before it did"
	}
	return fmt.Sprintf("%d new heights and %d goroutines are needed (load.rounds.max, load.round, load.rate); it has grown by %d in %s",
		g.ClearRecords, g.ClearGrowth, t.Rise(), plural(len(t.Bands)-1, "round"))
}
