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
	raw, _, err := t.get(ctx, u, "")
	return raw, err
}

// quickly is how long a look for pprof or metrics may take.
const quickly = 2 * time.Second

// ServesPprof tells whether net/http/pprof answers at an address.
func ServesPprof(ctx context.Context, address string) bool {
	t, err := New(Config{Name: address, Pprof: address, Timeout: quickly})
	if err != nil {
		return false
	}
	_, _, err = t.Goroutines(ctx)
	return err == nil
}

// ServesMetrics tells whether a page at an address counts goroutines.
func ServesMetrics(ctx context.Context, address string) bool {
	t, err := New(Config{Name: address, Metrics: address, Timeout: quickly})
	if err != nil {
		return false
	}
	_, err = t.scrape(ctx)
	return err == nil
}
