package probe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/leakgate/leakgate/internal/budget"
)

// get reads a whole answer, which takes memory out of the lease. The error is an *Error.
func (t *Target) get(ctx context.Context, u *url.URL, lease *budget.Lease) ([]byte, error) {
	var body []byte
	err := t.ask(ctx, u, "", func(r io.Reader, _ http.Header) (err error) {
		body, err = readAll(r, lease)
		return err
	})
	return body, err
}

// readAll reads to the end, within MaxBody and a lease.
func readAll(r io.Reader, lease *budget.Lease) ([]byte, error) {
	out := make([]byte, 0, firstRead)
	if err := lease.Take(firstRead); err != nil {
		return nil, err
	}
	for {
		n, err := r.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return out, err
		}
		if len(out) == cap(out) {
			if err := lease.Take(int64(cap(out))); err != nil {
				return out, err
			}
			out = append(make([]byte, 0, 2*cap(out)), out...)
		}
	}
}

// firstRead is how much room an answer is given at first, in bytes.
const firstRead = 32 << 10

// mostAgain is how often a request is sent again because the way to the target broke.
const mostAgain = 20

// ask sends a request, and hands the answer over as it comes; where the way to the target
// breaks, it is sent again, and what reads the answer begins anew. The error is an *Error.
func (t *Target) ask(ctx context.Context, u *url.URL, accept string, read func(io.Reader, http.Header) error) error {
	way := t.cfg.Way
	if way == nil {
		return t.once(ctx, u, accept, read)
	}
	for again := 0; ; again++ {
		since := way.Broken()
		err := t.once(ctx, u, accept, read)
		if err == nil || again == mostAgain || ctx.Err() != nil || answered(err) || !way.Restored(ctx, since, err) {
			return err
		}
	}
}

// answered reports whether an error is of an answer that came whole.
func answered(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Status != 0 || e.Code != "")
}

// once sends one request.
func (t *Target) once(ctx context.Context, u *url.URL, accept string, read func(io.Reader, http.Header) error) error {
	asked := "GET " + clean(u.String())
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return t.failed(asked, err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	req.Header.Set("User-Agent", "leakgate")
	askFresh(req.Header)
	t.authorize(req)
	resp, err := t.client.Do(req)
	if err != nil {
		return t.failed(asked, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return t.badStatus(asked, resp)
	}
	if got := copied(resp.Header); got != "" {
		return t.stale(asked, "the answer is a cache's copy ("+got+")")
	}
	if resp.ContentLength > MaxBody {
		return t.failed(asked, ErrTooLarge)
	}
	body := &counted{r: resp.Body}
	if err := read(body, resp.Header); err != nil {
		return t.unread(asked, body.n, err)
	}
	return nil
}

// counted counts what is read, and ends with ErrTooLarge beyond MaxBody.
type counted struct {
	r io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.n += int64(n); c.n > MaxBody {
		return n, ErrTooLarge
	}
	return n, err
}

// unread is the error of an answer that was not read to its end, or not understood.
func (t *Target) unread(asked string, n int64, err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	e = t.failed(asked, err)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		e.Got = fmt.Sprintf("the answer broke off after %d bytes", n)
		e.Hint = brokenHint
	}
	return e
}

func (t *Target) authorize(req *http.Request) {
	setHeaders(req, t.cfg.Headers)
	switch {
	case t.cfg.Bearer != "":
		req.Header.Set("Authorization", "Bearer "+t.cfg.Bearer)
	case t.cfg.User != "":
		req.SetBasicAuth(t.cfg.User, t.cfg.Password)
	}
}

func setHeaders(req *http.Request, headers map[string]string) {
	for k, v := range headers {
		req.Header.Set(k, v)
		if strings.EqualFold(k, "Host") {
			req.Host = v
		}
	}
}

// clean writes an address without what may be secret: user and parameters
// other than pprof's own.
func clean(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "(address)"
	}
	if u.User != nil {
		u.User = url.User("***")
	}
	q := u.Query()
	for k := range q {
		switch k {
		case "debug", "gc", "seconds":
		default:
			q.Set(k, "***")
		}
	}
	u.RawQuery = strings.ReplaceAll(q.Encode(), "%2A%2A%2A", "***")
	return strings.ReplaceAll(u.String(), "%2A%2A%2A@", "***@")
}
