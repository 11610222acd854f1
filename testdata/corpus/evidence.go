package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime/pprof"
	"sync"
)

// evidence is a service whose goroutines wait in every way there is, one for each
// request to a path, and are the same whatever Go has built it. It is not part of the
// corpus: nobody judges it, and what its profiles say is compared.
func evidence() service {
	s := service{Name: "evidence", About: "every wait state, creator and label, the same in every run", Leaks: true}
	for _, name := range []string{
		"chan-send", "chan-receive", "nil-chan-send", "nil-chan-receive", "range", "select", "select-empty", "mutex",
		"rwmutex", "waitgroup", "cond", "sleep-loop", "ticker", "timer-loop", "context",
		"pipe", "pipeline", "generic", "method-value",
		"global", "unsubscribed", "pool-per-request", "errgroup", "handler-slog", "rows-unclosed",
		"tx-open", "db-per-request", "cache-per-request", "threads",
	} {
		s.Endpoints = append(s.Endpoints, as("leak-"+name, 1))
	}
	s.Endpoints = append(s.Endpoints,
		own("write-lock", "locks an RWMutex under a reader that never unlocks", "writeLock", 1, heldByReader),
		own("labels", "labels of every form", "awaitTenant", 1, oddLabels),
		own("label-tenant", "one label", "awaitTurnOf", 1, tenantLabel),
	)
	s.start = func() http.HandlerFunc {
		mux := http.NewServeMux()
		for _, e := range s.Endpoints {
			mux.HandleFunc(e.Path, e.start())
		}
		return mux.ServeHTTP
	}
	return s
}

// oddLabels are what a writer of tracebacks has to quote.
func oddLabels() http.HandlerFunc {
	labels := pprof.Labels("peer", "[::1]:5432", "brace", "}]:", "quote", `a"b`, "comma", "a, b: c", "empty", "",
		"back", `a\b`, "line", "a\nb", "a key", "v", "umlaut", "ü")
	return each(func(r *http.Request) {
		pprof.Do(r.Context(), labels, func(context.Context) { go awaitTenant(make(chan int)) })
	})()
}

func tenantLabel() http.HandlerFunc {
	return numbered(func(n int, r *http.Request) {
		pprof.Do(r.Context(), pprof.Labels("tenant", fmt.Sprint(n)), func(context.Context) { go awaitTurnOf(make(chan int)) })
	})
}

func awaitTurnOf(c chan int) { <-c }

func writeLock(mu *sync.RWMutex) { mu.Lock() }

func heldByReader() http.HandlerFunc {
	return each(func(*http.Request) {
		mu := new(sync.RWMutex)
		mu.RLock()
		go writeLock(mu)
	})()
}
