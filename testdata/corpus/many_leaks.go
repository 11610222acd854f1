package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"

	"golang.org/x/sync/singleflight"
)

// openBodies forgets the bodies of another server's answers.
func openBodies() http.HandlerFunc {
	up := startUpstream("http")
	return each(func(*http.Request) { _, _ = (&http.Client{Transport: &http.Transport{}}).Get(up) })()
}

// http2Transports makes a transport for each request, and closes no connection.
func http2Transports() http.HandlerFunc {
	up := startUpstream("h2c")
	return each(func(*http.Request) {
		t := &http.Transport{Protocols: new(http.Protocols)}
		t.Protocols.SetUnencryptedHTTP2(true)
		if resp, err := (&http.Client{Transport: t}).Get(up); err == nil {
			resp.Body.Close()
		}
	})()
}

// afterFuncs ask to be told when the service drains, and never stop asking.
func afterFuncs() http.HandlerFunc {
	app := &appContext{drained: make(chan struct{})}
	return each(func(*http.Request) { context.AfterFunc(app, func() {}) })()
}

// wire is a connection with a reader and a writer.
type wire struct {
	conn net.Conn
	out  chan string
	read atomic.Int64
}

func (w *wire) readLoop() {
	for lines := bufio.NewScanner(w.conn); lines.Scan(); {
		w.read.Add(1)
	}
}

func (w *wire) writeLoop() {
	for line := range w.out {
		fmt.Fprintln(w.conn, line)
	}
}

// wires opens a connection per request, and closes none.
func wires() http.HandlerFunc {
	up := startUpstream("lines")
	return each(func(*http.Request) {
		c, err := net.Dial("tcp", up)
		if err != nil {
			return
		}
		w := &wire{conn: c, out: make(chan string)}
		go w.readLoop()
		go w.writeLoop()
		w.out <- "GET a"
	})()
}

// allowance is a rate limiter whose tokens nobody refills.
type allowance struct{ tokens chan struct{} }

func (a *allowance) wait() { <-a.tokens }

func spentAllowance() http.HandlerFunc {
	a := &allowance{tokens: make(chan struct{}, 1)}
	return each(func(*http.Request) { go a.wait() })()
}

// catalogue loads through singleflight.
type catalogue struct {
	flights singleflight.Group
	source  chan string
}

func (c *catalogue) load() (any, error) { return <-c.source, nil }

func stuckCatalogue() http.HandlerFunc {
	c := &catalogue{source: make(chan string)}
	return numbered(func(n int, _ *http.Request) { c.flights.DoChan(fmt.Sprint(n), c.load) })
}

// consumerGenerations starts a generation, and ends none.
func consumerGenerations() http.HandlerFunc {
	return numbered(func(n int, _ *http.Request) { newConsumerSession(n) })
}
