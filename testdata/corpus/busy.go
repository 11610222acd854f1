package main

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// busy are services that other people use all the time: they never come to rest.
// What leaks waits on the same line as what only takes its time, so that its stack is
// never still.
func busy() []service {
	return []service{
		leak("busy", "one goroutine in forty requests, on the stack of other users' work that never ends", "serveOther", func() http.HandlerFunc {
			others()
			var n atomic.Uint64
			return each(func(*http.Request) {
				if n.Add(1)%40 == 0 {
					go serveOther(time.Hour)
				}
			})()
		}),
		healthy("busy", "the twin of busy: other users' work that never ends", func() http.HandlerFunc {
			others()
			return each(func(*http.Request) {})()
		}),
	}
}

// others come 40 a second, at random, and stay for a second and a half in the mean.
func others() {
	go func() {
		for {
			time.Sleep(time.Duration(rand.ExpFloat64() * float64(time.Second) / 40))
			go serveOther(time.Duration(rand.ExpFloat64() * float64(1500*time.Millisecond)))
		}
	}()
}

func serveOther(stays time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), stays)
	defer cancel()
	<-ctx.Done()
}
