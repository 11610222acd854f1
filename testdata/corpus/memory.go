package main

import (
	"bufio"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// memory are services whose goroutines and heap go different ways: a leak that
// keeps what it captured, one that keeps nothing, a heap that grows by itself, and
// memory that is not the heap's. Each says where it belongs.
func memory() []service {
	return []service{
		leak("retains-4k", "a goroutine per request that keeps a buffer of 4 KiB", "awaitBuffered", each(func(*http.Request) {
			r := bufio.NewReaderSize(strings.NewReader("x"), 4096)
			go awaitBuffered(r)
		})).in("retaining", 4096),
		leak("retains-64k", "a goroutine per request that keeps 64 KiB", "awaitWith", each(func(*http.Request) {
			b := make([]byte, 64<<10)
			b[0] = 1
			go awaitWith(b)
		})).in("retaining", 64<<10),
		leak("retains-nothing", "a goroutine per request that keeps nothing", "awaitNothing", each(func(*http.Request) {
			go awaitNothing()
		})).in("goroutines", 0),
		leak("threads", "a goroutine in forty requests that is stuck in a system call", "readForever", func() http.HandlerFunc {
			var n atomic.Int64
			return each(func(*http.Request) {
				if n.Add(1)%40 == 0 {
					go readForever()
				}
			})()
		}),
		healthy("heap-grows", "a slice that only grows, by 8 KiB a request", func() http.HandlerFunc {
			var mu sync.Mutex
			var all [][]byte
			return each(func(*http.Request) {
				mu.Lock()
				defer mu.Unlock()
				all = append(all, make([]byte, 8<<10))
			})()
		}).in("heap", 0),
		healthy("cache-full", "the twin of heap-grows, which keeps the last two hundred", func() http.HandlerFunc {
			var mu sync.Mutex
			all := make([][]byte, 200)
			n := 0
			return each(func(*http.Request) {
				mu.Lock()
				defer mu.Unlock()
				all[n%len(all)] = make([]byte, 8<<10)
				n++
			})()
		}).in("level", 0),
		healthy("maps-memory", "memory that is mapped, 32 KiB a request, and never given back", each(func(*http.Request) {
			b, err := syscall.Mmap(-1, 0, 32<<10, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
			if err != nil {
				panic(err)
			}
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
		})).in("resident", 0),
		healthy("maps-and-unmaps", "the twin of maps-memory, which gives it back", each(func(*http.Request) {
			b, err := syscall.Mmap(-1, 0, 32<<10, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
			if err != nil {
				panic(err)
			}
			b[0] = 1
			_ = syscall.Munmap(b)
		})).in("level", 0),
	}
}

var never = make(chan struct{})

func awaitBuffered(r *bufio.Reader) {
	<-never
	_, _ = r.ReadByte()
}

func awaitWith(b []byte) {
	<-never
	b[0]++
}

func awaitNothing() { <-never }

// readForever blocks its thread: the runtime knows nothing of this descriptor.
func readForever() {
	var fds [2]int
	if err := syscall.Pipe(fds[:]); err != nil {
		panic(err)
	}
	_, _ = syscall.Read(fds[0], make([]byte, 1))
}
