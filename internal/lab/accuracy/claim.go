package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/leakgate/leakgate/internal/lab/section"
	"github.com/leakgate/leakgate/verdict"
)

// claimed is how many services leak at the claimed rate, and caughtAtLeast how
// many of them have to be caught.
const (
	claimed       = 100
	caughtAtLeast = 95
	perRun        = 20
)

// claim tests what a pass says it is worth. It runs the gate on services that do
// not leak, reads the rate that the pass claims would have been caught, and
// then on as many that leak at that very rate, at random.
func claim(ctx context.Context, o options, reportFile string) (bool, error) {
	o.round = min(o.round, claimRound)
	_, v, err := claimRun(ctx, o, 0)
	if err != nil {
		return false, err
	}
	if v.Outcome != verdict.Pass || v.Sensitivity == nil || v.Sensitivity.OneIn == 0 {
		return false, fmt.Errorf("the services that do not leak do not pass: %s", v.Headline)
	}
	oneIn := v.Sensitivity.OneIn
	fmt.Printf("a pass of %d services claims one goroutine in %d requests of each\n", perRun, oneIn)
	caught := 0
	for range claimed / perRun {
		outcomes, v, err := claimRun(ctx, o, oneIn)
		if err != nil {
			return false, err
		}
		n := 0
		for _, c := range outcomes {
			if c == verdict.Fail {
				n++
			}
		}
		caught += n
		fmt.Printf("  %d of %d that leak one goroutine in %d requests caught, %d rounds\n", n, perRun, oneIn, v.Rounds)
	}
	text := fmt.Sprintf("A pass of %d services at %.0f requests a second each, in rounds of %s, claimed that a leak of one\ngoroutine in %d requests would have been caught: %d of %d services that leak at that rate, at random,\nwere.\n",
		perRun, o.rate, o.round, oneIn, caught, claimed)
	fmt.Print(text)
	if reportFile != "" {
		if err := section.Replace(reportFile, "make claim", text); err != nil {
			return false, err
		}
	}
	return caught >= caughtAtLeast, nil
}

// claimRun runs the gate on services that leak one goroutine in so many requests
// (0: none), and returns what became of each.
func claimRun(ctx context.Context, o options, oneIn int) ([]verdict.Outcome, verdict.Verdict, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	dir, err := os.MkdirTemp(o.keep, "claim-")
	if err != nil {
		return nil, verdict.Verdict{}, err
	}
	if o.keep == "" {
		defer os.RemoveAll(dir)
	}
	var batch []service
	for i := range perRun {
		batch = append(batch, service{Name: fmt.Sprintf("planted-%d", i)})
	}
	run, v, err := measureRun(ctx, o, batch, dir, func(service) string { return fmt.Sprintf("planted=%d", oneIn) })
	if err != nil {
		return nil, v, err
	}
	if len(run.Targets) != perRun {
		return nil, v, errors.New("not every service was measured: " + v.Headline)
	}
	var out []verdict.Outcome
	for _, s := range batch {
		r := resultOf(s, run, v)
		if r.outcome == verdict.Fail && !strings.HasSuffix(r.blamed, ".awaitMessage") {
			return nil, v, fmt.Errorf("%s: %s is blamed", s.Name, r.blamed)
		}
		out = append(out, r.outcome)
	}
	return out, v, nil
}
