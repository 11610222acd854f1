package probe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

const (
	hintServer   = "prometheus.url is the address before /api/v1, such as http://prometheus:9090"
	hintSelector = `write the selector as in PromQL: {job="checkout", namespace="staging"}`
	hintPartial  = "part of the answer may be missing: are all of the server's stores up?"
)

// ask sends one query, and accepts the answer only if it is complete.
func (p *Prometheus) ask(
	ctx context.Context, who, expr, method string, form url.Values, take func(series) error,
) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	resp, err := p.send(ctx, method, form)
	if err != nil {
		return answer{}, p.failed(who, expr, err)
	}
	defer resp.Body.Close()
	if kind := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK && !strings.Contains(kind, "json") {
		return answer{}, p.badStatus(who, expr, resp)
	}
	a, err := readAnswer(resp.Body, take)
	switch tooLarge := (*http.MaxBytesError)(nil); {
	case err == nil || a.status == "error":
	case errors.As(err, &tooLarge):
		return a, p.refuse(who, expr, ErrTooLarge.Error(), "use a selector for fewer instances, or a longer step")
	case resp.StatusCode != http.StatusOK:
		return a, p.badStatus(who, expr, resp)
	default:
		return a, p.unread(who, expr, err)
	}
	return a, p.whole(who, expr, a, resp)
}

// send sends a query as POST, or as GET if a proxy in front of the server allows nothing
// else.
func (p *Prometheus) send(ctx context.Context, method string, form url.Values) (*http.Response, error) {
	u := p.base.JoinPath("api/v1", method)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, err
	}
	switch resp.StatusCode {
	case http.StatusForbidden, http.StatusMethodNotAllowed, http.StatusNotImplemented:
	default:
		return resp, nil
	}
	resp.Body.Close()
	query := u.Query()
	for k, v := range form {
		query[k] = v
	}
	u.RawQuery = query.Encode()
	if req, err = http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil); err != nil {
		return nil, err
	}
	return p.client.Do(req)
}

// whole returns an error for an answer that reports an error, or that is incomplete.
func (p *Prometheus) whole(who, expr string, a answer, resp *http.Response) error {
	limited := resp.Header.Get("M3-Results-Limited") // M3 says so in a header alone
	switch {
	case a.status == "error" || a.status == "success" && (a.message != "" || a.errorType != ""):
		return p.refused(who, expr, a, resp)
	case a.status != "success":
		return p.refuse(who, expr, fmt.Sprintf("an answer with status %s instead of success", quoted(a.status)), hintServer)
	case resp.StatusCode != http.StatusOK:
		return p.badStatus(who, expr, resp)
	case a.partial:
		return p.refuse(who, expr, "part of the answer: the server says isPartial",
			"some of its storage nodes did not answer: bring them up, or have the server deny partial responses")
	case limited != "":
		return p.refuse(who, expr, "part of the answer: the server says M3-Results-Limited: "+quoted(limited), hintPartial)
	case len(a.warnings) > 0:
		var all []string
		for _, w := range a.warnings {
			all = append(all, plain(w))
		}
		return p.refuse(who, expr, "an answer with a warning: "+strings.Join(all, "; "), hintPartial)
	}
	return nil
}

// refused is the server's own error.
func (p *Prometheus) refused(who, expr string, a answer, resp *http.Response) *Error {
	e := p.refuse(who, expr, plain(strings.TrimSpace(a.message)), "")
	e.Status = resp.StatusCode
	if e.Got == "" {
		e.Got = "an error without a message, of type " + quoted(a.errorType)
	}
	switch {
	case a.errorType == "bad_data" || resp.StatusCode == http.StatusBadRequest ||
		resp.StatusCode == http.StatusUnprocessableEntity:
		e.Hint = hintSelector
	case a.errorType == "timeout":
		e.Hint = "ask for less: a shorter window, or a selector for fewer instances"
	}
	return e
}

// unread is an error for an answer that could not be read.
func (p *Prometheus) unread(who, expr string, err error) *Error {
	var own *Error
	if errors.As(err, &own) { // of what took the series
		return own
	}
	if !errors.Is(err, errNotAPI) {
		return p.failed(who, expr, err)
	}
	e := p.refuse(who, expr, err.Error(), hintServer)
	e.Err = err
	return e
}

func (p *Prometheus) badStatus(who, expr string, resp *http.Response) *Error {
	e := p.refuse(who, expr, "the server returned "+resp.Status, hintServer)
	e.Status = resp.StatusCode
	switch resp.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Hint = "set prometheus.auth in the plan, and prometheus.tenant if the server has tenants"
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.Hint = "a proxy answers instead of the server: is the server up?"
	case http.StatusTooManyRequests:
		e.Hint = "the server limits queries: raise its limit, or run when it is less busy"
	case http.StatusPartialContent:
		e.Hint = hintPartial
	}
	return e
}

func (p *Prometheus) failed(who, expr string, err error) *Error {
	e := failed(who, p.asked(expr), p.timeout, err)
	if strings.HasPrefix(e.Hint, "is the target hanging?") {
		e.Hint = "is the server hanging? prometheus.timeout sets how long to wait"
	}
	return e
}
