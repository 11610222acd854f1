// Command service is what the lab's pods run: a small shop whose profiles can be reached on
// the pod's loopback only, as they should be. One replica of three leaks, if it is told to.
//
// Its load comes over a Unix socket in a folder that all replicas share with the node, so
// that no load of a test is ever sent over a network, not even the node's own bridge, while
// each replica has a network of its own and all can use the same ports. In a pod on the
// host's network, where the replicas would share them, it is given an address instead.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// options are the command line.
type options struct {
	admin   string // pprof and metrics
	health  string
	addr    string // where requests come in, beside the socket
	sockets string // folder of the replicas' sockets
	pod     string
	leak    string
}

func main() {
	var o options
	flag.StringVar(&o.admin, "admin", "127.0.0.1:6060", "address of pprof and metrics")
	flag.StringVar(&o.health, "health", "", "address of /healthz; none if empty")
	flag.StringVar(&o.addr, "addr", "", "address for requests; none if empty")
	flag.StringVar(&o.sockets, "sockets", "", "folder for a socket POD.sock for requests; none if empty")
	flag.StringVar(&o.pod, "pod", os.Getenv("POD_NAME"), "name of this pod")
	flag.StringVar(&o.leak, "leak", leakNone, "none, one (the replica that first writes its name to the "+
		"file LEAKS in the folder of sockets) or all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := o.serve(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "service:", err)
		os.Exit(1)
	}
}

// serve serves until ctx ends.
func (o options) serve(ctx context.Context) error {
	leaks, err := o.leaks()
	if err != nil {
		return err
	}
	s := &shop{leaks: leaks}
	admin := http.NewServeMux()
	admin.HandleFunc("/debug/pprof/", pprof.Index)
	admin.Handle("/metrics", promhttp.Handler())
	health := http.NewServeMux()
	health.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	socket := ""
	if o.sockets != "" {
		socket = filepath.Join(o.sockets, o.pod+".sock")
		_ = os.Remove(socket) // of the container before this one
	}
	ended := make(chan error)
	for _, l := range []struct {
		network, addr string
		handler       http.Handler
	}{
		{"tcp", o.admin, admin}, {"tcp", o.health, health}, {"tcp", o.addr, s.routes()}, {"unix", socket, s.routes()},
	} {
		if l.addr == "" {
			continue
		}
		listener, err := net.Listen(l.network, l.addr)
		if err != nil {
			return err
		}
		server := &http.Server{Handler: l.handler, ReadHeaderTimeout: 10 * time.Second}
		go func() { ended <- server.Serve(listener) }()
		defer server.Close()
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// What -leak may be.
const (
	leakNone = "none"
	leakOne  = "one"
	leakAll  = "all"
)

// leaksFile holds the name of the replica that leaks, in the folder of sockets.
const leaksFile = "LEAKS"

// leaks reports whether this replica leaks.
func (o options) leaks() (bool, error) {
	switch o.leak {
	case leakNone:
		return false, nil
	case leakAll:
		return true, nil
	case leakOne:
	default:
		return false, fmt.Errorf("-leak: %q is not %s, %s or %s", o.leak, leakNone, leakOne, leakAll)
	}
	name := filepath.Join(o.sockets, leaksFile)
	// Linked into place, so that another replica never reads half a name.
	mine := filepath.Join(o.sockets, o.pod+".leaks")
	if err := os.WriteFile(mine, []byte(o.pod), 0o644); err != nil {
		return false, err
	}
	if err := os.Link(mine, name); err != nil && !errors.Is(err, os.ErrExist) {
		return false, err
	}
	first, err := os.ReadFile(name)
	return string(first) == o.pod, err
}
