package report

import (
	"fmt"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

// besideLines say what the run shows beside the growth of goroutines: memory, the slope
// under load, and what it comes to in production. What a warning says already is left out.
func besideLines(v verdict.Verdict) []string {
	var out []string
	for _, m := range v.Memory {
		if m.Message == "" || warned(v, m) {
			continue
		}
		out = append(out, fmt.Sprintf("memory: %s: %s", m.Target, m.Message))
	}
	for _, c := range v.Connections {
		last := c.Rounds[len(c.Rounds)-1]
		out = append(out, fmt.Sprintf("connections: %s: %d held, with %.2f, %.2f and %.2f goroutines each early, in the middle and late in the last round", c.Target, c.Open, last[0], last[1], last[2]))
	}
	for _, s := range v.Slopes {
		if rises(s) && v.Outcome != verdict.Pass { // in a pass, it was explained away
			out = append(out, fmt.Sprintf("slope: %s: %s", s.Target, s))
		}
	}
	for _, p := range v.Projections {
		out = append(out, strings.TrimPrefix(fmt.Sprintf("%s: %s", p.Target, p.Message), ": "))
	}
	return out
}

// warned reports whether a warning says what a target's memory has to say.
func warned(v verdict.Verdict, m verdict.Memory) bool {
	for _, w := range v.Warnings {
		if w.Target == m.Target && w.Message == m.Message {
			return true
		}
	}
	return false
}

// rises reports whether a slope is worth a line: all of its interval is growth.
func rises(s verdict.Slope) bool { return s.Low > 0 }
