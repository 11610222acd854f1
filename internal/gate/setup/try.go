package setup

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/probe"
)

// Answer is how one request of the load was answered.
type Answer struct {
	Name   string
	Answer string
	Failed bool // against the success floor that holds for it
}

// TryLoad sends every request of a plan's load once, one after another, and opens
// one connection of each of its streams. A command is only looked for, and of load
// that comes from elsewhere the queries are asked.
func TryLoad(ctx context.Context, p *plan.Plan, tool string) ([]Answer, error) {
	l := p.Load
	s, err := newSources(p, tool)
	if err != nil {
		return nil, err
	}
	switch {
	case l.Exec != nil:
		_, err := newDriver(p, tool, "", s.prom)
		return []Answer{{Name: p.Mask(strings.Join(l.Exec.Command, " ")), Answer: "found; it is started by run alone"}}, err
	case l.Kubernetes != nil, l.Job != nil, l.TestRun != nil:
		return tryGenerators(p, tool)
	case l.None != nil:
		return tryQueries(ctx, p, s.prom), nil
	}
	var out []Answer
	if len(l.Requests) > 0 || l.File != "" {
		if out, err = tryRequests(ctx, p, tool); err != nil {
			return nil, err
		}
	}
	if len(l.Streams) == 0 {
		return out, nil
	}
	d, err := newStreams(p, tool)
	if err != nil {
		return nil, err
	}
	for i, r := range d.Try(ctx) {
		a := Answer{Name: streamName(p, l.Streams[i]), Answer: "open after " + shown(r.Latency)}
		if r.Error != "" {
			a.Answer, a.Failed = "not opened: "+p.Mask(r.Error), true
		}
		out = append(out, a)
	}
	return out, nil
}

// shown is a latency as people read it.
func shown(d time.Duration) string { return d.Round(100 * time.Microsecond).String() }

func tryRequests(ctx context.Context, p *plan.Plan, tool string) ([]Answer, error) {
	d, err := newVegeta(p, tool)
	if err != nil {
		return nil, err
	}
	requests, err := requestsOf(p)
	if err != nil {
		return nil, err
	}
	var out []Answer
	for i, r := range d.Try(ctx) {
		a := Answer{Name: requests[i].Name}
		switch {
		case r.Code == 0:
			a.Answer, a.Failed = "no answer: "+p.Mask(r.Error), true
		default:
			a.Answer = fmt.Sprintf("%d in %s, %d bytes", r.Code, shown(r.Latency), r.Bytes)
			a.Failed = (r.Code < 200 || r.Code >= 400) && !requests[i].MayFail
		}
		out = append(out, a)
	}
	return out, nil
}

func tryQueries(ctx context.Context, p *plan.Plan, prom *probe.Prometheus) []Answer {
	var out []Answer
	for _, q := range []struct{ what, expr string }{
		{"requests", p.Load.None.Requests}, {"connections", p.Load.None.Connections},
	} {
		ask := query(prom, q.expr)
		if ask == nil {
			out = append(out, Answer{Name: "load from elsewhere: " + q.what, Answer: "not known"})
			continue
		}
		n, err := ask(ctx)
		name := p.Mask(fmt.Sprintf("load from elsewhere: %s: %s", q.what, q.expr))
		a := Answer{Name: name, Answer: fmt.Sprintf("%.0f now", n)}
		if err != nil {
			a.Answer, a.Failed = p.Mask(err.Error()), true
		}
		out = append(out, a)
	}
	return out
}
