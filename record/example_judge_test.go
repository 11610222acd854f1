package record_test

import (
	"fmt"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// A run need not come from leakgate: here, one is made up and judged. After each round of
// 600 requests, the service has kept 60 more goroutines than before.
func Example_judge() {
	const name = "checkout-0"
	identity := record.Identity{Target: name, Start: 1000}
	run := record.Run{
		Header:  record.Header{Plan: "checkout", Started: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)},
		Targets: []record.Target{{Name: name, Identity: identity}},
		End:     &record.End{Reason: record.Complete},
	}
	now := time.Duration(0)
	for round, leaked := range []int{0, 60, 120, 180, 240, 300, 360} {
		phase, quiet := record.Round, record.Settling
		if round == 0 {
			phase, quiet = record.Warmup, record.Baseline
		}
		load := record.Load{Kind: phase, Round: round, Start: now, End: now + 20*time.Second, Planned: 20 * time.Second,
			Asked: 30, Expected: 600, Workers: 4, Sent: 600, Answered: 600, Succeeded: 600,
			Entries: []record.Entry{{Name: "GET /cart", Sent: 600, Answered: 600, Succeeded: 600}}}
		now = load.End
		run.Loads = append(run.Loads, load)
		for seq := range 5 {
			now += time.Second
			run.Captures = append(run.Captures, record.Capture{At: now, Target: name, Kind: quiet, Round: round, Seq: seq + 1,
				Profile: checkout(leaked)})
		}
		run.Identities = append(run.Identities, record.Identity{Target: name, Start: 1000, At: now})
	}
	for range 4 { // left alone, they stay
		now += 50 * time.Second
		run.Captures = append(run.Captures, record.Capture{At: now, Target: name, Kind: record.Confirm, Round: 6,
			Profile: checkout(360)})
	}
	run.Identities = append(run.Identities, record.Identity{Target: name, Start: 1000, At: now})

	v := verdict.Judge(run, verdict.DefaultPolicy())
	fmt.Println(v.Outcome)
	for _, f := range v.Findings {
		fmt.Println(f.Function, f.Counts)
	}
	// Output:
	// fail
	// example.com/checkout.(*Cart).refresh [0 60 120 180 240 300 360]
}

// checkout is a profile of a service with eight workers and so many leaked goroutines.
func checkout(leaked int) *stacks.Profile {
	return stacks.NewProfile(
		stacks.NewStack(8, stacks.Frame{Function: "example.com/checkout.(*Pool).worker", File: "checkout/pool.go", Line: 30}),
		stacks.NewStack(leaked, stacks.Frame{Function: "example.com/checkout.(*Cart).refresh", File: "checkout/cart.go", Line: 42}),
	)
}
