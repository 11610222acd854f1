package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/leakgate/leakgate/internal/child"
)

// serviceVariable makes this program a service, of the features that it holds.
const serviceVariable = "LEAKGATE_FAULTS_SERVICE"

// features are what a service does.
type features struct {
	Leak     string        `json:"leak,omitempty"`    // flavour of the leak, "" for none
	Every    int           `json:"every,omitempty"`   // one goroutine is leaked in so many requests; 1 if 0
	Pool     int           `json:"pool,omitempty"`    // workers that come up with the first requests, and stay
	Stacks   int           `json:"stacks,omitempty"`  // goroutines of a stack of their own each, from the start
	Sessions int           `json:"session,omitempty"` // goroutines that come and go by themselves, on average
	Late     bool          `json:"late,omitempty"`    // each request leaves work that ends within a second
	Linger   time.Duration `json:"linger,omitempty"`  // each request leaves work that ends after this
	NoHeap   bool          `json:"no_heap,omitempty"` // no heap profile is served
	Slow     time.Duration `json:"slow,omitempty"`    // each request takes this long
	Limit    int           `json:"limit,omitempty"`   // answers per second at most; the rest waits
	Load     string        `json:"load,omitempty"`    // address to listen on; any port if empty
	Admin    string        `json:"admin,omitempty"`

	env []string // further environment of the process
}

// service is a running service.
type service struct {
	load, admin string // host:port
	stop        func()
	cmd         *exec.Cmd
}

// start runs this program as a service.
func (f features) start(ctx context.Context) (*service, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(append(os.Environ(), serviceVariable+"="+string(text)), f.env...)
	cmd.Stderr = os.Stderr
	line, stop, err := child.Start(cmd)
	if err != nil {
		return nil, err
	}
	words := strings.Fields(line)
	if len(words) != 2 {
		stop()
		return nil, fmt.Errorf("the service said %q instead of its addresses", line)
	}
	return &service{load: words[0], admin: words[1], stop: stop, cmd: cmd}, nil
}

// crash ends the service at once, as a panic would.
func (s *service) crash() {
	_ = s.cmd.Process.Kill() // that it is gone already is as good
	s.stop()
}

// serveService is the service's side: it ends when its input does.
func serveService(text string) error {
	var f features
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return err
	}
	load, err := listen(f.Load)
	if err != nil {
		return err
	}
	admin, err := listen(f.Admin)
	if err != nil {
		return err
	}
	w := newWork(f)
	go func() { _ = http.Serve(load, w) }()
	go func() { _ = http.Serve(admin, adminOf(f)) }()
	fmt.Println(load.Addr(), admin.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// listen waits a moment for a port that the process before has only just left.
func listen(address string) (l net.Listener, err error) {
	if address == "" {
		address = "127.0.0.1:0"
	}
	for range 100 {
		if l, err = net.Listen("tcp", address); err == nil {
			return l, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, err
}

func adminOf(f features) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", func(w http.ResponseWriter, r *http.Request) {
		if f.NoHeap && strings.HasSuffix(r.URL.Path, "/heap") {
			http.NotFound(w, r)
			return
		}
		pprof.Index(w, r)
	})
	return mux
}
