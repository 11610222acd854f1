package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"

	"github.com/leakgate/leakgate/internal/input"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/internal/quote"
)

// named is the JSON body that names a mounted plan.
type named struct {
	Plan      string            `json:"plan"`
	Key       string            `json:"key"`
	Variables map[string]string `json:"variables"`
	Again     bool              `json:"again"`
}

// refusal is an error with the status of its answer.
type refusal struct {
	code int
	err  error
	hint string
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

func refuse(code int, hint, format string, args ...any) error {
	return &refusal{code: code, err: fmt.Errorf(format, args...), hint: hint}
}

// readOrder reads what a POST asks for. A JSON body names a mounted plan; any other is the
// text of a plan, unless it can only mean the former: curl -d calls everything a form.
func (s *Server) readOrder(r *http.Request) (order, error) {
	body, err := io.ReadAll(r.Body)
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return order{}, refuse(http.StatusRequestEntityTooLarge, "", "the body is larger than %d bytes", large.Limit)
	case err != nil:
		return order{}, refuse(http.StatusBadRequest, "", "reading the body: %w", err)
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if _, err := parseNamed(body); kind == "application/json" || err == nil {
		return s.namedOrder(r.Context(), body)
	}
	return s.postedOrder(body, r.URL.Query().Get("key"), r.URL.Query().Has("again"))
}

func (s *Server) namedOrder(ctx context.Context, body []byte) (order, error) {
	n, err := parseNamed(body)
	if err != nil {
		return order{}, refuse(http.StatusBadRequest, `send {"plan": "NAME", "key": "ONE"}`, "reading the body: %w", err)
	}
	o := order{job: job{plan: n.Plan, key: n.Key}, variables: n.Variables, again: n.Again}
	return o, s.checkMounted(ctx, o)
}

// parseNamed reads the body of a request for a mounted plan.
func parseNamed(body []byte) (named, error) {
	var n named
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&n); err != nil {
		return n, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return n, errors.New("more than one value")
	}
	return n, nil
}

// checkMounted refuses what could not be run: it is better said now than as an outcome.
func (s *Server) checkMounted(ctx context.Context, o order) error {
	text, err := s.plans.read(ctx, o.plan)
	switch {
	case errors.Is(err, errNoPlan):
		return refuse(http.StatusNotFound, "GET /plans lists them", "%w", err)
	case err != nil:
		return fmt.Errorf("plan %s: %w", quote.Text(o.plan, maxName), err)
	}
	_, err = s.check(s.plans.file(o.plan), text, o)
	return err
}

// postedName is the name of a posted plan that has none.
const postedName = "posted"

func (s *Server) postedOrder(text []byte, key string, again bool) (order, error) {
	o := order{job: job{posted: true, key: key}, text: text, again: again}
	p, err := s.check(postedName+planEnding, text, o)
	if err != nil {
		return order{}, err
	}
	o.plan = quote.Plain(cmp.Or(p.Name, postedName), maxName)
	return o, nil
}

// check reads a plan as its run will.
func (s *Server) check(file string, text []byte, o order) (*plan.Plan, error) {
	if len(o.key) > maxName {
		return nil, refuse(http.StatusBadRequest, "", "the key is longer than %d bytes", maxName)
	}
	if err := s.refused(text, o); err != nil {
		return nil, err
	}
	p, err := plan.Parse(file, text, lookup(with(s.cfg.Env, o.variables)))
	if err != nil {
		hint := "plans use variables that begin with " + VariablePrefix
		return nil, refuse(http.StatusUnprocessableEntity, hint, "%w", err)
	}
	return p, nil
}

// refused is why the server does not run what is asked for; nil if it does.
func (s *Server) refused(text []byte, o order) error {
	if err := s.settable.refused(o.variables, o.webhook); err != nil {
		return err
	}
	if err := s.rules.refused(text, o.posted); err != nil {
		return refuse(http.StatusForbidden, "", "%w", err)
	}
	return nil
}

// refusedNow asks once more before a run starts. It may have waited while the server was
// started anew with stricter flags, or while its mounted plan changed.
func (s *Server) refusedNow(ctx context.Context, r Run) error {
	o := order{job: r.job(), variables: r.Variables, webhook: r.Webhook}
	var text []byte
	var err error
	if r.Posted {
		text, err = input.ReadFile(ctx, s.store.path(r.ID, planFile), maxBody)
	} else {
		text, err = s.plans.read(ctx, r.Plan)
	}
	if err != nil {
		return err
	}
	return s.refused(text, o)
}

// maxWait bounds a long poll: a client that is gone is noticed when something is sent.
const maxWait = time.Hour

// waitOf is how long a request wants to wait for an outcome.
func waitOf(r *http.Request) (time.Duration, error) {
	text := r.URL.Query().Get("wait")
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > maxWait {
		return 0, refuse(http.StatusBadRequest, "such as wait=5m", "wait: %s is not a time from 0s to %s",
			quote.Text(text, maxName), maxWait)
	}
	return d, nil
}
