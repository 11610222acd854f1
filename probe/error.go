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

// Error is a request to a target that did not bring what was asked for.
type Error struct {
	Target string // name in the plan
	Asked  string // method and address, without secrets
	Got    string // what came instead
	Hint   string // the next thing to do, if there is one
	Status int    // HTTP status, 0 without an answer
	Code   string // what it means for a run, where the kind of failure alone does not say
	Err    error  // underlying error, if there is one
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %s", e.Target, e.Asked, e.Got) }

func (e *Error) Unwrap() error { return e.Err }

// Gone reports whether nobody listens at the address any more.
func (e *Error) Gone() bool {
	return errors.Is(e.Err, syscall.ECONNREFUSED) || errors.Is(e.Err, os.ErrNotExist)
}

func (t *Target) failed(asked string, err error) *Error {
	return t.hidden(failed(t.name, asked, t.timeout, err))
}

// hidden masks what an error repeats of the plan's secrets.
func (t *Target) hidden(e *Error) *Error {
	if t.cfg.Hide == nil {
		return e
	}
	e.Asked, e.Got = t.cfg.Hide.Text(e.Asked), t.cfg.Hide.Text(e.Got)
	return e
}

// CodeTooLarge is what a run is judged by where an answer takes more memory than there is
// for it.
const CodeTooLarge = "answer-too-large"

// memoryHint is the next thing to do about that.
const memoryHint = "safety.memory bounds what all answers of a run take: raise it, or watch fewer targets in one run"

// failed says what became of a request to a target, or to who knows it.
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
		e.Hint = "is the target running, and does it listen at this address?"
	case errors.As(err, &dns):
		e.Got = "no such host: " + dns.Name
		e.Hint = "check the address in the plan"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Got = fmt.Sprintf("no answer within %s", within)
		e.Hint = "does the target hang? targets[].timeout sets how long to wait"
	case errors.Is(err, ErrTooLarge):
		e.Got, e.Code = err.Error(), CodeTooLarge
		e.Hint = "is this address a profile?"
	case errors.As(err, &exceeded):
		e.Got, e.Code = "the answer is too large: "+err.Error(), CodeTooLarge
		e.Hint = memoryHint
	default:
		e.Got = rootCause(err)
		e.Hint = transportHint(err, e.Got)
	}
	return e
}

// brokenHint is the next thing to do about an answer that is not what it should be.
const brokenHint = "does something on the way cut or change the answer? ask for it from where leakgate runs, as with curl"

// transportHint is the next thing to do where the connection, or what came over it, is not
// what HTTP asks for. net/http has no errors of their own for most of it.
func transportHint(err error, got string) string {
	var untrusted *tls.CertificateVerificationError
	switch {
	case errors.As(err, &untrusted):
		return "targets[].ca names the certificates to trust; insecure: true trusts any"
	case strings.Contains(got, "gave HTTP response to HTTPS"):
		return "the target speaks no TLS here: begin the address with http://"
	case strings.Contains(got, `malformed HTTP response "\x15\x03`): // a TLS alert
		return "the target speaks TLS here: begin the address with https://"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF):
		return "look at the target's log, and at what is between: the connection was closed before the answer"
	}
	return brokenHint
}

// rootCause leaves out the address that http.Client puts in front.
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
		e.Hint = "targets[].metrics is the full address of the page, as in http://host:8080/metrics"
	case resp.StatusCode == http.StatusNotFound:
		e.Hint = `import _ "net/http/pprof" and serve it on the probe address`
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		e.Hint = "set targets[].auth in the plan: bearer, basic, headers or a client certificate"
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		e.Got += " to " + clean(resp.Header.Get("Location"))
		e.Hint = "name the final address; credentials are not sent along to another one"
	case resp.StatusCode == http.StatusServiceUnavailable || resp.StatusCode == http.StatusBadGateway:
		e.Hint = "something in front of the target answers for it"
	case resp.StatusCode == http.StatusTooManyRequests:
		e.Hint = "something limits how often it may be asked: exempt leakgate, which asks about once a second"
	default:
		e.Hint = "look at the target's log: what goes wrong when this address is asked for?"
	}
	return t.hidden(e)
}
