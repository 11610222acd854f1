package probe

import (
	"context"
	"net/url"
	"time"
)

// Fetch reads the profile at an address, within the limits of a Target.
func Fetch(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	t, err := New(Config{Name: u.Host, Pprof: address})
	if err != nil {
		return nil, err
	}
	t.order.Lock()
	defer t.order.Unlock()
	return t.get(ctx, u, t.cfg.Memory.Lease())
}

// quickly is the timeout of a search for pprof or metrics.
const quickly = 2 * time.Second

// ServesPprof reports whether net/http/pprof answers at an address, which is reached by a
// way; nil: by itself.
func ServesPprof(ctx context.Context, address string, way Way) bool {
	t, err := New(Config{Name: address, Pprof: address, Timeout: quickly, Way: way})
	if err != nil {
		return false
	}
	_, err = t.Total(ctx)
	return err == nil
}

// ServesMetrics reports whether a page at an address counts goroutines.
func ServesMetrics(ctx context.Context, address string, way Way) bool {
	t, err := New(Config{Name: address, Metrics: address, Timeout: quickly, Way: way})
	if err != nil {
		return false
	}
	_, err = t.scrape(ctx)
	return err == nil
}
