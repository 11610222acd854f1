package stat

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestTheilSen(t *testing.T) {
	x := []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	line := func(f func(i int, x float64) float64) []float64 {
		y := make([]float64, len(x))
		for i := range x {
			y[i] = f(i, x[i])
		}
		return y
	}
	for _, c := range []struct {
		name string
		x, y []float64
		want float64
	}{
		{"a line", x, line(func(_ int, x float64) float64 { return 3*x - 7 }), 3},
		{"level", x, line(func(int, float64) float64 { return 5 }), 0},
		// Two points of ten lie anywhere: least squares would give -22.
		{"outliers", x, line(func(i int, x float64) float64 {
			if i > 7 {
				return -500
			}
			return 2 * x
		}), 2},
		{"the same x", []float64{1, 1, 1}, []float64{1, 2, 3}, 0},
		{"one point", []float64{1}, []float64{1}, 0},
		{"none", nil, nil, 0},
		// Sen's own example of 1968: hours and growth.
		{"Sen 1968", []float64{1, 2, 3, 4, 10, 12, 18}, []float64{9, 15, 19, 20, 45, 55, 78}, 4},
	} {
		l := TheilSen(c.x, c.y, 0.95)
		if math.Abs(l.Slope-c.want) > 1e-9 || l.Low > l.Slope || l.High < l.Slope {
			t.Errorf("TheilSen(%s) = %+v, want a slope of %v within its interval", c.name, l, c.want)
		}
	}
}

// The interval holds the true slope as often as it says.
func TestTheilSenCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const runs = 2000
	held := 0
	for range runs {
		var x, y []float64
		for i := range 20 {
			x = append(x, float64(i))
			y = append(y, 0.5*float64(i)+rng.NormFloat64()*4)
		}
		if l := TheilSen(x, y, 0.95); l.Low <= 0.5 && 0.5 <= l.High {
			held++
		}
	}
	if held < runs*93/100 || held > runs*98/100 {
		t.Errorf("the interval of 95%% held the slope in %d of %d runs", held, runs)
	}
}

func TestMedian(t *testing.T) {
	xs := []float64{5, 1, 3}
	if m := Median(xs); m != 3 || xs[0] != 5 {
		t.Errorf("Median = %v, want 3, and the order kept: %v", m, xs)
	}
	if m := Median([]float64{1, 2, 3, 10}); m != 2.5 {
		t.Errorf("Median of four = %v, want 2.5", m)
	}
	if m := Median(nil); m != 0 {
		t.Errorf("Median(nil) = %v, want 0", m)
	}
}
