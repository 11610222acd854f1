package serve

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/verdict"
)

// view is a run as it is answered.
type view struct {
	ID       string            `json:"id"`
	Plan     string            `json:"plan"`
	Posted   bool              `json:"posted,omitempty"`
	Key      string            `json:"key,omitempty"`
	State    State             `json:"state"`
	Outcome  verdict.Outcome   `json:"outcome,omitempty"`
	Answer   string            `json:"answer"` // running, pass, fail, inconclusive
	Headline string            `json:"headline,omitempty"`
	Said     string            `json:"said,omitempty"`
	Findings *int              `json:"findings,omitempty"`
	Before   *int              `json:"before,omitempty"` // runs that wait before this one
	Created  time.Time         `json:"created"`
	Started  time.Time         `json:"started,omitzero"`
	Finished time.Time         `json:"finished,omitzero"`
	Links    map[string]string `json:"links,omitempty"`
}

func (s *Server) view(r Run) view {
	v := view{
		ID: r.ID, Plan: r.Plan, Posted: r.Posted, Key: r.Key, State: r.State, Outcome: r.Outcome, Answer: r.answer(),
		Headline: r.Headline, Said: r.Said, Findings: r.Findings, Created: r.Created, Started: r.Started, Finished: r.Ended,
		Links: map[string]string{"self": "/runs/" + r.ID},
	}
	if r.State == Finished {
		for _, name := range s.reports(r.ID) {
			v.Links[name] = "/runs/" + r.ID + "/" + name
		}
	}
	if r.State == Queued {
		if _, n, err := s.get(r.ID); err == nil {
			v.Before = &n
		}
	}
	return v
}

// postRun starts a run, or finds the one that has the key. With wait, it answers with an
// outcome or with an error, as getRun does.
func (s *Server) postRun(w http.ResponseWriter, r *http.Request) {
	wait, err := waitOf(r)
	var o order
	if err == nil {
		o, err = s.readOrder(r)
	}
	if err != nil {
		s.fail(w, err)
		return
	}
	run, created, err := s.submit(o)
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Location", "/runs/"+run.ID)
	if wait > 0 {
		s.answerWhenFinished(w, r, run.ID, wait)
		return
	}
	code := http.StatusOK
	if created {
		code = http.StatusCreated
	}
	writeJSON(w, code, s.view(run))
}

// answerWhenFinished answers with a run's outcome. Where there is none in time, the answer
// is an error: a controller that takes any 200 for a measurement must not measure
// "running".
func (s *Server) answerWhenFinished(w http.ResponseWriter, r *http.Request, id string, wait time.Duration) {
	deadline := time.Now().Add(wait + writeTimeout)
	c := http.NewResponseController(w)
	_ = errors.Join(c.SetReadDeadline(deadline), c.SetWriteDeadline(deadline)) // else the server's own end the poll early
	run, err := s.wait(r.Context(), id, wait)
	switch {
	case err != nil:
		s.fail(w, err)
	case run.State != Finished:
		writeJSON(w, http.StatusGatewayTimeout, s.view(run))
	default:
		writeJSON(w, http.StatusOK, s.view(run))
	}
}

func (s *Server) getRun(w http.ResponseWriter, r *http.Request) {
	wait, err := waitOf(r)
	if err != nil {
		s.fail(w, err)
		return
	}
	if wait > 0 {
		s.answerWhenFinished(w, r, r.PathValue("id"), wait)
		return
	}
	run, _, err := s.get(r.PathValue("id"))
	if err != nil {
		s.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, s.view(run))
}

func (s *Server) getRuns(w http.ResponseWriter, r *http.Request) {
	runs := s.list(r.URL.Query().Get("plan"))
	out := make([]view, len(runs))
	for i, run := range runs {
		out[i] = s.view(run)
	}
	writeJSON(w, http.StatusOK, map[string]any{"runs": out})
}

func (s *Server) deleteRun(w http.ResponseWriter, r *http.Request) {
	run, err := s.cancel(r.PathValue("id"))
	if err != nil {
		s.fail(w, err)
		return
	}
	writeJSON(w, http.StatusAccepted, s.view(run))
}

func (s *Server) getPlans(w http.ResponseWriter, _ *http.Request) {
	names, err := s.plans.names()
	if err != nil {
		s.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string]any{"plans": append([]string{}, names...)})
}

// unset reports whether a plan needs a variable that its run does not have.
func unset(p plan.Problem) bool { return strings.Contains(p.Message, "environment variable") }

// fail answers with an error. What is not the client's is only logged.
func (s *Server) fail(w http.ResponseWriter, err error) {
	var r *refusal
	var problems plan.Problems
	switch {
	case errors.As(err, &problems):
		list := make([]string, len(problems))
		for i, p := range problems {
			list[i] = p.String()
		}
		hint := ""
		if errors.As(err, &r) && slices.ContainsFunc(problems, unset) {
			hint = r.hint
		}
		writeJSON(w, http.StatusUnprocessableEntity, struct {
			problem
			Problems []string `json:"problems"`
		}{problem{"the plan is wrong", hint}, list})
	case errors.As(err, &r):
		writeError(w, r.code, r.Error(), r.hint)
	case errors.Is(err, errNoRun):
		writeError(w, http.StatusNotFound, err.Error(), "GET /runs lists those that are kept")
	case errors.Is(err, errFinished):
		writeError(w, http.StatusConflict, err.Error(), "")
	case errors.Is(err, errFull):
		writeError(w, http.StatusTooManyRequests, err.Error(), "try again later")
	case errors.Is(err, errStopping):
		writeError(w, http.StatusServiceUnavailable, err.Error(), "try again")
	default:
		s.cfg.Log.Error("a request failed", "error", err)
		writeError(w, http.StatusInternalServerError, "the request failed", "see the server's log")
	}
}
