package stat

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

func TestDispersion(t *testing.T) {
	none := []float64{0, 0, 0}
	same := []float64{1, 1, 1}
	for _, c := range []struct {
		name                       string
		counts, exposure, variance []float64
		want                       float64
	}{
		{"one count", []float64{5}, []float64{1}, []float64{0}, 1},
		{"all alike", []float64{9, 9, 9}, same, none, 1},
		{"in proportion", []float64{10, 20, 30}, []float64{1, 2, 3}, none, 1},
		// Chi square is 2 with two degrees of freedom, whose tail is exp(-1).
		{"a little apart", []float64{6, 9, 12}, same, none, math.Exp(-1)},
		{"the same with noise", []float64{6, 9, 12}, same, []float64{9, 9, 9}, math.Exp(-0.5)},
		{"nothing grew", []float64{0, 0, 0}, same, none, 0},
	} {
		if got := Dispersion(c.counts, c.exposure, c.variance); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("Dispersion(%s) = %v, want %v", c.name, got, c.want)
		}
	}
}

// Of leaks at random, no more are called uneven than the level says; of pools that
// fill up, nearly all.
func TestDispersionRates(t *testing.T) {
	src := rand.NewPCG(3, 4)
	const runs, level = 4000, 0.01
	leaks, pools := 0, 0
	for range runs {
		var counts, pool, exposure, variance []float64
		for i := range 6 {
			counts = append(counts, distuv.Poisson{Lambda: 40, Src: src}.Rand())
			pool = append(pool, distuv.Poisson{Lambda: 120 / float64(i+1), Src: src}.Rand())
			exposure, variance = append(exposure, 4000), append(variance, 0)
		}
		if Dispersion(counts, exposure, variance) < level {
			leaks++
		}
		if Dispersion(pool, exposure, variance) < level {
			pools++
		}
	}
	if leaks > 2*level*runs || pools < runs*99/100 {
		t.Errorf("%d of %d leaks and %d pools are uneven at a level of %v", leaks, runs, pools, level)
	}
}
