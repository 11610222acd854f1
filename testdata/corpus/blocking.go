package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime/pprof"
	"sync"
	"time"
)

// blockingLeaks are goroutines of the service's own that never end, one for
// every way to block.
func blockingLeaks() []service {
	return []service{
		leak("chan-send", "a result is sent to a channel that nobody reads", "sendResult", each(func(*http.Request) { go sendResult(make(chan int)) })),
		leak("chan-receive", "waits for a message that never comes", "awaitMessage", each(func(*http.Request) { go awaitMessage(make(chan int)) })),
		leak("nil-chan-send", "sends to a nil channel", "sendNowhere", each(func(*http.Request) { go sendNowhere(nil) })),
		leak("nil-chan-receive", "receives from a nil channel", "receiveNowhere", each(func(*http.Request) { go receiveNowhere(nil) })),
		leak("range", "ranges over a channel that is never closed", "rangeOver", each(func(*http.Request) { go rangeOver(make(chan int)) })),
		leak("select", "selects on two channels that stay silent", "selectTwo", each(func(*http.Request) { go selectTwo(make(chan int), make(chan int)) })),
		leak("select-empty", "an empty select", "parkForever", each(func(*http.Request) { go parkForever() })),
		leak("mutex", "locks a mutex that is never unlocked", "lockAgain", each(func(*http.Request) {
			var mu sync.Mutex
			mu.Lock()
			go lockAgain(&mu)
		})),
		leak("rwmutex", "read-locks under a writer that never unlocks", "readLock", each(func(*http.Request) {
			var mu sync.RWMutex
			mu.Lock()
			go readLock(&mu)
		})),
		leak("waitgroup", "waits for a group with one Done too few", "awaitGroup", each(func(*http.Request) {
			wg := new(sync.WaitGroup)
			wg.Add(1)
			go awaitGroup(wg)
		})),
		leak("cond", "waits for a signal that was sent before", "awaitSignal", each(func(*http.Request) {
			c := sync.NewCond(new(sync.Mutex))
			c.Signal()
			go awaitSignal(c)
		})),
		leak("sleep-loop", "sleeps in a loop without an end", "pollForever", each(func(*http.Request) { go pollForever() })),
		leak("ticker", "a ticker that is never stopped", "tickForever", each(func(*http.Request) { go tickForever() })),
		leak("timer-loop", "time.After in a loop without an end", "afterForever", each(func(*http.Request) { go afterForever() })),
		leak("context", "a context that is never cancelled", "awaitCancel", each(func(*http.Request) {
			ctx, cancel := context.WithCancel(context.Background())
			_ = cancel
			go awaitCancel(ctx)
		})),
		leak("context-long", "a timeout of an hour", "awaitCancel", each(func(*http.Request) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			_ = cancel
			go awaitCancel(ctx)
		})),
		leak("pipe", "reads a pipe whose writer forgot to close", "readPipe", each(func(*http.Request) {
			r, _ := io.Pipe()
			go readPipe(r)
		})),
		leak("pipeline", "a stage whose consumer left after the first value", "stage", each(func(*http.Request) {
			out := make(chan int)
			go stage(out)
			<-out
		})),
		leak("fan-out", "two goroutines per request, only one is waited for", "racer", each(func(*http.Request) {
			out := make(chan int)
			go racer(out)
			go racer(out)
			<-out
		})),
		leak("generic", "a generic worker whose input is never closed", "main.consume[...]", each(func(*http.Request) { go consume(make(chan string)) })),
		leak("method-value", "a method value started per request", "main.(*session).loop", each(func(*http.Request) {
			run := (&session{quit: make(chan struct{})}).loop
			go run()
		})),
		leak("recursion", "walks a tree of random depth, and waits at its end", "descend", each(func(*http.Request) { go descend(rand.IntN(40)) })),
		leak("global", "a session that stays in a global table", "main.(*session).loop", each(func(*http.Request) {
			s := &session{quit: make(chan struct{})}
			sessions.Store(s, true)
			go s.loop()
		})),
		leak("labelled", "the tenant is in the goroutine's labels", "awaitTenant", each(func(r *http.Request) {
			pprof.Do(r.Context(), pprof.Labels("tenant", fmt.Sprint(rand.IntN(3))), func(context.Context) { go awaitTenant(make(chan int)) })
		})),
		leak("after-panic", "waits for the result of a worker that panicked", "awaitWorker", each(func(*http.Request) {
			out := make(chan int)
			go func() { defer func() { _ = recover() }(); panic("worker") }()
			go awaitWorker(out)
		})),
		leak("semaphore", "waits for a slot that is never given back", "acquire", func() http.HandlerFunc {
			slots := make(chan struct{}, 2)
			return each(func(*http.Request) { go acquire(slots) })()
		}),
		leak("unsubscribed", "a subscriber that nobody unsubscribes", "main.(*hub).subscribe.func1", func() http.HandlerFunc {
			h := &hub{}
			return each(func(*http.Request) { h.subscribe() })()
		}),
		leak("pool-per-request", "a pool of four workers per request, never closed", "main.newWorkers.func1", each(func(*http.Request) { newWorkers(4) })),
	}
}

func sendResult(c chan int)         { c <- 1 }
func awaitMessage(c chan int)       { <-c }
func sendNowhere(c chan int)        { c <- 1 }
func receiveNowhere(c chan int)     { <-c }
func parkForever()                  { select {} }
func lockAgain(mu *sync.Mutex)      { mu.Lock() }
func readLock(mu *sync.RWMutex)     { mu.RLock() }
func awaitGroup(wg *sync.WaitGroup) { wg.Wait() }
func awaitCancel(c context.Context) { <-c.Done() }
func racer(out chan<- int)          { out <- 1 }
func awaitTenant(c chan int)        { <-c }
func awaitWorker(c chan int)        { <-c }
func acquire(slots chan struct{})   { slots <- struct{}{} }

func rangeOver(c chan int) {
	for range c {
	}
}

func selectTwo(a, b chan int) {
	select {
	case <-a:
	case b <- 1:
	}
}

func awaitSignal(c *sync.Cond) {
	c.L.Lock()
	defer c.L.Unlock()
	c.Wait()
}

func pollForever() {
	for {
		time.Sleep(500 * time.Millisecond)
	}
}

func tickForever() {
	for range time.NewTicker(time.Second).C {
	}
}

func afterForever() {
	for {
		<-time.After(2 * time.Second)
	}
}

func readPipe(r io.Reader) { _, _ = bufio.NewReader(r).ReadString('\n') }

func stage(out chan<- int) {
	for i := range 2 {
		out <- i
	}
}

func consume[T any](in <-chan T) {
	for range in {
	}
}

type session struct{ quit chan struct{} }

var sessions sync.Map

func (s *session) loop() { <-s.quit }

func descend(depth int) {
	if depth > 0 {
		descend(depth - 1)
		return
	}
	<-make(chan int)
}

type hub struct {
	mu   sync.Mutex
	subs []chan int
}

func (h *hub) subscribe() {
	c := make(chan int)
	h.mu.Lock()
	h.subs = append(h.subs, c)
	h.mu.Unlock()
	go func() {
		for range c {
		}
	}()
}

func newWorkers(n int) chan<- func() {
	jobs := make(chan func())
	for range n {
		go func() {
			for j := range jobs {
				j()
			}
		}()
	}
	return jobs
}
