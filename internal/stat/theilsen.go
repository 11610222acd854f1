package stat

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Line is a straight line through points, with an interval for its slope.
type Line struct {
	Slope     float64 // of y per unit of x
	Low, High float64 // the slope's interval
}

// TheilSen fits a line by the median of the slopes of all pairs of points whose x
// differ, so that up to three points in ten may lie anywhere (Sen, 1968: Estimates
// of the regression coefficient based on Kendall's tau). The interval holds the
// slope with the given probability, if the deviations from the line are
// independent; with a probability of 1 it is that of all pairs. All zero for fewer
// than two such points.
func TheilSen(x, y []float64, probability float64) Line {
	var slopes []float64
	for i := range x {
		for j := i + 1; j < len(x); j++ {
			if d := x[j] - x[i]; d != 0 {
				slopes = append(slopes, (y[j]-y[i])/d)
			}
		}
	}
	if len(slopes) == 0 {
		return Line{}
	}
	slices.Sort(slopes)
	n, pairs := float64(len(x)), float64(len(slopes))
	// Kendall's statistic has this standard deviation where there is no trend.
	reach := pairs
	if probability < 1 {
		z := distuv.UnitNormal.Quantile(0.5 + probability/2)
		reach = min(pairs, z*math.Sqrt(n*(n-1)*(2*n+5)/18))
	}
	low := int(math.Floor((pairs - reach) / 2))
	high := int(math.Ceil((pairs + reach) / 2))
	return Line{
		Slope: median(slopes),
		Low:   slopes[max(0, min(low, len(slopes)-1))], High: slopes[max(0, min(high, len(slopes)-1))],
	}
}

// Median is the middle of some numbers, or the mean of the middle two; 0 of none.
func Median(xs []float64) float64 {
	if len(xs) == 0 {
		return 0
	}
	return median(slices.Sorted(slices.Values(xs)))
}

func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}
