package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/leakgate/leakgate/record"
)

const (
	// TrialBudget is how long all trials of a run may load, in sum. Coming to
	// rest between them comes on top.
	TrialBudget = 60 * time.Second
	// wanted is how many goroutines a trial aims to leak if its requests are the
	// only ones that leak: one that does not would show none, with a chance of
	// 6 in a million to be wrong.
	wanted = 12
	// alone is by how many times its share of the plan's rate a request may be
	// sent when it is sent alone. Loads that the plan never asked for might
	// disturb more than they tell.
	alone = 4
	// atOnce is how many requests are tried one by one; more are halved.
	atOnce = 8
	// partly is the share of the leak from which requests are said to take part
	// in it.
	partly = 0.1
	// leastLeaked is the growth, in goroutines, below which no request is blamed.
	leastLeaked           = 3
	shortTrial, longTrial = time.Second, 10 * time.Second
)

// TrialStep is a trial that should be made next.
type TrialStep struct {
	Only     []int // entries of the load
	Rate     float64
	Duration time.Duration
	Targets  []string // whose stacks leak
	Requests string   // the entries' names
}

// NextTrial says which requests of a failed run should be loaded alone next, to
// learn which of them leaks; false when that is known, as far as it can be in
// TrialBudget, or when there is only one request.
func NextTrial(run record.Run, policy Policy) (TrialStep, bool) {
	sent, d := roundsSent(run)
	if len(sent) < 2 || d <= 0 {
		return TrialStep{}, false
	}
	rules, _ := compile(policy.Ignore, run.Started)
	step := TrialStep{}
	var all []analysis
	slowest := math.Inf(1) // leaks per second, of the rarest leak
	for _, t := range run.Targets {
		a := analyse(run, policy, t.Name, rules)
		if len(a.leaks) == 0 {
			continue
		}
		all = append(all, a)
		step.Targets = append(step.Targets, t.Name)
		for _, f := range a.findings {
			slowest = min(slowest, float64(max(f.Leaked, 1))/d.Seconds())
		}
	}
	if len(all) == 0 {
		return TrialStep{}, false
	}
	spent := time.Duration(0)
	for _, t := range run.Trials {
		if t.Stopped != "" {
			return TrialStep{}, false
		}
		spent += t.Planned
	}
	group := nextGroup(run, all, sent)
	left := TrialBudget - spent
	if group == nil || left < shortTrial {
		return TrialStep{}, false
	}
	total, share := sum(sent, nil), float64(sum(sent, group))
	if total == 0 || share == 0 {
		return TrialStep{}, false
	}
	share /= float64(total)
	faster := min(alone, 1/share)
	step.Only, step.Requests = group, namesOf(run, group)
	step.Rate = max(1, math.Round(faster*share*float64(total)/d.Seconds()))
	step.Duration = time.Duration(wanted / (faster * slowest) * float64(time.Second)).Round(100 * time.Millisecond)
	step.Duration = min(max(step.Duration, shortTrial), longTrial, left)
	return step, true
}

func namesOf(run record.Run, group []int) string {
	var names []string
	entries := run.Loads[len(run.Loads)-1].Entries
	for _, i := range group {
		names = append(names, entries[i].Name)
	}
	return listed(names)
}

// roundsSent is how many requests of each entry the rounds sent, and how long
// they took.
func roundsSent(run record.Run) ([]uint64, time.Duration) {
	var sent []uint64
	var d time.Duration
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

func sum(sent []uint64, only []int) (n uint64) {
	for i, s := range sent {
		if only == nil || slices.Contains(only, i) {
			n += s
		}
	}
	return n
}

// nextGroup walks the requests in groups, which are halved as long as they leak
// and have more than one request, and returns the first that was not tried yet.
func nextGroup(run record.Run, all []analysis, sent []uint64) []int {
	var groups [][]int
	every := make([]int, len(sent))
	for i := range sent {
		every[i] = i
	}
	if len(sent) <= atOnce {
		groups = slices.Collect(slices.Chunk(every, 1))
	} else {
		groups = halves(every)
	}
	for len(groups) > 0 {
		g := groups[0]
		groups = groups[1:]
		i := slices.IndexFunc(run.Trials, func(t record.Trial) bool { return slices.Equal(t.Only, g) })
		switch {
		case sum(sent, g) == 0:
		case i < 0:
			return g
		case len(g) > 1 && slices.ContainsFunc(all, func(a analysis) bool { return a.leaksIn(run, i, sent) }):
			groups = append(groups, halves(g)...)
		}
	}
	return nil
}

func halves(g []int) [][]int { return [][]int{g[:len(g)/2], g[len(g)/2:]} }

// leaksIn reports whether any leak of the target grew in trial i.
func (a *analysis) leaksIn(run record.Run, i int, sent []uint64) bool {
	return slices.ContainsFunc(a.leaks, func(s suspect) bool {
		b, ok := a.trial(run, s, i, sent)
		return ok && b.Answer != LeaksNot
	})
}

// attribute is what the trials did to one leaking stack: the requests that leak
// first, by how much.
func (a *analysis) attribute(run record.Run, s suspect) []Blamed {
	sent, _ := roundsSent(run)
	var out []Blamed
	for i := range run.Trials {
		if b, ok := a.trial(run, s, i, sent); ok {
			if len(b.Requests) > 1 && b.Answer == Leaks {
				continue // its halves tell more
			}
			out = append(out, b)
		}
	}
	order := []Answer{Leaks, LeaksMaybe, LeaksNot}
	slices.SortStableFunc(out, func(a, b Blamed) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Answer), slices.Index(order, b.Answer)), cmp.Compare(b.Each, a.Each))
	})
	return out
}

// trial is what one trial did to one leaking stack.
func (a *analysis) trial(run record.Run, s suspect, i int, sent []uint64) (Blamed, bool) {
	before, ok1 := a.lowestIn(run, s, i)
	after, ok2 := a.lowestIn(run, s, i+1)
	t := run.Trials[i]
	rounds := sum(sent, t.Only)
	if !ok1 || !ok2 || t.Sent == 0 || rounds == 0 {
		return Blamed{}, false
	}
	b := Blamed{Sent: t.Sent, Leaked: max(0, after-before), Answer: LeaksMaybe}
	for _, n := range t.Only {
		if n >= 0 && n < len(t.Entries) {
			b.Requests = append(b.Requests, t.Entries[n].Name)
		}
	}
	b.Each = round3(float64(b.Leaked) / float64(t.Sent))
	// what would have leaked if these requests were the only ones that do
	expected := float64(max(s.trend.rise(), s.proven)) * float64(t.Sent) / float64(rounds)
	switch {
	case b.Leaked >= leastLeaked && float64(b.Leaked) >= partly*expected:
		b.Answer = Leaks
	case expected >= wanted/2 && float64(b.Leaked) < partly*expected:
		b.Answer = LeaksNot
	}
	return b, true
}

// lowestIn is the lowest count of a stack in the window after trial n.
func (a *analysis) lowestIn(run record.Run, s suspect, n int) (int, bool) {
	lowest := -1
	for _, c := range run.Captures {
		if c.Kind != record.Trying || c.Target != a.target || c.Round != n {
			continue
		}
		count := a.history.memo.count(c.Profile, s.id, s.key)
		if lowest < 0 || count < lowest {
			lowest = count
		}
	}
	return lowest, lowest >= 0
}

// Attribution says in a sentence which requests leak a finding; empty where no
// requests were loaded alone.
func (f Finding) Attribution() string {
	short := f.shortNames()
	var leaks, not, maybe []string
	blamed, cleared := f.answered(Leaks), f.answered(LeaksNot)
	for _, b := range f.Requests {
		var names []string
		for _, r := range b.Requests {
			names = append(names, short(r))
		}
		if b.Answer == Leaks {
			leaks = append(leaks, fmt.Sprintf("%s leaks %s goroutines per request", listed(names), perRequest(b.Each)))
			continue
		}
		for i, r := range b.Requests { // each once, in however many trials it was
			name := names[i]
			switch {
			case blamed[r] || slices.Contains(not, name) || slices.Contains(maybe, name):
			case cleared[r]:
				not = append(not, name)
			default:
				maybe = append(maybe, name)
			}
		}
	}
	parts := leaks
	switch len(not) {
	case 0:
	case 1:
		parts = append(parts, not[0]+" does not")
	default:
		parts = append(parts, listed(not)+" do not")
	}
	if len(maybe) > 0 && len(leaks) == 0 {
		parts = append(parts, "unclear for "+listed(maybe))
	}
	return strings.Join(parts, "; ")
}

// answered are the requests of the trials with an answer.
func (f Finding) answered(a Answer) map[string]bool {
	out := map[string]bool{}
	for _, b := range f.Requests {
		if b.Answer == a {
			for _, r := range b.Requests {
				out[r] = true
			}
		}
	}
	return out
}

// culprit is the request that leaks most, for a headline.
func (f Finding) culprit() string {
	if len(f.Requests) == 0 || f.Requests[0].Answer != Leaks || len(f.Requests[0].Requests) != 1 {
		return ""
	}
	b := f.Requests[0]
	return fmt.Sprintf("%s leaks %s per request", f.shortNames()(b.Requests[0]), perRequest(b.Each))
}

// shortNames leaves out of the requests' names the host that they share.
func (f Finding) shortNames() func(string) string {
	host, same := "", true
	for _, b := range f.Requests {
		for _, r := range b.Requests {
			h := hostOf(r)
			same = same && h != "" && (host == "" || host == h)
			host = h
		}
	}
	return func(name string) string {
		if !same {
			return name
		}
		short := strings.Replace(name, host, "", 1)
		if strings.HasSuffix(short, " ") {
			short += "/"
		}
		return short
	}
}

// hostOf is the scheme and host in METHOD URL.
func hostOf(name string) string {
	_, url, _ := strings.Cut(name, " ")
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return ""
	}
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

// maxListed is how many names a sentence has.
const maxListed = 5

func listed(names []string) string {
	if n := len(names) - maxListed; n > 0 {
		names = append(slices.Clone(names[:maxListed]), fmt.Sprintf("%d more", n))
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

func perRequest(each float64) string {
	if each >= 0.1 {
		return fmt.Sprintf("%.2f", each)
	}
	return fmt.Sprintf("%.3f", each)
}
