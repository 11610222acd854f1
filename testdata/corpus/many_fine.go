package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
)

// steadyPool has as many workers as it will ever have.
type steadyPool struct{ jobs chan func() }

func (p *steadyPool) work() {
	for j := range p.jobs {
		j()
	}
}

func steadyWorkers() http.HandlerFunc {
	p := &steadyPool{jobs: make(chan func())}
	for range 16 {
		go p.work()
	}
	return each(func(*http.Request) { p.jobs <- func() { time.Sleep(time.Millisecond) } })()
}

// keyed works on what has one key.
type keyed struct {
	in   chan int
	seen atomic.Int64
}

func (k *keyed) work() {
	for range k.in {
		k.seen.Add(1)
	}
}

func keyedWorkers() http.HandlerFunc {
	const keys = 12
	var mu sync.Mutex
	workers := map[int]*keyed{}
	return numbered(func(n int, _ *http.Request) {
		mu.Lock()
		k := workers[n%keys]
		if k == nil {
			k = &keyed{in: make(chan int)}
			workers[n%keys] = k
			go k.work()
		}
		mu.Unlock()
		k.in <- n
	})
}

func sweep(every time.Duration) {
	for range time.Tick(every) {
	}
}

func sweepers() http.HandlerFunc {
	var once sync.Once
	return each(func(*http.Request) { once.Do(func() { go sweep(time.Second) }) })()
}

// keptAlive asks another server, over connections that are used again.
func keptAlive() http.HandlerFunc {
	up := startUpstream("http")
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	return each(func(*http.Request) {
		if resp, err := c.Get(up); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
	})()
}

// keptLine is a connection that stays, with a goroutine that reads it.
type keptLine struct {
	conn    net.Conn
	answers chan string
}

func (l *keptLine) listen() {
	for in := bufio.NewScanner(l.conn); in.Scan(); {
		l.answers <- in.Text()
	}
}

func keptLines() http.HandlerFunc {
	const most = 4
	up := startUpstream("lines")
	free := make(chan *keptLine, most)
	for range most {
		c, err := net.Dial("tcp", up)
		if err != nil {
			panic(err)
		}
		l := &keptLine{conn: c, answers: make(chan string, 1)}
		go l.listen()
		free <- l
	}
	return each(func(*http.Request) {
		l := <-free
		fmt.Fprintln(l.conn, "GET a")
		<-l.answers
		free <- l
	})()
}

func closedRows() http.HandlerFunc {
	db := openFake()
	return each(func(r *http.Request) {
		if rows, err := db.QueryContext(r.Context(), "select"); err == nil {
			rows.Close()
		}
	})()
}

func sendBuffered(c chan<- int) { c <- 1 }
func workForOne()               { time.Sleep(time.Second) }
func workForThree()             { time.Sleep(3 * time.Second) }
func workForFive()              { time.Sleep(5 * time.Second) }
func jobOfBurst()               { time.Sleep(time.Second) }

func jobBursts() http.HandlerFunc {
	go func() {
		for range time.Tick(7 * time.Second) {
			for range 30 {
				go jobOfBurst()
			}
		}
	}()
	return each(func(*http.Request) {})()
}

func awaitTimeout() {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	<-ctx.Done()
}

// flightDeck loads once for all who wait.
type flightDeck struct{ flights singleflight.Group }

func (d *flightDeck) load() (any, error) { time.Sleep(50 * time.Millisecond); return "answer", nil }

func flightDecks() http.HandlerFunc {
	d := &flightDeck{}
	return each(func(*http.Request) { <-d.flights.DoChan("key", d.load) })()
}

func fetchPart() error { time.Sleep(400 * time.Millisecond); return nil }

func fetchedParts() http.HandlerFunc {
	return each(func(*http.Request) {
		go func() {
			var g errgroup.Group
			for range 4 {
				g.Go(fetchPart)
			}
			_ = g.Wait()
		}()
	})()
}
