package report

import (
	"cmp"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

// command is a line to paste into a terminal.
type command struct {
	What string // why one would
	Line string
}

// harmless are words that a shell takes as they are.
var harmless = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./][A-Za-z0-9_@%+=:,./-]*$`)

// quoted is one word of a POSIX shell. Names come from a target and end in
// somebody's terminal: nothing in them is left for the shell to interpret.
func quoted(s string) string {
	s = printable(s)
	if harmless.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// word is quoted, and nothing for nothing.
func word(s string) string {
	if s == "" {
		return ""
	}
	return quoted(s)
}

// address is a target's pprof address with a profile's name, as a shell's word.
func address(t verdict.Target, profile string) string {
	return quoted(strings.TrimRight(cmp.Or(t.Pprof, "http://HOST:PORT/debug/pprof"), "/") + "/" + profile)
}

// targetOf is the watched process of a finding.
func targetOf(v verdict.Verdict, f verdict.Finding) verdict.Target {
	for _, t := range v.Targets {
		if t.Name == f.Target {
			return t
		}
	}
	return verdict.Target{Name: f.Target}
}

// difference are the two profiles, below the run directory, whose difference shows a
// finding: the baseline and the last, or those of a round while connections were held.
func difference(t verdict.Target, f verdict.Finding) (before, after string) {
	if len(f.Profiles) == 2 {
		return f.Profiles[0], f.Profiles[1]
	}
	return t.Baseline, t.Last
}

// lastTwo is a file with its folder, which is what builds with and without
// -trimpath agree on.
func lastTwo(file string) string {
	return path.Join(path.Base(path.Dir(file)), path.Base(file))
}

// digging lists commands for a closer look, with the run's own file names, to be run in
// the run directory. Those of a failed run are about its first finding.
func digging(v verdict.Verdict, first []chart) []command {
	var t verdict.Target
	if len(first) > 0 {
		t = first[0].Target
	}
	var f verdict.Finding
	if fs := ranked(v); len(fs) > 0 {
		f = fs[0]
		t = targetOf(v, f)
	}
	var out []command
	add := func(what, line string, args ...any) { out = append(out, command{what, fmt.Sprintf(line, args...)}) }
	if t.Baseline != "" && t.Last != "" {
		from, to := difference(t, f)
		before, after := quoted(from), quoted(to)
		add("What grew, as a graph and a flame graph in the browser", "go tool pprof -http=localhost: -diff_base %s %s", before, after)
		add("What grew, as text", "go tool pprof -top -diff_base %s %s", before, after)
		add("What grew, stack by stack, normalised as the gate does it", "leakgate diff %s %s", before, after)
		if t.Pprof != "" && !f.Is(verdict.Held) {
			add("The baseline against the process as it is now", "leakgate diff %s %s", before, address(t, "goroutine"))
		}
	}
	for _, m := range v.Memory {
		if m.Target == t.Name && m.Base != "" && m.Last != "" {
			add("Where the heap grew", "go tool pprof -sample_index=inuse_space -top -diff_base %s %s", quoted(m.Base), quoted(m.Last))
		}
	}
	if len(v.Explanations) > 0 {
		add("How each stack was decided, question by question", "leakgate explain .%s", prefixed(" ", word(f.ID)))
	}
	add("The same verdict again, offline; --plan FILE judges by another policy", "leakgate judge .")
	if f.Function == "" {
		return out
	}
	add("Attach a debugger, where the process may stop for a moment", "dlv attach PID")
	if fr, ok := userFrame(f); ok {
		add("In dlv: the goroutines of this stack", "goroutines -with userloc %s:%d", printable(lastTwo(fr.File)), fr.Line)
	}
	if f.Created != "" {
		add("In dlv: those that this go statement started", "goroutines -with goloc %s", printable(lastTwo(f.Created)))
	}
	add("In dlv: one of them, with its variables", "goroutine N bt -full")
	return out
}

// userFrame is the frame by which dlv finds a goroutine: the innermost outside
// package runtime.
func userFrame(f verdict.Finding) (verdict.Frame, bool) {
	for _, fr := range f.Stack {
		if !strings.HasPrefix(fr.Function, "runtime.") && fr.File != "" && fr.Line > 0 {
			return fr, true
		}
	}
	return verdict.Frame{}, false
}
