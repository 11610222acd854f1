package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// step is one numbered step of a runbook.
type step struct {
	Title    string
	Text     string
	Commands []command
}

// runbook is what to do about one finding, step by step, for somebody who sees this
// service for the first time. Commands are run in the run directory.
func runbook(v verdict.Verdict, f verdict.Finding) []step {
	t := targetOf(v, f)
	if f.Name() != f.Function {
		return countedRunbook(v, t, f)
	}
	steps := []step{confirmStep(t, f), deployStep(t, f), captureStep(t)}
	if !f.Is(verdict.Held) { // what is held is in no baseline, and not there at rest
		steps = append(steps, compareStep(t))
	}
	return append(steps, diffStep(v, t, f), containStep(v, f), closeStep())
}

// countedRunbook is for a target of which only the number of goroutines is known.
func countedRunbook(v verdict.Verdict, t verdict.Target, f verdict.Finding) []step {
	server, selector := cmp.Or(t.Metrics, "http://PROMETHEUS"), cmp.Or(t.Selector, "SELECTOR")
	return []step{
		{
			Title: "Confirm that it is there",
			Text:  fmt.Sprintf("The run left %d more goroutines than there were at its baseline. If the number stays up while the service is idle, it is this leak.", f.Leaked),
			Commands: []command{{
				What: "How many there are now",
				Line: fmt.Sprintf("promtool query instant %s %s", quoted(server), quoted("go_goroutines"+selector)),
			}},
		},
		{
			Title: "Find the stack",
			Text:  "Prometheus counts goroutines but knows nothing of their stacks. Serve net/http/pprof on an address that is not public, and add it to the plan beside the selector: the next run then names the line.",
			Commands: []command{
				{"Where the goroutines are now, if pprof is served", "curl -fsS http://HOST:PORT/debug/pprof/goroutine?debug=1 | head -40"},
			},
		},
		deployStep(t, f), containStep(v, f), closeStep(),
	}
}

func confirmStep(t verdict.Target, f verdict.Finding) step {
	blamed := slices.IndexFunc(f.Stack, func(fr verdict.Frame) bool { return fr.Function == f.Function })
	above := max(blamed, 0) + 3 // the frames above it, the count, the labels
	grep := fmt.Sprintf("-e %s", quoted(f.Function))
	if f.File != "" && f.Line > 0 {
		grep += fmt.Sprintf(" -e %s", quoted(fmt.Sprintf("%s:%d", lastTwo(f.File), f.Line)))
	}
	seen := fmt.Sprintf("The run left %d more than at its baseline; if it rises between two calls a minute apart, it is this leak.", f.Leaked)
	if f.Is(verdict.Held) {
		seen = fmt.Sprintf("It had %s in a round of the run, and they went away when the connections were closed. If the number rises between two calls a minute apart while connections are open, it is this leak.", counts(f.Counts))
	}
	return step{
		Title: "Confirm that it is there",
		Text:  "The number before the @ is how many goroutines have this stack. " + seen,
		Commands: []command{{
			What: "How many there are now",
			Line: fmt.Sprintf("curl -fsS %s | grep -F -B %d %s", address(t, "goroutine?debug=1"), above, grep),
		}},
	}
}

func deployStep(t verdict.Target, f verdict.Finding) step {
	s := step{Title: "Find the deploy that introduced it"}
	var about []string
	if t.Build != "" {
		about = append(about, "The run measured "+printable(buildOf(t))+".")
	}
	if t.GoVersion != "" {
		about = append(about, "It was built with "+printable(t.GoVersion)+".")
	}
	about = append(about, "Compare with the last build that passed.")
	s.Commands = append(s.Commands, command{"Which revision an executable was built from", "go version -m BINARY | grep -E 'mod|vcs'"})
	if f.Source != nil {
		for _, c := range f.Source.Suspects[:min(len(f.Source.Suspects), 3)] {
			s.Commands = append(s.Commands, command{fmt.Sprintf("%s, by %s", printable(c.Subject), printable(c.Author)), "git show " + quoted(c.Hash)})
		}
		if len(f.Source.Owners) > 0 {
			about = append(about, "The file belongs to "+printable(strings.Join(f.Source.Owners, ", "))+".")
		}
	}
	s.Commands = append(s.Commands, changes(f)...)
	s.Text = strings.Join(about, " ")
	return s
}

// changes are the commands that list what changed lately where a finding lies, in the
// service's checkout.
func changes(f verdict.Finding) []command {
	var out []command
	l := leadOf(f)
	at := ""
	switch {
	case f.Source != nil:
		at = f.Source.Path
	case l.File != "":
		at = "*" + lastTwo(l.File) // the checkout's root is not known here
	}
	if at != "" {
		out = append(out, command{"What changed in the file lately, in the service's checkout", "git log --oneline -10 -- " + quoted(at)})
	}
	if name, _, _ := strings.Cut(f.Module, "@"); name != "" {
		out = append(out, command{"When the version of the dependency changed", "git log --oneline -5 -G " + quoted(name) + " -- go.mod"})
	}
	return out
}

func captureStep(t verdict.Target) step {
	s := step{
		Title: "Capture it before anybody restarts the process",
		Text:  "A restart destroys the evidence. debug=2 stops the process while it writes, for about half a second at 100,000 goroutines.",
		Commands: []command{
			{"The profile, cheap", "curl -fsS -o goroutines.pb.gz " + address(t, "goroutine")},
			{"All stacks with wait times and creators", "curl -fsS -o goroutines.txt " + address(t, "goroutine?debug=2")},
			{"What the goroutines keep alive", "curl -fsS -o heap.pb.gz " + address(t, "heap")},
		},
	}
	if slices.Contains(t.Profiles, "goroutineleak") {
		s.Commands = append(s.Commands, command{"What the runtime proves to be leaked", "curl -fsS -o leaked.pb.gz " + address(t, "goroutineleak")})
	}
	return s
}

func compareStep(t verdict.Target) step {
	return step{
		Title: "Compare with the run's baseline",
		Text:  "The stack that leaked in the run should come first. If another one does, it is another leak.",
		Commands: []command{
			{"What there is more of than at the baseline", "leakgate diff " + quoted(cmp.Or(t.Baseline, "BASELINE")) + " goroutines.pb.gz"},
		},
	}
}

func diffStep(v verdict.Verdict, t verdict.Target, f verdict.Finding) step {
	before, after := difference(t, f)
	text := printable(opening(v, f, ""))
	text = strings.ToUpper(text[:1]) + text[1:] + ". Something is missing on the way out: a send, a close, a cancel or a timeout."
	if means := meaning(f); means != "" {
		text += " Usually: " + printable(means) + "."
	}
	return step{
		Title: "Look at the difference within the run",
		Text:  text,
		Commands: []command{
			{"First and last profile that show it", fmt.Sprintf("go tool pprof -top -diff_base %s %s", quoted(cmp.Or(before, "BASELINE")), quoted(cmp.Or(after, "LAST")))},
		},
	}
}

func containStep(v verdict.Verdict, f verdict.Finding) step {
	var text []string
	if s := speed(v, f); s != "" {
		text = append(text, s)
	}
	text = append(text, "Roll back to the last build that passed: that stops it.",
		"If that is not possible, restart the instances one by one: that frees what has leaked, but it comes back at the same rate.")
	if who := culprits(f); who != "" {
		text = append(text, "Or limit the rate of "+who+", or take it out of service.")
	} else {
		text = append(text, "Or limit the rate of the requests that lead there.")
	}
	return step{Title: "Contain it", Text: strings.Join(text, " ")}
}

func closeStep() step {
	return step{
		Title: "Fix, and prove it",
		Text:  "Run the gate with the same plan against the fixed build. It has to pass, and it says how small a leak it would have caught.",
		Commands: []command{
			{"The plan that was used is kept beside the reports, in plan.yaml", "leakgate run PLAN"},
		},
	}
}

// culprits are the requests that were shown to leak the finding.
func culprits(f verdict.Finding) string {
	var out []string
	for _, b := range f.Requests {
		if b.Answer == verdict.Leaks {
			out = append(out, b.Requests...)
		}
	}
	if len(out) > shown {
		out = append(slices.Clone(out[:shown]), fmt.Sprintf("%d more", len(out)-shown))
	}
	return printable(strings.Join(out, ", "))
}

// leastStack is the memory that a goroutine takes at the least, in bytes: the
// stack that the runtime starts it with.
const leastStack = 2048

// speed is how fast a finding leaks at the rate at which the run loaded.
func speed(v verdict.Verdict, f verdict.Finding) string {
	seconds := 0.0
	for _, p := range v.Timing.Phases {
		if p.Kind == record.Round {
			seconds += (p.End - p.Start).Seconds()
		}
	}
	if seconds <= 0 || f.Per1000 <= 0 || v.Requests == 0 {
		return ""
	}
	perSecond := float64(v.Requests) / seconds
	day := f.Per1000 / 1000 * perSecond * 86400
	load := thousands(perSecond)
	if perSecond < 10 {
		load = fmt.Sprintf("%.1f", perSecond)
	}
	return fmt.Sprintf("At the load of this run, %s %ss/s, that is about %s goroutines a day and instance, and %s.",
		load, cmp.Or(v.Unit, "request"), thousands(day), costs(v, f, day))
}

// costs is the memory that so many goroutines of a finding keep: as much as was measured
// on its target or, where nothing was, what the runtime starts a stack with.
func costs(v verdict.Verdict, f verdict.Finding, goroutines float64) string {
	for _, m := range v.Memory {
		if m.Target == f.Target && m.Each != nil && m.Each.Heap+m.Each.Stack > 0 {
			each := m.Each.Heap + m.Each.Stack
			return fmt.Sprintf("about %s of memory: the run measured %s for each", bytesOf(goroutines*float64(each)), verdict.Bytes(each))
		}
	}
	return fmt.Sprintf("at least %s of memory for their stacks alone", bytesOf(goroutines*leastStack))
}

func thousands(x float64) string {
	digits := fmt.Sprintf("%.0f", x)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

func bytesOf(x float64) string {
	for _, unit := range []string{"B", "KB", "MB", "GB"} {
		if x < 1000 {
			return fmt.Sprintf("%.3g %s", x, unit)
		}
		x /= 1000
	}
	return fmt.Sprintf("%.3g TB", x)
}

// ticket is the finding as text for an issue tracker.
func ticket(v verdict.Verdict, f verdict.Finding) string {
	t := targetOf(v, f)
	var b strings.Builder
	line := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(&b, "%s: %s\n", name, text)
		}
	}
	after, when := printable(v.Amount()), ", at the baseline and after each of "+plural(max(len(f.Counts)-1, 0), "round")
	if f.Is(verdict.Held) {
		after, when = "a round of held connections", "" // it says itself
	}
	fmt.Fprintf(&b, "Goroutine leak in %s: +%d after %s\n\n", printable(f.Name()), f.Leaked, after)
	line("Where", "%s", blamedPlace(f, ""))
	line("In", "%s", printable(foreign(f, t.GoVersion)))
	if l := leadOf(f); f.Source == nil && l.How != itself {
		line("Nearest own code", "%s", place(l.File, l.Line, ""))
	}
	if s := f.Source; s != nil {
		line("Source", "%s", place(s.Path, s.Line, ""))
		line("Owner", "%s", printable(strings.Join(s.Owners, ", ")))
		for _, c := range s.Suspects {
			line("Suspect", "%s %s (%s)", printable(c.Hash), printable(c.Subject), printable(c.Author))
		}
	}
	on := []string{f.Target}
	if len(f.Targets) > 0 {
		on = f.Targets
	}
	line("On", "%s", printable(strings.Join(on, ", ")))
	line("Goroutines at this stack", "%s%s", history(f), when)
	line("Rate", "%s", rate(f))
	line("State", "%s", printable(f.State))
	line("Evidence", "%s", evidence(f))
	line("Requests", "%s", printable(f.Attribution()))
	for _, l := range f.Labels {
		line("Label", "%s: +%d", printable(l.Label), l.Growth)
	}
	line("Usually", "%s", printable(meaning(f)))
	line("With it", "%s", printable(strings.TrimPrefix(company(f), "with it: ")))
	line("Class", "%s", printable(string(f.Class)))
	line("Build", "%s", printable(buildOf(t)))
	line("Go", "%s", printable(t.GoVersion))
	line("Run", "%s, plan %s, leakgate %s", v.Started.Format("2006-01-02 15:04 MST"), printable(v.Plan), printable(v.Tool))
	fmt.Fprintf(&b, "\nStack, innermost first:\n\n%s\n", strings.Join(stackLines(f, asBuilt), "\n"))
	return b.String()
}
