package slo

import (
	"math"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// minutes are samples of so many minutes, of which some are suspect.
func minutes(n int, suspect ...int) []Sample {
	var out []Sample
	for i := range n {
		s := Sample{At: start.Add(time.Duration(i) * time.Minute)}
		for _, x := range suspect {
			s.Suspected = s.Suspected || x == i
		}
		out = append(out, s)
	}
	return out
}

func span(from, to int) (out []int) {
	for i := from; i < to; i++ {
		out = append(out, i)
	}
	return out
}

func TestSum(t *testing.T) {
	for _, c := range []struct {
		name     string
		samples  []Sample
		window   int // minutes
		minutes  float64
		episodes int
		outcome  int
	}{
		{"nothing suspect", minutes(600), 600, 0, 0, 0},
		{"within the budget", minutes(600, span(100, 120)...), 600, 20, 1, 0},
		{"over the budget", minutes(600, span(100, 140)...), 600, 40, 1, 1},
		// Two minutes in which the slope was just below: one episode.
		{"a pause", minutes(600, append(span(100, 110), span(112, 120)...)...), 600, 18, 1, 0},
		{"two episodes", minutes(600, append(span(100, 110), span(300, 310)...)...), 600, 20, 2, 0},
		{"most of it unknown", minutes(100), 600, 0, 0, 3},
		{"over the budget in what is known", minutes(100, span(0, 50)...), 600, 50, 1, 1},
		// Two answers of one moment are no two minutes, and do not make up for one that is missing.
		{"the same minutes twice", append(minutes(300), minutes(300, span(0, 20)...)...), 600, 20, 1, 3},
		{"the same minutes twice, all known", append(minutes(600, span(0, 20)...), minutes(600)...), 600, 20, 1, 0},
		{"no sample", nil, 600, 0, 0, 3},
	} {
		r := Sum("shop", c.samples, start, start.Add(time.Duration(c.window)*time.Minute), time.Minute, 30*time.Minute)
		if r.Minutes != c.minutes || len(r.Episodes) != c.episodes || r.Outcome() != c.outcome {
			t.Errorf("Sum(%s) = %.0f minutes in %d episodes, %d; want %.0f, %d, %d", c.name, r.Minutes, len(r.Episodes), r.Outcome(), c.minutes, c.episodes, c.outcome)
		}
	}
}

func TestOf(t *testing.T) {
	for _, c := range []struct {
		value            float64
		suspected, known bool
		err              string
	}{
		{0, false, true, ""},
		{math.Copysign(0, -1), false, true, ""}, // a falling slope times nothing
		{1, true, true, ""},
		{math.NaN(), false, false, ""},
		{math.Inf(1), false, false, "suspicion is +Inf at 2026-11-01T00:00:00Z; want 0 or 1"},
		{-8, false, false, "suspicion is -8"},
		{0.5, false, false, "suspicion is 0.5"},
	} {
		s, known, err := Of(start, c.value)
		if s.Suspected != c.suspected || known != c.known || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("Of(%g) = %+v, %v, %v; want %v, %v, %q", c.value, s, known, err, c.suspected, c.known, c.err)
		}
	}
}

func TestText(t *testing.T) {
	r := Sum("shop", minutes(600, span(100, 140)...), start, start.Add(1200*time.Minute), time.Minute, 30*time.Minute)
	var b strings.Builder
	if err := r.Text(&b); err != nil {
		t.Fatal(err)
	}
	want := `MISSED  shop: 40 of 30 minutes of leak-suspected operation, 2026-11-01 00:00 to 2026-11-01 20:00 UTC
  known for 50.0% of that time

  from               to (UTC)            minutes
  2026-11-01 01:40   2026-11-01 02:20         40
`
	if b.String() != want {
		t.Errorf("Text = %s, want %s", b.String(), want)
	}
}
