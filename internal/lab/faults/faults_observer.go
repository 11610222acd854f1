package main

import (
	"context"
	"io"
	"net/http"
	"time"
)

// scrape asks a service's admin port and throws the answer away.
func scrape(ctx context.Context, s *stage, path string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.replica(0).admin+path, nil)
	if err != nil {
		return
	}
	resp, err := s.probes.Do(req)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
}

// held are clients that hold profile requests open from a moment on, to the end.
func held(m moment, n int) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		if !s.clock.wait(ctx, m) {
			return
		}
		for range n - 1 {
			go scrape(ctx, s, "/debug/pprof/block?seconds=600")
		}
		scrape(ctx, s, "/debug/pprof/block?seconds=600")
	}
}

// scraping is another monitoring system, which asks all the time.
func scraping(every time.Duration) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		for sleep(ctx, every) {
			scrape(ctx, s, "/debug/pprof/goroutine")
			scrape(ctx, s, "/debug/pprof/goroutine?debug=2")
			scrape(ctx, s, "/metrics")
		}
	}
}

// rarely is a plan whose every request costs the service a profile.
func rarely(_ *stage, p *planText) { p.rate = "60/s" }

// observerRows have stacks that look like those of the requests of the gate itself.
func observerRows() []row {
	const kind = "observer"
	leak, fine := []string{fails}, []string{passes}
	pool := features{Pool: plainPool}
	return []row{
		{kind: kind, name: "writers of profiles on a pipe", short: true, variants: each, plan: rarely,
			service: leaking(features{Leak: leakWriter}, pool), leak: leak, healthy: fine},
		{kind: kind, name: "one writer on a pipe per three requests", plan: rarely,
			service: leaking(features{Leak: leakWriter, Every: 3, Pool: plainPool}, pool), leak: leak,
			healthy: fine},
		{kind: kind, name: "profiles served to a reader that never reads", variants: each, plan: rarely,
			service: leaking(features{Leak: leakHandler}, pool), leak: leak, healthy: fine},
		{kind: kind, name: "three profiles held by others from the start", variants: each, act: held(preflight, 3),
			leak: leak, healthy: fine},
		{kind: kind, name: "three profiles held by others from round 1 on", short: true, variants: each,
			act: held(round1, 3), leak: leak, healthy: fine},
		{kind: kind, name: "forty profiles held by others from round 1 on", variants: ends, act: held(round1, 40),
			leak: leak, healthy: []string{passes, unclear},
			why: "they came once and stayed, as a pool does; that they do so in a round may take a look to tell"},
		{kind: kind, name: "another scraper, ten times a second", variants: each,
			act: scraping(100 * time.Millisecond), leak: leak, healthy: fine},
		{kind: kind, name: "writers on a pipe, and another scraper", plan: rarely,
			act: scraping(100 * time.Millisecond), service: leaking(features{Leak: leakWriter}, pool), leak: leak,
			healthy: fine},
	}
}
