package verdict

import (
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict/internal/blame"
)

// roundsSent is how many requests of each entry the rounds sent, and how long they took.
func roundsSent(run record.Run) (sent []uint64, d time.Duration) {
	for _, l := range run.Loads {
		if l.Kind != record.Round {
			continue
		}
		d += l.End - l.Start
		for i, e := range l.Entries {
			if i == len(sent) {
				sent = append(sent, 0)
			}
			sent[i] += e.Sent
		}
	}
	return sent, d
}

// trialsOf is what rounds and trials did to one leaking stack.
func trialsOf(s subject, x suspect) blame.Stack {
	sent, _ := roundsSent(s.run)
	out := blame.Stack{Leaked: float64(max(x.trend.Rise(), x.proven)), Sent: sent}
	for i, t := range s.run.Trials {
		before, ok1 := lowestIn(s, x, i)
		after, ok2 := lowestIn(s, x, i+1)
		if !ok1 || !ok2 {
			continue
		}
		trial := blame.Trial{Sent: make([]uint64, len(sent)), Leaked: max(0, after-before)}
		for _, n := range t.Only {
			if n >= 0 && n < len(t.Entries) && n < len(sent) {
				trial.Requests = append(trial.Requests, n)
				trial.Sent[n] = t.Entries[n].Sent
			}
		}
		out.Trials = append(out.Trials, trial)
	}
	return out
}

// lowestIn is the lowest count of a stack in the window after trial n.
func lowestIn(s subject, x suspect, n int) (int, bool) {
	lowest := -1
	for _, c := range s.run.Captures {
		if c.Kind != record.Trying || c.Target != s.target || c.Round != n {
			continue
		}
		if count := s.history.memo.count(c.Profile, x.id, x.key); lowest < 0 || count < lowest {
			lowest = count
		}
	}
	return lowest, lowest >= 0
}

// attributed is what the trials say of one leaking stack: the requests that leak it first,
// the largest leak first; how many were cleared, and which where they are few.
func attributed(s subject, x suspect) (out []Blamed, cleared int) {
	if len(s.run.Trials) == 0 {
		return nil, 0
	}
	stack := trialsOf(s, x)
	if len(stack.Trials) == 0 {
		return nil, 0
	}
	answer := stack.Decode(s.limits.Trials)
	for _, r := range answer.Leaks {
		out = append(out, Blamed{
			Requests: requestNames(s, r.Requests), Any: answer.Any, Together: answer.Together, Sent: r.Sent, Leaked: r.Leaked,
			Each: rounded(r.Each), Low: rounded(r.Low), High: rounded(r.High), Answer: Leaks,
		})
	}
	if answer.Together && len(answer.Leaks) == 0 {
		out = append(out, Blamed{Requests: []string{}, Together: true, Answer: Leaks})
	}
	if len(answer.Unclear) > 0 {
		out = append(out, Blamed{Requests: requestNames(s, answer.Unclear), Answer: LeaksMaybe})
	}
	if n := len(answer.Cleared); n > 0 && n <= maxListed {
		for _, r := range answer.Cleared {
			out = append(out, Blamed{Requests: requestNames(s, []int{r}), Answer: LeaksNot})
		}
	}
	return out, len(answer.Cleared)
}

// requestNames are the names of some requests of the plan.
func requestNames(s subject, requests []int) (out []string) {
	entries := entriesOf(s.run)
	for _, r := range requests {
		out = append(out, entries[r].Name)
	}
	return out
}
