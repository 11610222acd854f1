package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/leakgate/leakgate/internal/lab/section"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// proofGo is the Go from which on every service serves goroutineleak.
	proofGo = "go1.27"
	// proofHealthy is how many healthy services run beside the leaks, evenly from all.
	proofHealthy = 8
	// proofConfirm is the long look at what the runtime cannot prove: what is asked here is
	// the evidence.
	proofConfirm = 20 * time.Second
)

// proofs are what the corpus says of the proof of a leak: evidence that its finding has.
var proofs = []string{verdict.Proven, verdict.Growing}

// proof runs leaks and healthy services that Go 1.27 has built. A leak has to be proven
// where the runtime can prove it, and nowhere else; a healthy service never is.
func proof(ctx context.Context, o options, reportFile string) (bool, error) {
	o.corpus, o.round, o.confirm = o.proof, shortRound, proofConfirm
	all, err := list(ctx, o)
	if err != nil {
		return false, err
	}
	batch := proofBatch(all, o.short)
	dir, err := os.MkdirTemp(o.keep, "proof-")
	if err != nil {
		return false, err
	}
	if o.keep == "" {
		defer os.RemoveAll(dir)
	}
	run, v, err := measureRun(ctx, o, batch, dir, func(s service) string { return s.Name })
	if err != nil {
		return false, err
	}
	good := true
	var b strings.Builder
	fmt.Fprintf(&b, "| service | what it does | outcome | evidence | as it has to be |\n| --- | --- | --- | --- | --- |\n")
	for _, s := range batch {
		r := resultOf(s, run, v)
		evidence, wrong := proofOf(r, v)
		good = good && wrong == ""
		mark := ""
		if wrong != "" {
			mark = "  <-- WRONG: " + wrong
		}
		fmt.Printf("%-28s %-12s %-40s %s%s\n", s.Name, r.outcome, r.blamed, strings.Join(evidence, ", "), mark)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n",
			s.Name, s.About, r.outcome, strings.Join(evidence, ", "), cmp.Or(wrong, "yes"))
	}
	fmt.Printf("proof: %d services built by %s in %s\n", len(batch), v.Targets[0].GoVersion, v.Timing)
	if reportFile != "" {
		if err := section.Replace(reportFile, "make proof", b.String()); err != nil {
			return false, err
		}
	}
	return good, nil
}

// proofBatch are the leaks of which the corpus says what can be proven, and some healthy
// services. The short form leaves out what cannot be proven, and so needs a long look.
func proofBatch(all []service, short bool) []service {
	var batch, healthy []service
	for _, s := range all {
		switch {
		case short && s.Proof == verdict.Growing:
		case s.Leaks && slices.Contains(proofs, s.Proof):
			batch = append(batch, s)
		case !s.Leaks && !s.Slow:
			healthy = append(healthy, s)
		}
	}
	return append(batch, evenly(healthy, proofHealthy)...)
}

// proofOf is the evidence against a service, and what is wrong with it.
func proofOf(r result, v verdict.Verdict) (evidence []string, wrong string) {
	for _, t := range v.Targets {
		if t.Name == r.Name && !strings.HasPrefix(t.GoVersion, proofGo) {
			return nil, fmt.Sprintf("it is built by %q, want %s", t.GoVersion, proofGo)
		}
	}
	for _, f := range v.Findings {
		if f.Target == r.Name && (!r.Leaks || begins(f.Function, r.Blame)) {
			evidence = append(evidence, f.Evidence...)
		}
	}
	slices.Sort(evidence)
	evidence = slices.Compact(evidence)
	proven := slices.Contains(evidence, verdict.Proven)
	switch {
	case !r.Leaks && proven:
		wrong = "a healthy service's goroutines are proven"
	case !r.Leaks && r.outcome == verdict.Fail:
		wrong = "a healthy service fails"
	case !r.Leaks:
	case r.outcome != verdict.Fail:
		wrong = "it does not fail: " + r.why
	case r.Proof == verdict.Proven && !proven:
		wrong = "it is not proven"
	case r.Proof != verdict.Proven && proven:
		wrong = "it is proven, and can be woken"
	}
	return evidence, wrong
}
