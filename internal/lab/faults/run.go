package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// patience is the longest that a run may take, by default: three times what the phases
// add up to, since the machine does other things too.
const patience = 90 * time.Second

// runner is what all runs share.
type runner struct {
	binary string
	dir    string
	keep   bool
}

// stage is what one run plays on.
type stage struct {
	dir    string // the plan's folder
	binary string
	leak   bool
	clock  *clock
	gate   *exec.Cmd

	probes, loads *http.Client
	refuse        func(ctx context.Context, d time.Duration) // makes the proxy refuse connections for a while

	mu       sync.Mutex
	replicas []*service
	first    []features // of each replica, with its addresses
	said     []string   // complaints of what happened beside the run
}

// runDir is the run directory.
func (s *stage) runDir() string { return filepath.Join(s.dir, "run") }

func (s *stage) replica(n int) *service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.replicas[min(n, len(s.replicas)-1)]
}

// add starts a replica.
func (s *stage) add(ctx context.Context, f features) error {
	started, err := f.start(ctx)
	if err != nil {
		return err
	}
	f.Load, f.Admin = started.load, started.admin
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas, s.first = append(s.replicas, started), append(s.first, f)
	return nil
}

// restart ends a replica as a crash would, and starts it again on the same ports.
func (s *stage) restart(ctx context.Context, n int, down time.Duration) {
	s.replica(n).crash()
	if !sleep(ctx, down) {
		return
	}
	started, err := s.first[n].start(ctx)
	if err != nil {
		return // the run ends with a target that is lost
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replicas[n] = started
}

func (s *stage) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.replicas {
		r.crash()
	}
}

// complain adds a broken promise that something beside the run found.
func (s *stage) complain(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.said = append(s.said, what)
}

// errSkipped is of a row that cannot be run on this machine.
var errSkipped = errors.New("skipped")

// sleep reports whether the time was over before ctx was.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// one makes one run of a cell.
func (r runner) one(ctx context.Context, c cell) (seen, error) {
	dir, err := os.MkdirTemp(r.dir, strings.NewReplacer("/", "-", " ", "-").Replace(c.id())+"-"+c.twin()+"-")
	if err != nil {
		return seen{}, err
	}
	if !r.keep {
		defer os.RemoveAll(dir)
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	s := &stage{dir: dir, binary: r.binary, leak: c.leaks,
		clock: newClock(filepath.Join(dir, "run", "journal.jsonl"))}
	s.probes, s.loads = newClients()
	defer s.loads.CloseIdleConnections()
	defer s.close()
	if c.prepare != nil {
		undo, err := c.prepare(s)
		if err != nil {
			return seen{}, err
		}
		defer undo()
	}
	if err := c.begin(ctx, s); err != nil {
		return seen{}, err
	}
	return c.finish(ctx, s)
}

// begin starts what the gate will look at, and writes the plan.
func (c cell) begin(ctx context.Context, s *stage) error {
	what := c.service
	if what == nil {
		what = plainLeak
	}
	for _, of := range []func(bool) features{what, c.second} {
		if of == nil {
			continue
		}
		f := of(c.leaks)
		f.NoHeap = !c.heap
		if err := s.add(ctx, f); err != nil {
			return err
		}
	}
	admin, load := s.replica(0).admin, s.replica(0).load
	if !c.direct {
		how := forward
		if c.serve != nil {
			how = c.serve()
		}
		at, err := startProxy(ctx, s, how)
		if err != nil {
			return err
		}
		admin = at
		if c.load {
			load = at
		}
	}
	p := newPlan(admin, load, c.variant)
	if c.plan != nil {
		c.plan(s, p)
	}
	return os.WriteFile(filepath.Join(s.dir, "plan.yaml"), []byte(p.String()), 0o644)
}

// finish runs the gate on the plan, and what happens beside it, and looks at what came.
func (c cell) finish(ctx context.Context, s *stage) (seen, error) {
	args := []string{s.binary, "run", "plan.yaml", "--source", ""}
	if c.command != nil {
		args = c.command(s, args)
	}
	limit := c.patient
	if limit == 0 {
		limit = patience
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	s.gate = exec.CommandContext(timed, args[0], args[1:]...)
	s.gate.Dir, s.gate.Stdout, s.gate.Stderr = s.dir, &stdout, &stderr
	s.gate.Env = environment()
	s.gate.WaitDelay = 2 * time.Second
	if err := s.gate.Start(); err != nil {
		return seen{}, err
	}
	var beside sync.WaitGroup
	beside.Go(func() { s.clock.follow(timed) })
	if c.act != nil {
		beside.Go(func() { c.act(timed, s) })
	}
	err := s.gate.Wait()
	hung := timed.Err() != nil && ctx.Err() == nil
	cancel()
	beside.Wait()
	if ctx.Err() != nil {
		return seen{}, ctx.Err()
	}
	if e := (*exec.ExitError)(nil); err != nil && !errors.As(err, &e) && !errors.Is(err, exec.ErrWaitDelay) {
		return seen{}, err
	}
	got := look(c, s, said{stdout: stdout.Bytes(), stderr: stderr.Bytes(), state: s.gate.ProcessState, hung: hung})
	got.broken = append(got.broken, s.said...)
	if hung {
		got.broken = append(got.broken, "not over after "+limit.String())
	}
	return got, nil
}

// environment is this process's, without what would make the gate speak to a CI.
func environment() []string {
	var out []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GITHUB_") {
			out = append(out, e)
		}
	}
	return append(out, "HTTP_PROXY=", "http_proxy=")
}

// judged is what judge says of a run directory.
func judged(s *stage) (code int, out []byte) {
	cmd := exec.Command(s.binary, "judge", s.runDir(), "--source", "")
	cmd.Dir, cmd.Env = s.dir, environment()
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, io.Discard
	_ = cmd.Run() // its exit code is what is looked at
	return cmd.ProcessState.ExitCode(), b.Bytes()
}
