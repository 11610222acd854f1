package serve

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

// Flagger knows yes, 200 or 202, and no, any other status, and asks again and again. Three
// answers are two questions: whether to go on, which a pass alone answers with yes, and
// whether to roll back, which a fail alone does. Could not tell is no to both: Flagger
// waits, and a person decides.
//
// flaggerNo is a status that its HTTP client does not repeat by itself.
const flaggerNo = http.StatusConflict

// payload is what Flagger sends with every webhook.
type payload struct {
	Name      string            `json:"name"`
	Namespace string            `json:"namespace"`
	Phase     string            `json:"phase"`
	Checksum  string            `json:"checksum"` // of the canary's spec and configuration: the revision
	Metadata  map[string]string `json:"metadata"`
}

// parsePayload reads a webhook's body. Later versions of Flagger may send more.
func parsePayload(body []byte) (payload, error) {
	var p payload
	if err := json.Unmarshal(body, &p); err != nil {
		return p, err
	}
	if p.Name == "" || p.Namespace == "" || p.Checksum == "" {
		return p, errors.New("name, namespace or checksum is missing")
	}
	return p, nil
}

// flaggerOrder is what a webhook asks for: a mounted plan, named by the address, the
// webhook's metadata or the canary, once for each revision.
func flaggerOrder(r *http.Request) (order, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return order{}, refuse(http.StatusBadRequest, "", "reading the body: %w", err)
	}
	p, err := parsePayload(body)
	if err != nil {
		return order{}, refuse(http.StatusBadRequest, "send what Flagger sends", "reading the body: %w", err)
	}
	o := order{job: job{
		plan: cmp.Or(r.URL.Query().Get("plan"), p.Metadata["plan"], p.Name),
		key:  p.Namespace + "/" + p.Name + "/" + p.Checksum,
	}, webhook: true}
	for name, value := range p.Metadata {
		if strings.HasPrefix(name, VariablePrefix) {
			if o.variables == nil {
				o.variables = map[string]string{}
			}
			o.variables[name] = value
		}
	}
	return o, nil
}

// flaggerStart starts the run of a revision, for a pre-rollout hook. Starting it again is
// nothing.
func (s *Server) flaggerStart(w http.ResponseWriter, r *http.Request) {
	if run, ok := s.flaggerRun(w, r, true); ok {
		writeText(w, http.StatusOK, inALine(run))
	}
}

// flaggerConfirm says yes to a pass, for a hook that confirms something. It also starts the
// run, if no other hook has.
func (s *Server) flaggerConfirm(w http.ResponseWriter, r *http.Request) {
	if run, ok := s.flaggerRun(w, r, true); ok {
		writeText(w, yes(run, verdict.Pass), inALine(run))
	}
}

// flaggerRollback says yes to a fail. Flagger asks this first, before there is a run, and it
// starts none.
func (s *Server) flaggerRollback(w http.ResponseWriter, r *http.Request) {
	if run, ok := s.flaggerRun(w, r, false); ok {
		writeText(w, yes(run, verdict.Fail), inALine(run))
	}
}

func yes(r Run, to verdict.Outcome) int {
	if r.State == Finished && r.Outcome == to {
		return http.StatusOK
	}
	return flaggerNo
}

// flaggerRun finds a revision's run, and starts it if it may. What only asks for a run that is
// there need not say with which variables it was started.
func (s *Server) flaggerRun(w http.ResponseWriter, r *http.Request, start bool) (Run, bool) {
	o, err := flaggerOrder(r)
	if err != nil {
		s.fail(w, err)
		return Run{}, false
	}
	run, ok := s.latest(o.job)
	if ok {
		return run, true
	}
	if !start {
		writeText(w, flaggerNo, "no run of this revision yet")
		return Run{}, false
	}
	if err = s.checkMounted(r.Context(), o); err == nil {
		run, _, err = s.submit(o)
	}
	if err != nil {
		s.fail(w, err)
		return Run{}, false
	}
	return run, true
}

// inALine is a run in a line, which Flagger shows where it shows anything.
func inALine(r Run) string {
	if r.State != Finished {
		return fmt.Sprintf("%s: %s, run %s", r.Plan, r.State, r.ID)
	}
	return fmt.Sprintf("%s: %s: %s, run %s", r.Plan, r.Outcome, r.Headline, r.ID)
}
