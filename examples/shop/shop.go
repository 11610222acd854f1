// Package shop is a small service to try leakgate on: HTTP handlers, an
// upstream call, a worker pool that grows lazily, a cache with a janitor and a
// server-sent event stream. Each of its leaks is switched on by name; without
// any it is healthy.
package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// The leaks, by the name that switches each one on.
const (
	LeakSend    = "send"    // the slower of two quotes is sent to a channel that nobody reads any more
	LeakContext = "context" // a context that is never cancelled
	LeakBody    = "body"    // a response body that is never closed, with a transport per request
	LeakTicker  = "ticker"  // a goroutine with a ticker that is never stopped
	LeakHangup  = "hangup"  // a result that is sent to nobody, only when the client hangs up
	LeakRare    = "rare"    // an approval that never comes, in 1 of 200 orders
)

// Leaks lists every leak.
func Leaks() []string {
	return []string{LeakSend, LeakContext, LeakBody, LeakTicker, LeakHangup, LeakRare}
}

// Config says where the shop listens and what leaks.
type Config struct {
	Addr  string   // the shop itself; 127.0.0.1:0 if empty
	Admin string   // pprof and metrics; 127.0.0.1:0 if empty
	Leaks []string // names of leaks that are on
}

// Shop is a running service.
type Shop struct {
	URL   string // where customers go
	Admin string // where pprof and metrics are

	leaks    map[string]bool
	cache    *cache
	workers  *pool
	upstream *upstream
	requests atomic.Uint64
	servers  []*http.Server
	stop     context.CancelFunc
}

// Start opens the shop, with its upstream, on loopback.
func Start(cfg Config) (*Shop, error) {
	ctx, stop := context.WithCancel(context.Background())
	s := &Shop{leaks: map[string]bool{}, cache: newCache(), workers: newPool(ctx, 16), stop: stop}
	for _, l := range cfg.Leaks {
		if !slices.Contains(Leaks(), l) {
			stop()
			return nil, fmt.Errorf("no leak %q; there are %s", l, strings.Join(Leaks(), ", "))
		}
		s.leaks[l] = true
	}
	pricing, err := s.serve("127.0.0.1:0", pricing())
	if err != nil {
		stop()
		return nil, err
	}
	s.upstream = newUpstream(pricing)
	if s.URL, err = s.serve(orLoopback(cfg.Addr), s.routes()); err == nil {
		s.Admin, err = s.serve(orLoopback(cfg.Admin), admin())
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func orLoopback(addr string) string {
	if addr == "" {
		return "127.0.0.1:0"
	}
	return addr
}

func (s *Shop) serve(addr string, h http.Handler) (string, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", err
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	s.servers = append(s.servers, srv)
	go func() {
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			panic(err)
		}
	}()
	return "http://" + l.Addr().String(), nil
}

// Close shuts the shop at once. What leaked stays.
func (s *Shop) Close() {
	s.stop()
	if s.upstream != nil {
		s.upstream.close()
	}
	for _, srv := range s.servers {
		srv.Close()
	}
}

func (s *Shop) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /products/{sku}", s.product)
	mux.HandleFunc("GET /price/{sku}", s.price)
	mux.HandleFunc("GET /search", s.search)
	mux.HandleFunc("POST /orders", s.order)
	mux.HandleFunc("GET /events", s.events)
	return mux
}

// admin serves pprof and metrics, apart from the customers.
func admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.Handle("/metrics", promhttp.Handler())
	return mux
}

// product answers from the cache.
func (s *Shop) product(w http.ResponseWriter, r *http.Request) {
	sku := r.PathValue("sku")
	if s.leaks[LeakTicker] {
		go s.refreshPrices(sku)
	}
	if s.leaks[LeakContext] {
		s.watchStock(sku)
	}
	name := s.cache.get(sku, func() string { return "product " + sku })
	writeJSON(w, map[string]string{"sku": sku, "name": name})
}

// price asks two suppliers and takes the first answer.
func (s *Shop) price(w http.ResponseWriter, r *http.Request) {
	sku := r.PathValue("sku")
	quotes := make(chan int, 2)
	if s.leaks[LeakSend] {
		quotes = make(chan int) // nobody waits for the slower one
	}
	for supplier := range 2 {
		go s.quote(sku, supplier, quotes)
	}
	list, err := s.upstream.list(r.Context(), sku, s.leaks[LeakBody])
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	writeJSON(w, map[string]any{"sku": sku, "list": list, "best": <-quotes})
}

// quote is what one supplier asks for.
func (s *Shop) quote(sku string, supplier int, quotes chan<- int) {
	quotes <- len(sku)*100 + supplier
}

// search takes a while, and customers do not always wait for it.
func (s *Shop) search(w http.ResponseWriter, r *http.Request) {
	found := make(chan []string, 1)
	if s.leaks[LeakHangup] {
		found = make(chan []string)
	}
	go s.lookUp(r.URL.Query().Get("q"), found)
	select {
	case hits := <-found:
		writeJSON(w, hits)
	case <-r.Context().Done():
	}
}

func (s *Shop) lookUp(query string, found chan<- []string) {
	time.Sleep(20 * time.Millisecond)
	found <- []string{query + " 1", query + " 2"}
}

// order is handed to a worker. In one of 200 orders, the audit waits for an
// approval that nobody gives.
func (s *Shop) order(w http.ResponseWriter, r *http.Request) {
	if n := s.requests.Add(1); s.leaks[LeakRare] && n%200 == 0 {
		go s.audit(n)
	}
	done := make(chan struct{})
	s.workers.do(func() { close(done) })
	<-done
	w.WriteHeader(http.StatusCreated)
	writeJSON(w, map[string]string{"status": "accepted"})
}

// audit waits for an approval that never comes.
func (s *Shop) audit(order uint64) {
	approved := make(chan uint64)
	<-approved
	_ = order
}

// events streams three changes and ends, or ends when the customer leaves.
func (s *Shop) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(w)
	for n := range 3 {
		fmt.Fprintf(w, "data: {\"change\": %d}\n\n", n)
		if flush.Flush() != nil {
			return
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-r.Context().Done():
			return
		}
	}
}

// watchStock starts a watch whose context nobody cancels.
func (s *Shop) watchStock(sku string) {
	ctx, cancel := context.WithCancel(context.Background())
	_ = cancel // the leak
	go func() {
		<-ctx.Done()
		s.cache.drop(sku)
	}()
}

// refreshPrices ticks for as long as the process lives.
func (s *Shop) refreshPrices(sku string) {
	for range time.Tick(30 * time.Second) {
		s.cache.drop(sku)
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	_ = json.NewEncoder(w).Encode(v) // the customer may have left
}
