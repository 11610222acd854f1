package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"github.com/leakgate/leakgate/internal/promql"
	"github.com/leakgate/leakgate/internal/rules"
	"github.com/leakgate/leakgate/internal/slo"
	"github.com/leakgate/leakgate/probe"
)

// sloOptions are the flags of slo.
type sloOptions struct {
	prometheus, service, selector string
	window, budget, step          string
	slope                         float64
	tolerance                     int
	tenant, tokenFrom, format     string
}

func (a *app) sloCommand() *cobra.Command {
	var o sloOptions
	c := &cobra.Command{
		Use:   "slo --prometheus URL --service NAME",
		Short: "Report the leak SLO: minutes of leak-suspected operation against a budget",
		Long: `slo asks a Prometheus server for how long a leak was suspected in a window, in
which episodes, and whether that is within the budget. It reads what the rules of
leakgate rules record; where they are not there, it works the same out from the
goroutine counts, by --slope and --tolerance.

Exit codes: 0 within the budget, 1 not, 2 usage error, 3 too little is known.`,
		Example: `  leakgate slo --prometheus http://prometheus:9090 --service checkout --window 30d
  leakgate slo --prometheus http://prometheus:9090 --service checkout --budget 30m --format json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return a.slo(c.Context(), o) },
	}
	f := c.Flags()
	f.StringVar(&o.prometheus, "prometheus", "", "address of the server")
	f.StringVar(&o.service, "service", "", "the service, as its rules name it")
	f.StringVar(&o.selector, "selector", "", `its series, where no rules are recorded (default {job="SERVICE"})`)
	f.StringVar(&o.window, "window", "30d", "how far to look back: 30d, 12h")
	f.StringVar(&o.budget, "budget", "1h", "leak-suspected operation that the window may have")
	f.StringVar(&o.step, "step", "1m", "time between two samples")
	f.Float64Var(&o.slope, "slope", 0.1, "goroutines a second and instance that are suspect, where no rules are recorded")
	f.IntVar(&o.tolerance, "tolerance", 10, "goroutines by which an instance may rise in an hour, where no rules are recorded")
	f.StringVar(&o.tenant, "tenant", "", "tenant, sent as X-Scope-OrgID")
	f.StringVar(&o.tokenFrom, "token-env", "", "name of the environment variable with a bearer token")
	f.StringVar(&o.format, "format", "table", "table or json")
	_ = c.MarkFlagRequired("prometheus")
	_ = c.MarkFlagRequired("service")
	return c
}

// mostPoints is how many samples of a series a server gives in one answer.
const mostPoints = 10_000

func (a *app) slo(ctx context.Context, o sloOptions) error {
	window, err1 := days(o.window)
	budget, err2 := days(o.budget)
	step, err3 := days(o.step)
	if err := errors.Join(err1, err2, err3); err != nil {
		return usage(err)
	}
	if o.format != "table" && o.format != "json" {
		return usage(fmt.Errorf("--format %q: want table or json", o.format))
	}
	if step <= 0 || window < step {
		return usage(fmt.Errorf("--window %s is shorter than --step %s", o.window, o.step))
	}
	cfg := probe.PrometheusConfig{URL: o.prometheus, Tenant: o.tenant, Timeout: time.Minute}
	if o.tokenFrom != "" {
		token, ok := a.env(o.tokenFrom)
		if !ok {
			return usage(fmt.Errorf("--token-env: there is no variable %s", o.tokenFrom))
		}
		cfg.Bearer = token
		a.mask = func(text string) string { return hidden(text, token) }
	}
	p, err := probe.NewPrometheus(cfg)
	if err != nil {
		return usage(err)
	}
	end := a.now().Truncate(step)
	start := end.Add(-window)
	r, err := suspicion(ctx, p, o, func(samples []slo.Sample) slo.Report { return slo.Sum(o.service, samples, start, end, step, budget) }, start, end, step)
	if e := (*exit)(nil); errors.As(err, &e) {
		return e
	}
	if err != nil {
		var e *probe.Error
		hint := ""
		if errors.As(err, &e) {
			hint = e.Hint
		}
		return &exit{code: exitInconclusive, err: err, hint: hint}
	}
	if o.format == "json" {
		enc := json.NewEncoder(a.out)
		enc.SetIndent("", "  ")
		err = enc.Encode(r)
	} else {
		err = r.Text(a.out)
	}
	if err != nil {
		return &exit{code: exitInconclusive, err: err}
	}
	if code := r.Outcome(); code != 0 {
		return &exit{code: code}
	}
	return nil
}

// suspicion sums up what was recorded. Where that covers too little of the window, it
// is worked out from the counts, if they cover more.
func suspicion(ctx context.Context, p *probe.Prometheus, o sloOptions, sum func([]slo.Sample) slo.Report, start, end time.Time, step time.Duration) (slo.Report, error) {
	ask := func(expr string) (slo.Report, error) {
		samples, err := samplesOf(ctx, p, expr, start, end, step)
		r := sum(samples)
		r.Source = expr
		return r, err
	}
	recorded, err := ask(fmt.Sprintf("max(%s{service=%q})", rules.OfService, o.service)) // of a pair of servers, and of all clusters
	if err != nil || recorded.Known >= slo.Enough {
		return recorded, err
	}
	c := rules.Config{Service: o.service, Slope: o.slope, Tolerance: o.tolerance}
	selector, err := promql.ParseCount(cmp.Or(o.selector, fmt.Sprintf("{job=%q}", o.service)))
	if err != nil {
		return recorded, usage(fmt.Errorf("--selector %w", err))
	}
	c.Metric, c.Selector = selector.Metric, selector.Braces()
	worked, err := ask(c.Suspicion())
	if err != nil || worked.Known > recorded.Known {
		return worked, err
	}
	return recorded, nil
}

// samplesOf asks for an expression over a window, as often as the window is too long
// for one answer.
func samplesOf(ctx context.Context, p *probe.Prometheus, expr string, start, end time.Time, step time.Duration) ([]slo.Sample, error) {
	var out []slo.Sample
	for from := start; from.Before(end); from = from.Add(mostPoints * step) {
		to := from.Add((mostPoints - 1) * step)
		if to.After(end) {
			to = end.Add(-step)
		}
		m, err := p.Range(ctx, expr, from, to, step)
		if err != nil {
			return nil, err
		}
		for _, s := range m {
			for _, v := range s.Values {
				sample, known, err := slo.Of(v.Timestamp.Time(), float64(v.Value))
				if err != nil {
					return nil, fmt.Errorf("%s: %w", expr, err)
				}
				if known {
					out = append(out, sample)
				}
			}
		}
	}
	return out, nil
}

// hidden is text without a token.
func hidden(text, token string) string {
	if token == "" {
		return text
	}
	return strings.ReplaceAll(text, token, "***")
}

// days parses a duration that may be in days or weeks, as Prometheus writes it.
func days(text string) (time.Duration, error) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, nil
	}
	d, err := model.ParseDuration(strings.TrimSpace(text))
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration; write 30d, 12h or 1h30m", strconv.Quote(text))
	}
	return time.Duration(d), nil
}
