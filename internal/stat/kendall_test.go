package stat

import (
	"math"
	"testing"
)

// Of the n! orders, one is rising throughout, and n-1 have one pair that falls.
func TestKendall(t *testing.T) {
	for _, c := range []struct {
		name string
		xs   []float64
		want float64
	}{
		{"none", nil, 1},
		{"one", []float64{1}, 1},
		{"two that rise", []float64{1, 2}, 1. / 2},
		{"four that rise", []float64{1, 2, 3, 4}, 1. / 24},
		{"six that rise", []float64{1, 2, 3, 4, 5, 6}, 1. / 720},
		{"six with one that falls", []float64{1, 2, 4, 3, 5, 6}, 6. / 720},
		{"four that fall", []float64{4, 3, 2, 1}, 1},
		{"equal ones do not rise", []float64{1, 1, 1}, 1},
	} {
		if got := Kendall(c.xs); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("Kendall(%s) = %v, want %v", c.name, got, c.want)
		}
	}
}
