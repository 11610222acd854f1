package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// PrometheusConfig describes a server of Prometheus' HTTP API.
type PrometheusConfig struct {
	URL      string
	Bearer   string
	User     string
	Password string
	Tenant   string // sent as X-Scope-OrgID, which Mimir, Cortex and Thanos read
	Headers  map[string]string
	TLS      *tls.Config
	Timeout  time.Duration // per query; 10s if 0
}

// Prometheus is a server that knows targets from scraping them. It is only asked;
// no connection to it is kept.
type Prometheus struct {
	client  *http.Client
	base    *url.URL
	address string // without secrets
	timeout time.Duration
}

// NewPrometheus makes a client of a server. It sends nothing.
func NewPrometheus(cfg PrometheusConfig) (*Prometheus, error) {
	base, err := url.Parse(strings.TrimRight(cfg.URL, "/"))
	if err != nil {
		return nil, fmt.Errorf("prometheus: url: %w", err)
	}
	p := &Prometheus{base: base, address: clean(cfg.URL), timeout: cmp.Or(cfg.Timeout, 10*time.Second)}
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       (&net.Dialer{Timeout: p.timeout}).DialContext,
		TLSClientConfig:   cfg.TLS,
		DisableKeepAlives: true, // the server may be a target itself
	}
	p.client = &http.Client{
		Transport:     &authorized{cfg: cfg, next: transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return p, nil
}

// authorized sends credentials and a tenant with every request, bounds the
// answer, and follows no redirect, since both would go along.
type authorized struct {
	cfg  PrometheusConfig
	next http.RoundTripper
}

func (a *authorized) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", "leakgate")
	setHeaders(req, a.cfg.Headers)
	if a.cfg.Tenant != "" {
		req.Header.Set("X-Scope-OrgID", a.cfg.Tenant)
	}
	switch {
	case a.cfg.Bearer != "":
		req.Header.Set("Authorization", "Bearer "+a.cfg.Bearer)
	case a.cfg.User != "":
		req.SetBasicAuth(a.cfg.User, a.cfg.Password)
	}
	resp, err := a.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		resp.Body.Close()
		return nil, fmt.Errorf("a redirect to %s, which is not followed", clean(resp.Header.Get("Location")))
	}
	resp.Body = http.MaxBytesReader(nil, resp.Body, MaxBody)
	return resp, nil
}

// query asks for the value of an expression, at the server's own time. The error
// is an *Error that names who it was asked for.
func (p *Prometheus) query(ctx context.Context, who, expr string, take func(series) error) (answer, error) {
	return p.ask(ctx, who, expr, "query", url.Values{"query": {expr}}, take)
}

// Range asks for the values of an expression over some time. A value that is NaN says
// that there is none, and is left out.
func (p *Prometheus) Range(
	ctx context.Context, expr string, start, end time.Time, step time.Duration,
) (model.Matrix, error) {
	a, err := p.ask(ctx, "prometheus", expr, "query_range", url.Values{
		"query": {expr}, "start": {seconds(start)}, "end": {seconds(end)},
		"step": {strconv.FormatFloat(step.Seconds(), 'f', -1, 64)},
	}, nil)
	if err != nil {
		return nil, err
	}
	if a.kind != kindMatrix {
		return nil, p.refuse("prometheus", expr, fmt.Sprintf("a %s instead of values over time", quoted(a.kind)), hintServer)
	}
	m := model.Matrix{}
	for _, s := range a.series {
		values := slices.DeleteFunc(s.samples, func(v model.SamplePair) bool { return math.IsNaN(float64(v.Value)) })
		for _, v := range values {
			if math.IsInf(float64(v.Value), 0) {
				return nil, p.refuse("prometheus", expr, fmt.Sprint(v.Value), "does the query divide by zero?")
			}
		}
		m = append(m, &model.SampleStream{Metric: s.labels, Values: values})
	}
	return m, nil
}

func seconds(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64) }

// Number asks for an expression that has one value, or sums up those it has.
// Without any, or with one that is no number, it is an error.
func (p *Prometheus) Number(ctx context.Context, expr string) (float64, error) {
	a, err := p.query(ctx, "prometheus", expr, nil)
	if err != nil {
		return 0, err
	}
	sum, numbers := 0.0, 0
	switch a.kind {
	case kindScalar:
		sum, numbers = float64(a.scalar.Value), 1
	case kindVector:
		for _, s := range a.series {
			if len(s.samples) == 0 {
				return 0, p.refuse("prometheus", expr, fmt.Sprintf("no number for %s", shown(s.labels.String())),
					"sum counters, not histograms")
			}
			sum += float64(s.samples[0].Value)
			numbers++
		}
	default:
		return 0, p.refuse("prometheus", expr, fmt.Sprintf("a %s instead of a number", quoted(a.kind)), "")
	}
	switch {
	case numbers == 0:
		return 0, p.refuse("prometheus", expr, "nothing", "try the query in Prometheus: does it match any series?")
	case math.IsNaN(sum) || math.IsInf(sum, 0):
		return 0, p.refuse("prometheus", expr, fmt.Sprint(sum), "does the query divide by zero?")
	}
	return sum, nil
}

// now is the server's time.
func (p *Prometheus) now(ctx context.Context) (time.Time, error) {
	a, err := p.query(ctx, "prometheus", "time()", nil)
	switch {
	case err != nil:
		return time.Time{}, err
	case a.kind == kindScalar && a.scalar.Timestamp > 0:
		return a.scalar.Timestamp.Time(), nil
	case a.kind == kindVector && len(a.series) == 1 && len(a.series[0].samples) == 1: // VictoriaMetrics knows no scalars
		return a.series[0].samples[0].Timestamp.Time(), nil
	}
	return time.Time{}, p.refuse("prometheus", "time()", "a "+quoted(a.kind)+", not the time", hintServer)
}

func (p *Prometheus) asked(expr string) string { return p.address + " for " + expr }

// refuse is an error for an answer that cannot be used.
func (p *Prometheus) refuse(who, expr, got, hint string) *Error {
	return &Error{Target: who, Asked: p.asked(expr), Got: got, Hint: hint}
}
