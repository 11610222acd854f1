package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	hpprof "net/http/pprof"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"
)

// Flavours of leaks.
const (
	leakSend    = "send"    // a goroutine that sends to nobody
	leakWriter  = "writer"  // one that writes a profile to a pipe that nobody reads
	leakHandler = "handler" // one that serves a profile to a client that never reads
	leakLabels  = "labels"  // as send, with labels that look like the syntax of a dump
	leakStacks  = "stacks"  // as send, each with a stack of its own
)

// leakers do one leak each.
var leakers = map[string]func(w *work){
	leakSend:    func(*work) { go send(make(chan int)) },
	leakWriter:  func(*work) { go upload() },
	leakHandler: func(w *work) { w.askProfile() },
	leakLabels:  func(*work) { openSession() },
	leakStacks:  func(w *work) { go fork(int(w.leaked.Add(1)), distinctDepth) },
}

// work is what the service does for a request.
type work struct {
	features
	requests, leaked atomic.Int64
	pool             sync.Once
	jobs             chan int
	profiles         *memoryListener
	slots            chan struct{}
}

func newWork(f features) *work {
	w := &work{features: f, jobs: make(chan int), slots: make(chan struct{}, 1)}
	for i := range f.Stacks {
		go fork(i, distinctDepth)
	}
	if f.Leak == leakHandler {
		w.profiles = &memoryListener{conns: make(chan net.Conn)}
		go func() { _ = http.Serve(w.profiles, http.HandlerFunc(hpprof.Index)) }()
	}
	for range f.Sessions {
		go comeAndGo()
	}
	return w
}

func (w *work) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	w.pool.Do(func() {
		for range w.Pool {
			go worker(w.jobs)
		}
	})
	if w.Limit > 0 {
		w.slots <- struct{}{}
		time.Sleep(time.Second / time.Duration(w.Limit))
		<-w.slots
	}
	time.Sleep(w.Slow)
	if n := w.requests.Add(1); w.Leak != "" && n%int64(max(1, w.Every)) == 0 {
		leakers[w.Leak](w)
	}
	if w.Late {
		go late()
	}
	if w.Linger > 0 {
		go linger(w.Linger)
	}
	fmt.Fprintln(rw, "ok")
}

func send(c chan int) { c <- 1 }

func worker(jobs chan int) { <-jobs }

func late() { time.Sleep(time.Duration(rand.IntN(1000)) * time.Millisecond) }

func linger(d time.Duration) { time.Sleep(d) }

// comeAndGo is somebody's session, which is opened and closed for ever.
func comeAndGo() {
	for {
		done := make(chan struct{})
		go func() {
			session(time.Duration(rand.IntN(800)) * time.Millisecond)
			close(done)
		}()
		<-done
		time.Sleep(time.Duration(rand.IntN(800)) * time.Millisecond)
	}
}

func session(d time.Duration) { time.Sleep(d) }

// upload is a continuous profiler whose upload failed: the reader is gone.
func upload() {
	_, pw := io.Pipe()
	_ = pprof.Lookup("goroutine").WriteTo(pw, 1)
}

// askProfile is a client that asks this service for a profile, and never reads it.
func (w *work) askProfile() {
	client, server := net.Pipe()
	w.profiles.conns <- server
	go ask(client)
}

func ask(c net.Conn) {
	_, _ = io.WriteString(c, "GET /debug/pprof/goroutine?debug=2 HTTP/1.1\r\nHost: x\r\n\r\n")
}

// memoryListener is a listener whose connections have no buffer of the system's.
type memoryListener struct{ conns chan net.Conn }

func (l *memoryListener) Accept() (net.Conn, error) { return <-l.conns, nil }

// Close does nothing: the listener lives as long as the process.
func (l *memoryListener) Close() error { return nil }

// Addr is no address that could be dialled.
func (l *memoryListener) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

var hold = make(chan int)

func labelled() { <-hold }

func open() { go labelled() }

// openSession leaves a goroutine with labels that a reader of debug=2 may take for
// something else.
func openSession() {
	labels := pprof.Labels("peer", "[::1]:5432", "state", "running, locked to thread]:")
	pprof.Do(context.Background(), labels, func(context.Context) { open() })
}

// distinctDepth is the depth of a stack of two functions: 2^16 stacks that differ.
const distinctDepth = 16

// fork waits for ever on the stack that the bits of n name.
func fork(n, depth int) {
	switch {
	case depth == 0:
		<-hold
	case n&1 == 0:
		left(n>>1, depth-1)
	default:
		right(n>>1, depth-1)
	}
}

//go:noinline
func left(n, depth int) { fork(n, depth) }

//go:noinline
func right(n, depth int) { fork(n, depth) }
