package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/leakgate/leakgate/internal/budget"
)

// Error is a request to a target that did not return what was asked for.
type Error struct {
	Target string // name in the plan
	Asked  string // method and address, without secrets
	Got    string // what it returned instead
	Hint   string // what to do next; may be empty
	Status int    // HTTP status, 0 without an answer
	Code   string // what it means for a run, if that is not clear from the kind of failure
	Err    error  // underlying error, if there is one
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %s", e.Target, e.Asked, e.Got) }

func (e *Error) Unwrap() error { return e.Err }

// Gone reports whether nothing listens on the address any more.
func (e *Error) Gone() bool {
	return errors.Is(e.Err, syscall.ECONNREFUSED) || errors.Is(e.Err, os.ErrNotExist)
}

func (t *Target) failed(asked string, err error) *Error {
	return t.hidden(failed(t.name, asked, t.timeout, err))
}

// hidden masks the plan's secrets in an error.
func (t *Target) hidden(e *Error) *Error {
	if t.cfg.Hide == nil {
		return e
	}
	e.Asked, e.Got = t.cfg.Hide.Text(e.Asked), t.cfg.Hide.Text(e.Got)
	return e
}

// CodeTooLarge is the code of a run in which an answer needed more memory than it was
// allowed.
const CodeTooLarge = "answer-too-large"

// memoryHint says what to do about it.
const memoryHint = "raise safety.memory, which bounds all answers of a run together, or watch fewer targets in one run"

// failed describes what went wrong with a request to a target, or to a server that knows
// it.
func failed(target, asked string, within time.Duration, err error) *Error {
	e := &Error{Target: target, Asked: asked, Err: err}
	var dns *net.DNSError
	var timeout interface{ Timeout() bool }
	var exceeded *budget.ExceededError
	got, hint, own := ownLimit(err)
	switch {
	case own:
		e.Got, e.Hint, e.Code = got, hint, CodeOwnLimit
	case errors.Is(err, context.Canceled):
		e.Got = "cancelled"
	case errors.Is(err, syscall.ECONNREFUSED):
		e.Got = "connection refused"
		e.Hint = "is the target running and listening on this address?"
	case errors.As(err, &dns):
		e.Got = "no such host: " + dns.Name
		e.Hint = "check the address in the plan"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Got = fmt.Sprintf("no answer within %s", within)
		e.Hint = "is the target hanging? targets[].timeout sets how long to wait"
	case errors.Is(err, ErrTooLarge):
		e.Got, e.Code = err.Error(), CodeTooLarge
		e.Hint = "does this address serve a profile?"
	case errors.As(err, &exceeded):
		e.Got, e.Code = "the answer is too large: "+err.Error(), CodeTooLarge
		e.Hint = memoryHint
	default:
		e.Got = rootCause(err)
		e.Hint = transportHint(err, e.Got)
	}
	return e
}

// brokenHint says what to do about an answer that is not what it should be.
const brokenHint = "does a proxy cut or change the answer? fetch it with curl from where leakgate runs"

// transportHint says what to do if the connection, or what came over it, is not HTTP.
// net/http has no error values for most of these cases.
func transportHint(err error, got string) string {
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return "set targets[].ca to the certificates to trust; insecure: true trusts any"
	case strings.Contains(got, "gave HTTP response to HTTPS"):
		return "the target does not speak TLS on this port: begin the address with http://"
	case strings.Contains(got, `malformed HTTP response "\x15\x03`): // a TLS alert
		return "the target speaks TLS on this port: begin the address with https://"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
		return "the connection was closed before the answer: check the target's log, and any proxy in between"
	}
	return brokenHint
}

// rootCause removes the address that http.Client puts in front of an error.
func rootCause(err error) string {
	if u := errors.Unwrap(err); u != nil {
		var op *net.OpError
		if errors.As(err, &op) && op.Err != nil {
			return op.Err.Error()
		}
		return u.Error()
	}
	return err.Error()
}

func (t *Target) badStatus(asked string, resp *http.Response) *Error {
	e := &Error{Target: t.name, Asked: asked, Got: "target returned " + resp.Status, Status: resp.StatusCode}
	switch {
	case resp.StatusCode == http.StatusNotModified:
		e.Code, e.Hint = CodeStale, staleHint
	case resp.StatusCode == http.StatusNotFound && t.metrics != nil && resp.Request.URL.Path == t.metrics.Path:
		e.Hint = "targets[].metrics is the full address of the page, such as http://host:8080/metrics"
	case resp.StatusCode == http.StatusNotFound:
		e.Hint = `import _ "net/http/pprof" and serve it on the probe address`
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		e.Hint = "set targets[].auth in the plan: bearer, basic, headers or a client certificate"
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Got += " to " + clean(resp.Header.Get("Location"))
		e.Hint = "use the final address; leakgate does not follow redirects with credentials"
	case resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusBadGateway:
		e.Hint = "a proxy answers instead of the target: is the target up?"
	case resp.StatusCode == http.StatusTooManyRequests:
		e.Hint = "requests to it are rate-limited: exempt leakgate, which asks about once a second"
	default:
		e.Hint = "check the target's log for the error behind this request"
	}
	return t.hidden(e)
}
