package verdict_test

import (
	"fmt"
	"slices"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// script is a run to be judged: for each stack, the counts at baseline and
// after each round. Everything else about the run is as it should be.
type script struct {
	stacks   map[string][]int // function → counts
	noise    map[string]int   // function → spread of its counts within a window
	spike    map[string][]int // function → what one capture of each window has more
	requests uint64           // per round; 4000 if 0
	workers  int              // most in flight; 20 if 0
	looks    map[string][]int // function → counts seen in the long look after the last round, one a second
	lookFrom time.Duration    // how long after the load the long look begins
}

const target = "shop-0"

func (s script) rounds() int {
	n := 0
	for _, c := range s.stacks {
		n = max(n, len(c)-1)
	}
	return n
}

// run plays the script.
func (s script) run() record.Run {
	requests, workers := s.requests, s.workers
	if requests == 0 {
		requests = 4000
	}
	if workers == 0 {
		workers = 20
	}
	r := record.Run{
		Header:  record.Header{Schema: 1, Tool: "test", Plan: "shop", Started: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)},
		Targets: []record.Target{{Name: target, Identity: record.Identity{Target: target, Start: 1000, GoVersion: "go1.26"}}},
		End:     &record.End{Reason: record.Complete},
	}
	at := time.Duration(0)
	for round := 0; round <= s.rounds(); round++ {
		kind, load := record.Settling, record.Round
		if round == 0 {
			kind, load = record.Baseline, record.Warmup
		}
		start := at
		at += 20 * time.Second
		r.Loads = append(r.Loads, record.Load{
			Kind: load, Round: round, Start: start, End: at, Planned: 20 * time.Second, Asked: float64(requests) / 20, Expected: requests,
			Workers: workers, Sent: requests, Answered: requests, Succeeded: requests,
			Entries: []record.Entry{{Name: "GET /", Sent: requests, Answered: requests, Succeeded: requests, Codes: map[string]uint64{"200": requests}}},
		})
		r.Phases = append(r.Phases, record.Phase{Kind: load, Round: round, Start: start, End: at})
		for seq := range 5 {
			at += time.Second
			r.Captures = append(r.Captures, record.Capture{
				At: at, Target: target, Kind: kind, Round: round, Seq: seq + 1, File: fmt.Sprintf("profiles/%s-%d-%d", kind, round, seq),
				Profile: s.profile(round, seq),
			})
		}
		r.Identities = append(r.Identities, record.Identity{At: at, Target: target, Start: 1000, GoVersion: "go1.26"})
	}
	loadEnd := r.Loads[len(r.Loads)-1].End
	n := 0
	for _, c := range s.looks {
		n = max(n, len(c))
	}
	for i := range n {
		p := &stacks.Profile{}
		for f, c := range s.looks {
			add(p, f, c[min(i, len(c)-1)])
		}
		r.Captures = append(r.Captures, record.Capture{
			At: loadEnd + s.lookFrom + time.Duration(i)*time.Second, Target: target, Kind: record.Confirm, Round: s.rounds(), Seq: i + 1, Profile: p,
		})
	}
	if n > 0 {
		r.Identities = append(r.Identities, record.Identity{At: end(r), Target: target, Start: 1000, GoVersion: "go1.26"})
	}
	return r
}

// end is when the last profile of a run was captured.
func end(r record.Run) (at time.Duration) {
	for _, c := range r.Captures {
		at = max(at, c.At)
	}
	return at
}

func (s script) profile(round, seq int) *stacks.Profile {
	p := &stacks.Profile{}
	for f, c := range s.stacks {
		n := c[round] + s.noise[f]*(seq-2)/2
		if seq == 1 && s.spike[f] != nil {
			n += s.spike[f][round]
		}
		add(p, f, n)
	}
	return p
}

func add(p *stacks.Profile, function string, n int) {
	if n <= 0 {
		return
	}
	frames := []stacks.Frame{
		{Function: "time.Sleep", File: "/go/src/runtime/time.go", Line: 300, Std: true},
		{Function: function, File: "shop.go", Line: 42},
	}
	if function == "net/http.(*conn).serve" {
		frames = []stacks.Frame{{Function: function, File: "/go/src/net/http/server.go", Line: 1, Std: true}}
	}
	key := ""
	for _, f := range frames {
		key += f.Function + "\n"
	}
	p.Stacks = append(p.Stacks, stacks.Stack{Key: key, Frames: frames, Count: n, State: "sleep"})
	p.Total += n
	slices.SortFunc(p.Stacks, func(a, b stacks.Stack) int { return b.Count - a.Count })
}

func policy() verdict.Policy { return verdict.DefaultPolicy() }
