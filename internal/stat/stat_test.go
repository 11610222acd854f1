package stat

import (
	"math"
	"testing"
)

// Reference values by exact arithmetic: sums of C(n,i) p^i (1-p)^(n-i) and of
// m^i e^-m / i!.
func TestDistributions(t *testing.T) {
	for _, c := range []struct {
		name string
		got  float64
		want float64
	}{
		{"Binomial(3 of 10, 1/2)", BinomialAtMost(3, 10, 0.5), 0.171875},
		{"Binomial(0 of 4, 1/4)", BinomialAtMost(0, 4, 0.25), 0.31640625},
		{"Binomial(all)", BinomialAtMost(10, 10, 0.5), 1},
		{"Binomial(nothing)", BinomialAtMost(0, 0, 0.5), 1},
		{"Binomial(fewer than none)", BinomialAtMost(-1, 10, 0.5), 0},
		{"Binomial(p 0)", BinomialAtMost(0, 10, 0), 1},
		{"Binomial(p 1)", BinomialAtMost(9, 10, 1), 0},
		{"Poisson(0 of 2)", PoissonAtMost(0, 2), math.Exp(-2)},
		{"Poisson(2 of 2)", PoissonAtMost(2, 2), 5 * math.Exp(-2)},
		{"Poisson(of nothing)", PoissonAtMost(0, 0), 1},
		{"Poisson(fewer than none)", PoissonAtMost(-1, 2), 0},
	} {
		if math.Abs(c.got-c.want) > 1e-12 {
			t.Errorf("%s = %.12f, want %.12f", c.name, c.got, c.want)
		}
	}
}
