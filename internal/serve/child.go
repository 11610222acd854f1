package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/internal/quote"
	"github.com/leakgate/leakgate/verdict"
)

// Task is what a child is started with.
type Task struct {
	Plan string   // file
	Dir  string   // run directory, which is not there yet
	Lock string   // file that the child holds locked while it lives
	Env  []string // the child's whole environment
}

// Result is how a child ended.
type Result struct {
	Code int    // exit code; -1 if it was killed, or did not start
	Said string // on standard error, its end
	Err  error  // why it did not start
}

// Starter starts a run, says its process id, and waits for it. When ctx is over the run is
// asked to end: its load stops, and it writes what it has. It is killed if it takes longer
// than its grace.
type Starter func(ctx context.Context, t Task, started func(pid int)) Result

// DefaultGrace is the time that a run has to end: it stops its load, which may take the 30 s
// that it has to delete Jobs and wait until they are gone, and writes its reports.
const DefaultGrace = 45 * time.Second

// maxSaid is how much of a child's standard error is kept, in bytes: its last messages.
const maxSaid = 4 << 10

// Child returns a Starter of a program: args are its own name and what comes before the plan,
// such as leakgate run. The child reads a pipe that ends with this process, even if that is killed:
// a load that nobody waits for must not go on.
func Child(program string, args []string, grace time.Duration) Starter {
	return func(ctx context.Context, t Task, started func(int)) Result {
		said := &lastBytes{most: maxSaid}
		cmd := exec.CommandContext(ctx, program)
		cmd.Args = slices.Concat(args, []string{t.Plan, "--dir", t.Dir, "--quiet", "--source", "", "--github", "off",
			"--until-stdin-ends"})
		cmd.Env, cmd.Stderr = t.Env, said
		lock, err := handOn(cmd, t.Lock)
		if err != nil {
			return Result{Code: -1, Err: err}
		}
		defer lock.Close()
		in, err := cmd.StdinPipe()
		if err != nil {
			return Result{Code: -1, Err: err}
		}
		cmd.Cancel = in.Close
		cmd.WaitDelay = grace
		err = cmd.Start()
		_ = lock.Close() // it is the child's now
		if err != nil {
			return Result{Code: -1, Err: err}
		}
		started(cmd.Process.Pid)
		_ = cmd.Wait() // its code says it all
		return Result{Code: cmd.ProcessState.ExitCode(), Said: said.String()}
	}
}

// lastBytes keeps the end of what is written.
type lastBytes struct {
	b    bytes.Buffer
	most int
}

func (l *lastBytes) Write(p []byte) (int, error) {
	n := len(p)
	p = p[max(0, len(p)-l.most):]
	if over := l.b.Len() + len(p) - l.most; over > 0 {
		l.b.Next(over)
	}
	l.b.Write(p)
	return n, nil
}

func (l *lastBytes) String() string { return strings.ToValidUTF8(l.b.String(), "") }

// The exit codes of leakgate run that are verdicts.
const (
	codePass         = 0
	codeFail         = 1
	codeInconclusive = 3
	codeInterrupted  = 130
)

// outcomeOf is the outcome that an exit code stands for.
func outcomeOf(code int) (verdict.Outcome, bool) {
	switch code {
	case codePass:
		return verdict.Pass, true
	case codeFail:
		return verdict.Fail, true
	case codeInconclusive:
		return verdict.Inconclusive, true
	}
	return "", false
}

// conclude is a run as its child left it. The exit code decides; a pass or a fail also
// needs the verdict that says so in the run directory.
func conclude(r Run, res Result, dir string, now time.Time) Run {
	r.Code, r.Said = &res.Code, strings.TrimSpace(res.Said)
	if res.Err != nil {
		return r.inconclusive("the run could not be started: "+res.Err.Error(), now)
	}
	told, err := readVerdict(dir)
	if err == nil {
		n := told.confirmed()
		r.Findings = &n
	}
	outcome, ok := outcomeOf(res.Code)
	switch {
	case res.Code == codeInterrupted:
		return r.inconclusive("interrupted", now)
	case !ok:
		return r.inconclusive(fmt.Sprintf("leakgate run ended with %d%s", res.Code, lastLine(r.Said)), now)
	case err != nil && outcome == verdict.Inconclusive:
		return r.inconclusive("leakgate run came to no verdict"+lastLine(r.Said), now)
	case err != nil:
		return r.inconclusive("leakgate run left no verdict: "+err.Error(), now)
	case told.Outcome != outcome:
		return r.inconclusive(fmt.Sprintf("leakgate run ended with %d, and its verdict says %s", res.Code, told.Outcome), now)
	}
	r.State, r.Outcome, r.Headline, r.Ended, r.Process, r.Said = Finished, outcome, told.Headline, now, 0, ""
	return r
}

// maxLine is how much of a message a headline quotes, in bytes.
const maxLine = 300

// lastLine is the message that says most of why a run ended: the last error that is not
// a hint.
func lastLine(said string) string {
	line := ""
	for l := range strings.Lines(said) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(l), "leakgate: error: "); ok {
			line = text
		}
	}
	if line == "" {
		return ""
	}
	return ": " + quote.Plain(line, maxLine)
}

// told is what this package reads of a verdict.
type told struct {
	Outcome  verdict.Outcome `json:"outcome"`
	Headline string          `json:"headline"`
	Findings []struct {
		Class verdict.Class `json:"class"`
	} `json:"findings"`
	More int `json:"more_findings"`
}

func (t told) confirmed() int {
	n := t.More
	for _, f := range t.Findings {
		if f.Class == verdict.Confirmed {
			n++
		}
	}
	return n
}

// maxVerdict is how long a verdict.json may be, in bytes: explanations of thousands of
// stacks make some megabytes.
const maxVerdict = 256 << 20

// verdictFile is the report that is read back.
const verdictFile = "verdict.json"

func readVerdict(dir string) (told, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return told{}, err
	}
	defer root.Close()
	f, err := input.Open(root, verdictFile, maxVerdict)
	if err != nil {
		return told{}, err
	}
	defer f.Close()
	var t told
	if err := json.NewDecoder(f).Decode(&t); err != nil {
		return told{}, fmt.Errorf("%s: %w", verdictFile, err)
	}
	return t, nil
}
