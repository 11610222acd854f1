package verdict

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// Slope is how a target's goroutines grew while it was under load, round by
// round: what it does when staging never comes to rest, and the sense in which
// Prometheus' deriv(go_goroutines[10m]) asks.
type Slope struct {
	Target    string    `json:"target"`
	PerSecond float64   `json:"per_second"` // goroutines per second of load: the median over all pairs of rounds
	Low       float64   `json:"low"`        // its interval of 95 in 100; with fewer than five rounds, that of all pairs
	High      float64   `json:"high"`
	Per1000   float64   `json:"per_1000_requests"`
	Levels    []float64 `json:"levels"` // goroutines in the middle of each round
}

// String is the slope in a sentence's part.
func (s Slope) String() string {
	return fmt.Sprintf("%+.3g goroutines a second under load (%.3g to %.3g), %+.3g per 1,000 requests", s.PerSecond, s.Low, s.High, s.Per1000)
}

// grown is by how many goroutines the last round's level exceeds the first's.
func (s Slope) grown() float64 { return s.Levels[len(s.Levels)-1] - s.Levels[0] }

const (
	// slopeRounds is after how many rounds a slope may say that something leaks:
	// five that each are higher than the one before are one order of 120.
	slopeRounds = 5
	// slopeChance is the probability with which rounds in any order look as much
	// like growth. What passes gets the long look, so that a false one costs time.
	slopeChance = 0.01
	// slopeLeast is the growth under load, in goroutines, below which it is nothing.
	slopeLeast = 8
	// warming is the share of a round that is left out at its beginning: until then,
	// the load's own connections and pools come back.
	warming = 0.25
	// fewSamples is how many samples a round needs for a level.
	fewSamples = 3
	// blocks is how many parts of a round are compared to see how much its level
	// scatters, and clearly by how many standard deviations a difference of two
	// levels has to exceed that to be worth another round.
	blocks  = 3
	clearly = 3
	// averaged is how many captures of a long look make about as long a stretch as
	// the levels of rounds are taken from.
	averaged = 4
)

// levels is a target's count in the middle of each round, less what rules and
// pools explain, and how much such a level scatters by itself; nil if some round
// has too few samples.
func (a *analysis) levels(run record.Run) (levels, seconds []float64, scatter float64) {
	loaded := 0.0
	for r := 1; r <= a.history.rounds(); r++ {
		i := slices.IndexFunc(run.Loads, func(l record.Load) bool { return l.Kind == record.Round && l.Round == r })
		if i < 0 {
			return nil, nil, 0
		}
		l := run.Loads[i]
		d := l.End - l.Start
		from := l.Start + time.Duration(warming*float64(d))
		var counts []float64
		for _, s := range run.Samples {
			if s.Target == a.target && s.At >= from && s.At <= l.End {
				counts = append(counts, float64(s.Goroutines))
			}
		}
		if len(counts) < fewSamples {
			return nil, nil, 0
		}
		level := stat.Median(counts)
		for part := range slices.Chunk(counts, (len(counts)+blocks-1)/blocks) {
			off := stat.Median(part) - level
			scatter += off * off
		}
		levels = append(levels, level-float64(a.explained(r)))
		seconds = append(seconds, loaded+d.Seconds()/2)
		loaded += d.Seconds()
	}
	// The mean of so many blocks, of each of two rounds.
	return levels, seconds, math.Sqrt(scatter / float64(max(1, (blocks-1)*len(levels))) / blocks * 2)
}

// explained is how many goroutines more than at baseline a window has on stacks
// that may grow.
func (a *analysis) explained(window int) int {
	n := 0
	for _, s := range a.suspects {
		if s.rule != nil || s.class == pool || s.class == draining {
			n += s.trend.bands[window].mid - s.trend.bands[0].mid
		}
	}
	return n
}

// readSlope fits a line through the rounds' levels.
func (a *analysis) readSlope(run record.Run) {
	levels, seconds, scatter := a.levels(run)
	if len(levels) < 2 {
		return
	}
	probability := 1.0
	if len(levels) >= slopeRounds {
		probability = 0.95
	}
	l := stat.TheilSen(seconds, levels, probability)
	s := &Slope{Target: a.target, PerSecond: round3up(l.Slope), Low: round3up(l.Low), High: round3up(l.High), Levels: levels}
	if rate := a.requestRate(run); rate > 0 {
		s.Per1000 = round3up(1000 * l.Slope / rate)
	}
	a.slope, a.scatter = s, scatter
}

func round3up(x float64) float64 { return math.Round(x*1000) / 1000 }

// requestRate is requests per second of the rounds' load; 0 where nobody counts them.
func (a *analysis) requestRate(run record.Run) float64 {
	requests, seconds := 0.0, 0.0
	if a.history.uncounted {
		return 0
	}
	for _, l := range run.Loads {
		if l.Kind == record.Round && l.Round <= a.history.rounds() {
			requests, seconds = requests+float64(l.Requests()), seconds+(l.End-l.Start).Seconds()
		}
	}
	if seconds == 0 {
		return 0
	}
	return requests / seconds
}

// addSlope takes growth under load for a leak of the stack that grew most, where
// what the stack does by itself hides a leak from the windows after the rounds.
// Rounds that all grew ask for another.
func (a *analysis) addSlope(run record.Run, rules []rule) {
	if a.slope == nil || slices.ContainsFunc(a.suspects, func(s suspect) bool { return s.rule == nil && (s.class == leak || s.proven > 0) }) {
		return
	}
	l := a.slope.Levels
	grown := a.slope.grown()
	if len(l) < 2 || grown < max(slopeLeast, clearly*a.scatter) || a.flattens() {
		return
	}
	if !a.spent() { // a pool that fills looks the same until it is full
		a.rising = stat.Kendall(l) <= stat.Kendall(l[1:]) // the last round is no exception
		return
	}
	if len(l) < slopeRounds || stat.Kendall(l) > slopeChance {
		return
	}
	s, ok := a.mostGrown(grown)
	if !ok {
		return
	}
	if s.trend.counted && !a.evenly(run) {
		return
	}
	s.class, s.slope = leak, true
	a.settle(&s, rules)
	if s.class == leak || s.class == draining || s.class == undecided {
		a.suspects = slices.DeleteFunc(a.suspects, func(o suspect) bool { return o.key == s.key })
		a.add(s)
	}
}

// evenly is trend.even for levels under load.
func (a *analysis) evenly(run record.Run) bool {
	var grown, requests, noise []float64
	l := a.slope.Levels
	for _, load := range run.Loads {
		if i := load.Round - 1; load.Kind == record.Round && i > 0 && i < len(l) {
			grown, requests = append(grown, l[i]-l[i-1]), append(requests, float64(load.Requests()))
			noise = append(noise, a.scatter*a.scatter)
		}
	}
	return stat.Dispersion(grown, requests, noise) >= uneven
}

// flattens reports whether growth under load got smaller to the end, as a pool's
// does: the last third of it is less than half of its share.
func (a *analysis) flattens() bool {
	l := a.slope.Levels
	n := len(l) - 1
	tail := max(1, n/3)
	return (l[n]-l[n-tail])*float64(n) < (l[n]-l[0])*float64(tail)/2
}

// mostGrown is the stack that grew most in the windows after the rounds, if it
// accounts for half of what grew under load and is none that may grow. A leak is
// on one stack; where many grew a little, it is the service that moves.
func (a *analysis) mostGrown(grown float64) (suspect, bool) {
	var best suspect
	trends := a.history.trends(byKey)
	for _, k := range sortedKeys(trends) {
		if k == stacks.NoFrames || slices.ContainsFunc(a.suspects, func(s suspect) bool { return s.key == k && (s.class == pool || s.class == draining || s.rule != nil) }) {
			continue
		}
		if t := trends[k]; best.key == "" || t.rise() > best.trend.rise() {
			best = suspect{key: k, id: byKey, trend: t}
		}
	}
	if best.key != "" {
		best.stack = a.history.shown(best.key)
	}
	return best, best.key != "" && 2*float64(best.trend.rise()) >= grown
}

// outgrowsLevel is outgrows for growth under load: levels are the middle of many
// samples, and move less than a single count.
func (a *analysis) outgrowsLevel(s *suspect) bool {
	l := *s.look
	var means []int
	for part := range slices.Chunk(l.rested(), averaged) {
		sum := 0
		for _, c := range part {
			sum += c
		}
		means = append(means, int(math.Round(float64(sum)/float64(len(part)))))
	}
	l.counts = means
	longer := 1.0
	if l.span > 0 {
		longer = float64(s.trend.span) / float64(l.span)
	}
	return a.slope.grown() > s.trend.drift(max(l.drift(longer), 1), falseRed)
}

// lasts reports whether growth under load is still there after the long look: half of
// it, counted from the window after the first round, before which pools fill.
func (a *analysis) lasts(s *suspect) bool {
	counts := s.look.rested()
	var late []float64
	for _, c := range counts[len(counts)/2:] {
		late = append(late, float64(c))
	}
	return 2*(stat.Median(late)-float64(s.trend.bands[1].mid)) >= a.slope.grown()
}
