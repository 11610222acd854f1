package loadgen

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync/atomic"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/leakgate/leakgate/record"
)

// Vegeta sends load with vegeta's library.
type Vegeta struct {
	cfg      Config
	targets  []vegeta.Target
	order    []int // entries in the order in which they are sent, over and over
	lines    []int // entry → line of the results
	names    []string
	progress atomic.Uint64
}

// NewVegeta checks a config and returns its driver.
func NewVegeta(cfg Config) (*Vegeta, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	v := &Vegeta{cfg: cfg}
	weights := make([]int, len(cfg.Requests))
	for i, r := range cfg.Requests {
		u, err := url.Parse(r.URL)
		if err != nil {
			return nil, fmt.Errorf("request %d: %w", i, err)
		}
		u.Fragment = strconv.Itoa(i) // tells results apart; a fragment is never sent
		v.targets = append(v.targets, vegeta.Target{Method: r.Method, URL: u.String(), Header: wireHeader(r.Header),
			Body: r.Body})
		weights[i] = max(r.Weight, 1)
	}
	v.order = interleave(weights)
	v.nameLines()
	return v, nil
}

// wireHeader copies h, with the names that net/http writes by itself in its own
// spelling: in another, both would be sent. The rest keep the spelling of their
// file of targets, which some services tell apart.
func wireHeader(h http.Header) http.Header {
	out := http.Header{}
	for k, vs := range h {
		switch name := http.CanonicalHeaderKey(k); name {
		case "Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer":
			k = name
		}
		out[k] = append(out[k], vs...)
	}
	return out
}

// maxOrder bounds the length of the repeating order.
const maxOrder = 1 << 17

// interleave spreads entries by weight as evenly as possible, so that every stretch of the
// load has each entry's share (smooth weighted round robin).
func interleave(weights []int) []int {
	total := 0
	for _, w := range weights {
		total += w
	}
	divide := gcd(weights)
	n := min(total/divide, max(maxOrder, len(weights)))
	current := make([]int, len(weights))
	order := make([]int, 0, n)
	if uniform(weights) { // also keeps many entries from taking quadratic time
		for i := range weights {
			order = append(order, i)
		}
		return order
	}
	for range n {
		best := 0
		for i, w := range weights {
			current[i] += w
			if current[i] > current[best] {
				best = i
			}
		}
		current[best] -= total
		order = append(order, best)
	}
	return order
}

func uniform(weights []int) bool {
	for _, w := range weights {
		if w != weights[0] {
			return false
		}
	}
	return true
}

func gcd(ns []int) int {
	g := 0
	for _, n := range ns {
		for n != 0 {
			g, n = n, g%n
		}
	}
	return max(g, 1)
}

// Progress is the number of requests sent so far in the phase that runs.
func (v *Vegeta) Progress() uint64 { return v.progress.Load() }

// Run sends one phase.
func (v *Vegeta) Run(ctx context.Context, phase Phase) record.Load {
	v.progress.Store(0)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cfg := v.cfg.shared(phase.Share)
	c := newClient(cfg)
	unhook := context.AfterFunc(ctx, c.stop)
	defer unhook()

	s := schedule{
		rate: cmp.Or(phase.Rate, cfg.Rate), ramp: phase.Ramp, duration: phase.Duration, share: phase.Share,
	}
	load := record.Load{
		Asked: s.rate / float64(max(phase.Share.Of, 1)), Planned: phase.Duration, Expected: s.expected(),
		Connections: cfg.Connections,
	}
	if cfg.Connections == 0 {
		load.Stopped = fmt.Sprintf("part %d of %d has none of the load's %d connections", phase.Share.Index+1,
			phase.Share.Of, v.cfg.Connections)
		return load
	}
	tallies := make([]*tally, len(v.names))
	for i, name := range v.names {
		tallies[i] = newTally(name)
	}
	used := startUsage()
	load.Stopped = v.attack(ctx, cancel, c, s, phase, tallies)
	c.close()
	if ctx.Err() != nil && load.Stopped == "" {
		load.Stopped = record.StoppedByUs
	}
	if stop := ownLimitStop(tallies); stop != "" { // instead of the failures that it caused
		load.Stopped = stop
	}
	load.Workers = int(c.peak.Load())
	load.CPU, load.Delay = used.since()
	for i, e := range c.entries {
		tallies[v.lines[i]].BytesIn += e.bytesIn.Load()
	}
	addUp(&load, tallies)
	return load
}

// firstWorkers is how many workers a phase with a rate begins with; vegeta adds more on
// demand.
const firstWorkers = 10

// attack sends the requests of a phase. If it was stopped early, it returns why.
func (v *Vegeta) attack(ctx context.Context, cancel context.CancelCauseFunc, c *client, s schedule, phase Phase,
	tallies []*tally) (stopped string) {
	workers := v.cfg.shared(phase.Share).Connections
	first := min(workers, firstWorkers)
	if s.rate == 0 {
		first = workers
	}
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     c,
			Timeout:       v.cfg.Timeout,
			CheckRedirect: noRedirect,
		}),
		vegeta.Workers(uint64(first)), vegeta.MaxWorkers(uint64(workers)), vegeta.MaxBody(0),
	)
	// A worker that waits for the answer of a stopped phase must not hold it up.
	defer context.AfterFunc(ctx, func() { attacker.Stop() })()
	guard := errorGuard{limit: v.cfg.StopErrors}
	for r := range attacker.Attack(v.targeter(phase), &pacer{schedule: s, ctx: ctx}, 0, "") {
		i := entryOf(r.URL)
		if i < 0 || ctx.Err() != nil && r.Code == 0 {
			continue // cut off by the end, not by the service
		}
		v.progress.Add(1)
		failed := tallies[v.lines[i]].add(r)
		if phase.Took != nil && !hungUp(r.Error) {
			phase.Took(v.lines[i], r.Latency)
		}
		if stop := guard.add(failed, v.cfg.Requests[i].MayFail); stop != "" && stopped == "" {
			stopped = stop
			cancel(nil)
		}
	}
	return stopped
}

// addUp adds the results of a phase's requests to its load.
func addUp(load *record.Load, tallies []*tally) {
	for _, t := range tallies {
		e := t.result()
		load.Sent += e.Sent
		load.Answered += e.Answered
		load.Succeeded += e.Succeeded
		load.Abandoned += e.Abandoned
		load.Entries = append(load.Entries, e)
	}
}

// Lines is the number of lines in the results.
func (v *Vegeta) Lines() int { return len(v.names) }

// Names are the names of the lines in the results.
func (v *Vegeta) Names() []string { return slices.Clone(v.names) }

// nameLines gives every entry its line in the results.
func (v *Vegeta) nameLines() {
	grouped := map[string]int{}
	for _, r := range v.cfg.Requests {
		name := r.name()
		line, known := grouped[name]
		if !known || !r.Grouped {
			line = len(v.names)
			v.names = append(v.names, name)
		}
		if r.Grouped {
			grouped[name] = line
		}
		v.lines = append(v.lines, line)
	}
}

// targeter hands out the entries in order, or only those of some lines.
func (v *Vegeta) targeter(phase Phase) vegeta.Targeter {
	order := v.order
	if only := phase.Only; only != nil {
		order = slices.DeleteFunc(slices.Clone(order), func(i int) bool { return !slices.Contains(only, v.lines[i]) })
	}
	var n atomic.Uint64
	n.Store(uint64(phase.Share.start(len(order))))
	return func(t *vegeta.Target) error {
		if len(order) == 0 {
			return vegeta.ErrNoTargets
		}
		i := (n.Add(1) - 1) % uint64(len(order))
		*t = v.targets[order[i]]
		return nil
	}
}

// entryOf reads the entry's index from the fragment of a result's URL.
func entryOf(u string) int {
	for i := len(u) - 1; i >= 0; i-- {
		if u[i] == '#' {
			n, err := strconv.Atoi(u[i+1:])
			if err != nil {
				return -1
			}
			return n
		}
	}
	return -1
}

// errorGuard stops a load that mostly fails, since staging is shared.
type errorGuard struct {
	limit        float64
	sent, failed uint64
}

func (g *errorGuard) add(failed, mayFail bool) string {
	if g.limit <= 0 || mayFail {
		return ""
	}
	g.sent++
	if failed {
		g.failed++
	}
	if g.sent >= stopAfter && float64(g.failed) > g.limit*float64(g.sent) {
		return fmt.Sprintf("the load was stopped: %d of the first %d requests failed", g.failed, g.sent)
	}
	return ""
}

var _ Driver = (*Vegeta)(nil)
