package trend

import (
	"slices"
	"testing"
	"time"
)

// counts is a history whose windows stand still, with the default thresholds: rounds of 20 s,
// one after the other, 4,000 requests each, and as many rounds as the plan allows.
func counts(n ...int) Trend {
	limits := Default()
	t := Trend{Limits: &limits, Workers: 8, Budget: len(n) - 1, Family: 20}
	for i, c := range n {
		t.Bands = append(t.Bands, Band{c, c, c})
		if i > 0 {
			t.Requests = append(t.Requests, 4000)
			t.Ends = append(t.Ends, time.Duration(i)*25*time.Second)
		}
	}
	t.Span = time.Duration(len(n)-1) * 25 * time.Second
	return t
}

// moreRounds is a history whose plan allows more of them.
func moreRounds(t Trend) Trend { t.Budget += 3; return t }

// under adds what profiles under load saw: so many goroutines of the floor missing, in each
// round.
func under(t Trend, missing, profiles int) Trend {
	for i := range t.rounds() {
		t.Floors = append(t.Floors, Floor{Least: t.Bands[i].Low - missing, Profiles: profiles})
	}
	return t
}

// waited adds a dump after a round: how many goroutines had waited for a minute, when the
// windows up to some are that old.
func waited(t Trend, window, long int, rested bool) Trend {
	t.Dumps = append(slices.Clip(t.Dumps), Waits{Window: window, Long: long, Rested: rested})
	return t
}

// Growth of a few hundred is a leak or a pool that fills: whether its goroutines leave their
// place tells.
func TestMovement(t *testing.T) {
	ramp := []int{0, 30, 60, 90, 120, 150, 180}
	four := ramp[:5]
	for _, c := range []struct {
		name string
		in   Trend
		want Class
		move Movement
	}{
		{"nothing is known of it, no round left", counts(ramp...), Leak, Unknown},
		{"nothing is known of it, rounds left", moreRounds(counts(four...)), Undecided, Unknown},
		// A leak: what is a minute old has waited for a minute.
		{"still, rounds left", waited(moreRounds(counts(four...)), 2, 60, false), Leak, Still},
		// A pool: work went round.
		{"woken by work, rounds left", waited(moreRounds(counts(four...)), 2, 0, false), Undecided, Moves},
		{"woken by work, no round left", waited(counts(ramp...), 3, 0, false), Undecided, Moves},
		// A leaked ticker is woken too, and also when nothing is asked of the service.
		{"woken by itself, no round left", waited(waited(counts(ramp...), 3, 0, false), 6, 0, true), Leak, Unknown},
		{"woken by work, and at rest since", waited(waited(counts(ramp...), 3, 0, false), 6, 180, true), Undecided, Moves},
		// A leak beside a pool of thirty that were there at the baseline, and work.
		{"a leak beside a pool", waited(counts(30, 60, 90, 120, 150, 180, 210), 3, 90, false), Leak, Still},
		// Too little is old enough for the dump to tell.
		{"a few that are old", waited(counts(0, 1, 2, 3, 4, 5, 6), 2, 0, false), Leak, Unknown},
		// Profiles under load, where no dump tells.
		{"never missing, rounds left", under(moreRounds(counts(four...)), 0, 19), Undecided, Unknown},
		{"never missing, no round left", under(counts(ramp...), 0, 19), Leak, Unknown},
		{"missing under load, no round left", under(counts(ramp...), 1, 19), Undecided, Moves},
		{"one missing once", under(counts(ramp[:2]...), 1, 19), Undecided, Unknown},
		// Workers that were there before are busy, and a leak is beside them.
		{"four busy beside a leak", under(counts(4, 34, 64, 94, 124, 154, 184), 4, 19), Leak, Unknown},
		// The dump knows better than the profiles.
		{"missing under load, and still", waited(under(counts(ramp...), 1, 19), 3, 90, false), Leak, Still},
		// More than pools hold is a leak, whatever moves.
		{"a thousand, woken", waited(counts(0, 300, 600, 900, 1200, 1500, 1800), 3, 0, false), Leak, Moves},
	} {
		if got := c.in.Movement(nil); got != c.move {
			t.Errorf("%s: Movement = %v, want %v", c.name, got, c.move)
		}
		trail := &Trail{}
		if got := c.in.Classify(trail); got != c.want {
			t.Errorf("%s: Classify = %v, want %v (%v)", c.name, got, c.want, trail.Asked)
		}
		if got := c.in.Classify(nil); got != c.want {
			t.Errorf("%s: Classify without a trail = %v, want the same", c.name, got)
		}
	}
}

// Where only the number of all goroutines is known, a pool that fills looks like a leak.
func TestCounted(t *testing.T) {
	counted := func(t Trend) Trend { t.Counted = true; return t }
	var ten []int
	for i := range 11 {
		ten = append(ten, 40*i)
	}
	for _, c := range []struct {
		name string
		in   Trend
		want Class
	}{
		{"what a pool may hold", counted(counts(0, 40, 80, 120, 160, 200, 240)), Undecided},
		{"more than that", counted(counts(0, 90, 180, 270, 360, 450, 540)), Leak},
		{"for longer than a pool fills", counted(counts(ten...)), Leak},
		{"the same of a stack", counts(0, 40, 80, 120, 160, 200, 240), Leak},
	} {
		if got := c.in.Classify(nil); got != c.want {
			t.Errorf("%s: Classify = %v, want %v", c.name, got, c.want)
		}
	}
}

// The goroutines of the first round were left alone ever since, if growth shows that none of
// them has gone.
func TestAge(t *testing.T) {
	for _, c := range []struct {
		name string
		in   Trend
		want time.Duration
	}{
		{"grew alike in six rounds", counts(0, 100, 200, 300, 400, 500, 600), 125 * time.Second},
		{"in two", counts(0, 800, 1600), 25 * time.Second},
		{"in one", counts(0, 800), 0},
		// Work of 60 s: what came in the first rounds has gone, and more came.
		{"a level of slow work", counts(0, 100, 200, 240, 240, 240, 240), 0},
		{"half of the first round went", counts(0, 100, 200, 300, 350), 0},
		// Too few to see whether half of the first ones went.
		{"three in each round", counts(0, 3, 6, 9, 12, 15, 18), 0},
		// A pool in the first round, and a leak since: from where the rounds agree.
		{"behind a pool", counts(0, 900, 1000, 1100, 1200), 50 * time.Second},
		// Sessions with a timer that their users wind up again.
		{"work goes round", waited(counts(0, 100, 200, 300, 400, 500, 600), 3, 0, false), 0},
		{"a leaked one has waited", waited(counts(0, 100, 200, 300, 400, 500, 600), 3, 300, false), 125 * time.Second},
		{"fell once", counts(0, 100, 200, 150, 250, 350, 450), 0},
	} {
		if got := c.in.Age(); got != c.want {
			t.Errorf("%s: Age = %v, want %v", c.name, got, c.want)
		}
	}
}

// The trail has every question in order, with what was compared.
func TestTrail(t *testing.T) {
	var trail Trail
	counts(0, 30, 60, 90, 120, 150, 180).Classify(&trail)
	var names []string
	for _, a := range trail.Asked {
		names = append(names, a.Name)
	}
	want := []string{"above", "turnover", "new-height", "rounds", "slows", "every-round", "ample", "beyond-pools", "many-requests", "heights"}
	if !slices.Equal(names, want) {
		t.Errorf("asked %v, want %v", names, want)
	}
	last := trail.Asked[len(trail.Asked)-1]
	if last.Statistic != 6 || last.Limit != 6 || !last.Answer || last.Threshold != "growth.clear_records" {
		t.Errorf("the last question is %+v, want six heights of six", last)
	}
}

// What falls in the look is as old as the look: work that lasts as long as the rounds did is
// not taken for a leak that was left alone since the first of them.
func TestAged(t *testing.T) {
	six := counts(0, 100, 200, 300, 400, 500, 600)
	look := func(counts ...int) Look {
		var l Look
		for i, n := range counts {
			l.Add(n, time.Duration(i+1)*10*time.Second)
		}
		return l
	}
	for _, c := range []struct {
		name string
		look Look
		want time.Duration
	}{
		{"nothing went", look(600, 600, 600), 155 * time.Second},
		{"a few went", look(600, 580, 580, 580), 165 * time.Second},
		{"the first round's went", look(600, 550, 500, 500), 40 * time.Second},
	} {
		if got := six.Aged(c.look); got != c.want {
			t.Errorf("%s: Aged = %v, want %v", c.name, got, c.want)
		}
	}
}
