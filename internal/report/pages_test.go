package report

import (
	"fmt"
	"math"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// pages are runs as large and as awkward as they come, for the HTML page.
func pages() map[string]verdict.Verdict {
	out := map[string]verdict.Verdict{"fail": leakingRun(1, 3), "targets": leakingRun(60, 2), "findings": leakingRun(4, 50)}
	pass := leakingRun(2, 0)
	pass.Outcome, pass.Headline = verdict.Pass, "no goroutine leak in 120000 requests over 4 rounds on 2 targets; a leak of one goroutine in 1900 requests would have been caught"
	pass.Ignored = fixtures()["pass"].Ignored
	pass.Warnings = fixtures()["pass"].Warnings
	out["pass"] = pass
	unclear := leakingRun(2, 0)
	unclear.Outcome, unclear.Headline, unclear.Hint = verdict.Inconclusive, "could not tell: checkout-00: restarted or replaced", "find out why it restarted"
	unclear.Checks = append(fixtures()["inconclusive"].Checks, unclear.Checks...)
	unclear.Sensitivity = nil
	out["inconclusive"] = unclear
	empty := verdict.Verdict{Outcome: verdict.Inconclusive, Plan: "checkout", Headline: "could not tell: no target was watched"}
	out["empty"] = empty
	return out
}

// leakingRun is a failed run of four rounds and a long look.
func leakingRun(targets, stacksEach int) verdict.Verdict {
	v := fixtures()["fail"]
	v.Requests, v.Rounds, v.Targets, v.Findings, v.Checks = 120000, 4, nil, nil, nil
	v.Sensitivity = &verdict.Sensitivity{OneIn: 1900}
	v.Load = []verdict.LoadEntry{
		{Name: "GET http://checkout.staging.internal:8080/cart/items?limit=50", Sent: 80000, Succeeded: 79990, Codes: map[string]uint64{"200": 79990, "500": 10}, P50ms: 1.5, P99ms: 12.25},
		{Name: "POST http://checkout.staging.internal:8080/order", Sent: 40000, Succeeded: 39000, Abandoned: 900, Codes: map[string]uint64{"201": 39000}, Errors: map[string]uint64{"timeout": 100}, P50ms: 8.75, P99ms: 230.5},
	}
	v.Timing = verdict.Timing{Wall: 300, Load: 140, Ratio: 2.14, Phases: phases()}
	for i := range targets {
		v.Targets = append(v.Targets, target(i, stacksEach))
		v.Checks = append(v.Checks,
			verdict.Check{Name: "same process", Target: v.Targets[i].Name, Outcome: verdict.Pass, Unit: "changes of identity"},
			verdict.Check{Name: "baseline", Target: v.Targets[i].Name, Outcome: verdict.Pass, Measured: 3, Limit: 10, Unit: "goroutines"})
	}
	for i := range min(targets, 4) {
		for j := range stacksEach {
			v.Findings = append(v.Findings, leakingFinding(v.Targets[i].Name, j))
		}
	}
	if len(v.Findings) > 0 {
		v.Checks = append(v.Checks, verdict.Check{Name: "growth", Target: "checkout-00", Outcome: verdict.Fail, Measured: float64(stacksEach), Unit: "stacks", Message: "example.com/shop/checkout/internal/cart.(*Store).refresh.func1 grew again in every round"})
		v.Headline = "example.com/shop/checkout/internal/cart.(*Store).refresh0.func1 leaks goroutines: +1200 after 120000 requests (cart/store.go:42); POST /order leaks 0.03 per request"
	}
	return v
}

func phases() []record.Phase {
	at := time.Duration(0)
	var out []record.Phase
	add := func(kind record.Kind, round int, seconds float64) {
		end := at + time.Duration(seconds*float64(time.Second))
		out = append(out, record.Phase{Kind: kind, Round: round, Start: at, End: end})
		at = end
	}
	add(record.Preflight, 0, 2)
	add(record.Warmup, 0, 20)
	add(record.Baseline, 0, 8)
	for r := range 4 {
		add(record.Round, r+1, 30)
		add(record.Settling, r+1, 5)
	}
	add(record.Confirm, 0, 90)
	add(record.Evidence, 0, 2)
	add(record.Trying, 1, 15)
	add(record.Trying, 2, 15)
	return out
}

func target(i, stacksEach int) verdict.Target {
	t := verdict.Target{
		Name: fmt.Sprintf("checkout-%02d", i), GoVersion: "go1.26.8", Build: "8f14e45fceea167a5a36dedd4bea2543", Pprof: fmt.Sprintf("http://10.0.7.%d:6060/debug/pprof", i),
		Totals: []int{12, 14, 13, 12, 14}, Profiles: []string{"goroutine", "heap", "goroutineleak"},
	}
	t.Baseline, t.Last = "profiles/"+t.Name+"/baseline-0-1.pb.gz", "profiles/"+t.Name+"/settle-4-5.pb.gz"
	each := 0
	if i < 4 {
		for j := range stacksEach {
			each += growth(j)
		}
	}
	for r := range t.Totals {
		t.Totals[r] += each * r
	}
	for s := 0.0; s <= 300; s += 1.25 {
		n := 12 + 3*math.Abs(math.Sin(s))
		if s > 2 && s < 22 {
			n += 30
		}
		for r := range 4 {
			from := 30 + 35*float64(r)
			n += float64(each) * max(0, min(1, (s-from)/30))
			if s >= from && s < from+30 {
				n += 30 + 8*math.Sin(s*2)
			}
		}
		t.Series = append(t.Series, verdict.Point{Second: s, Goroutines: int(n)})
	}
	return t
}

// growth is by how many goroutines the stack j grows each round.
func growth(j int) int { return max(1, 300/(j+1)) }

func leakingFinding(target string, j int) verdict.Finding {
	kept := growth(j) * 4
	fn := fmt.Sprintf("example.com/shop/checkout/internal/cart.(*Store).refresh%d.func1", j)
	f := verdict.Finding{
		Target: target, Function: fn, File: "/src/checkout/internal/cart/store.go", Line: 42 + j, State: "chan send", Wait: "2m10s",
		Creator: "example.com/shop/checkout/internal/cart.(*Store).refresh", Created: "/src/checkout/internal/cart/store.go:40", Evidence: []string{verdict.Growing},
		Counts: []int{0, growth(j), 2 * growth(j), 3 * growth(j), 4 * growth(j)}, Kept: &kept, Leaked: 4 * growth(j), Per1000: math.Round(float64(growth(j))/0.3) / 100,
		Labels: []verdict.Label{{Label: "tenant=blue", Growth: growth(j)}, {Label: "tenant=green", Growth: 1}},
		Stack: []verdict.Frame{
			{Function: "net/http.(*persistConn).roundTrip", File: "/usr/local/go/src/net/http/transport.go", Line: 2700, Std: true},
			{Function: fn, File: "/src/checkout/internal/cart/store.go", Line: 42 + j},
			{Function: "golang.org/x/sync/errgroup.(*Group).Go.func1", File: "/root/go/pkg/mod/golang.org/x/sync@v0.22.0/errgroup/errgroup.go", Line: 93, Module: "golang.org/x/sync@v0.22.0"},
		},
	}
	if j == 0 {
		f.Source = &verdict.Source{Path: "internal/cart/store.go", Line: 42, Owners: []string{"@shop/cart", "@lea"}, Since: "v1.8.2", Suspects: []verdict.Commit{
			{Hash: "3f2a9c1d7e55", Author: "Lea Brandt", Date: time.Date(2026, 10, 28, 0, 0, 0, 0, time.UTC), Subject: "cart: refresh prices in the background", Function: fn},
		}}
		f.Requests = []verdict.Blamed{
			{Requests: []string{"POST http://checkout.staging.internal:8080/order"}, Sent: 500, Leaked: 15, Each: 0.03, Answer: verdict.Leaks},
			{Requests: []string{"GET http://checkout.staging.internal:8080/cart/items?limit=50"}, Sent: 900, Answer: verdict.LeaksNot},
		}
		f.Targets = []string{"checkout-00", "checkout-01", "checkout-02", "checkout-03"}
	}
	return f
}
