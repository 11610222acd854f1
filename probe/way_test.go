package probe

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// madeWay is a way that breaks while it is used, so often, and after an outage is open again,
// or is not.
type madeWay struct {
	mu       sync.Mutex
	breaks   int  // connections that break from now on
	open     bool // again, afterwards
	broken   int
	restored int
}

func (w *madeWay) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && w.breaks > 0 {
		w.breaks--
		w.broken++
		conn.Close() // what is written to it fails
	}
	return conn, err
}

func (w *madeWay) Broken() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.broken
}

func (w *madeWay) Restored(_ context.Context, since int, _ error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.restored++
	return w.broken != since && w.open
}

// What fails because the way broke is asked again; what the target itself does not answer, or
// answers otherwise, is not.
func TestWay(t *testing.T) {
	page := "go_goroutines 7\n"
	for _, c := range []struct {
		name   string
		way    *madeWay
		status int
		fails  bool
		asked  int // requests that reached the target
		why    int // how often it was asked whether the way broke
	}{
		{"whole", &madeWay{open: true}, 200, false, 1, 0},
		{"breaks twice", &madeWay{open: true, breaks: 2}, 200, false, 1, 2},
		{"breaks for good", &madeWay{breaks: 2}, 200, true, 0, 1},
		{"breaks again and again", &madeWay{open: true, breaks: 1000}, 200, true, 0, mostAgain},
		{"whole, and the target has no such page", &madeWay{open: true}, 404, true, 1, 0},
		{"whole, and the target hangs up", &madeWay{open: true}, 0, true, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				if c.status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.WriteHeader(c.status)
				w.Write([]byte(page))
			}))
			defer server.Close()
			target, err := New(Config{Name: "web", Pprof: server.URL, Metrics: server.URL + "/metrics", Way: c.way, Timeout: 5 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
			s, _, err := target.Count(t.Context())
			if (err != nil) != c.fails || err == nil && s.Goroutines != 7 {
				t.Errorf("Count = %d, %v", s.Goroutines, err)
			}
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("the error is a %T", err)
			}
			if int(asked.Load()) != c.asked || c.way.restored != c.why {
				t.Errorf("reached the target %d times, asked for the way %d times; want %d, %d", asked.Load(), c.way.restored, c.asked, c.why)
			}
		})
	}
}
