package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/leakgate/leakgate/internal/child"
	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/gate/setup"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// service is a case of the corpus, as its binary lists it.
type service struct {
	Name    string  `json:"name"`
	About   string  `json:"about"`
	Leaks   bool    `json:"leaks"`
	Blame   string  `json:"blame"`
	Abandon float64 `json:"abandon"`
	Rate    float64 `json:"rate"`
	Unclear bool    `json:"unclear"` // that it could not be told is as right as a fail
	Slow    bool    `json:"slow"`

	Quadrant string `json:"quadrant"`
	Retains  int    `json:"retains"` // bytes on the heap, per leaked goroutine

	Proof string `json:"proof"` // evidence against it where the runtime proves leaks; empty where nobody asks

	Endpoints []endpoint `json:"endpoints"` // of a service that has many, which is no target of a batch
}

// list are the services that are judged as a whole, of those that the options ask for.
func list(ctx context.Context, o options) ([]service, error) {
	all, err := listed(ctx, o)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s service) bool {
		return len(s.Endpoints) > 0 || !o.wants(s.Name) || o.short && s.Slow
	})
	if len(all) == 0 {
		return nil, fmt.Errorf("no service's name contains %q", o.only)
	}
	return all, nil
}

// listed are all services of the corpus.
func listed(ctx context.Context, o options) ([]service, error) {
	out, err := exec.CommandContext(ctx, o.corpus, "-list").Output()
	if err != nil {
		return nil, fmt.Errorf("listing the corpus: %w", err)
	}
	var all []service
	if err := json.Unmarshal(out, &all); err != nil {
		return nil, fmt.Errorf("reading the corpus's list: %w", err)
	}
	return all, nil
}

// result is what the gate said of one service in one run.
type result struct {
	service
	outcome verdict.Outcome
	blamed  string // function of the first finding
	found   bool   // some finding blames the right function
	why     string
	warned  []string
	counts  []int
	rounds  int
	wall    float64 // seconds, of the whole run, whose targets are decided together
	load    float64 // seconds, of the whole run
	naive   [2]bool // what the naive rules say: fail?
}

// measure runs one batch.
func measure(ctx context.Context, o options, batch []service, n int) ([]result, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	dir, err := os.MkdirTemp(o.keep, fmt.Sprintf("accuracy-%02d-", n))
	if err != nil {
		return nil, err
	}
	if o.keep == "" {
		defer os.RemoveAll(dir)
	}
	run, v, err := measureRun(ctx, o, batch, dir, func(s service) string { return s.Name })
	if err != nil {
		return nil, err
	}
	out := make([]result, len(batch))
	for i, s := range batch {
		out[i] = resultOf(s, run, v)
	}
	return out, nil
}

// again judges runs that were kept, in the order in which they were made.
func again(o options, services []service) ([]result, error) {
	byName := map[string]service{}
	for _, s := range services {
		byName[s.Name] = s
	}
	dirs, err := filepath.Glob(filepath.Join(o.again, "accuracy-*", "run"))
	if err != nil {
		return nil, err
	}
	var out []result
	for _, dir := range dirs {
		run, v, err := judgeAgain(dir)
		if err != nil {
			return nil, err
		}
		if run.End == nil {
			fmt.Fprintf(os.Stderr, "%s was not finished, and is left out\n", dir)
			continue
		}
		for _, t := range run.Targets {
			s, known := byName[t.Name]
			if !known {
				return nil, fmt.Errorf("%s: the corpus has no service %q", dir, t.Name)
			}
			out = append(out, resultOf(s, run, v))
		}
	}
	return out, nil
}

// judgeAgain judges a run that was kept, by the policy that it was made with.
func judgeAgain(dir string) (run record.Run, v verdict.Verdict, err error) {
	if run, err = record.Read(dir); err != nil {
		return run, v, err
	}
	var policy verdict.Policy
	if err := json.Unmarshal(run.Settings, &policy); err != nil {
		return run, v, fmt.Errorf("%s: %w", dir, err)
	}
	return run, verdict.Judge(run, policy), nil
}

// measureRun makes one run whose targets are the services.
func measureRun(ctx context.Context, o options, batch []service, dir string, argument func(service) string) (run record.Run, v verdict.Verdict, err error) {
	var targets, requests strings.Builder
	for _, s := range batch {
		at, end, err := start(ctx, o.corpus, argument(s))
		if err != nil {
			return run, v, fmt.Errorf("starting %s: %w", s.Name, err)
		}
		defer end()
		fmt.Fprintf(&targets, "  - {name: %s, pprof: %s/debug/pprof%s}\n", s.Name, at, metricsOf(o, at))
		fmt.Fprintf(&requests, "    - {url: %s/, weight: %.0f, abandon: %g}\n", at, max(s.Rate, 1), s.Abandon)
	}
	rate := 0.0
	for _, s := range batch {
		rate += o.rate * max(s.Rate, 1)
	}
	text := fmt.Sprintf("name: accuracy\ntargets:\n%sload:\n  rate: %.0f/s\n  connections: 256\n  round: %s\n  requests:\n%ssettle: {confirm: %s}\npolicy: {thorough: true}\nattribute: false\n",
		targets.String(), rate, o.round, requests.String(), o.confirm)
	return gateRun(ctx, text, dir)
}

// gateRun runs the gate on a plan, below a folder, and judges what it recorded: in
// memory and from disk alike.
func gateRun(ctx context.Context, text, dir string) (run record.Run, v verdict.Verdict, err error) {
	p, err := plan.Parse("accuracy.yaml", []byte(text), os.LookupEnv)
	if err != nil {
		return run, v, err
	}
	g, err := setup.New(p, filepath.Join(dir, "run"), "accuracy", time.Now(), gate.Silent{})
	if err != nil {
		return run, v, err
	}
	run, err = g.Run(ctx)
	if err != nil {
		return run, v, err
	}
	v = verdict.Judge(run, p.VerdictPolicy())
	return run, v, sameAgain(filepath.Join(dir, "run"), p.VerdictPolicy(), v)
}

// metricsOf names a service's metrics, where its memory is judged or the Go that built it
// matters. Without them, resident memory is only known as the most since the start, which
// a process inherits from the one that started it.
func metricsOf(o options, at string) string {
	if !o.memory && o.proof == "" {
		return ""
	}
	return ", metrics: " + at + "/metrics"
}

// sameAgain judges what is on disk: it has to be what was judged in memory.
func sameAgain(dir string, policy verdict.Policy, v verdict.Verdict) error {
	run, err := record.Read(dir)
	if err != nil {
		return err
	}
	first, err1 := json.Marshal(v)
	again, err2 := json.Marshal(verdict.Judge(run, policy))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	if !bytes.Equal(first, again) {
		return fmt.Errorf("%s judges differently when it is read back", dir)
	}
	return nil
}

func start(ctx context.Context, binary, name string) (string, func(), error) {
	cmd := exec.CommandContext(ctx, binary, name)
	cmd.Stderr = os.Stderr
	line, stop, err := child.Start(cmd)
	return strings.TrimSpace(line), stop, err
}

// resultOf takes one target's part out of a verdict: its own checks, and those
// of the run as a whole.
func resultOf(s service, run record.Run, v verdict.Verdict) result {
	r := result{service: s, outcome: verdict.Pass, rounds: v.Rounds, wall: v.Timing.Wall, load: v.Timing.Load}
	for _, c := range v.Checks {
		if c.Target != s.Name && c.Target != "" {
			continue
		}
		if c.Outcome == verdict.Fail && r.outcome != verdict.Fail || c.Outcome == verdict.Inconclusive && r.outcome == verdict.Pass {
			r.outcome, r.why = c.Outcome, cmp.Or(c.Message, c.Code)
		}
	}
	for _, f := range v.Findings {
		if f.Target != s.Name {
			continue
		}
		if r.blamed == "" {
			r.blamed, r.counts = f.Function, f.Counts
		}
		r.found = r.found || s.Blame == "" || begins(f.Function, s.Blame)
	}
	for _, w := range v.Warnings {
		if w.Target == s.Name {
			r.warned = append(r.warned, w.Code)
		}
	}
	for _, t := range v.Targets {
		if t.Name == s.Name && r.counts == nil {
			r.counts = t.Totals
		}
	}
	r.naive = [2]bool{afterMinusBefore(run, s.Name), topFiveFrames(run, s.Name)}
	return r
}

// line is the result for a person.
func (r result) line() string {
	mark := ""
	switch {
	case r.Leaks && r.Unclear && r.outcome == verdict.Inconclusive:
		mark = "  <-- could not tell, which is right: " + r.why
	case r.Leaks && r.outcome != verdict.Fail:
		mark = "  <-- MISSED: " + r.why
	case r.Leaks && !r.found:
		mark = "  <-- MISBLAMED"
	case !r.Leaks && r.outcome == verdict.Fail:
		mark = "  <-- FALSE POSITIVE: " + r.why
	case !r.Leaks && r.outcome == verdict.Inconclusive:
		mark = "  <-- INCONCLUSIVE: " + r.why
	}
	return fmt.Sprintf("%-28s %-12s %4.0f s  %-40s %v %v%s", r.Name, r.outcome, r.wall, r.blamed, r.counts, r.warned, mark)
}
