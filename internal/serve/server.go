// Package serve runs plans for whoever asks by HTTP, and answers with one of three words:
// pass, fail, inconclusive. Each run is a process of its own, so that one that dies takes
// nothing else with it, and each is on disk before it is acknowledged, so that a restart
// loses none. A run that was under way when the server ended is inconclusive, and never a
// pass. The package judges nothing: a child's exit code is the outcome.
package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/leakgate/leakgate/internal/quote"
	"github.com/leakgate/leakgate/verdict"
)

// Config is what a server works with.
type Config struct {
	Plans string   // folder of the mounted plans; none if empty
	State string   // state directory, of this server alone
	Env   []string // environment of a child, as Environment makes it
	Start Starter  // starts a run

	Parallel  int           // most runs at once
	Queue     int           // most runs that wait
	Keep      int           // finished runs that are kept of each plan
	KeepTotal int           // and of all plans together
	Timeout   time.Duration // after which a run is ended, and inconclusive

	AllowExec   bool // plans may have load.exec
	MountedOnly bool // plans are not taken by POST

	// RequestVariables are the names that requests may set, none of Env. If it is nil, POST /runs
	// may set all that begin with VariablePrefix, and webhooks none.
	RequestVariables []string

	Token        func() ([]byte, error) // reads the token for everything
	WebhookToken func() ([]byte, error) // reads one that is good for /flagger/ alone; may be nil

	Log *slog.Logger
}

// Server queues and starts runs.
type Server struct {
	cfg      Config
	store    *store
	plans    mounted
	rules    rules
	settable settable
	metrics  *metrics

	ctx     context.Context // of the children
	end     context.CancelCauseFunc
	stopped chan struct{} // closed when the server begins to stop
	wg      sync.WaitGroup

	mu       sync.Mutex
	stopping bool
	runs     map[string]*entry
	order    []*entry // oldest first
	queue    []*entry // in the order in which they came
	running  map[string]*entry
	keys     map[job]*entry // the latest run of each key
}

// entry is a run in memory.
type entry struct {
	run    Run
	done   chan struct{} // closed when the run has finished
	cancel context.CancelCauseFunc
}

// What a request may be refused for.
var (
	errFull     = errors.New("the queue is full")
	errStopping = errors.New("the server is stopping")
	errNoRun    = errors.New("no such run")
	errFinished = errors.New("the run has finished")
)

// Why a run is ended from outside. These are part of its headline.
var (
	errCancelled = errors.New("cancelled by DELETE")
	errStopped   = errors.New("interrupted: leakgate serve was stopped while it ran")
	errTimeout   = errors.New("the run took longer than --run-timeout")
	errRestarted = errors.New("interrupted: leakgate serve was restarted while it ran")
)

// New reads the state directory, and goes on with what was queued.
func New(cfg Config) (*Server, error) {
	st, err := openStore(cfg.State)
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg: cfg, store: st, plans: mounted{cfg.Plans},
		rules:    rules{exec: cfg.AllowExec, mounted: cfg.MountedOnly},
		settable: settable{env: cfg.Env, listed: cfg.RequestVariables},
		stopped:  make(chan struct{}),
		runs:     map[string]*entry{}, running: map[string]*entry{}, keys: map[job]*entry{},
	}
	if _, err := s.plans.names(); err != nil {
		return nil, errors.Join(fmt.Errorf("reading plans: %w", err), st.close())
	}
	s.ctx, s.end = context.WithCancelCause(context.Background())
	s.metrics = newMetrics(s)
	s.resume()
	return s, nil
}

// orphanPatience is how long a child of a server that was killed may take to end: it
// notices at once, and then does what it does in its grace.
const (
	orphanPatience = DefaultGrace
	orphanPoll     = 100 * time.Millisecond
)

// add makes a run known. Of runs with one key, the latest is the key's.
func (s *Server) add(e *entry) {
	s.runs[e.run.ID] = e
	s.order = append(s.order, e)
	if e.run.Key != "" {
		s.keys[e.run.job()] = e
	}
}

// order is what a request asks for.
type order struct {
	job
	text      []byte // of a posted plan
	variables map[string]string
	again     bool // although the key has a finished run
	webhook   bool // Flagger asks
}

// submit queues a run, or finds the one that has its key already. It reports whether the run
// is new.
func (s *Server) submit(o order) (Run, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.keys[o.job]; ok && o.key != "" && (!o.again || e.run.State != Finished) {
		return e.run, false, nil
	}
	switch {
	case s.stopping:
		return Run{}, false, errStopping
	case len(s.queue) >= s.cfg.Queue && !s.free(o.plan):
		return Run{}, false, errFull
	}
	now := time.Now()
	r := Run{
		ID: newID(now), Plan: o.plan, Posted: o.posted, Key: o.key, Variables: o.variables, Webhook: o.webhook,
		State: Queued, Created: now,
	}
	if err := s.store.create(r, o.text); err != nil {
		return Run{}, false, fmt.Errorf("storing the run: %w", err)
	}
	e := &entry{run: r, done: make(chan struct{})}
	s.add(e)
	s.queue = append(s.queue, e)
	s.log(r)
	s.schedule()
	return e.run, true, nil
}

// free reports whether a run of a plan would start at once.
func (s *Server) free(plan string) bool {
	waits := slices.ContainsFunc(s.queue, func(e *entry) bool { return e.run.Plan == plan })
	return len(s.running) < s.cfg.Parallel && s.running[plan] == nil && !waits
}

// schedule starts what can be started: the first that waits and whose plan does not run.
func (s *Server) schedule() {
	for !s.stopping && len(s.running) < s.cfg.Parallel {
		i := slices.IndexFunc(s.queue, func(e *entry) bool { return s.running[e.run.Plan] == nil })
		if i < 0 {
			return
		}
		e := s.queue[i]
		s.queue = slices.Delete(s.queue, i, i+1)
		s.start(e)
	}
}

func (s *Server) start(e *entry) {
	e.run.State, e.run.Started = Running, time.Now()
	if err := s.store.save(e.run); err != nil { // still queued on disk, so that a restart runs it again
		s.cfg.Log.Error("a run cannot be stored", "run", e.run.ID, "error", err)
	}
	s.running[e.run.Plan] = e
	s.log(e.run)
	ctx, cancel := context.WithCancelCause(s.ctx)
	e.cancel = cancel
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		defer cancel(nil)
		s.execute(ctx, e)
	}()
}

// execute waits for a run's child, and stores how it ended.
func (s *Server) execute(ctx context.Context, e *entry) {
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.Timeout, errTimeout)
	defer cancel()
	s.mu.Lock()
	r := e.run
	s.mu.Unlock()
	if err := s.refusedNow(ctx, r); err != nil {
		why := "the run was not started: " + quote.Plain(err.Error(), maxLine)
		s.finish(e, r.inconclusive(why, time.Now()), context.Cause(ctx))
		return
	}
	t := Task{Plan: s.plans.file(r.Plan), Dir: s.store.path(r.ID, outDir), Lock: s.store.path(r.ID, childLock),
		Env: with(s.cfg.Env, r.Variables)}
	if r.Posted {
		t.Plan = s.store.path(r.ID, planFile)
	}
	res := s.cfg.Start(ctx, t, func(pid int) {
		s.mu.Lock()
		defer s.mu.Unlock()
		e.run.Process = pid
		if err := s.store.save(e.run); err != nil {
			s.cfg.Log.Error("a run cannot be stored", "run", e.run.ID, "error", err)
		}
	})
	s.finish(e, conclude(r, res, t.Dir, time.Now()), context.Cause(ctx))
}

// finish stores a run's end, and starts the next. cause is why it was ended from outside, if
// it was: then it is inconclusive, unless its verdict was there before.
func (s *Server) finish(e *entry, r Run, cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cause != nil && r.Outcome == verdict.Inconclusive {
		r = r.inconclusive(cause.Error(), r.Ended)
	}
	if err := s.store.save(r); err != nil {
		s.cfg.Log.Error("a run cannot be stored", "run", r.ID, "error", err)
		if r.Outcome == verdict.Pass { // a restart would make it inconclusive
			r = r.inconclusive("the run passed, but that could not be stored: "+err.Error(), r.Ended)
		}
	}
	e.run = r
	delete(s.running, r.Plan)
	s.log(r)
	s.metrics.finished(r)
	close(e.done)
	s.prune()
	s.schedule()
}

// prune removes the oldest finished runs: of each plan, and then of all.
func (s *Server) prune() {
	count, total := map[string]int{}, 0
	kept := make([]*entry, 0, len(s.order))
	for _, e := range slices.Backward(s.order) { // newest first
		if e.run.State == Finished {
			if count[e.run.Plan]++; count[e.run.Plan] > s.cfg.Keep || total >= s.cfg.KeepTotal {
				s.forget(e)
				continue
			}
			total++
		}
		kept = append(kept, e)
	}
	slices.Reverse(kept)
	s.order = kept
}

func (s *Server) forget(e *entry) {
	delete(s.runs, e.run.ID)
	if s.keys[e.run.job()] == e {
		delete(s.keys, e.run.job())
	}
	if err := s.store.remove(e.run.ID); err != nil {
		s.cfg.Log.Error("an old run cannot be removed", "run", e.run.ID, "error", err)
	}
}

// cancel ends a run that has not finished.
func (s *Server) cancel(id string) (Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.runs[id]
	switch {
	case !ok:
		return Run{}, errNoRun
	case e.run.State == Finished:
		return e.run, errFinished
	case e.run.State == Running:
		e.cancel(errCancelled)
		return e.run, nil
	}
	r := e.run.inconclusive(errCancelled.Error(), time.Now())
	if err := s.store.save(r); err != nil { // it would run after a restart, and so it is not cancelled
		return e.run, fmt.Errorf("storing the run: %w", err)
	}
	e.run = r
	s.queue = slices.DeleteFunc(s.queue, func(q *entry) bool { return q == e })
	s.log(e.run)
	s.metrics.finished(e.run)
	close(e.done)
	return e.run, nil
}

// Stop ends what runs, and waits for it. What is queued stays on disk. Requests that wait
// for a run are told first.
func (s *Server) Stop() {
	s.mu.Lock()
	if !s.stopping {
		s.stopping = true
		close(s.stopped)
	}
	s.mu.Unlock()
	s.end(errStopped)
}

// Close is Stop, and returns when the state directory may be another server's.
func (s *Server) Close() error {
	s.Stop()
	s.wg.Wait()
	return s.store.close()
}

// log says what became of a run, in one line each.
func (s *Server) log(r Run) {
	attrs := []any{"run", r.ID, "plan", r.Plan, "state", string(r.State)}
	if r.State == Finished {
		attrs = append(attrs, "outcome", string(r.Outcome), "headline", cmp.Or(r.Headline, "none"))
	}
	s.cfg.Log.Info("run", attrs...)
}

// readable reports whether the folder of the state directory is still there.
func (s *Server) readable() error {
	_, err := s.store.root.Stat(".")
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Dir(s.store.dir), err)
	}
	return nil
}
