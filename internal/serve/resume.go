package serve

import (
	"context"
	"time"
)

// resume takes over what an earlier server left.
func (s *Server) resume() {
	runs, broken := s.store.load()
	for _, err := range broken {
		s.cfg.Log.Error("a run cannot be read, and is left out", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range runs {
		e := &entry{run: r, done: make(chan struct{})}
		s.add(e)
		switch r.State {
		case Queued:
			s.queue = append(s.queue, e)
		case Running:
			if held(s.store.path(r.ID, childLock)) {
				s.adopt(e)
				continue
			}
			e.run = r.inconclusive(errRestarted.Error(), time.Now())
			s.log(e.run)
			if err := s.store.save(e.run); err != nil {
				s.cfg.Log.Error("a run cannot be stored", "run", r.ID, "error", err)
			}
			s.metrics.finished(e.run)
			close(e.done)
		default:
			s.metrics.last(r)
			close(e.done)
		}
	}
	s.prune()
	s.schedule()
}

// adopt waits for a run that goes on without its server, and ends already. Its plan stays taken
// until then, since two loads at once would make each other inconclusive; other plans need not
// wait.
func (s *Server) adopt(e *entry) {
	r := e.run
	e.cancel = func(error) {}
	s.running[r.Plan] = e
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		if released(s.ctx, s.store.path(r.ID, childLock)) {
			s.finish(e, r.inconclusive(errRestarted.Error(), time.Now()), nil)
		}
	}()
}

// released waits for the end of a lock, or of patience, and reports whether that came before
// the end of ctx: then the next server has to wait.
func released(ctx context.Context, lock string) bool {
	patience, cancel := context.WithTimeout(ctx, orphanPatience)
	defer cancel()
	poll := time.NewTicker(orphanPoll)
	defer poll.Stop()
	for held(lock) && patience.Err() == nil {
		select {
		case <-poll.C:
		case <-patience.Done():
		}
	}
	return ctx.Err() == nil
}
