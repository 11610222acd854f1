package stat

import "gonum.org/v1/gonum/stat/distuv"

// PoissonAtMost is the probability of k or fewer events where mean are
// expected. It is 1 for a mean of 0.
func PoissonAtMost(k int, mean float64) float64 {
	switch {
	case k < 0:
		return 0
	case mean <= 0:
		return 1
	}
	return distuv.Poisson{Lambda: mean}.CDF(float64(k))
}
