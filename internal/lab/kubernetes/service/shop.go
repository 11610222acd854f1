package main

import (
	"fmt"
	"net/http"
	"os"
	"sync"
)

// shop is what answers the load.
type shop struct {
	leaks bool

	mu   sync.Mutex
	held [][]byte // what /grow holds
}

// routes are what can be asked for: two requests that a customer makes, and what a test
// does to a replica.
func (s *shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /price", s.price)
	mux.HandleFunc("GET /cart", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "cart: empty") })
	mux.HandleFunc("POST /grow", s.grow)
	mux.HandleFunc("POST /exit", func(http.ResponseWriter, *http.Request) { os.Exit(exitCode) })
	return mux
}

// exitCode is what a container ends with that is told to.
const exitCode = 7

// price asks a supplier, and does not wait for its answer. In a replica that leaks, the
// answer finds nobody.
func (s *shop) price(w http.ResponseWriter, _ *http.Request) {
	room := 1
	if s.leaks {
		room = 0
	}
	answer := make(chan int, room)
	go s.askSupplier(answer)
	fmt.Fprintln(w, "price: ask again later")
}

func (s *shop) askSupplier(answer chan<- int) { answer <- priceOfMug }

const priceOfMug = 12

// chunk is a step of /grow: small beside any memory limit.
const chunk = 4 << 20

// grow takes memory until the container is killed for it.
func (s *shop) grow(http.ResponseWriter, *http.Request) {
	for {
		b := make([]byte, chunk)
		for i := 0; i < len(b); i += 512 { // a page that nobody has written to takes no memory
			b[i] = 1
		}
		s.mu.Lock()
		s.held = append(s.held, b)
		s.mu.Unlock()
	}
}
