package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// slowWork is healthy: it goes on after the answer, and ends.
func slowWork() []service {
	work := func(d time.Duration) func() http.HandlerFunc {
		return each(func(*http.Request) { go time.Sleep(d) })
	}
	oneIn := func(n int64, d time.Duration) func() http.HandlerFunc {
		return func() http.HandlerFunc {
			var c atomic.Int64
			return each(func(*http.Request) {
				if c.Add(1)%n == 0 {
					go time.Sleep(d)
				}
			})()
		}
	}
	return []service{
		healthy("work-1s", "one second of work after every answer", work(time.Second)),
		healthy("work-5s", "five seconds of work after every answer", work(5*time.Second)),
		healthy("work-15s", "fifteen seconds of work after every answer", work(15*time.Second)),
		healthy("work-40s", "forty seconds of work after every answer", work(40*time.Second)).slow(),
		healthy("work-90s", "ninety seconds of work after one answer in ten", oneIn(10, 90*time.Second)).slow(),
		healthy("work-rare", "twenty seconds of work after one answer in fifty", oneIn(50, 20*time.Second)),
		healthy("timeout", "a goroutine per request that waits for a timeout of three seconds", each(func(*http.Request) {
			ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
			go func() {
				defer cancel()
				awaitCancel(ctx)
			}()
		})),
		healthy("retry", "a retry with backoff, one in ten", func() http.HandlerFunc {
			var c atomic.Int64
			return each(func(*http.Request) {
				if c.Add(1)%10 == 0 {
					go func() {
						for d := 100 * time.Millisecond; d < 2*time.Second; d *= 2 {
							time.Sleep(d)
						}
					}()
				}
			})()
		}),
		healthy("long-poll", "answers after 200 ms", each(func(*http.Request) { time.Sleep(200 * time.Millisecond) })),
		healthy("stream", "server-sent events for 300 ms", func() http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				for i := range 3 {
					fmt.Fprintf(w, "data: %d\n\n", i)
					_ = http.NewResponseController(w).Flush()
					time.Sleep(100 * time.Millisecond)
				}
			}
		}),
		healthy("stream-hangup", "the twin of hangup-stream, which notices that its client left", func() http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				lines := make(chan string)
				go feedUntil(r.Context(), lines)
				for l := range lines {
					fmt.Fprintln(w, l)
				}
			}
		}).abandoning(0.3),
		healthy("limiter", "a limiter per client address that expires after ten seconds", func() http.HandlerFunc {
			var mu sync.Mutex
			clients := map[string]bool{}
			return each(func(r *http.Request) {
				mu.Lock()
				defer mu.Unlock()
				if !clients[r.RemoteAddr] {
					clients[r.RemoteAddr] = true
					go func() {
						time.Sleep(10 * time.Second)
						mu.Lock()
						delete(clients, r.RemoteAddr)
						mu.Unlock()
					}()
				}
			})()
		}),
		healthy("sessions", "a session per client port that expires after 25 seconds", func() http.HandlerFunc {
			var clients sync.Map
			return each(func(r *http.Request) {
				_, port, _ := net.SplitHostPort(r.RemoteAddr)
				if _, there := clients.LoadOrStore(port, true); !there {
					go func() { time.Sleep(25 * time.Second); clients.Delete(port) }()
				}
			})()
		}),
	}
}

func feedUntil(ctx context.Context, lines chan<- string) {
	defer close(lines)
	for i := range 4 {
		time.Sleep(5 * time.Millisecond)
		select {
		case lines <- fmt.Sprint(i):
		case <-ctx.Done():
			return
		}
	}
}
