// Package probe reads targets: net/http/pprof and Prometheus metrics. It
// returns raw bytes beside what it parsed from them, bounds what it reads, and
// leaves nothing behind in the target: every request has a connection of its
// own, and only one is under way at a time.
package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/leakgate/leakgate/internal/budget"
	"github.com/leakgate/leakgate/stacks"
)

// MaxBody bounds an answer as it comes over the wire, in bytes, and metrics
// after decompression.
const MaxBody = 64 << 20

// ErrTooLarge is returned for an answer over MaxBody.
var ErrTooLarge = fmt.Errorf("the answer is larger than %d MiB", MaxBody>>20)

// Config describes a target.
type Config struct {
	Name     string
	Pprof    string // address up to and including /debug/pprof
	Metrics  string // optional
	Bearer   string
	User     string
	Password string
	Headers  map[string]string
	TLS      *tls.Config
	Timeout  time.Duration  // per request; 10s if 0
	Memory   *stacks.Budget // for its answers, shared with other targets; nil: unlimited
	Hide     Mask           // takes out secrets that its answers may repeat; nil: nothing is secret
}

// Mask takes secrets out of what a target answers.
type Mask interface {
	Text(string) string // of messages for people
	Data([]byte) []byte // of profiles; the argument itself if there is no secret in it
}

// Target is a process that can be read. Its methods may be called from several
// goroutines; they take turns.
type Target struct {
	name    string
	pprof   *url.URL
	metrics *url.URL
	series  *Series // what Prometheus knows of it, instead of metrics
	cfg     Config
	timeout time.Duration
	client  *http.Client

	reader *stacks.Reader

	// order is held while something is asked of the target: only one request is under
	// way at a time, and what is read was taken in the order in which it is recorded.
	order sync.Mutex
	last  readings // under order

	mu      sync.Mutex
	offered map[string]bool // profiles by name that it has served (true) or does not have
}

// New makes a target. It sends nothing.
func New(cfg Config) (*Target, error) {
	t := &Target{name: cfg.Name, cfg: cfg, timeout: cfg.Timeout, reader: stacks.NewReader(cfg.Memory), offered: map[string]bool{}}
	if cfg.Hide != nil {
		t.reader.Hide(cfg.Hide.Data)
	}
	if t.timeout <= 0 {
		t.timeout = 10 * time.Second
	}
	var err error
	if t.pprof, err = url.Parse(strings.TrimRight(cfg.Pprof, "/")); err != nil {
		return nil, fmt.Errorf("%s: pprof: %w", cfg.Name, err)
	}
	if cfg.Metrics != "" {
		if t.metrics, err = url.Parse(cfg.Metrics); err != nil {
			return nil, fmt.Errorf("%s: metrics: %w", cfg.Name, err)
		}
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	t.client = &http.Client{
		Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			DialContext:       (&net.Dialer{Timeout: t.timeout}).DialContext,
			TLSClientConfig:   cfg.TLS,
			DisableKeepAlives: true, // an idle connection would be a goroutine in the target
			Protocols:         protocols,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return t, nil
}

// Known makes the target take its metrics from what Prometheus knows of it. It is
// for the time before the target is read.
func (t *Target) Known(s *Series) { t.series = s }

// Every is 0: a process that is read itself shows at any time what it is at.
func (t *Target) Every() time.Duration { return 0 }

// Name is the target's name in the plan.
func (t *Target) Name() string { return t.name }

// profileURL is the address of a profile.
func (t *Target) profileURL(profile, query string) *url.URL {
	u := t.pprof.JoinPath(profile)
	q := u.Query()
	extra, _ := url.ParseQuery(query)
	for k, v := range extra {
		q[k] = v
	}
	u.RawQuery = q.Encode()
	return u
}

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

// ask sends one request, and hands the answer over as it comes. The error is an *Error.
func (t *Target) ask(ctx context.Context, u *url.URL, accept string, read func(io.Reader, http.Header) error) error {
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

// Goroutines reads the goroutine profile: the raw bytes, which
// `go tool pprof` opens, and what they hold.
func (t *Target) Goroutines(ctx context.Context) ([]byte, *stacks.Profile, error) {
	return t.goroutines(ctx, "goroutine", "")
}

// Total is how many goroutines the target has, by its profile, of which nothing is kept.
func (t *Target) Total(ctx context.Context) (int, error) {
	t.order.Lock()
	defer t.order.Unlock()
	u := t.profileURL("goroutine", "")
	asked := "GET " + clean(u.String())
	lease := t.cfg.Memory.Lease()
	defer lease.End(0)
	raw, err := t.profileBytes(ctx, u, lease)
	if err != nil {
		return 0, err
	}
	total, taken, err := t.reader.Total(raw)
	if err != nil {
		return 0, t.notAProfile(asked, err)
	}
	if e := t.advances(asked, taken); e != nil {
		return 0, e
	}
	t.last.total = total
	return total, nil
}

// tick is longer than the steps in which any system's clock goes forward: on Windows, up
// to 15.6 ms. Two profiles that are asked for within one may have the same time.
const tick = 20 * time.Millisecond

// profileBytes asks for a profile of goroutines, a tick after the last one.
func (t *Target) profileBytes(ctx context.Context, u *url.URL, lease *budget.Lease) ([]byte, error) {
	if early := tick - time.Since(t.last.read); early > 0 {
		select {
		case <-time.After(early):
		case <-ctx.Done():
		}
	}
	raw, err := t.get(ctx, u, lease)
	t.last.read = time.Now()
	return raw, err
}

// Leaked reads the goroutines that the runtime has proven can never wake, from
// the goroutineleak profile (Go 1.27, or 1.26 with the experiment). The target
// runs a garbage collection for it. One reading can miss some.
func (t *Target) Leaked(ctx context.Context) ([]byte, *stacks.Profile, error) {
	return t.goroutines(ctx, "goroutineleak", "")
}

// Dump reads every goroutine's stack as text, with wait times and creators. It
// stops the target for milliseconds per thousand goroutines: ask once, and
// only of a target known to be small.
func (t *Target) Dump(ctx context.Context) ([]byte, *stacks.Profile, error) {
	return t.goroutines(ctx, "goroutine", "debug=2")
}

func (t *Target) goroutines(ctx context.Context, profile, query string) ([]byte, *stacks.Profile, error) {
	t.order.Lock()
	defer t.order.Unlock()
	u := t.profileURL(profile, query)
	asked := "GET " + clean(u.String())
	lease := t.cfg.Memory.Lease()
	defer lease.End(0)
	raw, err := t.profileBytes(ctx, u, lease)
	if err != nil {
		return nil, nil, err
	}
	raw, p, err := t.reader.Read(raw)
	if err != nil {
		return nil, nil, t.notAProfile(asked, err)
	}
	if e := t.advances(asked, p.Time); e != nil {
		t.reader.Release(p)
		return nil, nil, e
	}
	if profile == "goroutine" {
		t.last.total = p.Total
	}
	return raw, p, nil
}

// notAProfile says what came instead of a goroutine profile.
func (t *Target) notAProfile(asked string, err error) *Error {
	e := &Error{Target: t.name, Asked: asked, Got: err.Error(), Err: err, Hint: brokenHint}
	switch {
	case strings.Contains(e.Got, "HTML"):
		e.Hint = "a login page or a proxy's? targets[].pprof has to lead to net/http/pprof itself, as in http://host:6060/debug/pprof"
	case errors.Is(err, stacks.ErrTooLarge):
		e.Code, e.Hint = CodeTooLarge, memoryHint
	case errors.Is(err, stacks.ErrDelta):
		e.Hint = "does targets[].pprof, or something on the way, add seconds= to the request?"
	case errors.Is(err, stacks.ErrNoSymbols):
		e.Hint = "serve the profile as net/http/pprof makes it, with function names: stacks without them cannot be told apart"
	case errors.Is(err, stacks.ErrNotGoroutine):
		e.Hint = "targets[].pprof is the address up to /debug/pprof, without the profile's name"
	}
	return t.hidden(e)
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
