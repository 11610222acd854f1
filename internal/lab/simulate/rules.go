package simulate

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/record"
)

// rule decides a series of rounds, without a long look: leak or not.
type rule struct {
	name   string
	rounds int
	fails  func(s series) bool
}

// series is what a rule sees: the median count of every stack in every window,
// and the spread within the windows.
type series struct {
	counts [][]float64 // by stack, by window
	noise  []float64   // by stack: variance within the windows
}

// falseRed is the error rate that the rules with a test aim at, per run.
const falseRed = 0.001

// rules are the ones that were tried beside leakgate's.
func rules() []rule {
	return []rule{
		{"after minus before, more than 10", 2, func(s series) bool { return s.totalGrowth() > 10 }},
		{"after minus before, more than 50", 2, func(s series) bool { return s.totalGrowth() > 50 }},
		{"+100 on one of the top five", 2, topFive},
		{"grew in each of 4 rounds", 4, func(s series) bool { return s.any(monotone) }},
		{"Poisson test on the increments", 4, func(s series) bool {
			return s.any(func(c []float64, _ float64) bool { return poissonTest(c, len(s.counts)) })
		}},
		{"negative binomial test on the increments", 4, func(s series) bool {
			return s.any(func(c []float64, v float64) bool { return negativeBinomialTest(c, v, len(s.counts)) })
		}},
		{"sequential probability ratio test", 6, func(s series) bool {
			return s.any(func(c []float64, v float64) bool { return sequential(c, v, len(s.counts)) })
		}},
	}
}

func (s series) any(f func(counts []float64, noise float64) bool) bool {
	for i, c := range s.counts {
		if f(c, s.noise[i]) {
			return true
		}
	}
	return false
}

func (s series) totalGrowth() float64 {
	sum := 0.0
	for _, c := range s.counts {
		sum += c[len(c)-1] - c[0]
	}
	return sum
}

func topFive(s series) bool {
	order := slices.Clone(s.counts)
	last := len(order[0]) - 1
	slices.SortFunc(order, func(a, b []float64) int { return int(b[last] - a[last]) })
	for _, c := range order[:min(5, len(order))] {
		if c[last]-c[0] > 100 {
			return true
		}
	}
	return false
}

func monotone(c []float64, _ float64) bool {
	for i := 1; i < len(c); i++ {
		if c[i] <= c[i-1] {
			return false
		}
	}
	return true
}

// poissonTest asks whether the last count is more than Poisson's scatter of the
// first explains, with Bonferroni's correction for the number of stacks.
func poissonTest(c []float64, stacks int) bool {
	return 1-stat.PoissonAtMost(int(c[len(c)-1])-1, max(c[0], 0.5)) < falseRed/float64(stacks)
}

// negativeBinomialTest allows for more scatter than Poisson's: as much as the
// windows show. It is computed by the normal distribution of the same variance
// on a square root scale, where the two agree within a percent.
func negativeBinomialTest(c []float64, noise float64, stacks int) bool {
	mean := max(c[0], 0.5)
	over := max(1, noise/mean)
	z := 2 * (math.Sqrt(max(0, c[len(c)-1])) - math.Sqrt(mean)) / math.Sqrt(over)
	return 1-distuv.UnitNormal.CDF(z/math.Sqrt2) < falseRed/float64(stacks)
}

// sequential is Wald's test on the growth per round: 0 against 8, with the
// scatter that the windows show, and the usual bounds.
func sequential(c []float64, noise float64, stacks int) bool {
	const growth = 8
	variance := growth + 2*max(noise, 1)
	ratio := 0.0
	for i := 1; i < len(c); i++ {
		ratio += growth * (c[i] - c[i-1] - growth/2) / variance
		if ratio > math.Log(float64(stacks)/falseRed) {
			return true
		}
		if ratio < math.Log(0.05) {
			return false
		}
	}
	return false
}

// seriesOf reads the first rounds of a run.
func seriesOf(run record.Run, stacks, rounds int) series {
	s := series{counts: make([][]float64, stacks), noise: make([]float64, stacks)}
	index := map[string]int{}
	for i := range stacks {
		index[stackName(i)] = i
	}
	for r := range rounds + 1 {
		windows := make([][]float64, stacks)
		for _, c := range run.Captures {
			if c.Round != r || c.Kind != record.Baseline && c.Kind != record.Settling {
				continue
			}
			counts := make([]float64, stacks)
			for _, st := range c.Profile.Stacks {
				if i, known := index[st.Key]; known { // and not somebody at work
					counts[i] = float64(st.Count)
				}
			}
			for i, n := range counts {
				windows[i] = append(windows[i], n)
			}
		}
		for i, w := range windows {
			slices.Sort(w)
			s.counts[i] = append(s.counts[i], w[len(w)/2])
			mean, squares := 0.0, 0.0
			for _, n := range w {
				mean += n / float64(len(w))
			}
			for _, n := range w {
				squares += (n - mean) * (n - mean)
			}
			s.noise[i] += squares / float64(len(w)-1) / float64(rounds+1)
		}
	}
	return s
}
