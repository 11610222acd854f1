package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/leakgate/leakgate/verdict"
)

// The exit codes of docs/exit-codes.md, and what a killed process has.
const (
	exitPass         = 0
	exitFail         = 1
	exitUsage        = 2
	exitInconclusive = 3
	exitInterrupted  = 130
	exitSignalled    = -1
)

// seen is what came of a run.
type seen struct {
	outcome string
	codes   []string // of the inconclusive checks
	message string   // what a user reads first, with its hint
	broken  []string // promises to every run that were broken
}

// said is what a process left.
type said struct {
	stdout, stderr []byte
	state          *os.ProcessState
	hung           bool
}

// look makes out what a run ended with, and holds it to what every run promises.
func look(c cell, s *stage, out said) seen {
	code := out.state.ExitCode()
	v, written := readVerdict(s.runDir())
	got := seen{outcome: byCode(code, out)}
	switch {
	case got.outcome == usage:
		got.message = firstLines(out.stderr)
	case written:
		got.codes, got.message = codesOf(v)
	default:
		got.message = firstLines(out.stderr)
	}
	if got.outcome == unclear && len(got.codes) == 0 { // it passed, and could not be written
		got.message = firstLines(out.stderr)
	}
	got.check(c, s, out, v, written)
	return got
}

// byCode is the outcome that an exit code tells.
func byCode(code int, out said) string {
	switch code {
	case exitPass:
		return passes
	case exitFail:
		return fails
	case exitUsage:
		if bytes.Contains(out.stderr, []byte("goroutine ")) {
			return "crash"
		}
		return usage
	case exitInconclusive:
		return unclear
	case exitInterrupted:
		return interrupted
	case exitSignalled:
		return killed
	}
	return fmt.Sprintf("exit %d", code)
}

func readVerdict(dir string) (verdict.Verdict, bool) {
	var v verdict.Verdict
	text, err := os.ReadFile(filepath.Join(dir, "verdict.json"))
	return v, err == nil && json.Unmarshal(text, &v) == nil
}

// codesOf are the codes of the checks that could not be told, and what the first says.
func codesOf(v verdict.Verdict) (codes []string, message string) {
	for _, c := range v.Checks {
		if c.Outcome != verdict.Inconclusive {
			continue
		}
		if !slices.Contains(codes, c.Code) {
			codes = append(codes, c.Code)
		}
		if message == "" {
			message = strings.TrimSpace(c.Message + " [" + c.Hint + "]")
		}
	}
	if message == "" {
		message = v.Headline
	}
	return codes, message
}

// check holds a run to what every run promises.
func (got *seen) check(c cell, s *stage, out said, v verdict.Verdict, written bool) {
	complain := func(format string, args ...any) { got.broken = append(got.broken, fmt.Sprintf(format, args...)) }
	if c.leaks && got.outcome == passes {
		complain("LEAK GREEN")
	}
	if !c.leaks && got.outcome == fails {
		complain("HEALTHY RED")
	}
	if got.outcome == "crash" {
		complain("crashed")
	}
	if at := raw(out.stdout); at != "" {
		complain("raw bytes on stdout: %s", at)
	}
	if at := raw(out.stderr); at != "" {
		complain("raw bytes on stderr: %s", at)
	}
	if got.outcome == usage || out.hung || len(got.broken) > 0 && got.outcome == "crash" {
		return
	}
	want, word := agreed(got.outcome)
	if c.unread && got.outcome == unclear && v.Outcome == verdict.Pass {
		return
	}
	if written && want != "" && string(v.Outcome) != want {
		complain("ended with %s, and verdict.json says %s", got.outcome, v.Outcome)
	}
	if first := firstWord(out.stdout); word != "" && first != word && len(out.stdout) > 0 {
		complain("ended with %s, and stdout says %q", got.outcome, first)
	}
	got.reports(c, s, out, complain)
	if c.unread || c.unwritable && got.outcome == fails {
		return // the directory is whole, or holds less than was seen
	}
	if code, _ := judged(s); !same(got.outcome, code) {
		complain("ended with %s, and judge with %d", got.outcome, code)
	}
}

// The most that a run may print, and that its report may have: what is longer is of no
// use to a reader, and has been seen to stop a CI's log.
const (
	maxStdout = 256 << 10
	maxReport = 6 << 20
)

// reports holds a run to all reports, of a size that can be opened.
func (got *seen) reports(c cell, s *stage, out said, complain func(string, ...any)) {
	if n := len(out.stdout); n > maxStdout {
		complain("%d KiB on stdout", n>>10)
	}
	for _, name := range []string{"verdict.json", "junit.xml", "report.html", "summary.md", "leakgate.sarif"} {
		info, err := os.Stat(filepath.Join(s.runDir(), name))
		switch {
		case err != nil && !c.unwritable:
			complain("no %s", name)
		case err == nil && name == "report.html" && info.Size() > maxReport:
			complain("%s of %d MiB", name, info.Size()>>20)
		}
	}
}

// agreed is what verdict.json and the first word on stdout have to say.
func agreed(outcome string) (inVerdict, word string) {
	switch outcome {
	case passes:
		return string(verdict.Pass), "PASS"
	case fails:
		return string(verdict.Fail), "FAIL"
	case unclear:
		return string(verdict.Inconclusive), "COULD"
	}
	return "", ""
}

// same reports whether judge's exit code is that of the same outcome.
func same(outcome string, code int) bool {
	switch outcome {
	case passes:
		return code == exitPass
	case fails:
		return code == exitFail
	}
	return code == exitInconclusive // of what was interrupted or killed too
}

// raw quotes the first byte that a terminal might obey, "" if there is none.
func raw(text []byte) string {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		bad := r == utf8.RuneError && n == 1 || r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0
		if bad {
			return fmt.Sprintf("%q", text[i:min(len(text), i+20)])
		}
		i += n
	}
	return ""
}

func firstWord(text []byte) string {
	words := strings.Fields(string(text[:min(len(text), 100)]))
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// firstLines is what an error and its hint say.
func firstLines(text []byte) string {
	var out []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "leakgate: ") {
			out = append(out, strings.TrimSpace(strings.TrimPrefix(line, "leakgate: ")))
		}
	}
	return strings.Join(out, " ")
}
