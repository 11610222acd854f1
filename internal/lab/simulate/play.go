package main

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/leakgate/leakgate/internal/gate"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// The gate's own settings: the defaults of a plan, and of package gate.
const (
	warmup     = 10 * time.Second
	roundTime  = 20 * time.Second
	quiet      = 2 * time.Second
	timeout    = 60 * time.Second
	pollEvery  = 400 * time.Millisecond
	windowSize = 5
	windowStep = 200 * time.Millisecond
	lookEvery  = 5 * time.Second
)

const target = "simulated"

// world plays a gate's run on made-up services in virtual time.
type world struct {
	services []service
	rate     int // requests a second
	workers  int
	now      time.Duration
	run      record.Run
	settled  time.Duration // how long the baseline took
	counted  bool          // the target only tells how many goroutines it has
}

func newWorld(k kind, rate int, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, uint64(rate)))
	perRound := rate * int(roundTime/time.Second)
	w := &world{services: k.draw(rng, perRound), rate: rate, workers: int(uniform(rng, 2, 64))}
	w.run = record.Run{
		Header:  record.Header{Schema: record.Schema, Plan: "simulated", Started: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)},
		Targets: []record.Target{{Name: target, Identity: record.Identity{Target: target, Start: 1}}},
	}
	w.pass(30*time.Second, 0)
	return w
}

// judge plays the run as the gate does, and returns its verdict.
func (w *world) judge(policy verdict.Policy) verdict.Verdict {
	w.load(record.Warmup, 0, warmup)
	w.settle(record.Baseline, 0)
	for round := 0; ; {
		step := verdict.Next(w.run, policy)
		switch step.Action {
		case verdict.Load:
			round++
			w.round(round)
		case verdict.Watch:
			w.capture(record.Confirm, round, len(w.run.Captures))
			w.pass(lookEvery, 0)
		default:
			w.run.End = &record.End{At: w.now, Reason: record.Complete}
			return verdict.Judge(w.run, policy)
		}
	}
}

// series plays so many rounds without deciding anything: what the other rules
// are given.
func (w *world) series(rounds int) record.Run {
	w.load(record.Warmup, 0, warmup)
	w.settle(record.Baseline, 0)
	for r := range rounds {
		w.round(r + 1)
	}
	return w.run
}

func (w *world) round(n int) {
	w.load(record.Round, n, roundTime)
	w.settle(record.Settling, n)
}

func (w *world) load(kind record.Kind, round int, d time.Duration) {
	start := w.now
	for range int(d / time.Second) {
		w.pass(time.Second, w.rate)
		w.run.Samples = append(w.run.Samples, record.Sample{At: w.now, Target: target, Goroutines: w.total()})
	}
	sent := uint64(w.rate) * uint64(d/time.Second)
	w.run.Loads = append(w.run.Loads, record.Load{
		Kind: kind, Round: round, Start: start, End: w.now, Asked: float64(w.rate), Planned: d, Workers: w.workers, Expected: sent,
		Sent: sent, Answered: sent, Succeeded: sent, Entries: []record.Entry{{Name: "GET /", Sent: sent, Answered: sent, Succeeded: sent}},
	})
	w.run.Phases = append(w.run.Phases, record.Phase{Kind: kind, Round: round, Start: start, End: w.now})
}

// settle waits as the gate does, and captures a window.
func (w *world) settle(kind record.Kind, round int) {
	start := w.now
	var polls []gate.Poll
	for at := time.Duration(0); at < timeout; at = w.now - start {
		polls = append(polls, gate.Poll{At: at, Count: w.total()})
		if at >= min(w.settled-pollEvery, timeout-quiet) && gate.Level(polls, quiet) {
			break
		}
		w.pass(pollEvery, 0)
	}
	if kind == record.Baseline {
		w.settled = w.now - start
	}
	for seq := range windowSize {
		w.capture(kind, round, seq+1)
		w.pass(windowStep, 0)
	}
	w.run.Phases = append(w.run.Phases, record.Phase{Kind: kind, Round: round, Start: start, End: w.now})
}

func (w *world) pass(d time.Duration, requests int) {
	w.now += d
	for _, s := range w.services {
		s.step(d, requests)
	}
}

func (w *world) total() int {
	n := 0
	for _, s := range w.services {
		n += s.count()
	}
	return n
}

func (w *world) capture(kind record.Kind, round, seq int) {
	w.run.Identities = append(w.run.Identities, record.Identity{At: w.now, Target: target, Start: 1})
	p := &stacks.Profile{}
	if w.counted {
		w.run.Captures = append(w.run.Captures, record.Capture{At: w.now, Target: target, Kind: kind, Round: round, Seq: seq, Profile: stacks.Counted(w.total())})
		return
	}
	for i, s := range w.services {
		n := s.count()
		if n <= 0 {
			continue
		}
		name := stackName(i)
		p.Stacks = append(p.Stacks, stacks.Stack{Key: name, Frames: []stacks.Frame{{Function: name, File: "worker.go", Line: 1}}, Count: n})
		p.Total += n
	}
	slices.SortFunc(p.Stacks, func(a, b stacks.Stack) int { return b.Count - a.Count })
	w.run.Captures = append(w.run.Captures, record.Capture{At: w.now, Target: target, Kind: kind, Round: round, Seq: seq, Profile: p})
}
