package main

import (
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/patrickmn/go-cache"
)

// lazyPool starts a worker when a job finds none idle, up to a limit.
type lazyPool struct {
	jobs  chan func()
	limit int
	mu    sync.Mutex
	n     int
}

func newLazyPool(limit int) *lazyPool { return &lazyPool{jobs: make(chan func()), limit: limit} }

func (p *lazyPool) do(job func()) {
	select {
	case p.jobs <- job:
		return
	default:
	}
	p.mu.Lock()
	if p.n < p.limit {
		p.n++
		go p.work()
	}
	p.mu.Unlock()
	p.jobs <- job
}

func (p *lazyPool) work() {
	for j := range p.jobs {
		j()
	}
}

// pools are healthy: they grow, and stay, or go both ways.
func pools() []service {
	return []service{
		healthy("plain", "nothing but handlers", each(func(*http.Request) {})),
		healthy("pool-fixed", "200 workers from the start", func() http.HandlerFunc {
			jobs := newWorkers(200)
			return each(func(*http.Request) { jobs <- func() {} })()
		}),
		healthy("pool-lazy", "grows with the first load", func() http.HandlerFunc {
			p := newLazyPool(64)
			return each(func(*http.Request) { p.do(func() { time.Sleep(2 * time.Millisecond) }) })()
		}),
		healthy("pool-slow-fill", "one more worker every 40 requests, up to 40", func() http.HandlerFunc {
			p := newLazyPool(1)
			var n atomic.Int64
			return each(func(*http.Request) {
				p.do(func() {})
				if c := n.Add(1); c%40 == 0 && c <= 1600 {
					go p.work()
				}
			})()
		}),
		healthy("worker-per-key", "one worker for each of 300 keys, on first use", func() http.HandlerFunc {
			var mu sync.Mutex
			keys := map[int]chan int{}
			return each(func(*http.Request) {
				mu.Lock()
				defer mu.Unlock()
				k := rand.IntN(300)
				if keys[k] == nil {
					keys[k] = make(chan int, 1)
					go rangeOver(keys[k])
				}
			})()
		}),
		healthy("pool-shrinks", "workers that leave after ten idle seconds", func() http.HandlerFunc {
			jobs := make(chan func())
			return each(func(*http.Request) {
				select {
				case jobs <- func() { time.Sleep(3 * time.Millisecond) }:
				default:
					go idleWorker(jobs, 10*time.Second)
				}
			})()
		}),
		healthy("janitor", "a cleaner that starts on first use", func() http.HandlerFunc {
			var once sync.Once
			return each(func(*http.Request) { once.Do(func() { go tickForever() }) })()
		}),
		healthy("cache-dropped", "a cache per request whose janitor ends by finalizer", each(func(*http.Request) { cache.New(time.Minute, time.Hour).SetDefault("a", 1) })),
		healthy("finalizer", "objects whose goroutine ends by finalizer", each(func(*http.Request) { newFinalized() })),
		healthy("buffered", "the twin of chan-send, with room for the result", each(func(*http.Request) { go sendResult(make(chan int, 1)) })),
		healthy("hangup", "the twin of hangup, with room for the result", func() http.HandlerFunc { return search(1) }).abandoning(0.1),
		healthy("ticker-stopped", "a ticker that ends after a second", each(func(*http.Request) { go tickFor(time.Second) })),
		healthy("singleflight", "callers who wait for one answer", func() http.HandlerFunc {
			var mu sync.Mutex
			return each(func(*http.Request) {
				mu.Lock()
				defer mu.Unlock()
				time.Sleep(time.Millisecond)
			})()
		}),
		healthy("batches", "a flusher per batch of twenty, one second each", func() http.HandlerFunc {
			var n atomic.Int64
			return each(func(*http.Request) {
				if n.Add(1)%20 == 0 {
					go time.Sleep(time.Second)
				}
			})()
		}),
		healthy("bursts", "a job of forty goroutines for a second, every seven", func() http.HandlerFunc {
			go func() {
				for range time.Tick(7 * time.Second) {
					for range 40 {
						go time.Sleep(time.Second)
					}
				}
			}()
			return each(func(*http.Request) {})()
		}),
		healthy("cron", "a job of 25 goroutines for four seconds, every eleven", func() http.HandlerFunc {
			go func() {
				for range time.Tick(11 * time.Second) {
					for range 25 {
						go time.Sleep(4 * time.Second)
					}
				}
			}()
			return each(func(*http.Request) {})()
		}),
		healthy("other-users", "requests of others all the time, up to 80 ms each", func() http.HandlerFunc {
			otherUsers(80 * time.Millisecond)
			return each(func(*http.Request) {})()
		}),
		healthy("other-users-long", "work of others all the time, up to six seconds each", func() http.HandlerFunc {
			go func() {
				for {
					time.Sleep(time.Duration(rand.Int64N(int64(300 * time.Millisecond))))
					go time.Sleep(time.Duration(rand.Int64N(int64(6 * time.Second))))
				}
			}()
			return each(func(*http.Request) {})()
		}),
		healthy("wanders", "a crowd that slowly comes and goes", func() http.HandlerFunc {
			go func() {
				for {
					n := 20 + rand.IntN(60)
					for range n {
						go time.Sleep(time.Duration(5+rand.IntN(10)) * time.Second)
					}
					time.Sleep(time.Duration(3+rand.IntN(9)) * time.Second)
				}
			}()
			return each(func(*http.Request) {})()
		}).slow(), // it hardly ever comes to rest
	}
}

func (s service) abandoning(share float64) service { s.Abandon = share; return s }

func (s service) unclear() service { s.Unclear = true; return s }

func (s service) slow() service { s.Slow = true; return s }

func idleWorker(jobs <-chan func(), patience time.Duration) {
	for {
		select {
		case j := <-jobs:
			j()
		case <-time.After(patience):
			return
		}
	}
}

func tickFor(d time.Duration) {
	t := time.NewTicker(d / 10)
	defer t.Stop()
	for range 10 {
		<-t.C
	}
}

// finalized ends its goroutine when nobody refers to it any more.
type finalized struct{ quit chan struct{} }

func newFinalized() *finalized {
	f := &finalized{quit: make(chan struct{})}
	go awaitQuit(f.quit)
	runtime.SetFinalizer(f, func(f *finalized) { close(f.quit) })
	return f
}

func awaitQuit(quit <-chan struct{}) { <-quit }

// otherUsers sends requests to a server of this process, without end.
func otherUsers(most time.Duration) {
	up := upstreamServer(func(w http.ResponseWriter, r *http.Request) { time.Sleep(time.Duration(rand.Int64N(int64(most)))) })
	for range 8 {
		go func() {
			for {
				if resp, err := http.Get(up); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				time.Sleep(time.Duration(rand.Int64N(int64(most))))
			}
		}()
	}
}
