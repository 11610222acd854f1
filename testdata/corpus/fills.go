package main

import (
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// fills are pools that are full only after five to eight rounds of the default plan, at
// the corpus's rate of 800 requests a round, and what leaks in just the same numbers.
func fills() []service {
	return []service{
		healthy("pool-fills-200", "one more worker every 20 requests, up to 200: full in the fifth round",
			fillingPool(20, 200)).slow(),
		healthy("pool-fills-100", "one more worker every 50 requests, up to 100: full in the sixth round",
			fillingPool(50, 100)).slow(),
		leak("pool-unbounded", "the twin of pool-fills-200, with workers of a channel that nobody sends to",
			"main.(*fillPool).work", func() http.HandlerFunc {
				p := &fillPool{jobs: make(chan func())}
				return numbered(func(n int, _ *http.Request) {
					if n%20 == 0 {
						go p.work()
					}
				})
			}),
		leak("ticker-1-in-20", "a ticker that is never stopped, in one of twenty requests",
			"tickForever", oncePer(20, func() { go tickForever() })),
		healthy("ticker-1-in-20", "the twin of ticker-1-in-20, which stops after two seconds",
			oncePer(20, func() { go tickFor(2 * time.Second) })),
		leak("pool-reloaded", "a reload every 100 requests makes a pool of four workers, and forgets to close the old one",
			"main.(*fillPool).work", reloadedPool(false)),
		healthy("pool-reloaded", "the twin of pool-reloaded, which closes the old pool", reloadedPool(true)),
		healthy("1-in-10", "the twin of 1-in-10, whose message comes after half a second", oncePer(10, func() {
			c := make(chan int, 1)
			go awaitMessage(c)
			time.AfterFunc(500*time.Millisecond, func() { c <- 1 })
		})),
	}
}

// oncePer does something with one request in n.
func oncePer(n int, f func()) func() http.HandlerFunc {
	return func() http.HandlerFunc {
		return numbered(func(i int, _ *http.Request) {
			if i%n == 0 {
				f()
			}
		})
	}
}

// fillPool has workers that take their jobs from a channel.
type fillPool struct{ jobs chan func() }

func (p *fillPool) work() {
	for j := range p.jobs {
		j()
	}
}

// shortJob is one to twenty milliseconds of work.
func shortJob() { time.Sleep(time.Duration(1+rand.IntN(20)) * time.Millisecond) }

// fillingPool starts with a few workers and has one more every so many requests, up to a
// limit. Each request is a job.
func fillingPool(every, limit int) func() http.HandlerFunc {
	const first = 4
	return func() http.HandlerFunc {
		p := &fillPool{jobs: make(chan func())}
		for range first {
			go p.work()
		}
		var workers atomic.Int64
		workers.Store(first)
		return numbered(func(n int, _ *http.Request) {
			if n%every == 0 && workers.Add(1) <= int64(limit) {
				go p.work()
			}
			p.jobs <- shortJob
		})
	}
}

// reloadedPool works with a pool of which a reload makes a new one: live and forgotten
// workers wait at the same place.
func reloadedPool(closes bool) func() http.HandlerFunc {
	const workers, every = 4, 100
	return func() http.HandlerFunc {
		var mu sync.RWMutex
		pool := func() *fillPool {
			p := &fillPool{jobs: make(chan func())}
			for range workers {
				go p.work()
			}
			return p
		}
		current := pool()
		return numbered(func(n int, _ *http.Request) {
			if n%every == 0 {
				mu.Lock()
				old := current
				current = pool()
				if closes {
					close(old.jobs)
				}
				mu.Unlock()
			}
			mu.RLock()
			defer mu.RUnlock()
			current.jobs <- shortJob
		})
	}
}
