package verdict

import (
	"time"

	"github.com/leakgate/leakgate/record"
)

// unitOf is what a run's load is counted in.
func unitOf(run record.Run) string {
	unit := "request"
	for _, l := range run.Loads {
		if l.Kind != record.Round {
			continue
		}
		if !l.ByConnection() {
			return "request"
		}
		unit = "connection"
	}
	return unit
}

func loadEntries(run record.Run) []LoadEntry {
	byName := map[string]int{}
	out := []LoadEntry{}
	for _, l := range run.Loads {
		if l.Kind != record.Round {
			continue
		}
		for _, e := range l.Entries {
			i, seen := byName[e.Name]
			if !seen {
				i = len(out)
				byName[e.Name] = i
				out = append(out, LoadEntry{Name: e.Name})
			}
			o := &out[i]
			o.Sent += e.Sent
			o.Succeeded += e.Succeeded
			o.Abandoned += e.Abandoned
			o.Codes = addCounts(o.Codes, e.Codes)
			o.Errors = addCounts(o.Errors, e.Errors)
			o.P50ms = max(o.P50ms, float64(e.P50.Microseconds())/thousand)
			o.P99ms = max(o.P99ms, float64(e.P99.Microseconds())/thousand)
		}
	}
	return out
}

func addCounts(sum, more map[string]uint64) map[string]uint64 {
	for k, n := range more {
		if sum == nil {
			sum = map[string]uint64{}
		}
		sum[k] += n
	}
	return sum
}

// timing adds up the phases.
func timing(run record.Run) Timing {
	t := Timing{Phases: run.Phases}
	for _, p := range run.Phases {
		t.Wall = max(t.Wall, p.End.Seconds())
		if p.Kind == record.Warmup || p.Kind == record.Round {
			t.Load += (p.End - p.Start).Seconds()
		}
	}
	if run.End != nil {
		t.Wall = max(t.Wall, run.End.At.Seconds())
	}
	t.Wall, t.Load = tenths(t.Wall), tenths(t.Load)
	if t.Load > 0 {
		t.Ratio = rounded(t.Wall / t.Load)
	}
	return t
}

func tenths(seconds float64) float64 {
	return time.Duration(seconds * float64(time.Second)).Round(time.Second / ten).Seconds()
}

func sumOf(sent []uint64) (n uint64) {
	for _, s := range sent {
		n += s
	}
	return n
}

// entriesOf are the requests of a plan, by the load that lists most of them.
func entriesOf(run record.Run) (out []record.Entry) {
	for _, l := range run.Loads {
		if len(l.Entries) > len(out) {
			out = l.Entries
		}
	}
	return out
}
