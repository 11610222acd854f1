package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// streams are services whose clients stay: they are not asked, but held. Each has
// a twin that is healthy.
func streams() []service {
	return []service{
		{Name: "ws-cut-leaks", About: "a pump per WebSocket that only a goodbye ends", Leaks: true, Blame: "main.pump", start: webSocket(func(ctx context.Context, err error, stop func()) {
			if websocket.CloseStatus(err) != -1 { // a client that is gone says none
				stop()
			}
		})},
		{Name: "ws-cut-fine", About: "the twin of ws-cut-leaks, which ends the pump however the connection ends", start: webSocket(func(_ context.Context, _ error, stop func()) { stop() })},
		{Name: "ws-messages-leak", About: "a goroutine per message that lives as long as its connection", Leaks: true, Blame: "main.followUp", start: webSocketMessages(time.Hour)},
		{Name: "ws-messages-fine", About: "the twin of ws-messages-leak, whose goroutines end after a moment", start: webSocketMessages(100 * time.Millisecond)},
		{Name: "sse-cut-leaks", About: "a producer per stream that goes on when its client hangs up", Leaks: true, Blame: "main.produceEvents", start: events(false)},
		{Name: "sse-cut-fine", About: "the twin of sse-cut-leaks, which notices", start: events(true)},
		{Name: "poll-leaks", About: "a waiter per long poll that outlives it", Leaks: true, Blame: "main.waitForNews", start: longPoll(false)},
		{Name: "poll-fine", About: "the twin of poll-leaks", start: longPoll(true)},
	}
}

// webSocket has a pump beside every connection; over is told how it ended.
func webSocket(over func(ctx context.Context, err error, stop func())) func() http.HandlerFunc {
	return func() http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			quit := make(chan struct{})
			var once sync.Once
			go pump(quit)
			for err == nil {
				_, _, err = c.Read(context.Background())
			}
			over(r.Context(), err, func() { once.Do(func() { close(quit) }) })
		}
	}
}

// pump would send what others say.
func pump(quit chan struct{}) {
	<-quit
}

// webSocketMessages starts a goroutine for every message, which ends with its
// connection, or after a while.
func webSocketMessages(after time.Duration) func() http.HandlerFunc {
	return func() http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.CloseNow()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for {
				if _, _, err := c.Read(context.Background()); err != nil {
					return
				}
				go followUp(ctx, after)
			}
		}
	}
}

func followUp(ctx context.Context, after time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(after):
	}
}

// events has a producer for every stream; with notice, it ends with the client.
func events(notice bool) func() http.HandlerFunc {
	return func() http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			lines, quit := make(chan string), make(chan struct{})
			if notice {
				defer close(quit)
			}
			go produceEvents(lines, quit)
			for {
				select {
				case l := <-lines:
					fmt.Fprintf(w, "data: %s\n\n", l)
					if err := http.NewResponseController(w).Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
						return
					}
				case <-r.Context().Done():
					return
				}
			}
		}
	}
}

func produceEvents(lines chan<- string, quit <-chan struct{}) {
	for i := 0; ; i++ {
		select {
		case lines <- fmt.Sprint(i):
		case <-quit:
			return
		}
		select {
		case <-time.After(time.Second):
		case <-quit:
			return
		}
	}
}

// longPoll answers when there is news, or says that there is none after a while.
func longPoll(closes bool) func() http.HandlerFunc {
	return func() http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			news, quit := make(chan string), make(chan struct{})
			if closes {
				defer close(quit)
			}
			go waitForNews(news, quit)
			select {
			case n := <-news:
				fmt.Fprintln(w, n)
			case <-time.After(500 * time.Millisecond):
				w.WriteHeader(http.StatusNoContent)
			case <-r.Context().Done():
			}
		}
	}
}

func waitForNews(news chan<- string, quit <-chan struct{}) {
	<-quit
	close(news)
}
