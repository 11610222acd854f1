package main

import (
	"slices"
	"testing"
)

func TestQuantile(t *testing.T) {
	ten := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for _, c := range []struct {
		name   string
		sorted []float64
		q      float64
		want   float64
	}{
		{"median of ten", ten, 0.5, 5},
		{"median of three", ten[:3], 0.5, 2},
		{"p90 of ten", ten, 0.9, 9},
		{"longest", ten, 1, 10},
		{"of one", ten[:1], 0.5, 1},
		{"shortest", ten, 0, 1},
	} {
		if got := quantile(c.sorted, c.q); got != c.want {
			t.Errorf("quantile(%s) = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestEvenly(t *testing.T) {
	for _, c := range []struct {
		n    int
		want []int
	}{
		{2, []int{0, 3}},
		{3, []int{0, 2, 4}},
		{9, []int{0, 1, 2, 3, 4, 5}}, // more than there are: all
		{0, nil},
	} {
		if got := evenly([]int{0, 1, 2, 3, 4, 5}, c.n); !slices.Equal(got, c.want) {
			t.Errorf("evenly(6, %d) = %v, want %v", c.n, got, c.want)
		}
	}
}

// Every leak is timed once, the known case in long rounds too, healthy services in both,
// and what needs minutes not at all.
func TestRedRuns(t *testing.T) {
	all := []service{
		{Name: longCase, Leaks: true}, {Name: "leak-x", Leaks: true}, {Name: "leak-slow", Leaks: true, Slow: true},
		{Name: "fine-x"}, {Name: "fine-slow", Slow: true},
	}
	var got []string
	for _, r := range redRuns(all, options{}) {
		got = append(got, r.Name+" "+r.round.String())
	}
	want := []string{longCase + " 20s", longCase + " 10s", "leak-x 10s", "fine-x 10s", "fine-x 20s"}
	if !slices.Equal(got, want) {
		t.Errorf("redRuns = %q, want %q", got, want)
	}
}
