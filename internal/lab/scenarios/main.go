// Command scenarios runs the gate with the default plan on single services of the
// corpus, and holds it to what it promises of time and of confirmation: a clean
// service costs little more than the load, a leak of one per request is decided after
// two rounds and at once where the runtime proves it, what keeps connections for a while
// passes, and a pool that fills over all of the rounds does not fail. It exits 1 if a promise is broken.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leakgate/leakgate/internal/child"
	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/gate/setup"
	"github.com/leakgate/leakgate/internal/lab/section"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

const head = "| service | outcome | rounds | load | wall time | ratio |\n| --- | --- | ---: | ---: | ---: | ---: |\n"

// scenario is one run, and what has to come of it.
type scenario struct {
	service string
	about   string
	proof   bool   // the service serves goroutineleak
	load    string // keys of the plan's load, beside the request
	check   func(v verdict.Verdict) error
}

func scenarios() []scenario {
	return []scenario{
		{service: "fine-plain", about: "a clean service", check: all(outcome(verdict.Pass), cheap)},
		{service: "leak-chan-send", about: "a leak of one per request", check: all(outcome(verdict.Fail), rounds(2), blames("main.sendResult"))},
		{service: "leak-chan-send", about: "the same, proven by the runtime", proof: true, check: all(outcome(verdict.Fail), rounds(2), evidence(verdict.Proven), unwatched)},
		{service: "leak-once", about: "one goroutine in all, proven by the runtime", proof: true, check: all(outcome(verdict.Fail), evidence(verdict.Proven), unwatched)},
		{service: "leak-global-1-in-500", about: "behind a global, one in 500 requests", proof: true, check: all(outcome(verdict.Fail), evidence(verdict.Growing), blames("main.(*globalSession).run"))},
		{service: "fine-connections-90s-each", about: "600 new connections kept for 90 s after each round", load: "rate: 30/s, ", check: all(outcome(verdict.Pass), warns("draining", "main.holdConnection"))},
		{service: "fine-proxy", about: "a proxy that keeps idle connections for two minutes", check: outcome(verdict.Pass)},
		{service: "fine-finalizer", about: "objects that end by finalizer", check: all(outcome(verdict.Pass), cheap)},
		{service: "leak-1-in-10", about: "a leak of one in ten requests, 40 a second", load: "rate: 40/s, ",
			check: all(outcome(verdict.Fail), blames("main.awaitMessage"), soon)},
		{service: "fine-pool-fills-100", about: "a pool of 100 that fills over six rounds", load: "rate: 40/s, ",
			check: notFail},
		{service: "leak-pool-unbounded", about: "workers of a pool that nobody uses, one in twenty requests",
			load: "rate: 40/s, ", check: all(outcome(verdict.Fail), blames("main.(*fillPool).work"))},
	}
}

func all(checks ...func(verdict.Verdict) error) func(verdict.Verdict) error {
	return func(v verdict.Verdict) error {
		for _, c := range checks {
			if err := c(v); err != nil {
				return err
			}
		}
		return nil
	}
}

func outcome(want verdict.Outcome) func(verdict.Verdict) error {
	return func(v verdict.Verdict) error {
		if v.Outcome != want {
			return fmt.Errorf("%s, want %s: %s", v.Outcome, want, v.Headline)
		}
		return nil
	}
}

// notFail holds the gate to no red: that it could not tell is right where it could not.
func notFail(v verdict.Verdict) error {
	if v.Outcome == verdict.Fail {
		return fmt.Errorf("fail, want a pass or that it could not be told: %s", v.Headline)
	}
	return nil
}

// redWithin is how long a clear leak of less than 500 goroutines may take to be red: two
// thirds of the 305 s that six rounds and a whole long look after them took.
const redWithin = 203 * time.Second

// soon holds the gate to redWithin.
func soon(v verdict.Verdict) error {
	if v.Timing.Wall > redWithin.Seconds() {
		return fmt.Errorf("%s: want %s at most", v.Timing, redWithin)
	}
	return nil
}

func rounds(n int) func(verdict.Verdict) error {
	return func(v verdict.Verdict) error {
		if v.Rounds != n {
			return fmt.Errorf("decided after %d rounds, want %d", v.Rounds, n)
		}
		return nil
	}
}

// cheap holds the gate to 1.3 times the time under load, and ten seconds.
func cheap(v verdict.Verdict) error {
	if most := 1.3*v.Timing.Load + 10; v.Timing.Wall > most {
		return fmt.Errorf("%s: want %.0fs at most", v.Timing, most)
	}
	return nil
}

func blames(function string) func(verdict.Verdict) error {
	return func(v verdict.Verdict) error {
		if len(v.Findings) == 0 || v.Findings[0].Function != function {
			return fmt.Errorf("%s, want %s blamed", v.Headline, function)
		}
		return nil
	}
}

func evidence(kind string) func(verdict.Verdict) error {
	return func(v verdict.Verdict) error {
		if len(v.Findings) == 0 || !slices.Contains(v.Findings[0].Evidence, kind) {
			return fmt.Errorf("%s, want it %s", v.Headline, kind)
		}
		return nil
	}
}

// unwatched holds the gate to no long look.
func unwatched(v verdict.Verdict) error {
	for _, p := range v.Timing.Phases {
		if p.Kind == record.Confirm {
			return fmt.Errorf("watched for %s what the runtime proves", p.End-p.Start)
		}
	}
	return nil
}

func warns(code, stack string) func(verdict.Verdict) error {
	return func(v verdict.Verdict) error {
		for _, w := range v.Warnings {
			if w.Code == code && strings.Contains(w.Message, stack) && strings.Contains(w.Message, "within 1m") {
				return nil
			}
		}
		return fmt.Errorf("warnings %v, want %s of %s, with the time", v.Warnings, code, stack)
	}
}

func main() {
	corpus := flag.String("corpus", "", "path of the corpus binary")
	proof := flag.String("proof", "", "path of the corpus binary that serves goroutineleak")
	only := flag.String("only", "", "scenarios whose description contains this")
	report := flag.String("report", "", "write the table to this Markdown file")
	parallel := flag.Int("parallel", 2, "runs at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	chosen := slices.DeleteFunc(scenarios(), func(s scenario) bool { return !strings.Contains(s.about, *only) })
	lines := make([]string, len(chosen))
	good := true
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, *parallel)
	for i, s := range chosen {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			binary := *corpus
			if s.proof {
				binary = *proof
			}
			v, err := s.run(ctx, binary)
			if err == nil {
				err = s.check(v)
			}
			mu.Lock()
			defer mu.Unlock()
			good = good && err == nil
			lines[i] = row(s, v)
			mark := "ok   "
			if err != nil {
				mark = "WRONG"
			}
			fmt.Printf("%s %-56s %-12s %d rounds, %s\n", mark, s.about, v.Outcome, v.Rounds, v.Timing)
			if err != nil {
				fmt.Printf("      %v\n", err)
			}
		})
	}
	wg.Wait()
	if *report != "" && good {
		if err := section.Replace(*report, "make scenarios", head+strings.Join(lines, "\n")+"\n"); err != nil {
			fmt.Fprintln(os.Stderr, "scenarios:", err)
			good = false
		}
	}
	if !good {
		os.Exit(1)
	}
}

func row(s scenario, v verdict.Verdict) string {
	return fmt.Sprintf("| %s | %s | %d | %.0f s | %.0f s | %.1f |", s.about, v.Outcome, v.Rounds, v.Timing.Load, v.Timing.Wall, v.Timing.Ratio)
}

func (s scenario) run(ctx context.Context, binary string) (verdict.Verdict, error) {
	var none verdict.Verdict
	dir, err := os.MkdirTemp("", "leakgate-scenario-")
	if err != nil {
		return none, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.CommandContext(ctx, binary, s.service)
	cmd.Stderr = os.Stderr
	line, stop, err := child.Start(cmd)
	if err != nil {
		return none, err
	}
	defer stop()
	url := strings.TrimSpace(line)
	text := fmt.Sprintf("targets: [{name: service, pprof: %[1]s/debug/pprof}]\nload: {%[2]srequests: [GET %[1]s/]}\n", url, s.load)
	p, err := plan.Parse("scenario.yaml", []byte(text), os.LookupEnv)
	if err != nil {
		return none, err
	}
	g, err := setup.New(p, filepath.Join(dir, "run"), "scenarios", time.Now(), gate.Silent{})
	if err != nil {
		return none, err
	}
	run, err := g.Run(ctx)
	return verdict.Judge(run, p.VerdictPolicy()), err
}
