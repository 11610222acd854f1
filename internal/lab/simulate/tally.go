package simulate

import (
	"fmt"
	"io"
	"sync"

	"github.com/leakgate/leakgate/internal/stat"
	"github.com/leakgate/leakgate/verdict"
)

// tally counts what became of the runs of one kind.
type tally struct {
	mu                  sync.Mutex
	fail, unclear, runs int
	rounds              int
	others              []int // fails, by rule
}

func (t *tally) add(v verdict.Verdict, others []bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs++
	t.rounds += v.Rounds
	switch v.Outcome {
	case verdict.Fail:
		t.fail++
	case verdict.Inconclusive:
		t.unclear++
	}
	if t.others == nil {
		t.others = make([]int, len(others))
	}
	for i, f := range others {
		if f {
			t.others[i]++
		}
	}
}

func (t *tally) sum(o *tally) {
	t.runs, t.fail, t.unclear, t.rounds = t.runs+o.runs, t.fail+o.fail, t.unclear+o.unclear, t.rounds+o.rounds
	if t.others == nil {
		t.others = make([]int, len(o.others))
	}
	for i, n := range o.others {
		t.others[i] += n
	}
}

const (
	// wrong is the share of healthy runs that may fail.
	wrong = 0.001
	// enough is of how many runs the share is known well enough to be compared with
	// that. Of fewer, one may fail and say nothing.
	enough = 10_000
	// chance is the probability with which so many of fewer runs fail at that share.
	chance = 0.01
)

// tooMany reports whether more healthy runs failed than may.
func tooMany(fails, runs int) bool {
	if runs >= enough {
		return float64(fails) > wrong*float64(runs)
	}
	return 1-stat.BinomialAtMost(fails-1, runs, wrong) < chance
}

// caught is how many of the runs failed, and after how many rounds.
func (t *tally) caught() string {
	return fmt.Sprintf("%.1f%%, %.1f", 100*float64(t.fail)/float64(t.runs), float64(t.rounds)/float64(t.runs))
}

// line writes a row of the tables.
func line(w io.Writer, name string, t *tally) {
	fmt.Fprintf(w, "| %s | %d of %d | %d | %.1f |", name, t.fail, t.runs, t.unclear, float64(t.rounds)/float64(t.runs))
	for _, n := range t.others {
		fmt.Fprintf(w, " %.1f%% |", 100*float64(n)/float64(t.runs))
	}
	fmt.Fprintln(w)
}
