// Command accuracy runs the gate on the corpus of leaking and healthy services
// under testdata/corpus, many services as the targets of one run, and prints
// recall, attribution, false positives and time, beside two naive rules on the
// same recorded data. It exits 1 if a leak was missed or a healthy service
// failed.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/leakgate/leakgate/internal/lab/section"
)

// claimRound is the load per round when the claim is tested: a rate that takes
// fewer requests is as good as any.
const claimRound = 10 * time.Second

type options struct {
	corpus  string        // the corpus binary
	short   bool          // a part of it, in five minutes
	repeat  int           // runs of the healthy services
	batch   int           // services per run
	rate    float64       // requests per second and service
	round   time.Duration // load per round
	confirm time.Duration
	only    string // run services whose name contains one of these, comma-separated
	keep    string // keep run directories here
	claim   bool   // test what a pass claims to be worth instead
	busy    bool   // test services that never come to rest instead
	memory  bool   // test what is said of heap and goroutines instead
	many    bool   // test the service that has many endpoints instead
	proof   string // test what is proven of this corpus binary, which Go 1.27 has built, instead
	red     bool   // time each leak until it is red, and healthy services until they are green, instead

	parallel int    // gates at once, when they are timed
	again    string // judge the runs that were kept in this folder instead of making any
}

// wants reports whether a service is asked for.
func (o options) wants(name string) bool {
	return slices.ContainsFunc(strings.Split(o.only, ","), func(part string) bool { return strings.Contains(name, part) })
}

func main() {
	var o options
	report := flag.String("report", "", "write the table to this Markdown file")
	flag.StringVar(&o.corpus, "corpus", "", "path of the corpus binary")
	flag.BoolVar(&o.short, "short", false, "a part of it, in five minutes")
	flag.IntVar(&o.repeat, "repeat", 4, "runs of the healthy services")
	flag.IntVar(&o.batch, "batch", 32, "services per run")
	flag.Float64Var(&o.rate, "rate", 40, "requests per second and service")
	flag.DurationVar(&o.round, "round", 20*time.Second, "load per round")
	flag.DurationVar(&o.confirm, "confirm", 150*time.Second, "the long look")
	flag.StringVar(&o.only, "only", "", "run services whose name contains this, or one of several, comma-separated")
	flag.StringVar(&o.keep, "keep", "", "keep the run directories in this folder")
	flag.StringVar(&o.again, "again", "", "judge the runs that -keep left in this folder instead of making any")
	flag.BoolVar(&o.claim, "claim", false, "plant leaks at the rate that a pass claims it would have caught")
	flag.BoolVar(&o.memory, "quadrants", false, "ten runs of each service that says what its heap and goroutines do together")
	flag.BoolVar(&o.many, "many", false, "one run over a service with many endpoints, forty of which leak")
	flag.StringVar(&o.proof, "proof", "", "path of a corpus binary that Go 1.27 has built: what the runtime proves of it")
	flag.BoolVar(&o.red, "red", false, "time until red of every leak by itself, and until green of some healthy services")
	flag.IntVar(&o.parallel, "parallel", 8, "gates at once, with -red")
	flag.BoolVar(&o.busy, "busy", false, "services that other people use all the time: 50 runs of the healthy one, 20 of its leaking twin")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	do := run
	switch {
	case o.claim:
		do = claim
	case o.memory:
		do = quadrants
	case o.busy:
		do = busy
	case o.proof != "":
		do = proof
	case o.many:
		do = many
	case o.red:
		do = red
	case o.short:
		o.repeat, o.round, o.confirm = 1, 10*time.Second, 30*time.Second
	}
	good, err := do(ctx, o, *report)
	if err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(2)
	}
	if !good {
		os.Exit(1)
	}
}

// run measures in batches, prints as it goes, and writes the report.
func run(ctx context.Context, o options, reportFile string) (bool, error) {
	services, err := list(ctx, o)
	if err != nil {
		return false, err
	}
	var all []result
	if o.again != "" {
		if all, err = again(o, services); err != nil {
			return false, err
		}
		for _, r := range all {
			fmt.Println(r.line())
		}
		services = nil
	}
	for i, b := range batches(services, o) {
		began := time.Now()
		results, err := measure(ctx, o, b, i)
		if err != nil {
			return false, err
		}
		for _, r := range results {
			fmt.Println(r.line())
		}
		fmt.Printf("  batch %d: %d services in %s, %d rounds\n", i+1, len(b), time.Since(began).Round(time.Second), results[0].rounds)
		all = append(all, results...)
	}
	t := newTable(all)
	t.write(os.Stdout)
	if reportFile != "" {
		if err := replaceTable(reportFile, t, all); err != nil {
			return false, err
		}
	}
	if o.short { // too short for the rarest leaks: not to tell is right, to pass would be wrong
		t.missed -= t.unclearLeaks
	}
	return t.missed+t.misblamed+t.falsePositives == 0, nil
}

// shortBatch is how many services the short form takes, evenly from the whole.
const shortBatch = 24

// slowRepeats is how often the services that need minutes are repeated at most.
const slowRepeats = 2

// batches spreads the services over runs, leaks and healthy ones mixed, and
// repeats the healthy ones. What needs minutes is kept apart: it would hold up
// the rest, since the targets of one run settle together.
func batches(services []service, o options) [][]service {
	var leaks, healthy, slow []service
	for _, s := range services {
		switch {
		case s.Slow:
			slow = append(slow, s)
		case s.Leaks:
			leaks = append(leaks, s)
		default:
			healthy = append(healthy, s)
		}
	}
	var line []service
	for i := range max(len(leaks), len(healthy)) {
		if i < len(leaks) {
			line = append(line, leaks[i])
		}
		if i < len(healthy) {
			line = append(line, healthy[i])
		}
	}
	if o.short {
		var some []service
		for i := range min(shortBatch, len(line)) {
			some = append(some, line[i*len(line)/min(shortBatch, len(line))])
		}
		return [][]service{some}
	}
	out := slices.Collect(slices.Chunk(line, o.batch))
	if len(line) == 0 {
		return nil
	}
	if len(slow) > 0 {
		out = append(out, slow)
	}
	slowHealthy := slices.DeleteFunc(slices.Clone(slow), func(s service) bool { return s.Leaks })
	for i := range o.repeat - 1 {
		out = append(out, slices.Collect(slices.Chunk(healthy, o.batch))...)
		if i+1 < slowRepeats && len(slowHealthy) > 0 {
			out = append(out, slowHealthy)
		}
	}
	return out
}

// replaceTable puts the table between the markers of a Markdown file.
func replaceTable(file string, t table, all []result) error {
	var b strings.Builder
	t.markdown(&b, all)
	return section.Replace(file, "make accuracy", b.String())
}
