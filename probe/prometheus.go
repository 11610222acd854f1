package probe

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
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
	api     v1.API
	address string // without secrets
	timeout time.Duration
}

// NewPrometheus makes a client of a server. It sends nothing.
func NewPrometheus(cfg PrometheusConfig) (*Prometheus, error) {
	if _, err := url.Parse(cfg.URL); err != nil {
		return nil, fmt.Errorf("prometheus: url: %w", err)
	}
	p := &Prometheus{address: clean(cfg.URL), timeout: cmp.Or(cfg.Timeout, 10*time.Second)}
	transport := &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       (&net.Dialer{Timeout: p.timeout}).DialContext,
		TLSClientConfig:   cfg.TLS,
		DisableKeepAlives: true, // the server may be a target itself
	}
	client, err := api.NewClient(api.Config{Address: strings.TrimRight(cfg.URL, "/"), RoundTripper: &authorized{cfg: cfg, next: transport}})
	if err != nil {
		return nil, fmt.Errorf("prometheus: %w", err)
	}
	p.api = v1.NewAPI(client)
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
func (p *Prometheus) query(ctx context.Context, who, expr string) (model.Value, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	v, warnings, _, err := p.api.Query(ctx, expr, time.Time{})
	if err != nil {
		return nil, p.failed(who, expr, err)
	}
	return v, p.partial(who, expr, warnings)
}

// partial is an error for an answer that comes with a warning: that is how Thanos and
// others say that a part of their stores did not answer.
func (p *Prometheus) partial(who, expr string, warnings v1.Warnings) error {
	if len(warnings) == 0 {
		return nil
	}
	return &Error{Target: who, Asked: p.asked(expr), Got: "an answer with a warning: " + strings.Join(warnings, "; "), Hint: "a part of the answer may be missing: are all of the server's stores there?"}
}

// Range asks for the values of an expression over some time.
func (p *Prometheus) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) (model.Matrix, error) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	v, warnings, _, err := p.api.QueryRange(ctx, expr, v1.Range{Start: start, End: end, Step: step})
	if err != nil {
		return nil, p.failed("prometheus", expr, err)
	}
	if err := p.partial("prometheus", expr, warnings); err != nil {
		return nil, err
	}
	m, ok := v.(model.Matrix)
	if !ok {
		return nil, &Error{Target: "prometheus", Asked: p.asked(expr), Got: fmt.Sprintf("a %s, not values over time", v.Type())}
	}
	return m, nil
}

// Number asks for an expression that has one value, or sums up those it has.
// Without any, or with one that is no number, it is an error.
func (p *Prometheus) Number(ctx context.Context, expr string) (float64, error) {
	v, err := p.query(ctx, "prometheus", expr)
	if err != nil {
		return 0, err
	}
	sum := 0.0
	switch v := v.(type) {
	case *model.Scalar:
		sum = float64(v.Value)
	case model.Vector:
		if len(v) == 0 {
			return 0, &Error{Target: "prometheus", Asked: p.asked(expr), Got: "nothing", Hint: "try the query in Prometheus: does it name series that there are?"}
		}
		for _, s := range v {
			sum += float64(s.Value)
		}
	default:
		return 0, &Error{Target: "prometheus", Asked: p.asked(expr), Got: fmt.Sprintf("a %s, not a number", v.Type())}
	}
	if math.IsNaN(sum) || math.IsInf(sum, 0) {
		return 0, &Error{Target: "prometheus", Asked: p.asked(expr), Got: fmt.Sprint(sum), Hint: "does the query divide by nothing?"}
	}
	return sum, nil
}

// now is the server's time.
func (p *Prometheus) now(ctx context.Context) (time.Time, error) {
	v, err := p.query(ctx, "prometheus", "time()")
	if err != nil {
		return time.Time{}, err
	}
	switch v := v.(type) {
	case *model.Scalar:
		return v.Timestamp.Time(), nil
	case model.Vector: // VictoriaMetrics knows no scalars
		if len(v) == 1 {
			return v[0].Timestamp.Time(), nil
		}
	}
	return time.Time{}, &Error{Target: "prometheus", Asked: p.asked("time()"), Got: fmt.Sprintf("a %s", v.Type()), Hint: "prometheus.url is the address of a server that speaks Prometheus' HTTP API"}
}

func (p *Prometheus) asked(expr string) string { return p.address + " for " + expr }

func (p *Prometheus) failed(who, expr string, err error) *Error {
	e := failed(who, p.asked(expr), p.timeout, err)
	var answer *v1.Error
	if !errors.As(err, &answer) {
		return e
	}
	e.Got = strings.TrimSpace(answer.Msg)
	switch {
	case answer.Type == v1.ErrBadData:
		e.Hint = "a selector is written as in PromQL: {job=\"checkout\", namespace=\"staging\"}"
	case strings.Contains(answer.Msg, "401") || strings.Contains(answer.Msg, "403"):
		e.Hint = "set prometheus.auth in the plan, and prometheus.tenant where there are tenants"
	case answer.Type == v1.ErrBadResponse || answer.Type == v1.ErrClient || answer.Type == v1.ErrServer:
		e.Hint = "prometheus.url is the address in front of /api/v1, as http://prometheus:9090"
	}
	return e
}
