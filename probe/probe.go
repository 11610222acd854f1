// Package probe reads targets: net/http/pprof and Prometheus metrics. It
// returns raw bytes beside what it parsed from them, bounds what it reads, and
// leaves nothing behind in the target: every request has a connection of its
// own, and only one is under way at a time.
package probe

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/leakgate/leakgate/record"
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
	Way      Way            // how it is reached; nil: by its address
	Pod      *record.Pod    // that it is; nil: none
	Group    string         // the plan's target, where that stands for several processes
}

// Way is a way to a target that may break without the target's doing, as a port-forward does.
type Way interface {
	// Dial connects to an address of the target.
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Broken is how often the way broke so far.
	Broken() int
	// Restored reports whether the way, and not the target, is why a request failed with an
	// error that was sent when Broken was since. It then waits until the way is open again.
	Restored(ctx context.Context, since int, err error) bool
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
	t := &Target{name: cfg.Name, cfg: cfg, timeout: cfg.Timeout, reader: stacks.NewReader(cfg.Memory),
		offered: map[string]bool{}}
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
	t.client = &http.Client{
		Transport:     t.transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return t, nil
}

// transport is how requests are sent: each on a connection of its own, by HTTP/1.1.
func (t *Target) transport() *http.Transport {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	out := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       (&net.Dialer{Timeout: t.timeout}).DialContext,
		TLSClientConfig:   t.cfg.TLS,
		DisableKeepAlives: true, // an idle connection would be a goroutine in the target
		Protocols:         protocols,
	}
	if t.cfg.Way != nil {
		out.Proxy, out.DialContext = nil, t.cfg.Way.Dial
	}
	return out
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
