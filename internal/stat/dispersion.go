package stat

import "gonum.org/v1/gonum/stat/distuv"

// Dispersion is the probability with which counts scatter as much as these do, or
// more, around one rate per unit of exposure, if they are Poisson's and have the
// given variances besides: the upper tail of chi square. It is 1 for fewer than two
// counts, and 0 where their sum is not positive.
func Dispersion(counts, exposure, variance []float64) float64 {
	n := len(counts)
	if n < 2 {
		return 1
	}
	sum, all := 0.0, 0.0
	for i := range counts {
		sum, all = sum+counts[i], all+exposure[i]
	}
	if sum <= 0 || all <= 0 {
		return 0
	}
	chi2 := 0.0
	for i, c := range counts {
		mean := sum / all * exposure[i]
		chi2 += (c - mean) * (c - mean) / (mean + variance[i])
	}
	return distuv.ChiSquared{K: float64(n - 1)}.Survival(chi2)
}
