package loadgen

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/leakgate/leakgate/record"
)

// ExecConfig describes load that a command sends.
type ExecConfig struct {
	Command []string // program and arguments
	Dir     string   // where it is started
	Env     []string // its environment; each phase adds its variables
	Summary string   // format of its summary; auto: detected
	Rate    float64  // requests per second that a phase asks for; 0: as fast as possible
	// Logs is the folder for its output, one file per phase; empty: not kept.
	Logs string
	// Mask takes secrets out of what is kept; nil: nothing is secret.
	Mask func([]byte) []byte
}

// Exec sends load with a command that it starts for each phase.
type Exec struct {
	cfg ExecConfig

	mu sync.Mutex
	n  int // phases so far
}

// NewExec checks a config and returns its driver.
func NewExec(cfg ExecConfig) (*Exec, error) {
	if len(cfg.Command) == 0 {
		return nil, ErrNoRequests
	}
	if _, err := exec.LookPath(cfg.Command[0]); err != nil && !strings.Contains(cfg.Command[0], "/") {
		return nil, fmt.Errorf("load.exec: %w", err)
	}
	return &Exec{cfg: cfg}, nil
}

// Progress is unknown until the command exits.
func (e *Exec) Progress() uint64 { return 0 }

const (
	// overtime is how much longer than its phase a command may take: to start, to
	// wait for the last answers, to sum up.
	overtime = 30 * time.Second
	// endingTime is how long it may take to exit once it is asked to.
	endingTime = 2 * time.Second
	// maxOutput bounds the output that is read, in bytes: ghz writes a line per request.
	// maxLog bounds what is kept of it with the run.
	maxOutput = 64 << 20
	maxLog    = 4 << 20
	// leastTime is the share of its phase for which a command without a summary has to run.
	leastTime = 0.5
)

// Run starts the command and waits for it, but not for processes that it leaves behind.
func (e *Exec) Run(ctx context.Context, phase Phase) record.Load {
	load := record.Load{Planned: phase.Duration, Asked: e.cfg.Rate, Entries: []record.Entry{{Name: e.name()}}}
	e.mu.Lock()
	e.n++
	e.mu.Unlock()
	dir, err := os.MkdirTemp("", "leakgate-exec-")
	if err != nil {
		load.Stopped = "starting the load: " + err.Error()
		return load
	}
	defer os.RemoveAll(dir)
	within, cancel := context.WithTimeout(ctx, phase.Duration+overtime)
	defer cancel()
	ran := ran{summary: filepath.Join(dir, "summary")}
	cmd := exec.CommandContext(within, e.cfg.Command[0], e.cfg.Command[1:]...) // the plan's own command
	cmd.Dir, cmd.Stdout, cmd.Stderr = e.cfg.Dir, &ran.out, &ran.errs
	cmd.Env = append(append([]string{}, e.cfg.Env...), e.variables(phase, ran.summary)...)
	ownGroup(cmd)
	cmd.WaitDelay = endingTime
	began := time.Now()
	ran.err = cmd.Run()
	ran.took = time.Since(began)
	ran.left = endGroup(cmd)
	e.keep(ran)
	switch {
	case ctx.Err() != nil:
		load.Stopped = record.StoppedByUs
	case within.Err() != nil:
		load.Stopped = fmt.Sprintf("the load was stopped: %s was still running %s after the end of its phase",
			e.cfg.Command[0], overtime)
	default:
		e.result(&load, phase, ran)
	}
	load.Stopped = string(e.mask([]byte(load.Stopped)))
	return load
}

// ran is the result of running the command.
type ran struct {
	err       error
	took      time.Duration
	left      bool // it left processes behind
	out, errs output
	summary   string // file to which it may have written one
}

// maxName is how much of a command line reports show as its name, in bytes.
const maxName = 80

func (e *Exec) name() string {
	name := string(e.mask([]byte(strings.Join(e.cfg.Command, " "))))
	if len(name) > maxName {
		name = strings.ToValidUTF8(name[:maxName], "") + "…"
	}
	return name
}

func (e *Exec) mask(text []byte) []byte {
	if e.cfg.Mask == nil {
		return text
	}
	return e.cfg.Mask(text)
}

// variables returns the environment variables that say what the phase asks for.
func (e *Exec) variables(phase Phase, summary string) []string {
	rate := "0"
	if e.cfg.Rate > 0 {
		rate = strconv.FormatFloat(e.cfg.Rate, 'f', -1, 64)
	}
	return []string{
		"LEAKGATE_RATE=" + rate, "LEAKGATE_DURATION=" + phase.Duration.String(),
		"LEAKGATE_SECONDS=" + strconv.FormatFloat(phase.Duration.Seconds(), 'f', -1, 64),
		"LEAKGATE_ROUND=" + strconv.Itoa(phase.Round), "LEAKGATE_SUMMARY=" + summary,
	}
}

// result fills in the load from the result of the command.
func (e *Exec) result(load *record.Load, phase Phase, ran ran) {
	program := e.cfg.Command[0]
	var ended *exec.ExitError
	switch {
	case ran.left, errors.Is(ran.err, exec.ErrWaitDelay):
		load.Stopped = fmt.Sprintf("%s exited and left processes behind, which leakgate ended: make it wait for them",
			program)
		return
	case ran.err != nil && !errors.As(ran.err, &ended):
		load.Stopped = "the load was not sent: " + ran.err.Error()
		return
	}
	s, found, err := e.summary(ran)
	switch {
	case err != nil:
		load.Stopped = "reading the load's summary: " + err.Error()
	case found:
		s.fill(load)
		if load.Asked > 0 {
			load.Expected = uint64(load.Asked * phase.Duration.Seconds())
		}
	case ran.err != nil: // nothing is known of what it sent
	case ran.took < time.Duration(leastTime*float64(phase.Duration)):
		load.Stopped = fmt.Sprintf("%s exited after %s of %s without a summary of what it sent: make it load for $LEAKGATE_DURATION", program, ran.took.Round(10*time.Millisecond), phase.Duration)
	default: // it ran: more is not known
		load.Uncounted = true
		load.Sent, load.Answered, load.Succeeded = 1, 1, 1
		load.Entries[0].Sent, load.Entries[0].Answered, load.Entries[0].Succeeded = 1, 1, 1
	}
	if ended != nil && load.Stopped == "" && (!found || ended.ExitCode() != s.missed) {
		load.Stopped = fmt.Sprintf("the load failed: %s exited with %s%s", program, ended.ProcessState,
			lastLine(e.mask(ran.errs.Bytes())))
	}
}

// summary reads the summary from the file, from standard output or from standard error,
// where some commands print it with their log.
func (e *Exec) summary(ran ran) (summary, bool, error) {
	if f, err := os.Open(ran.summary); err == nil {
		defer f.Close()
		text, err := io.ReadAll(io.LimitReader(f, maxOutput+1))
		if err != nil || len(text) > maxOutput {
			return summary{}, false, cmp.Or(err, fmt.Errorf("$LEAKGATE_SUMMARY is larger than %d MiB", maxOutput>>20))
		}
		if len(bytes.TrimSpace(text)) > 0 {
			s, found, err := readSummary(e.cfg.Summary, text)
			if !found && err == nil && e.cfg.Summary != "none" {
				err = fmt.Errorf("$LEAKGATE_SUMMARY holds no summary that is known; known: %s", strings.Join(SummaryForms(), ", "))
			}
			return s, found, err
		}
	}
	s, found, err := readSummary(e.cfg.Summary, ran.out.Bytes())
	if !found && (err == nil || errors.Is(err, errNoSummary)) { // a summary with an error is one, too
		s2, found2, err2 := readSummary(e.cfg.Summary, ran.errs.Bytes())
		if found2 || err2 != nil && !errors.Is(err2, errNoSummary) {
			return s2, found2, err2
		}
	}
	if !found && err == nil && ran.out.cut && e.cfg.Summary != "none" {
		err = fmt.Errorf("%s printed more than %d MiB; make it write its summary to $LEAKGATE_SUMMARY", e.cfg.Command[0],
			maxOutput>>20)
	}
	return s, found, err
}

// lastLine is the last line of a command's output, for a message. Secrets have to be masked
// before it is cut.
func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return ": " + strings.ToValidUTF8(last[:min(len(last), 200)], "")
	}
	return ""
}

// keep stores the command's output with the run. Failing to do so is not the load's fault.
func (e *Exec) keep(ran ran) {
	if e.cfg.Logs == "" {
		return
	}
	e.mu.Lock()
	n := e.n
	e.mu.Unlock()
	text := e.mask(append(bytes.Clone(ran.out.Bytes()), ran.errs.Bytes()...))
	KeepLog(e.cfg.Logs, fmt.Sprintf("load-%d.txt", n-1), text)
}

// KeepLog stores what a generator has printed in a folder, without its middle if it is long.
// Secrets have to be masked before.
func KeepLog(dir, name string, text []byte) {
	if len(text) > maxLog {
		text = slices.Concat(text[:maxLog/2], []byte("\n[…]\n"), text[len(text)-maxLog/2:])
	}
	if os.MkdirAll(dir, 0o755) == nil {
		// As the other files of a run.
		_ = os.WriteFile(filepath.Join(dir, name), text, 0o644)
	}
}

// output keeps the beginning of what is written to it.
type output struct {
	text bytes.Buffer // not embedded: its ReadFrom would be unbounded
	cut  bool
}

// Bytes is what was kept.
func (o *output) Bytes() []byte { return o.text.Bytes() }

func (o *output) Write(p []byte) (int, error) {
	keep := min(len(p), maxOutput-o.text.Len())
	o.cut = o.cut || keep < len(p)
	o.text.Write(p[:keep])
	return len(p), nil
}

var _ Driver = (*Exec)(nil)
