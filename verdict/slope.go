package verdict

import (
	"maps"
	"math"
	"slices"
	"time"

	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict/internal/trend"
)

// grown is by how many goroutines the last round's level exceeds the first's.
func (s Slope) grown() float64 { return s.Levels[len(s.Levels)-1] - s.Levels[0] }

// growthUnderLoad fits a line through the rounds' levels, and takes growth under load for a leak
// of the stack that grew most, where what the stack does by itself hides a leak from the
// windows after the rounds. Rounds that all grew ask for another.
func growthUnderLoad(s subject, suspects []suspect) loadTrend {
	out := fitLine(s, suspects)
	out.suspects = suspects
	if out.slope == nil || slices.ContainsFunc(suspects, suspect.leaks) {
		return out
	}
	limits := s.limits.Slope
	l := out.slope.Levels
	if out.slope.grown() < max(limits.Least, limits.Clearly*out.scatter) || flattens(l, limits) {
		return out
	}
	if !s.spent() { // a pool that fills looks the same until it is full
		out.rising = stat.Kendall(l) <= stat.Kendall(l[1:]) // the last round agrees with those before it
		return out
	}
	if len(l) < limits.Rounds || stat.Kendall(l) > limits.Chance {
		return out
	}
	if x, ok := risenStack(s, out); ok {
		out.suspects = append(without(suspects, func(o suspect) bool { return o.key == x.key }), x)
	}
	return out
}

// risenStack is the stack that rises under load, if it is a leak, was slow, or cannot be told.
func risenStack(s subject, l loadTrend) (suspect, bool) {
	x, ok := mostGrownUnderLoad(s, l)
	if !ok || x.trend.Counted && !grewEvenly(s, l) || poolsMayGrow(s, l, x) {
		return x, false
	}
	x.class, x.slope = trend.Leak, true
	x = s.settle(x)
	if x.class == trend.Leak && !x.pending && x.rule == nil && x.look != nil && (!outgrowsLevel(s, l, x) || x.trend.Counted && !lastsUnderLoad(s, l, x)) {
		x.class = s.unlessSpent(trend.Noise)
	}
	return x, x.class == trend.Leak || x.class == trend.Draining || x.class == trend.Undecided
}

// poolsMayGrow reports whether a pool that fills explains growth under load: it is no more
// than a pool holds, and the goroutines take work, or nothing is known but their number.
func poolsMayGrow(s subject, l loadTrend, x suspect) bool {
	g := s.limits.Growth
	if l.slope.grown() >= float64(g.BeyondPools) {
		return false
	}
	return x.trend.Counted && len(l.slope.Levels) < g.CountedRounds || x.trend.Movement(nil) == trend.Moves
}

// fitLine fits a line through the levels of the rounds.
func fitLine(s subject, suspects []suspect) (out loadTrend) {
	levels, seconds, scatter := levelsOf(s, suspects)
	if len(levels) <= 1 {
		return out
	}
	probability := 1.0
	if len(levels) >= s.limits.Slope.Rounds {
		probability = s.limits.Slope.Confidence
	}
	l := stat.TheilSen(seconds, levels, probability)
	slope := &Slope{Target: s.target, PerSecond: rounded(l.Slope), Low: rounded(l.Low), High: rounded(l.High), Levels: levels}
	if rate := requestRateOf(s); rate > 0 {
		slope.Per1000 = rounded(thousand * l.Slope / rate)
	}
	return loadTrend{slope: slope, scatter: scatter}
}

// levelsOf is a target's count in the middle of each round, less what rules and pools
// explain, and how much such a level scatters by itself; nil if some round has too few
// samples.
func levelsOf(s subject, suspects []suspect) (levels, seconds []float64, scatter float64) {
	limits := s.limits.Slope
	loaded := 0.0
	for r := 1; r <= s.history.rounds(); r++ {
		i := slices.IndexFunc(s.run.Loads, func(l record.Load) bool { return l.Kind == record.Round && l.Round == r })
		if i < 0 {
			return nil, nil, 0
		}
		l := s.run.Loads[i]
		d := l.End - l.Start
		counts := s.samplesIn(l.Start+time.Duration(limits.Warming*float64(d)), l.End)
		if len(counts) < limits.Samples {
			return nil, nil, 0
		}
		level := stat.Median(counts)
		for part := range slices.Chunk(counts, (len(counts)+limits.Blocks-1)/limits.Blocks) {
			off := stat.Median(part) - level
			scatter += off * off
		}
		levels = append(levels, level-float64(explained(suspects, r)))
		seconds = append(seconds, loaded+d.Seconds()*inTheMiddle)
		loaded += d.Seconds()
	}
	// The mean of so many blocks, of each of two rounds.
	freedom := float64(max(1, (limits.Blocks-1)*len(levels)))
	return levels, seconds, math.Sqrt(scatter / freedom / float64(limits.Blocks) * bothRounds)
}

const (
	inTheMiddle = 0.5 // of a round
	bothRounds  = 2   // whose levels are compared
)

// explained is how many goroutines more than at baseline a window has on stacks that may
// grow.
func explained(suspects []suspect, window int) (n int) {
	for _, x := range suspects {
		if x.mayGrow() {
			n += x.trend.Bands[window].Middle - x.trend.Bands[0].Middle
		}
	}
	return n
}

// requestRateOf is requests per second of the rounds' load; 0 where nobody counts them.
func requestRateOf(s subject) float64 {
	requests, seconds := 0.0, 0.0
	if s.history.uncounted {
		return 0
	}
	for _, l := range s.run.Loads {
		if l.Kind == record.Round && l.Round <= s.history.rounds() {
			requests, seconds = requests+float64(l.Requests()), seconds+(l.End-l.Start).Seconds()
		}
	}
	if seconds == 0 {
		return 0
	}
	return requests / seconds
}

// grewEvenly reports whether the levels under load grew as evenly as one leak does.
func grewEvenly(s subject, l loadTrend) bool {
	var grown, requests, noise []float64
	levels := l.slope.Levels
	for _, load := range s.run.Loads {
		if i := load.Round - 1; load.Kind == record.Round && i > 0 && i < len(levels) {
			grown, requests = append(grown, levels[i]-levels[i-1]), append(requests, float64(load.Requests()))
			noise = append(noise, l.scatter*l.scatter)
		}
	}
	return stat.Dispersion(grown, requests, noise) >= s.limits.Growth.Uneven
}

// flattens reports whether growth under load got smaller to the end, as a pool's does: the
// last third of the rounds grew by less than half of their share.
func flattens(levels []float64, limits SlopeThresholds) bool {
	n := len(levels) - 1
	tail := max(1, int(limits.Tail*float64(n)))
	share := float64(tail) / float64(n)
	return levels[n]-levels[n-tail] < limits.Flat*share*(levels[n]-levels[0])
}

// mostGrownUnderLoad is the stack that grew most in the windows after the rounds, if it accounts
// for half of what grew under load and is none that may grow. A leak is on one stack;
// where many grew a little, it is the service that moves.
func mostGrownUnderLoad(s subject, l loadTrend) (suspect, bool) {
	best := suspect{id: byKey}
	trends := s.history.trends(byKey)
	for _, k := range slices.Sorted(maps.Keys(trends)) {
		if k == stacks.NoFrames || slices.ContainsFunc(l.suspects, func(x suspect) bool { return x.key == k && x.mayGrow() }) {
			continue
		}
		if t := trends[k]; best.key == "" || t.Rise() > best.trend.Rise() {
			best.key, best.trend = k, t
		}
	}
	if best.key == "" {
		return best, false
	}
	best.stack, best.trend = s.history.shown(best.key), s.history.of(byKey, best.key)
	return best, float64(best.trend.Rise()) >= s.limits.Slope.Most*l.slope.grown()
}

// outgrowsLevel reports whether growth under load exceeds what the stack moves by itself
// in the long look: levels are the middle of many samples, and move less than a single
// count.
func outgrowsLevel(s subject, l loadTrend, x suspect) bool {
	look := *x.look
	var means []int
	for part := range slices.Chunk(look.Rested(), s.limits.Slope.Averaged) {
		sum := 0
		for _, c := range part {
			sum += c
		}
		means = append(means, int(math.Round(float64(sum)/float64(len(part)))))
	}
	look.Counts = means
	longer := 1.0
	if look.Span > 0 {
		longer = float64(x.trend.Span) / float64(look.Span)
	}
	return l.slope.grown() > x.trend.Reach(look.Drift(longer, &s.limits.Growth))
}

// lastsUnderLoad reports whether growth under load is still there after the long look: half of it,
// counted from the window after the first round, before which pools fill.
func lastsUnderLoad(s subject, l loadTrend, x suspect) bool {
	counts := x.look.Rested()
	var late []float64
	for _, c := range counts[int(inTheMiddle*float64(len(counts))):] {
		late = append(late, float64(c))
	}
	return stat.Median(late)-float64(x.trend.Bands[1].Middle) >= s.limits.Slope.Lasts*l.slope.grown()
}
