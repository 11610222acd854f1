package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/leakgate/leakgate/verdict"
)

// table sums up results.
type table struct {
	leaks, caught, blamed                    int
	healthy, passed, falsePositives, unclear int
	missed, misblamed, unclearLeaks          int
	looksFilling                             int // leaks that nothing tells from a pool that fills, not told
	naiveCaught, naiveFalse                  [2]int
	wall, load                               float64
	leakServices, healthyServices            int
}

func newTable(all []result) table {
	var t table
	names := map[string]bool{}
	runs := map[float64]bool{}
	for _, r := range all {
		if !runs[r.wall] { // one run has many services
			runs[r.wall] = true
			t.wall += r.wall
			t.load += r.load
		}
		if !names[r.Name] {
			names[r.Name] = true
			if r.Leaks {
				t.leakServices++
			} else {
				t.healthyServices++
			}
		}
		t.count(r)
	}
	return t
}

func (t *table) count(r result) {
	naive := &t.naiveFalse
	if r.Leaks {
		naive = &t.naiveCaught
	}
	for i, fails := range r.naive {
		if fails {
			naive[i]++
		}
	}
	if !r.Leaks {
		t.healthy++
		switch r.outcome {
		case verdict.Pass:
			t.passed++
		case verdict.Fail:
			t.falsePositives++
		default:
			t.unclear++
		}
		return
	}
	if r.Unclear && r.outcome == verdict.Inconclusive {
		t.looksFilling++
		return
	}
	t.leaks++
	switch {
	case r.outcome != verdict.Fail:
		t.missed++
		if r.outcome == verdict.Inconclusive {
			t.unclearLeaks++
		}
	case r.found:
		t.caught++
		t.blamed++
	default:
		t.caught++
		t.misblamed++
	}
}

func (t table) write(w io.Writer) {
	fmt.Fprintf(w, "\nleaks:    %d of %d caught, %d with the right function; %d missed (%d of them inconclusive)\n", t.caught, t.leaks, t.blamed, t.missed, t.unclearLeaks)
	if t.looksFilling > 0 {
		fmt.Fprintf(w, "          besides, %d that no six rounds tell from a pool that fills: could not tell\n", t.looksFilling)
	}
	fmt.Fprintf(w, "healthy:  %d of %d service-runs pass; %d false positives, %d inconclusive\n", t.passed, t.healthy, t.falsePositives, t.unclear)
	fmt.Fprintf(w, "naive:    after minus before > 50: %d of %d leaks, %d false positives; top five frames > +100: %d of %d leaks, %d false positives\n",
		t.naiveCaught[0], t.leaks, t.naiveFalse[0], t.naiveCaught[1], t.leaks, t.naiveFalse[1])
	fmt.Fprintf(w, "time:     %.0f s of wall time for %.0f s of load\n", t.wall, t.load)
}

func (t table) markdown(w io.Writer, all []result) {
	fmt.Fprintf(w, "| rule | leaks caught | right function | false positives | inconclusive |\n| --- | ---: | ---: | ---: | ---: |\n")
	fmt.Fprintf(w, "| leakgate | %d of %d | %d | %d of %d | %d |\n", t.caught, t.leaks, t.blamed, t.falsePositives, t.healthy, t.unclear)
	fmt.Fprintf(w, "| after minus before, more than 50 | %d of %d | | %d of %d | |\n", t.naiveCaught[0], t.leaks, t.naiveFalse[0], t.healthy)
	fmt.Fprintf(w, "| top five frames, more than +100 | %d of %d | | %d of %d | |\n\n", t.naiveCaught[1], t.leaks, t.naiveFalse[1], t.healthy)
	fmt.Fprintf(w, "%d leaking services and %d healthy ones; %.0f s of wall time for %.0f s of load.\n\n", t.leakServices, t.healthyServices, t.wall, t.load)
	fmt.Fprintf(w, "| service | what it does | runs | outcomes | wall time | blamed |\n"+
		"| --- | --- | ---: | --- | ---: | --- |\n")
	type sum struct {
		about, blamed string
		outcomes      map[verdict.Outcome]int
		walls         []float64
	}
	sums := map[string]*sum{}
	var order []string
	for _, r := range all {
		s, ok := sums[r.Name]
		if !ok {
			s = &sum{about: r.About, outcomes: map[verdict.Outcome]int{}}
			sums[r.Name] = s
			order = append(order, r.Name)
		}
		s.walls = append(s.walls, r.wall)
		s.outcomes[r.outcome]++
		if r.blamed != "" {
			s.blamed = "`" + r.blamed + "`"
		}
	}
	for _, n := range order {
		s := sums[n]
		slices.Sort(s.walls)
		fmt.Fprintf(w, "| %s | %s | %d | %s | %.0f s | %s |\n",
			n, s.about, len(s.walls), outcomeCounts(s.outcomes), quantile(s.walls, median), s.blamed)
	}
}
