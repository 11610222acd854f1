package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/internal/lab/section"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// manyRate is how many requests a second each endpoint gets: in a round of ten
	// seconds, fifty, as services have endpoints that are seldom asked.
	manyRate = 5
	// manyMissed is how many of the leaking endpoints may go unnamed: what is recorded in
	// one run on a noisy machine scatters.
	manyMissed = 2
)

// many makes one run over each service that has many endpoints. With short, the run is
// the same: the service is one target.
func many(ctx context.Context, o options, reportFile string) (bool, error) {
	services, err := listed(ctx, o)
	if err != nil {
		return false, err
	}
	good, text := true, ""
	for _, s := range services {
		if len(s.Endpoints) == 0 {
			continue
		}
		results, err := manyResults(ctx, o, s)
		if err != nil {
			return false, err
		}
		for _, m := range results {
			m.write(os.Stdout)
			text += m.markdown()
			good = good && m.good()
		}
	}
	if text == "" {
		return false, errors.New("there is no run of a service with many endpoints")
	}
	if reportFile != "" {
		if err := section.Replace(reportFile, "make many", text); err != nil {
			return false, err
		}
	}
	return good, nil
}

// manyResults makes a run, or judges those that were kept.
func manyResults(ctx context.Context, o options, s service) ([]manyResult, error) {
	if o.again == "" {
		m, err := manyRun(ctx, o, s)
		return []manyResult{m}, err
	}
	dirs, err := filepath.Glob(filepath.Join(o.again, s.Name+"-*", "run"))
	if err != nil {
		return nil, err
	}
	var out []manyResult
	for _, dir := range dirs {
		_, v, err := judgeAgain(dir)
		if err != nil {
			return nil, err
		}
		out = append(out, judgeMany(s, v))
	}
	return out, nil
}

// manyRun runs the gate on a service with many endpoints, with the default policy.
func manyRun(ctx context.Context, o options, s service) (manyResult, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	dir, err := os.MkdirTemp(o.keep, s.Name+"-")
	if err != nil {
		return manyResult{}, err
	}
	if o.keep == "" {
		defer os.RemoveAll(dir)
	}
	at, end, err := start(ctx, o.corpus, s.Name)
	if err != nil {
		return manyResult{}, fmt.Errorf("starting %s: %w", s.Name, err)
	}
	defer end()
	_, v, err := gateRun(ctx, manyPlan(at, s.Endpoints), dir)
	if err != nil {
		return manyResult{}, err
	}
	return judgeMany(s, v), nil
}

// manyPlan is a plan with defaults but for the rounds, which are short.
func manyPlan(at string, endpoints []endpoint) string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: many\ntargets: [{name: many, pprof: %s/debug/pprof}]\n", at)
	fmt.Fprintf(&b, "load:\n  rate: %d/s\n  round: %s\n  requests:\n", manyRate*len(endpoints), shortRound)
	for _, e := range endpoints {
		fmt.Fprintf(&b, "    - GET %s%s\n", at, e.Path)
	}
	return b.String()
}

// manyResult is what a verdict says of a service with many endpoints.
type manyResult struct {
	service
	v         verdict.Verdict
	endpoints []named
	strangers []string // functions of findings that belong to no endpoint
}

func judgeMany(s service, v verdict.Verdict) manyResult {
	m := manyResult{service: s, v: v}
	at := ""
	for _, t := range v.Targets {
		at = strings.TrimSuffix(t.Pprof, "/debug/pprof")
	}
	for _, e := range s.Endpoints {
		m.endpoints = append(m.endpoints, nameOf(e, "GET "+at+e.Path, v))
	}
	for _, f := range v.Findings {
		if !slices.ContainsFunc(s.Endpoints, func(e endpoint) bool { return e.owns(f) }) {
			m.strangers = append(m.strangers, f.Function)
		}
	}
	return m
}

// count is how many of the endpoints of a kind hold.
func (m manyResult) count(leaks bool, holds func(named) bool) (n, of int) {
	for _, e := range m.endpoints {
		if e.Leaks != leaks {
			continue
		}
		of++
		if holds(e) {
			n++
		}
	}
	return n, of
}

// good reports whether enough leaks are named, and no healthy endpoint is.
func (m manyResult) good() bool {
	right, leaks := m.count(true, named.right)
	clean, healthy := m.count(false, named.right)
	return right >= leaks-manyMissed && clean == healthy
}

// summary says in three lines how much is named, and what it cost.
func (m manyResult) summary() string {
	right, leaks := m.count(true, named.right)
	function, _ := m.count(true, func(n named) bool { return n.function })
	likely, _ := m.count(true, func(n named) bool { return n.right() && n.class == verdict.Likely })
	clean, healthy := m.count(false, named.right)
	hold, of := m.intervals()
	return fmt.Sprintf("%d of %d leaks are named with the right function and the right request, %d of them as likely;\n"+
		"%d with the right function; "+
		"%d of %d intervals hold the true rate; %d of %d healthy endpoints are named;\n"+
		"%s after %d rounds, %d findings, %d more stacks could not be told; %s\n",
		right, leaks, likely, function,
		hold, of, healthy-clean, healthy,
		m.v.Outcome, m.v.Rounds, len(m.v.Findings)+m.v.More, m.v.Unclear, m.v.Timing)
}

// intervals are in how many of the named leaks the interval holds the true rate.
func (m manyResult) intervals() (hold, of int) {
	for _, e := range m.endpoints {
		if !e.Leaks || !e.right() || e.each.High == 0 {
			continue
		}
		of++
		if e.each.Low <= e.Each && e.Each <= e.each.High {
			hold++
		}
	}
	return hold, of
}

func (m manyResult) write(w io.Writer) {
	fmt.Fprintf(w, "\n%s: %s", m.Name, m.summary())
	for _, e := range m.endpoints {
		if !e.right() {
			fmt.Fprintf(w, "  %-28s %-44s <-- %s\n", e.Path, cmp.Or(e.Blame, "-"), e.why)
		}
	}
	for _, f := range m.strangers {
		fmt.Fprintf(w, "  %-28s %s\n", "(of no endpoint)", f)
	}
}

func (m manyResult) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n| endpoint | what it does | leaks per request | to blame | what was said |\n", m.summary())
	b.WriteString("| --- | --- | ---: | --- | --- |\n")
	for _, e := range m.endpoints {
		said := e.why
		switch {
		case e.right() && e.Leaks:
			said = fmt.Sprintf("%s, %.2f per request (%.2f to %.2f)",
				cmp.Or(e.class, verdict.Confirmed), e.each.Each, e.each.Low, e.each.High)
		case e.right():
			said = "in no finding"
		}
		in, blame := "", ""
		if e.Leaks {
			in, blame = fmt.Sprintf("%.2f", e.Each), "`"+e.Blame+"`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", e.Path, e.About, in, blame, said)
	}
	return b.String()
}
