package serve

import (
	"context"
	"slices"
	"time"
)

// get finds a run, and how many runs wait before it.
func (s *Server) get(id string) (Run, int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.runs[id]
	if !ok {
		return Run{}, 0, errNoRun
	}
	return e.run, max(0, slices.Index(s.queue, e)), nil
}

// latest finds the run of a key.
func (s *Server) latest(j job) (Run, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.keys[j]
	if !ok {
		return Run{}, false
	}
	return e.run, true
}

// list is the runs of a plan, or of all if it is empty, newest first.
func (s *Server) list(plan string) []Run {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []Run{}
	for _, e := range slices.Backward(s.order) {
		if plan == "" || e.run.Plan == plan {
			out = append(out, e.run)
		}
	}
	return out
}

// wait waits until a run has finished, for so long at most, and as long as ctx lives and the
// server is not about to stop.
func (s *Server) wait(ctx context.Context, id string, most time.Duration) (Run, error) {
	s.mu.Lock()
	e, ok := s.runs[id]
	s.mu.Unlock()
	if !ok {
		return Run{}, errNoRun
	}
	timer := time.NewTimer(most)
	defer timer.Stop()
	var err error
	select {
	case <-e.done:
	case <-timer.C:
	case <-ctx.Done():
	case <-s.stopped:
		err = errStopping
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.run.State == Finished {
		err = nil
	}
	return e.run, err
}

// counts are how many runs wait and run.
func (s *Server) counts() (queued, running int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queue), len(s.running)
}
