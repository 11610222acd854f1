package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

// account is an explanation as a person reads it.
type account struct {
	verdict.Explanation
	Taken     string // what the stack was taken for, in words
	Place     string
	Questions []answered
}

// answered is a question with what a reader needs to check its answer.
type answered struct {
	verdict.Question
	Says    string // yes or no
	Against string // 412 goroutines, against a limit of 500
	Margin  string // 88 short of it, 0.82 times
	Decided bool   // the last one did
}

// takenFor says in words what a stack was taken for.
var takenFor = map[string]string{
	"leak":      "a leak: it fails the run",
	"likely":    "likely a leak: it fails nothing by itself",
	"pool":      "a pool: it grew, and stopped growing",
	"noise":     "noise: no more than comes and goes anyway",
	"draining":  "slow work: it was on its way back",
	"undecided": "undecided: it grew, and neither as a leak nor as a pool does",
	"ignored":   "ignored: a rule of the plan covers it",
	"held":      "held: it grows while connections are open, and goes with them",
	"steady":    "steady: it did not grow",
}

func accountOf(e verdict.Explanation) account {
	a := account{Explanation: e, Taken: takenFor[e.Class], Place: place(e.File, e.Line, "")}
	if a.Taken == "" {
		a.Taken = e.Class
	}
	for i, q := range e.Asked {
		a.Questions = append(a.Questions, answered{
			Question: q, Says: map[bool]string{true: "yes", false: "no"}[q.Answer],
			Against: against(q), Margin: margin(q), Decided: i == len(e.Asked)-1,
		})
	}
	return a
}

// against sets what was compared beside its limit.
func against(q verdict.Question) string {
	unit := ""
	if q.Unit != "" {
		unit = " " + q.Unit
	}
	return fmt.Sprintf("%s%s, against a limit of %s", figure(q.Statistic), unit, figure(q.Limit))
}

// margin is how far a statistic is from its limit, in its unit and as a factor.
func margin(q verdict.Question) string {
	d := q.Statistic - q.Limit
	text := ""
	switch {
	case math.IsNaN(d) || math.IsInf(d, 0):
		return ""
	case d == 0:
		return "just at it"
	case d > 0:
		text = figure(d) + " above it"
	default:
		text = figure(-d) + " below it"
	}
	if q.Limit > 0 && q.Statistic > 0 {
		text += ", " + figure(q.Statistic/q.Limit) + " times as much"
	}
	return text
}

const (
	// digits are those of a figure that a reader compares.
	digits = 3
	// whole is from where a figure has no fraction.
	whole = 100
)

// figure writes a number with as many digits as a reader compares.
func figure(x float64) string {
	if x == math.Trunc(x) && math.Abs(x) < 1e15 {
		return number(x)
	}
	if math.Abs(x) >= whole {
		return number(math.Round(x))
	}
	return fmt.Sprintf("%.*g", digits, x)
}

// window names a row of an explanation's windows.
func window(i int) string {
	if i == 0 {
		return "baseline"
	}
	return fmt.Sprintf("round %d", i)
}

// floor is how few goroutines there were under load, in words.
func floor(s verdict.Seen) string {
	if s.Profiles == 0 {
		return ""
	}
	return fmt.Sprintf("%d at least, in %s", s.Floor, plural(s.Profiles, "profile"))
}

// lookText is a long look in a sentence.
func lookText(l verdict.Looked) string {
	text := fmt.Sprintf("after round %d, %.0f s without load: %d at the lowest, %d at the end",
		l.Round, l.Seconds, l.Lowest, l.Last)
	if l.Age > 0 {
		text += fmt.Sprintf("; the goroutines of the first round were %.0f s old by then", l.Age)
	}
	return text
}

// ends are the middle counts of an explanation's first and last window.
func ends(e verdict.Explanation) string {
	n := len(e.Windows)
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%d → %d", e.Windows[0].Middle, e.Windows[n-1].Middle)
}

// middles are the middle counts of an explanation's windows; of many, the first two and
// the last two.
func middles(e verdict.Explanation) string {
	const most = 6
	var out []string
	for _, s := range e.Windows {
		out = append(out, fmt.Sprint(s.Middle))
	}
	if n := len(out); n > most {
		out = slices.Concat(out[:2], []string{"…"}, out[n-2:])
	}
	return strings.Join(out, " → ")
}

// accountFor is the explanation of a finding; none where the verdict has none.
func accountFor(v verdict.Verdict, f verdict.Finding) *account {
	for _, e := range v.Explanations {
		if f.ID != "" && e.ID == f.ID && e.Target == f.Target {
			a := accountOf(e)
			return &a
		}
	}
	return nil
}

// unreported are the explanations of stacks that are in no finding.
func unreported(v verdict.Verdict) []verdict.Explanation {
	type key struct{ id, target string }
	told := map[key]bool{}
	for _, f := range v.Findings {
		told[key{f.ID, f.Target}] = true
	}
	return slices.DeleteFunc(slices.Clone(v.Explanations), func(e verdict.Explanation) bool {
		return told[key{e.ID, e.Target}]
	})
}
