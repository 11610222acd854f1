// Package stat holds the few statistics that the verdict needs, on top of
// gonum's distributions.
package stat

import "gonum.org/v1/gonum/stat/distuv"

// BinomialAtMost is the probability of k or fewer successes in n trials of
// probability p. It is 1 for n = 0.
func BinomialAtMost(k, n int, p float64) float64 {
	switch {
	case k >= n:
		return 1
	case k < 0 || p >= 1:
		return 0
	case p <= 0:
		return 1
	}
	return distuv.Binomial{N: float64(n), P: p}.CDF(float64(k))
}
