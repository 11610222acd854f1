package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// exitUsageWatched is how a process that is watched says exitUsage. The Go runtime
// ends a process that crashed with 2, which nothing can change from inside, and a
// crash must not look like a usage error.
const exitUsageWatched = 64

// watchedCommands are those that read what others wrote, and so may crash on it.
var watchedCommands = []string{"run", "judge", "explain", "demo", "diff", "check", "init", "slo", "rules"}

// watched reports whether a command line is one of theirs.
func watched(args []string) bool {
	i := slices.IndexFunc(args, func(a string) bool { return !strings.HasPrefix(a, "-") })
	return i >= 0 && slices.Contains(watchedCommands, args[i])
}

const (
	// maxCrash is how much of what the runtime says is kept, in bytes: with many
	// goroutines it says megabytes, the one that crashed first.
	maxCrash = 256 << 10
	// maxTrace is how many lines of it are printed.
	maxTrace = 40
)

// What is left of a crash's output. A panic's value may hold anything, such as an
// address with a token, and is left out unless it is the runtime's own.
var (
	crashReason = regexp.MustCompile(`^(fatal error: .*|runtime: .*exceeds.*limit|SIG[A-Z]+: .*|panic: runtime error: .*|\[signal .*)$`)
	crashHead   = regexp.MustCompile(`^goroutine \d+ .*\[.*\]:$`)
	crashCall   = regexp.MustCompile(`^(created by )?([^\s(]+(?:\(\*?[^\s()]+\)[^\s(]*)?)(\(.*\)| in goroutine \d+)?$`)
	crashPlace  = regexp.MustCompile(`^\t\S.*:\d+( \+0x[0-9a-f]+)?$`)
)

// crashed is what may be printed of a crash: its reason, and the trace of the
// goroutine that crashed, without values.
func crashed(text string) (reason string, trace []string) {
	reason = "panic"
	inTrace := false
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case !inTrace && crashReason.MatchString(line):
			reason = strings.TrimPrefix(line, "panic: ")
		case crashHead.MatchString(line):
			if inTrace {
				return reason, trace
			}
			inTrace = true
			trace = append(trace, line)
		case inTrace && crashPlace.MatchString(line):
			trace = append(trace, line)
		case inTrace:
			if m := crashCall.FindStringSubmatch(line); m != nil {
				trace = append(trace, m[1]+m[2])
			}
		}
		if len(trace) == maxTrace {
			return reason, append(trace, "…")
		}
	}
	return reason, trace
}

// crashReport is what is said of a crash.
func crashReport(ended, text string) string {
	reason, trace := crashed(text)
	if ended != "" {
		reason = ended
	}
	var b strings.Builder
	fmt.Fprintf(&b, "leakgate: error: leakgate itself crashed (%s): this is no verdict about the service\n", reason)
	b.WriteString("leakgate: hint: what was recorded is in the run directory, for leakgate judge DIR; please report the trace, which holds no values\n")
	for _, line := range trace {
		b.WriteString("  " + line + "\n")
	}
	return b.String()
}
