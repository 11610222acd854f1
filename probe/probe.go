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

	"github.com/leakgate/leakgate/internal/stacks"
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
	Timeout  time.Duration // per request; 10s if 0
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

	mu   sync.Mutex
	heap bool // it has served a heap profile

	noHeap bool // the target has no heap profile
}

// New makes a target. It sends nothing.
func New(cfg Config) (*Target, error) {
	t := &Target{name: cfg.Name, cfg: cfg, timeout: cfg.Timeout}
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

// get sends one request and reads the whole answer. The error is an *Error.
func (t *Target) get(ctx context.Context, u *url.URL, accept string) ([]byte, http.Header, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	asked := "GET " + clean(u.String())
	ctx, cancel := context.WithTimeout(ctx, t.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, nil, t.failed(asked, err)
	}
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	req.Header.Set("User-Agent", "leakgate")
	t.authorize(req)
	resp, err := t.client.Do(req)
	if err != nil {
		return nil, nil, t.failed(asked, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, t.badStatus(asked, resp)
	}
	if resp.ContentLength > MaxBody {
		return nil, nil, t.failed(asked, ErrTooLarge)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxBody+1))
	if err == nil && len(body) > MaxBody {
		err = ErrTooLarge
	}
	if err != nil {
		e := t.failed(asked, err)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			e.Got = fmt.Sprintf("the answer broke off after %d bytes", len(body))
		}
		return nil, nil, e
	}
	return body, resp.Header, nil
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
	u := t.profileURL(profile, query)
	raw, _, err := t.get(ctx, u, "")
	if err != nil {
		return nil, nil, err
	}
	p, err := stacks.Parse(raw)
	if err != nil {
		e := &Error{Target: t.name, Asked: "GET " + clean(u.String()), Got: err.Error(), Err: err}
		switch {
		case strings.Contains(e.Got, "HTML"):
			e.Hint = "a login page or a proxy's? targets[].pprof has to lead to net/http/pprof itself, as in http://host:6060/debug/pprof"
		case errors.Is(err, stacks.ErrNotGoroutine):
			e.Hint = "targets[].pprof is the address up to /debug/pprof, without the profile's name"
		}
		return nil, nil, e
	}
	return raw, p, nil
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
