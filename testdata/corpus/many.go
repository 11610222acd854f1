package main

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// endpoint is a part of the service that has many: a request, and what it leaves behind.
type endpoint struct {
	Path  string `json:"path"`
	About string `json:"about"`
	Leaks bool   `json:"leaks"`
	// Blame is how the function to blame begins; of a healthy endpoint, its own function
	// that must not be. It is empty where the endpoint has none that is its alone.
	Blame string `json:"blame,omitempty"`
	// Others are the functions of the other goroutines of the same cause.
	Others []string `json:"others,omitempty"`
	// OneIn says that one request in so many leaves something behind.
	OneIn int `json:"one_in"`
	// Each is how many goroutines of the function to blame a request leaves behind, in the
	// mean.
	Each float64 `json:"per_request,omitempty"`

	start func() http.HandlerFunc
}

// many is one service with sixty endpoints: forty leak, each in a way of its own, and
// twenty are healthy.
func many() service {
	s := service{Name: "many", Leaks: true,
		About: "forty leaks of different kinds beside twenty healthy endpoints, in one process"}
	s.Endpoints = append(manyLeaks(), manyHealthy()...)
	s.start = func() http.HandlerFunc {
		mux := http.NewServeMux()
		for _, e := range s.Endpoints {
			mux.HandleFunc(e.Path, oneRequestIn(e.OneIn, e.start()))
		}
		return mux.ServeHTTP
	}
	return s
}

// oneRequestIn hands one request in n on, and answers the others itself.
func oneRequestIn(n int, h http.HandlerFunc) http.HandlerFunc {
	if n <= 1 {
		return h
	}
	var count atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		if count.Add(1)%int64(n) == 0 {
			h(w, r)
			return
		}
		fmt.Fprintln(w, "ok")
	}
}

// as makes an endpoint of a service of the corpus.
func as(name string, oneIn int, others ...string) endpoint {
	for _, s := range all() {
		if s.Name == name {
			e := endpoint{Path: "/" + name, About: s.About, Leaks: s.Leaks, Blame: s.Blame,
				Others: others, OneIn: oneIn, start: s.start}
			return e.leaving(1)
		}
	}
	panic("the corpus has no service " + name)
}

// own makes an endpoint that the corpus has as no service.
func own(name, about, blame string, oneIn int, start func() http.HandlerFunc, others ...string) endpoint {
	s := leak(name, about, blame, start)
	e := endpoint{Path: "/" + s.Name, About: about, Leaks: true, Blame: s.Blame,
		Others: others, OneIn: oneIn, start: start}
	return e.leaving(1)
}

// leaving says how many goroutines of the function to blame stay where a request leaves any.
func (e endpoint) leaving(n float64) endpoint {
	if e.Leaks {
		e.Each = n / float64(e.OneIn)
	}
	return e
}

// sound makes a healthy endpoint, with the function that is its alone.
func sound(name, about, function string, start func() http.HandlerFunc) endpoint {
	if function != "" {
		function = fullName(function)
	}
	return endpoint{Path: "/fine-" + name, About: about, Blame: function, OneIn: 1, start: start}
}

// guarded names the function of a healthy service's goroutines.
func (e endpoint) guarded(function string) endpoint { e.Blame = fullName(function); return e }

// manyLeaks are the endpoints that leak. No two of them blame the same function.
func manyLeaks() []endpoint {
	return []endpoint{
		as("leak-chan-send", 1),
		as("leak-chan-receive", 2),
		as("leak-nil-chan-send", 5),
		as("leak-range", 1),
		as("leak-select", 1),
		as("leak-select-empty", 5),
		as("leak-mutex", 1),
		as("leak-rwmutex", 2),
		as("leak-waitgroup", 1),
		as("leak-cond", 2),
		as("leak-sleep-loop", 1),
		as("leak-ticker", 5),
		as("leak-timer-loop", 2),
		as("leak-context", 1),
		as("leak-pipe", 1),
		as("leak-pipeline", 2),
		as("leak-fan-out", 1),
		as("leak-generic", 1),
		as("leak-method-value", 2),
		as("leak-recursion", 1),
		as("leak-labelled", 1),
		as("leak-semaphore", 1),
		as("leak-unsubscribed", 1),
		as("leak-pool-per-request", 5).leaving(4),
		as("leak-rows-unclosed", 1),
		as("leak-tx-open", 2),
		as("leak-db-per-request", 1),
		as("leak-logger-per-request", 1),
		as("leak-cache-per-request", 2),
		as("leak-errgroup", 1, "golang.org/x/sync/errgroup.(*Group).Wait"),
		as("leak-handler-slog", 1),
		as("leak-evict-afterfunc", 1).leaving(0.25), // it is one request in four that puts
		as("leak-session-actors", 1),
		own("body", "a response body left open, of another server",
			"net/http.(*persistConn).readLoop", 1, openBodies,
			"net/http.(*persistConn).writeLoop"),
		own("http2-transport", "an HTTP/2 transport per request, of another server",
			"net/http.(*http2ClientConn).readLoop", 2, http2Transports),
		own("context-afterfunc", "context.AfterFunc on a Context of the service's own, never stopped",
			"context.(*cancelCtx).propagateCancel", 1, afterFuncs),
		own("wire", "a connection that is never closed, with a reader and a writer",
			"main.(*wire).readLoop", 2, wires, "main.(*wire).writeLoop"),
		own("limiter-wait", "waits for a rate limiter that has nothing left", "main.(*allowance).wait", 1, spentAllowance),
		own("singleflight-load", "loads through singleflight from a source that never answers",
			"main.(*catalogue).load", 2, stuckCatalogue),
		own("consumer-generation", "a generation of a consumer group: claims, heartbeat and committer",
			"main.(*consumerSession).consumeClaim", 5, consumerGenerations,
			"main.(*consumerSession).heartbeatLoop", "main.(*consumerSession).commitLoop").leaving(4),
	}
}

// manyHealthy are the endpoints that leave nothing behind for good.
func manyHealthy() []endpoint {
	return []endpoint{
		sound("plain", "nothing but a handler", "", each(func(*http.Request) {})),
		sound("pool-steady", "sixteen workers from the start", "main.(*steadyPool).work", steadyWorkers),
		as("fine-pool-lazy", 1).guarded("main.(*lazyPool).work"),
		as("fine-pool-shrinks", 1).guarded("idleWorker"),
		sound("worker-per-key", "a worker for each of a dozen keys, on first use", "main.(*keyed).work", keyedWorkers),
		sound("sweeper", "a cleaner that starts on first use", "main.sweep", sweepers),
		as("fine-finalizer", 1).guarded("awaitQuit"),
		sound("keepalive", "another server over one client", "", keptAlive),
		sound("line-pool", "a few connections to another server, kept for good", "main.(*keptLine).listen", keptLines),
		sound("sql-rows", "rows that are closed", "", closedRows),
		sound("buffered", "a result with room for it", "main.sendBuffered",
			each(func(*http.Request) { go sendBuffered(make(chan int, 1)) })),
		sound("work-1s", "one second of work after the answer", "main.workForOne",
			each(func(*http.Request) { go workForOne() })),
		sound("work-3s", "three seconds of work after the answer", "main.workForThree",
			each(func(*http.Request) { go workForThree() })),
		sound("work-5s", "five seconds of work after the answer", "main.workForFive",
			each(func(*http.Request) { go workForFive() })),
		as("fine-ticker-stopped", 1).guarded("tickFor"),
		sound("bursts", "a job of thirty goroutines for a second, every seven", "main.jobOfBurst", jobBursts),
		sound("timeout", "waits for a timeout of three seconds", "main.awaitTimeout",
			each(func(*http.Request) { go awaitTimeout() })),
		sound("flights", "callers who wait for one answer", "main.(*flightDeck).load", flightDecks),
		as("fine-long-poll", 1),
		sound("errgroup", "a group of four that ends within a second", "main.fetchPart", fetchedParts),
	}
}
