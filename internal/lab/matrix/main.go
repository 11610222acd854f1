// Command matrix runs the gate on the sample shop with each of its leaks, and
// without any at several rates, and prints a line per run. It exits 1 if any
// run did not end as it should.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/leakgate/leakgate/examples/shop"
	"github.com/leakgate/leakgate/internal/child"
	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/internal/gate/setup"
	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/verdict"
)

// serviceVariable makes this program the shop, with the leak that it names.
const serviceVariable = "LEAKGATE_MATRIX_LEAK"

// blames is the function that each leak has to be blamed on.
var blames = map[string]string{
	shop.LeakSend:    "shop.(*Shop).quote",
	shop.LeakContext: "shop.(*Shop).watchStock.func1",
	shop.LeakBody:    "shop.(*meteredConn).Read",
	shop.LeakTicker:  "shop.(*Shop).refreshPrices",
	shop.LeakHangup:  "shop.(*Shop).lookUp",
	shop.LeakRare:    "shop.(*Shop).audit",
}

// rates are those at which the healthy shop has to pass, per second.
var rates = []int{20, 50, 100, 200, 500}

// job is one run of the gate.
type job struct {
	leak string // "" for healthy
	rate int
}

// result is how it ended.
type result struct {
	job
	verdict verdict.Verdict
	took    time.Duration
	err     error
}

func main() {
	if leak, ok := os.LookupEnv(serviceVariable); ok {
		if err := serve(leak); err != nil {
			fmt.Fprintln(os.Stderr, "matrix: shop:", err)
			os.Exit(1)
		}
		return
	}
	healthy := flag.Int("healthy", 20, "runs of the healthy shop, spread over rates from 20/s to 500/s")
	leaks := flag.String("leaks", strings.Join(shop.Leaks(), ","), "leaks to run, separated by commas")
	parallel := flag.Int("parallel", 2, "runs at once")
	plans := flag.String("plans", "examples/shop", "folder with plan.yaml and hangup.yaml")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if !run(ctx, os.Stdout, jobs(*healthy, *leaks), *parallel, *plans) {
		os.Exit(1)
	}
}

func serve(leak string) error {
	cfg := shop.Config{}
	if leak != "" {
		cfg.Leaks = []string{leak}
	}
	s, err := shop.Start(cfg)
	if err != nil {
		return err
	}
	defer s.Close()
	fmt.Println(s.URL, s.Admin)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func jobs(healthy int, leaks string) []job {
	var out []job
	for l := range strings.SplitSeq(leaks, ",") {
		if l != "" {
			out = append(out, job{leak: l, rate: 200})
		}
	}
	for i := range healthy {
		out = append(out, job{rate: rates[i%len(rates)]})
	}
	return out
}

// run does the jobs, some at once, and prints them as they end.
func run(ctx context.Context, w io.Writer, all []job, parallel int, plans string) bool {
	var mu sync.Mutex
	var wg sync.WaitGroup
	good := true
	slots := make(chan struct{}, parallel)
	fmt.Fprintf(w, "%-10s %-6s %-14s %-6s %6s %6s  %s\n", "shop", "rate", "outcome", "rounds", "wall", "load", "blamed")
	for _, j := range all {
		slots <- struct{}{}
		wg.Go(func() {
			r := j.do(ctx, plans)
			mu.Lock()
			good = r.print(w) && good
			mu.Unlock()
			<-slots
		})
	}
	wg.Wait()
	return good
}

func (r result) print(w io.Writer) bool {
	name, want := r.leak, verdict.Fail
	if name == "" {
		name, want = "healthy", verdict.Pass
	}
	blamed := ""
	if len(r.verdict.Findings) > 0 {
		f := r.verdict.Findings[0]
		blamed = fmt.Sprintf("%s (%s:%d)", f.Function[strings.LastIndex(f.Function, "/")+1:], filepath.Base(f.File), f.Line)
	}
	good := r.err == nil && r.verdict.Outcome == want && (r.leak == "" || strings.HasPrefix(blamed, blames[r.leak]+" "))
	mark := ""
	if !good {
		mark = fmt.Sprintf("   <-- WRONG: %s %v", r.verdict.Reason, r.err)
	}
	fmt.Fprintf(w, "%-10s %-6s %-14s %-6d %5.0fs %5.0fs  %s%s\n", name, fmt.Sprintf("%d/s", r.rate), r.verdict.Outcome,
		r.verdict.Rounds, r.took.Seconds(), r.verdict.Timing.Load, blamed, mark)
	return good
}

func (j job) do(ctx context.Context, plans string) result {
	r := result{job: j}
	began := time.Now()
	r.verdict, r.err = j.gate(ctx, plans)
	r.took = time.Since(began)
	return r
}

func (j job) gate(ctx context.Context, plans string) (verdict.Verdict, error) {
	var none verdict.Verdict
	dir, err := os.MkdirTemp("", "leakgate-matrix-")
	if err != nil {
		return none, err
	}
	defer os.RemoveAll(dir)
	shopURL, admin, stop, err := start(ctx, j.leak)
	if err != nil {
		return none, err
	}
	defer stop()
	file := filepath.Join(plans, "plan.yaml")
	if j.leak == shop.LeakHangup {
		file = filepath.Join(plans, "hangup.yaml")
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return none, err
	}
	replaced := strings.NewReplacer("http://127.0.0.1:8080", shopURL, "http://127.0.0.1:6060", admin,
		"rate: 200/s", fmt.Sprintf("rate: %d/s", j.rate)).Replace(string(text))
	p, err := plan.Parse(file, []byte(replaced), os.LookupEnv)
	if err != nil {
		return none, err
	}
	g, err := setup.New(p, filepath.Join(dir, "run"), "matrix", time.Now(), gate.Silent{})
	if err != nil {
		return none, err
	}
	run, err := g.Run(ctx)
	return verdict.Judge(run, p.VerdictPolicy()), err
}

// start runs this program as the shop.
func start(ctx context.Context, leak string) (shopURL, admin string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", "", nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), serviceVariable+"="+leak)
	cmd.Stderr = os.Stderr
	line, stop, err := child.Start(cmd)
	if err != nil {
		return "", "", nil, err
	}
	words := strings.Fields(line)
	if len(words) != 2 {
		stop()
		return "", "", nil, fmt.Errorf("the shop said %q instead of its addresses", line)
	}
	return words[0], words[1], stop, nil
}
