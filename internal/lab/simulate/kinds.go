package simulate

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// kind is a kind of process, drawn anew for every seed.
type kind struct {
	name  string
	leaks bool
	draw  func(rng *rand.Rand, perRound int) []service
}

func one(f func(rng *rand.Rand, perRound int) service) func(*rand.Rand, int) []service {
	return func(rng *rand.Rand, perRound int) []service { return []service{f(rng, perRound)} }
}

// mixed is how many of the healthy kinds are played at once as well: the first ones.
const mixed = 10

// healthy are the processes of which none may fail.
func healthy() []kind {
	return []kind{
		{name: "a pool of 16 to 500, filled within three rounds", draw: one(func(rng *rand.Rand, perRound int) service {
			full := uniform(rng, 16, 500)
			return &pool{workers: newWorkers(rng), full: int(full), oneIn: float64(perRound) / full * uniform(rng, 0.05, 3)}
		})},
		{name: "a pool of 16 to 500, filled over three or four rounds", draw: one(func(rng *rand.Rand, perRound int) service {
			full := uniform(rng, 16, 500)
			return &pool{workers: newWorkers(rng), full: int(full), oneIn: float64(perRound) / full * uniform(rng, 3, 4)}
		})},
		{name: "a worker per key, 50 to 5,000 keys", draw: one(func(rng *rand.Rand, _ int) service {
			return &perKey{workers: newWorkers(rng), keys: int(uniform(rng, 50, 5000))}
		})},
		{name: "as many workers as were ever busy at once", draw: one(func(rng *rand.Rand, _ int) service {
			return &peak{workers: newWorkers(rng), mean: uniform(rng, 2, 200)}
		})},
		{name: "work or connections that end after 5 to 90 s", draw: one(func(rng *rand.Rand, perRound int) service {
			return &held{
				rng: rng, oneIn: uniform(rng, 1, float64(perRound)/5), lasts: between(rng, 5*time.Second, 90*time.Second),
			}
		})},
		{name: "periodic jobs", draw: one(func(rng *rand.Rand, _ int) service {
			every := between(rng, 5*time.Second, 2*time.Minute)
			return &periodic{
				every: every, lasts: between(rng, time.Second, every/2), size: int(uniform(rng, 1, 200)),
				now: between(rng, time.Second, time.Minute),
			}
		})},
		{name: "other users' traffic", draw: one(func(rng *rand.Rand, _ int) service {
			return &others{rng: rng, mean: uniform(rng, 1, 300), stays: between(rng, 100*time.Millisecond, time.Minute)}
		})},
		{name: "other users' sessions of 2 to 20 minutes", draw: one(func(rng *rand.Rand, _ int) service {
			return &others{rng: rng, mean: uniform(rng, 1, 300), stays: between(rng, 2*time.Minute, 20*time.Minute)}
		})},
		{name: "a level that wanders by 3 to 100", draw: one(func(rng *rand.Rand, _ int) service {
			swing := uniform(rng, 3, 100)
			return &wander{rng: rng, mean: 3 * swing, swing: swing, returns: between(rng, 5*time.Second, 5*time.Minute)}
		})},
		{name: "workers that leave after 5 to 60 idle seconds", draw: one(func(rng *rand.Rand, _ int) service {
			return &shrinks{workers: newWorkers(rng), mean: uniform(rng, 4, 200), idle: between(rng, 5*time.Second, time.Minute)}
		})},
		{name: "200 stacks of other users' traffic at once", draw: func(rng *rand.Rand, _ int) []service {
			var all []service
			for range 200 {
				all = append(all, &others{rng: rng, mean: uniform(rng, 1, 100), stays: between(rng, time.Second, 2*time.Minute)})
			}
			return all
		}},
		{name: "pools, timeouts, jobs and traffic at once", draw: func(rng *rand.Rand, perRound int) []service {
			var all []service
			for _, k := range healthy()[:mixed] {
				all = append(all, k.draw(rng, perRound)...)
			}
			return all
		}},
		{name: "a pool of 16 to 500, filled over five to eight rounds", draw: one(func(rng *rand.Rand, perRound int) service {
			full := uniform(rng, 16, 500)
			return &pool{workers: newWorkers(rng), full: int(full), oneIn: float64(perRound) / full * uniform(rng, 5, 8)}
		})},
	}
}

// leaking are processes that leak one goroutine in so many requests, alone and
// beside what hides it.
func leaking(oneIn float64) []kind {
	of := func(rng *rand.Rand) *leak { return &leak{rng: rng, oneIn: oneIn} }
	return []kind{
		{name: "alone", leaks: true, draw: one(func(rng *rand.Rand, _ int) service { return of(rng) })},
		{name: "on the stack of a pool of 50", leaks: true, draw: one(func(rng *rand.Rand, perRound int) service {
			return both{of(rng), &pool{workers: newWorkers(rng), full: 50, oneIn: float64(perRound) / 100}}
		})},
		{name: "on a stack with 20 other users", leaks: true, draw: one(func(rng *rand.Rand, _ int) service {
			return both{of(rng), &others{rng: rng, mean: 20, stays: 2 * time.Second}}
		})},
		{name: "on a stack with work of 20 s", leaks: true, draw: one(func(rng *rand.Rand, _ int) service {
			return both{of(rng), &held{rng: rng, oneIn: 100, lasts: 20 * time.Second}}
		})},
		{name: "goroutines with a ticker", leaks: true, draw: one(func(rng *rand.Rand, _ int) service {
			return &ticker{leak: *of(rng)}
		})},
		{name: "four workers at once, on the stack of a pool of 50", leaks: true,
			draw: one(func(rng *rand.Rand, perRound int) service {
				l := of(rng)
				l.each = 4
				return both{l, &pool{workers: newWorkers(rng), full: 50, oneIn: float64(perRound) / 100}}
			})},
	}
}

func stackName(i int) string { return fmt.Sprintf("example.com/shop.(*Worker%d).run", i) }
