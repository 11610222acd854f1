package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// conditionalLeaks only leak when something else happens too.
func conditionalLeaks() []service {
	everyNth := func(n uint64, f func()) func() http.HandlerFunc {
		return func() http.HandlerFunc {
			var count atomic.Uint64
			return each(func(*http.Request) {
				if count.Add(1)%n == 0 {
					f()
				}
			})()
		}
	}
	rare := leak("1-in-1000", "one goroutine in a thousand requests", "awaitMessage", everyNth(1000, func() { go awaitMessage(make(chan int)) }))
	rare.Rate, rare.Slow = 8, true
	hangup := leak("hangup", "only when the client hangs up", "lookUp", func() http.HandlerFunc { return search(0) })
	hangup.Abandon = 0.1
	slowClient := leak("hangup-stream", "a stream whose producer outlives its client", "feed", func() http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			lines := make(chan string)
			go feed(lines)
			for range 4 {
				select {
				case l := <-lines:
					fmt.Fprintln(w, l)
					_ = http.NewResponseController(w).Flush()
				case <-r.Context().Done():
					return
				}
			}
		}
	})
	slowClient.Abandon = 0.3
	inGlobal := leak("global-1-in-500", "one session in five hundred stays in a global table", "main.(*globalSession).run", everyNth(500, keepSession))
	inGlobal.Rate = 4
	inGlobal.Slow = true
	crowded := leak("concurrency", "only when four requests meet", "awaitTurn", func() http.HandlerFunc {
		var inFlight atomic.Int64
		var group sync.WaitGroup
		group.Add(1)
		return each(func(*http.Request) {
			if inFlight.Add(1) >= 4 {
				go awaitTurn(&group)
			}
			time.Sleep(30 * time.Millisecond)
			inFlight.Add(-1)
		})()
	})
	crowded.Rate = 5 // five in flight on average
	return []service{
		inGlobal,
		leak("1-in-10", "one goroutine in ten requests", "awaitMessage", everyNth(10, func() { go awaitMessage(make(chan int)) })),
		leak("1-in-100", "one goroutine in a hundred requests", "awaitMessage", everyNth(100, func() { go awaitMessage(make(chan int)) })),
		rare, hangup, slowClient,
		leak("upstream-fails", "only when the upstream answers 500", "report", func() http.HandlerFunc {
			var n atomic.Int64
			up := upstreamServer(func(w http.ResponseWriter, r *http.Request) {
				if n.Add(1)%20 == 0 {
					w.WriteHeader(http.StatusInternalServerError)
				}
			})
			return each(func(*http.Request) {
				resp, err := http.Get(up)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode == http.StatusInternalServerError {
					go report(make(chan error))
				}
			})()
		}),
		crowded,
		leak("under-pool", "a leak of one in twenty on the stack of a pool of 64", "main.(*lazyPool).work", func() http.HandlerFunc {
			p := newLazyPool(64)
			var n atomic.Uint64
			return each(func(*http.Request) {
				p.do(func() { time.Sleep(time.Millisecond) })
				if n.Add(1)%20 == 0 {
					go p.work()
				}
			})()
		}).unclear(),
		leak("under-pool-often", "a leak of one in six on the stack of a pool of 64", "main.(*lazyPool).work", func() http.HandlerFunc {
			p := newLazyPool(64)
			var n atomic.Uint64
			return each(func(*http.Request) {
				p.do(func() { time.Sleep(time.Millisecond) })
				if n.Add(1)%6 == 0 {
					go p.work()
				}
			})()
		}),
		leak("under-traffic", "a leak of one in ten beside other users' traffic", "awaitMessage", func() http.HandlerFunc {
			otherUsers(20 * time.Millisecond)
			var n atomic.Uint64
			return each(func(*http.Request) {
				if n.Add(1)%10 == 0 {
					go awaitMessage(make(chan int))
				}
			})()
		}),
		leak("beside-slow-work", "a leak of one in five beside work of five seconds", "awaitMessage", func() http.HandlerFunc {
			var n atomic.Uint64
			return each(func(*http.Request) {
				go time.Sleep(5 * time.Second)
				if n.Add(1)%5 == 0 {
					go awaitMessage(make(chan int))
				}
			})()
		}),
	}
}

func report(c chan error)         { <-c }
func awaitTurn(g *sync.WaitGroup) { g.Wait() }

// search looks things up for a while; with room for no result, an abandoned
// search never ends.
func search(room int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		found := make(chan string, room)
		go lookUp(found)
		select {
		case f := <-found:
			fmt.Fprintln(w, f)
		case <-r.Context().Done():
		}
	}
}

func lookUp(found chan<- string) {
	time.Sleep(20 * time.Millisecond)
	found <- "hit"
}

func feed(lines chan<- string) {
	for i := range 4 {
		time.Sleep(5 * time.Millisecond)
		lines <- fmt.Sprint(i)
	}
}

// kept is reachable from everywhere: the runtime cannot prove that what waits
// in it will never be woken.
var kept sync.Map

type globalSession struct{ wake chan int }

func (s *globalSession) run() { <-s.wake }

func keepSession() {
	s := &globalSession{wake: make(chan int)}
	kept.Store(s, true)
	go s.run()
}

// planted leaks at random, one goroutine in so many requests: the leak that a
// pass claims would have been caught. 0 leaks none.
func planted(oneIn int) service {
	return leak("planted", "one goroutine in so many requests, at random", "awaitMessage", each(func(*http.Request) {
		if oneIn > 0 && rand.IntN(oneIn) == 0 {
			go awaitMessage(make(chan int))
		}
	}))
}

// once leaks one goroutine in all, with the 2,000th request. Only the runtime can tell.
func once() service {
	return leak("once", "one goroutine in all", "awaitMessage", func() http.HandlerFunc {
		var n atomic.Int64
		return each(func(*http.Request) {
			if n.Add(1) == 2000 {
				go awaitMessage(make(chan int))
			}
		})()
	})
}
