package stat

// Kendall is the probability with which the numbers, put in any order, are in as
// rising an order as they are: the share of permutations with as many rising pairs
// (Kendall's tau, exactly). It is 1 for fewer than two. Equal numbers count as
// falling.
func Kendall(xs []float64) float64 {
	n := len(xs)
	rising := 0
	for i := range xs {
		for j := i + 1; j < n; j++ {
			if xs[j] > xs[i] {
				rising++
			}
		}
	}
	// ways[k] is the share of permutations of the first i numbers with k rising pairs.
	ways := []float64{1}
	for i := 2; i <= n; i++ {
		next := make([]float64, len(ways)+i-1)
		for k, w := range ways {
			for j := range i {
				next[k+j] += w / float64(i)
			}
		}
		ways = next
	}
	p := 0.0
	for k := rising; k < len(ways); k++ {
		p += ways[k]
	}
	return min(p, 1)
}
