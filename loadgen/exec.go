package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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
	Env     []string // its environment, beside what each phase adds
	Summary string   // form of its summary; auto: by its looks
	Rate    float64  // requests per second that a phase asks for; 0: as many as can be
	// Logs is where what it prints is kept, a file per phase; nowhere if empty.
	Logs string
	// Mask takes secrets out of what is kept; nil: nothing is secret.
	Mask func([]byte) []byte
}

// Exec drives load by a command that is started for each phase.
type Exec struct {
	cfg ExecConfig

	mu sync.Mutex
	n  int // phases so far
}

// NewExec checks a config and makes a driver of it.
func NewExec(cfg ExecConfig) (*Exec, error) {
	if len(cfg.Command) == 0 {
		return nil, ErrNoRequests
	}
	if _, err := exec.LookPath(cfg.Command[0]); err != nil && !strings.Contains(cfg.Command[0], "/") {
		return nil, fmt.Errorf("load.exec: %w", err)
	}
	return &Exec{cfg: cfg}, nil
}

// Progress is not known before the command ends.
func (e *Exec) Progress() uint64 { return 0 }

const (
	// overtime is how much longer than its phase a command may take: to start, to
	// wait for the last answers, to sum up.
	overtime = 30 * time.Second
	// endingTime is how long it gets to end once it is asked to.
	endingTime = 2 * time.Second
	// maxOutput bounds what is kept of what a command prints, in bytes.
	maxOutput = 4 << 20
)

// Run starts the command and waits for it.
func (e *Exec) Run(ctx context.Context, phase Phase) record.Load {
	load := record.Load{Planned: phase.Duration, Asked: e.cfg.Rate, Entries: []record.Entry{{Name: strings.Join(e.cfg.Command[:min(len(e.cfg.Command), 3)], " ")}}}
	e.mu.Lock()
	e.n++
	e.mu.Unlock()
	dir, err := os.MkdirTemp("", "leakgate-exec-")
	if err != nil {
		load.Stopped = "starting the load: " + err.Error()
		return load
	}
	defer os.RemoveAll(dir)
	summary := filepath.Join(dir, "summary")
	within, cancel := context.WithTimeout(ctx, phase.Duration+overtime)
	defer cancel()
	out := &bounded{limit: maxOutput}
	var errs bounded
	errs.limit = maxOutput
	cmd := exec.CommandContext(within, e.cfg.Command[0], e.cfg.Command[1:]...) // the plan's own command
	cmd.Dir, cmd.Stdout, cmd.Stderr = e.cfg.Dir, out, &errs
	cmd.Env = append(append([]string{}, e.cfg.Env...), e.variables(phase, summary)...)
	ownGroup(cmd)
	cmd.WaitDelay = endingTime
	err = cmd.Run()
	e.keep(out.Bytes(), errs.Bytes())
	e.result(&load, err, phase, ctx, within, summary, out.Bytes(), errs.Bytes())
	return load
}

// variables tell the command what the phase asks for.
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

// result makes a load of what came of the command.
func (e *Exec) result(load *record.Load, err error, phase Phase, ctx, within context.Context, file string, out, errs []byte) {
	switch {
	case ctx.Err() != nil:
		load.Stopped = record.StoppedByUs
		return
	case within.Err() != nil:
		load.Stopped = fmt.Sprintf("the load was stopped: %s did not end within %s after its time", e.cfg.Command[0], overtime)
		return
	}
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		load.Stopped = "the load was not sent: " + err.Error()
		return
	}
	text := out
	if written, err := os.ReadFile(file); err == nil && len(bytes.TrimSpace(written)) > 0 {
		text = written
	}
	s, found, perr := readSummary(e.cfg.Summary, text)
	if !found && perr == nil { // some print it with their log
		s, found, perr = readSummary(e.cfg.Summary, errs)
	}
	switch {
	case perr != nil:
		load.Stopped = "reading the load's summary: " + perr.Error()
	case found:
		s.fill(load)
	case err != nil: // nothing is known of what it sent
	default:
		load.Uncounted = true
		load.Sent, load.Answered, load.Succeeded = 1, 1, 1 // it ran: more is not known
		load.Entries[0].Sent, load.Entries[0].Answered, load.Entries[0].Succeeded = 1, 1, 1
	}
	if err != nil && load.Stopped == "" && (!found || !s.thresholds) {
		load.Stopped = fmt.Sprintf("the load failed: %s ended with %s%s", e.cfg.Command[0], ended.ProcessState, lastLine(errs))
	}
	if load.Asked > 0 && found {
		load.Expected = uint64(load.Asked * phase.Duration.Seconds())
	}
}

// lastLine is the last line that a command wrote, for a message.
func lastLine(text []byte) string {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if last := strings.TrimSpace(lines[len(lines)-1]); last != "" {
		return ": " + last[:min(len(last), 200)]
	}
	return ""
}

// keep writes what the command printed beside the run. That it cannot is no fault
// of the load.
func (e *Exec) keep(out, errs []byte) {
	if e.cfg.Logs == "" {
		return
	}
	mask := e.cfg.Mask
	if mask == nil {
		mask = func(b []byte) []byte { return b }
	}
	e.mu.Lock()
	n := e.n
	e.mu.Unlock()
	if os.MkdirAll(e.cfg.Logs, 0o755) == nil {
		_ = os.WriteFile(filepath.Join(e.cfg.Logs, fmt.Sprintf("load-%d.txt", n-1)), mask(append(append([]byte{}, out...), errs...)), 0o644) // as the other files of a run
	}
}

// bounded keeps the beginning and the end of what is written to it.
type bounded struct {
	bytes.Buffer
	limit int
}

func (b *bounded) Write(p []byte) (int, error) {
	n := len(p)
	b.Buffer.Write(p)
	if b.Len() > b.limit { // a summary comes last
		b.Next(b.Len() - b.limit/2)
	}
	return n, nil
}

var _ Driver = (*Exec)(nil)
