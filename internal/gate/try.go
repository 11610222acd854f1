package gate

import (
	"context"
	"fmt"
	"time"

	"github.com/leakgate/leakgate/internal/plan"
)

// Answer is how one request of the load was answered.
type Answer struct {
	Name   string
	Answer string
	Failed bool // against the success floor that holds for it
}

// TryRequests sends every request of a plan's load once, one after another.
func TryRequests(ctx context.Context, p *plan.Plan, tool string) ([]Answer, error) {
	d, err := newDriver(p, tool)
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
			a.Answer = fmt.Sprintf("%d in %s, %d bytes", r.Code, r.Latency.Round(100*time.Microsecond), r.Bytes)
			a.Failed = (r.Code < 200 || r.Code >= 400) && !requests[i].MayFail
		}
		out = append(out, a)
	}
	return out, nil
}

// Sent is the number of requests sent so far in the phase that runs.
func (g *Gate) Sent() uint64 { return g.driver.Progress() }
