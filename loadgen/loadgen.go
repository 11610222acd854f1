// Package loadgen sends load: requests over HTTP, connections that are held open, a command
// that sends the load, or nothing where others send it. It owns its clients and their
// connections: when a phase is over, no connection is open, and no process that a command
// has started is running. It keeps no response body, follows no redirect, and never has
// more requests in flight than it was told to.
package loadgen

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/leakgate/leakgate/record"
)

// Driver sends phases of load. The phases of one driver run one after another.
type Driver interface {
	// Run sends one phase and returns its result. It returns within a second after ctx is
	// cancelled, with what was sent until then. A driver that learns of the end of the load
	// later than that says in Load.End how long it took.
	Run(ctx context.Context, phase Phase) record.Load
	// Progress is the number of requests sent so far in the phase that runs.
	Progress() uint64
}

// Phase is one stretch of load.
type Phase struct {
	Round    int // 0: warm-up
	Duration time.Duration
	Ramp     time.Duration // the rate rises linearly over this time, then stays
	Only     []int         // send only these, by their line in the results; nil: all
	Rate     float64       // instead of the config's; 0: as configured
	Share    Share         // what of it is to be sent; the zero value: all
	// Took, if it is not nil, is called with how long each request took, and each
	// connection to open, that counts in the latencies of a line of the results, by
	// several goroutines at once.
	Took func(line int, latency time.Duration)
	// Say, if it is not nil, is told what the phase waits for, and what it could not remove:
	// one line for people.
	Say func(text string)
}

// Preparer is a driver that needs time before a phase, such as for machines to be ready.
type Preparer interface {
	Driver
	// Prepare gets a phase ready, and returns when its load begins. Run, with the same
	// phase, has to follow; it says what went wrong here.
	Prepare(ctx context.Context, phase Phase)
}

// Config describes the load.
type Config struct {
	Requests    []Request
	Rate        float64       // requests per second; 0: as fast as the connections allow
	Connections int           // maximum requests in flight; 0: 256, or 64 if Rate is 0
	Timeout     time.Duration // per request, from first to last byte
	TLS         *tls.Config   // nil: the system's roots
	HTTP2       bool          // negotiate HTTP/2 over TLS
	H2C         bool          // speak HTTP/2 without TLS
	UnixSocket  string        // connect to this socket instead of the hosts in the URLs
	UserAgent   string
	StopErrors  float64 // stop when more than this share of requests fails, once stopAfter were sent; 0: never

	each bool // Connections is the default, which each generator has for itself
}

// Request is one entry of the load.
type Request struct {
	Method  string // GET if empty
	URL     string
	Header  http.Header
	Body    []byte
	Weight  int     // how often, relative to the others; 0 counts as 1
	Abandon float64 // share whose client hangs up before the response
	MayFail bool    // its failures do not count towards StopErrors
	Name    string  // in results; method and URL if empty
	Place   string  // where it is written, such as targets.http:7; tells requests of the same name apart
	Grouped bool    // shares its line in the results with requests of the same name
}

// name is the request's name in the results.
func (r Request) name() string {
	return cmp.Or(r.Name, cmp.Or(r.Method, http.MethodGet)+" "+r.URL)
}

const (
	defaultConnections    = 256
	defaultMaxConnections = 64 // measured on two cores: more workers than this only wait for each other
	stopAfter             = 100
)

// ErrNoRequests is returned for a load without requests.
var ErrNoRequests = errors.New("no requests to send")

// shared is the config of a generator that sends a share of the load.
func (c Config) shared(share Share) Config {
	if !c.each {
		c.Connections = share.of(c.Connections, 0)
	}
	return c
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Requests) == 0 {
		return c, ErrNoRequests
	}
	if c.Connections == 0 {
		c.each = true
		c.Connections = defaultConnections
		if c.Rate == 0 {
			c.Connections = defaultMaxConnections
		}
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	for i, r := range c.Requests {
		if message, hint := checkURL(r.URL); strings.ContainsFunc(r.URL, unicode.IsSpace) {
			return c, fmt.Errorf("%s: %s (%s)", cmp.Or(r.Place, fmt.Sprintf("request %d", i)), message, hint)
		}
		req, err := http.NewRequest(r.Method, r.URL, nil)
		if err != nil {
			return c, fmt.Errorf("request %d: %w", i, err)
		}
		if u := req.URL; u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return c, fmt.Errorf("request %d: %q is not an http or https URL with a host", i, u.Redacted())
		}
	}
	return c, nil
}
