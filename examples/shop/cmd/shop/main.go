// Command shop serves the sample shop until it is interrupted.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/leakgate/leakgate/examples/shop"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address of the shop")
	admin := flag.String("admin", "127.0.0.1:6060", "address of pprof and metrics")
	leaks := flag.String("leak", "", "leaks to switch on, separated by commas: "+strings.Join(shop.Leaks(), ", "))
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	cfg := shop.Config{Addr: *addr, Admin: *admin}
	if *leaks != "" {
		cfg.Leaks = strings.Split(*leaks, ",")
	}
	s, err := shop.Start(cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
	fmt.Printf("shop on %s, pprof and metrics on %s\n", s.URL, s.Admin)
	<-ctx.Done()
	s.Close()
}
