package trend

import "time"

// Thresholds are the numbers by which growth is told from pools, drains and noise. Each
// was set by simulating healthy and leaking services over many seeds (docs/accuracy.md).
type Thresholds struct {
	// NewHeights without end: when growth is a leak.

	// ClearRecords is in how many rounds a stack has to reach a new height for growth to
	// be a leak when the plan's rounds are used up. Levels that merely vary from round to
	// round, independently, get there in 1 of 120 runs; what drifts gets there more
	// often, and is held against its own turnover.
	ClearRecords int `json:"clear_records"`
	// ClearGrowth is the growth, in goroutines, that goes with ClearRecords. Less could be
	// somebody else's sessions, one more each round; then it takes SurelyRecords.
	ClearGrowth   int `json:"clear_growth"`
	SurelyRecords int `json:"surely_records"` // New heights after which growth of any size is a leak.
	// ClearLeast is after how few rounds growth may be a leak when the rounds are used up,
	// if each of them was ample.
	ClearLeast int `json:"clear_least"`
	// AmplePerRound is the least growth per round, in goroutines, at which three rounds, or
	// two, are enough: Poisson increments of twenty that agree.
	AmplePerRound int `json:"ample_per_round"`
	// BeyondPools is the growth, in goroutines, that a pool which fills at a constant rate
	// does not reach: pools have tens or hundreds of workers. Below it, a leak and such a
	// pool look the same until the pool is full, unless it is known whether its goroutines
	// move.
	BeyondPools int `json:"beyond_pools"`
	// SeveralPools is by how many times the growth of all goroutines together has to
	// exceed that: what one pool does not reach, several that fill at once do.
	SeveralPools int `json:"several_pools"`
	// CountedRounds is after how many rounds of growth a count of all goroutines is a leak
	// below that size: pools that fill over eight rounds are full by then.
	CountedRounds int `json:"counted_rounds"`
	// ManyRequests is the share of requests that grow the stack at which nothing but a
	// leak is plausible whatever the growth: a pool that one request in four enlarges is
	// full within the warm-up.
	ManyRequests float64 `json:"many_requests"`
	// OverConcurrency is by how many times growth per round has to exceed the number of
	// requests in flight for two rounds to be enough. Whatever sizes itself to its callers
	// (a pool, connections to an upstream with three goroutines each) is bounded by that
	// number; what outgrows it twice follows the requests, not the concurrency.
	OverConcurrency int `json:"over_concurrency"`
	// OverConcurrency3 is the same for three rounds, which show more.
	OverConcurrency3 int `json:"over_concurrency_3"`
	// RepeatRounds is in how many rounds growth has to be seen to be one that repeats.
	RepeatRounds int `json:"repeat_rounds"`
	// Uneven is the probability under which rounds have grown too differently for one leak.
	Uneven float64 `json:"uneven"`
	// Negligible is the growth since the base, in goroutines, for which no further round is
	// spent: a leak that a run of this length can tell at all has grown by more after two
	// rounds in 98 of 100 runs, and a connection more or less is in every other run.
	Negligible int `json:"negligible"`

	// Where growth is measured from.

	// EnoughToTrim is how many profiles a window needs for its highest to be left out of
	// account.
	EnoughToTrim int `json:"enough_to_trim"`
	// Fell is by how much a later window has to be below the baseline, in goroutines, and
	// FellShare as a share of the baseline, for the baseline to count as still draining
	// when it was taken.
	Fell      int     `json:"fell"`
	FellShare float64 `json:"fell_share"` // See Fell.
	// BaseRounds is how many rounds have to follow a window for growth to be measured from
	// it: after fewer, a low window and a high one are noise.
	BaseRounds int `json:"base_rounds"`

	// Pools: what grows and stops, or grows less and less.

	// Shrinking is the probability under which growth that gets smaller every round is no
	// longer taken for a constant rate per request. At one in a hundred, a true leak loses
	// its first round to it in 1 of 100 runs and costs one round more.
	Shrinking float64 `json:"shrinking"`
	// Shrunk is the share of the first round's growth that the last round's has to be below
	// for a pool that is not full yet.
	Shrunk float64 `json:"shrunk"`
	// Silent is the probability under which a round without growth rules out the rate of
	// the rounds before it; SilentLast where no round is left.
	Silent     float64 `json:"silent"`
	SilentLast float64 `json:"silent_last"` // See Silent.
	// SilentRounds is how many rounds without growth it takes while there are more: one
	// may lie between two bursts.
	SilentRounds int `json:"silent_rounds"`
	// Hiding is by how many standard deviations of its own movement a stack may be low in
	// the window that shows no growth: in 1 of 20, it is lower.
	Hiding float64 `json:"hiding"`
	// Slowing is the probability under which the last round's growth is taken to be smaller
	// than that of the rounds before: what fills at a constant rate shows only in its last
	// round that it is full. A leak loses a round to it in 1 of 20.
	Slowing float64 `json:"slowing"`
	// SlowingLast is the same where there is no round left to lose, SlowingLate where more
	// than LateRounds agreed.
	SlowingLast float64 `json:"slowing_last"`
	SlowingLate float64 `json:"slowing_late"` // See SlowingLast.
	LateRounds  int     `json:"late_rounds"`  // See SlowingLast.

	// Turnover: what comes and goes drifts.

	// FalseRed is the probability, per run, with which what other users do may look like a
	// leak: half of one in a thousand.
	FalseRed float64 `json:"false_red"`
	// FalseDoubt is the probability, per run, with which it may cost further rounds.
	FalseDoubt float64 `json:"false_doubt"`
	// Unseen is how many arrivals may have been missed where few were seen: where none was,
	// there were fewer than three in 19 of 20 cases.
	Unseen float64 `json:"unseen"`
	// RestlessStacks is how many stacks of a process have to be seen moving by themselves for
	// those that were not to be taken for the same kind: what few goroutines do seldom does
	// not show within a window. Few is the number of goroutines up to which that is so.
	RestlessStacks int     `json:"restless_stacks"`
	Few            float64 `json:"few"` // See RestlessStacks.
	// Creeping is by how many of its own standard deviations the largest of many random
	// peaks grows at most while a run lasts: from the highest of hundreds to the highest of
	// thousands it is about one.
	Creeping float64 `json:"creeping"`
	// Independent is the ratio of the mean square of a count's steps to its variance (von
	// Neumann's ratio: 2 where each count is drawn anew, towards 0 where it walks) from
	// which a level is taken to stand still.
	Independent float64 `json:"independent"`
	// Pulled is by how many times the variance that a long look shows the drift may exceed
	// it: levels are pulled back to their mean.
	Pulled float64 `json:"pulled"`
	// Lags is the share of a long look's captures over which differences are compared:
	// beyond it, too few pairs are left.
	Lags float64 `json:"lags"`

	// The long look: what is left alone.

	// Kept is the share of growth that has to be there at the end: a leaked goroutine never
	// goes, so if less is left, most was slow.
	Kept float64 `json:"kept"`
	// Residue is the share of growth that may be left of what was slow: pools keep it idle.
	Residue float64 `json:"residue"`
	// Fallen is the share of the last count below which a stack within the tolerance has to
	// come to have fallen at all.
	Fallen float64 `json:"fallen"`
	// Lasting is the probability under which the last round's growth rules out that half of
	// the first round's goroutines had gone by then. Where it does, they have been left
	// alone since their own round, and the long look only adds what is missing.
	Lasting float64 `json:"lasting"`
	// LeastLook is how long a look lasts at least: what leaves only when nothing is asked
	// of the service shows in it.
	LeastLook time.Duration `json:"least_look"`

	// Movement: a leaked goroutine never leaves its place, a pool's worker does.

	// Waited is the share of the growth that is older than a minute which has to have
	// waited for a minute to be still; below it, those goroutines move.
	Waited float64 `json:"waited"`
	// AgedLeast is how many goroutines have to be old enough for that to be asked.
	AgedLeast int `json:"aged_least"`
	// Dips is how many goroutines have to be missing from their place under load, in sum
	// over the rounds, for a stack that is level at rest to move.
	Dips int `json:"dips"`
	// StillRounds is after how many rounds growth on a stack that is still may be a leak
	// below BeyondPools.
	StillRounds int `json:"still_rounds"`
}

// Default is what leakgate decides by.
func Default() Thresholds {
	return Thresholds{
		ClearRecords: 4, ClearGrowth: 8, SurelyRecords: 6, ClearLeast: 3, AmplePerRound: 20,
		BeyondPools: 500, SeveralPools: 2, CountedRounds: 10, ManyRequests: 0.25,
		OverConcurrency: 4, OverConcurrency3: 2, RepeatRounds: 2, Uneven: 0.01, Negligible: 2,

		EnoughToTrim: 5, Fell: 10, FellShare: 0.2, BaseRounds: 3,

		Shrinking: 0.01, Shrunk: 0.25, Silent: 0.001, SilentLast: 0.01, SilentRounds: 2, Hiding: 1.64,
		Slowing: 0.05, SlowingLast: 0.03, SlowingLate: 0.01, LateRounds: 5,

		FalseRed: 0.0005, FalseDoubt: 0.1, Unseen: 3, RestlessStacks: 10, Few: 10, Creeping: 2.5,
		Independent: 0.8, Pulled: 3, Lags: 2. / 3,

		Kept: 0.5, Residue: 0.1, Fallen: 0.9, Lasting: 0.01, LeastLook: 20 * time.Second,

		Waited: 0.5, AgedLeast: 3, Dips: 2, StillRounds: 3,
	}
}
