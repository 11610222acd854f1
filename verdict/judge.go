package verdict

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// Judge decides a run. The same run and policy give the same verdict, on any
// machine and at any time: dates in the policy are compared with the day on
// which the run was made.
func Judge(run record.Run, policy Policy) Verdict {
	policy.Thresholds = policy.limits()
	v := Verdict{
		Schema: Schema, Plan: run.Plan, Tool: run.Tool, Started: run.Started,
		Checks: []Check{}, Findings: []Finding{}, Warnings: []Warning{}, Targets: []Target{},
		Load: loadEntries(run), Timing: timing(run), Unit: unitOf(run),
	}
	v.countRounds(run)
	v.Checks = append(v.Checks, recorded(run))
	v.Checks = append(v.Checks, samePods(run, policy)...)
	v.Checks = append(v.Checks, loadChecks(run, policy)...)
	rules, expired := compile(policy.Ignore, run.Started)
	v.Warnings = append(v.Warnings, expired...)
	all := assessAll(run, policy, rules)
	for i, a := range all {
		if a.group != "" {
			v.addGroup(run, a)
			continue
		}
		v.addTarget(run, run.Targets[i], a)
	}
	if len(run.Targets) == 0 && run.End != nil && run.End.Reason == record.Complete {
		v.Checks = append(v.Checks, Check{Name: "targets", Outcome: Inconclusive, Limit: 1, Unit: "targets", Code: "no-target", Message: "no target was watched"})
	}
	v.Warnings = append(v.Warnings, redirected(v.Load)...)
	v.Warnings = append(v.Warnings, uncountedLoad(run)...)
	v.Warnings = append(v.Warnings, throttledLoad(run, policy)...)
	v.Warnings = append(v.Warnings, noted(run.Notes)...)
	rank(v.Findings)
	v.shareTargets()
	if len(v.Findings) > MaxFindings {
		v.More = len(v.Findings) - MaxFindings
		v.Findings = choose(v.Findings, MaxFindings)
	}
	v.conclude(run, policy)
	v.Explanations = explanations(all, v.Outcome)
	v.project(run, placed(policy.Production, run))
	return v
}

// noted are a run's notes as warnings; of what could not be done again and again, the last.
func noted(notes []record.Note) (out []Warning) {
	for i, n := range notes {
		again := slices.ContainsFunc(notes[i+1:], func(o record.Note) bool { return o.Code == n.Code && o.Target == n.Target && n.Code == codeNoDump })
		if !again {
			out = append(out, Warning{Code: n.Code, Target: n.Target, Message: n.Message})
		}
	}
	return out
}

// countRounds adds up the rounds and their requests.
func (v *Verdict) countRounds(run record.Run) {
	for _, l := range run.Loads {
		if l.Kind == record.Round {
			v.Rounds = max(v.Rounds, l.Round)
			if !l.Uncounted {
				v.Requests += l.Requests()
			}
		}
	}
}

func (v *Verdict) addTarget(run record.Run, t record.Target, a assessment) {
	valid := validity(run, t, a.limits)
	v.Checks = append(v.Checks, valid...)
	sound := passed(valid)
	v.Checks = append(v.Checks, a.answers(sound)...)
	if a.history.rounds() > 0 {
		v.Checks = append(v.Checks, identified(run, t, a.policy))
	}
	if sound {
		v.Findings = append(v.Findings, a.findings...)
		v.Unclear += a.unclear
	}
	if w := (Warning{Code: "count-only", Target: cmp.Or(t.Group, t.Name),
		Message: fmt.Sprintf("only the number of goroutines is known, by %s: what leaks has no stack; give its pprof in the plan to see it", t.Counter),
	}); t.CountOnly && a.history.rounds() > 0 && !slices.Contains(v.Warnings, w) {
		v.Warnings = append(v.Warnings, w)
	}
	if !identifiable(run, t) {
		v.Warnings = append(v.Warnings, Warning{Code: "no-identity", Target: t.Name,
			Message: "nothing would show a restart: give its metrics in the plan, or serve the heap profile or dumps"})
	}
	if a.held.connections != nil {
		v.Connections = append(v.Connections, *a.held.connections)
	}
	if a.load.slope != nil {
		v.Slopes = append(v.Slopes, *a.load.slope)
	}
	if a.memory.memory != nil {
		v.Memory = append(v.Memory, *a.memory.memory)
	}
	v.Ignored = append(v.Ignored, a.ignored...)
	v.Warnings = append(v.Warnings, a.warnings...)
	v.Targets = append(v.Targets, targetOf(run, t, a.history))
}

// conclude sets outcome, headline and reason from the checks.
func (v *Verdict) conclude(run record.Run, policy Policy) {
	var because Check
	v.Outcome, because = v.decisive()
	if c := v.named(recordedName); run.End == nil || run.End.Reason == record.Interrupted { // whatever was found, it is not the whole run
		v.Outcome, because = Inconclusive, c
	}
	if v.Outcome != Inconclusive || policy.Detect > 0 {
		if c, ok := v.sense(run, policy); ok {
			v.Checks = append(v.Checks, c)
			if v.Outcome == Pass && c.Outcome != Pass { // too weak a run for the plan's demand
				v.Outcome, because = c.Outcome, c
			}
		}
	}
	v.Reason, v.Hint = because.Message, because.Hint
	if because.Target != "" && !strings.HasPrefix(v.Reason, because.Target) {
		v.Reason = because.Target + ": " + v.Reason
	}
	v.Headline = v.headline()
}

// decisive is the outcome that the checks come to, and the check that explains it: the first
// that fails; where none does, of those that could not tell the one that names a cause, and
// not what follows from it.
func (v *Verdict) decisive() (Outcome, Check) {
	if i := slices.IndexFunc(v.Checks, func(c Check) bool { return c.Outcome == Fail }); i >= 0 {
		return Fail, v.Checks[i]
	}
	var because Check
	for _, c := range v.Checks {
		if c.Outcome == Inconclusive && (because.Outcome == "" || priority(c.Code) < priority(because.Code)) {
			because = c
		}
	}
	if because.Outcome == "" {
		return Pass, Check{}
	}
	return Inconclusive, because
}

// named is the check of a name.
func (v *Verdict) named(name string) (out Check) {
	if i := slices.IndexFunc(v.Checks, func(c Check) bool { return c.Name == name }); i >= 0 {
		out = v.Checks[i]
	}
	return out
}

func (v *Verdict) headline() string {
	switch v.Outcome {
	case Fail:
		i := slices.IndexFunc(v.Findings, func(f Finding) bool { return f.Class == Confirmed })
		if i < 0 {
			return v.Reason
		}
		f := v.Findings[i]
		line := fmt.Sprintf("%s leaks goroutines: +%d after %s", f.Name(), f.Leaked, v.Amount())
		switch {
		case f.Is(Held):
			line = fmt.Sprintf("%s gathers goroutines while connections are held: %d early and %d late in a round", f.Name(), f.Counts[0], f.Counts[len(f.Counts)-1])
		case f.Before > 0 && f.Before >= f.Leaked:
			line = fmt.Sprintf("%s has %s that can never wake, since before the load", f.Name(), plural(f.Before, "goroutine"))
		}
		if f.Line > 0 {
			line += fmt.Sprintf(" (%s:%d)", lastTwo(f.File), f.Line)
		}
		if v.processes() > 1 && f.Name() != f.Target {
			line += " on " + f.Target
		}
		line += v.others()
		if by := f.culprit(); by != "" {
			line += "; " + by
		}
		return line
	case Inconclusive:
		return "could not tell: " + v.Reason
	}
	return v.passLine()
}

// others counts what was found beside the first finding.
func (v *Verdict) others() string {
	confirmed, likely := -1, 0
	for _, f := range v.Findings {
		if f.Class == Likely {
			likely++
		} else {
			confirmed++
		}
	}
	var parts []string
	if confirmed+v.More > 0 {
		parts = append(parts, fmt.Sprintf("%d more", confirmed+v.More))
	}
	if likely > 0 {
		parts = append(parts, fmt.Sprintf("%d likely", likely))
	}
	if len(parts) == 0 {
		return ""
	}
	return ", and " + strings.Join(parts, " and ")
}

// passLine says what a pass is worth.
func (v *Verdict) passLine() string {
	what := "no goroutine leak"
	if n := len(v.Findings); n > 0 {
		what = fmt.Sprintf("no confirmed goroutine leak, %s likely within the tolerance", plural(n, "stack"))
	}
	if n := len(v.Ignored); n > 0 {
		what += fmt.Sprintf(" but %s that the plan ignores", plural(n, "stack"))
	}
	over := ""
	if v.Requests > 0 {
		over = " over " + plural(v.Rounds, "round")
	}
	line := fmt.Sprintf("%s in %s%s on %s", what, v.Amount(), over, plural(v.processes(), "target"))
	if v.Sensitivity != nil && v.Sensitivity.OneIn > 0 {
		line += fmt.Sprintf("; a leak of one goroutine in %d %ss would have been caught", v.Sensitivity.OneIn, v.Unit)
	}
	return line
}

// Amount is how much load there was: 24000 requests, 8000 connections, or the rounds
// of load that nobody counted.
func (v *Verdict) Amount() string {
	if v.Requests == 0 {
		return plural(v.Rounds, "round") + " of load"
	}
	return plural(int(min(v.Requests, math.MaxInt32)), cmp.Or(v.Unit, "request"))
}

// processes is how many processes were watched.
func (v *Verdict) processes() int {
	n := 0
	for _, t := range v.Targets {
		if t.Instances == 0 {
			n++
		}
	}
	return n
}

// maxPoints is how many points of a series go into the verdict; the run
// directory has them all.
const maxPoints = 240

func targetOf(run record.Run, t record.Target, h history) Target {
	out := Target{
		Name: t.Name, GoVersion: t.GoVersion, Build: t.BuildName(), Pprof: t.Pprof, Metrics: t.Metrics, Selector: t.Selector,
		Pod: t.Pod, Profiles: t.Profiles, Totals: []int{},
	}
	if n := len(h.windows); n > 0 {
		out.Totals = h.of(byTotal, stacks.AllGoroutines).Middles()
		out.Baseline = h.windows[0].captures[0].File
		last := h.windows[n-1].captures
		out.Last = last[len(last)-1].File
	}
	var all []record.Sample
	for _, s := range run.Samples {
		if s.Target == t.Name {
			all = append(all, s)
		}
	}
	// Those who count write one after the other, not always in the order of time.
	slices.SortStableFunc(all, func(a, b record.Sample) int { return cmp.Compare(a.At, b.At) })
	step := max(1, (len(all)+maxPoints-1)/maxPoints)
	for i := 0; i < len(all); i += step {
		most := all[i]
		for _, s := range all[i:min(i+step, len(all))] { // the peak of each stretch, so that none is hidden
			if s.Goroutines > most.Goroutines {
				most = s
			}
		}
		out.Series = append(out.Series, Point{Second: tenths(most.At.Seconds()), Goroutines: most.Goroutines})
	}
	return out
}

// addGroup adds what all instances of a group did together.
func (v *Verdict) addGroup(run record.Run, a assessment) {
	sound, members := true, len(a.members)
	for _, t := range run.Targets {
		if t.Group == a.group {
			sound = sound && passed(validity(run, t, a.limits))
		}
	}
	growth := a.checkGrowth()
	var mids []int
	if a.history.rounds() > 0 {
		mids = a.total.Middles()
	}
	if growth.Message == "" && len(mids) > 0 {
		var means []string
		for _, n := range mids {
			means = append(means, fmt.Sprintf("%.1f", float64(n)/float64(members)))
		}
		growth.Message = fmt.Sprintf("goroutines on average over %d instances: %s", members, strings.Join(means, ", "))
	}
	if !sound && a.history.rounds() > 0 {
		growth = unsound(growth)
	}
	v.Checks = append(v.Checks, growth)
	if sound {
		v.Findings = append(v.Findings, a.findings...)
		v.Warnings = append(v.Warnings, a.warnings...)
	}
	v.Targets = append(v.Targets, Target{Name: a.target, Totals: mids, Instances: members})
}
