package loadgen

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTry(t *testing.T) {
	srv := newServer(t, shop, nil)
	v := driver(t, Config{Connections: 4, Requests: []Request{
		{URL: srv.URL + "/ok", Abandon: 1, Weight: 9}, // sent once like the others, and not abandoned
		{Method: "POST", URL: srv.URL + "/order", Body: []byte("sku=1")},
		{URL: srv.URL + "/moved"},
		{URL: srv.URL + "/nowhere"},
		{URL: srv.URL + "/cut"},
	}})
	got := v.Try(t.Context())
	want := []Tried{
		{Code: http.StatusOK, Bytes: 5}, {Code: http.StatusCreated}, {Code: http.StatusFound},
		{Code: http.StatusNotFound, Bytes: 19}, {Error: "unexpected EOF", Bytes: 3},
	}
	if len(got) != len(want) {
		t.Fatalf("Try tried %d, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if i == 2 {
			w.Bytes = g.Bytes // net/http's page about the redirect
		}
		if g.Latency <= 0 {
			t.Errorf("Try(%s) took %v", v.names[i], g.Latency)
		}
		if w.Latency = g.Latency; g != w {
			t.Errorf("Try(%s) = %+v, want %+v", v.names[i], g, w)
		}
	}
	if s := srv.seen(); s.total != len(want) || s.requests["/landing"] != 0 {
		t.Errorf("the server saw %v, want each entry once", s.requests)
	}
	within(t, soon, "the server holds no connection", func() bool { return srv.seen().open == 0 })
}

func TestTryEndsWithContext(t *testing.T) {
	srv := newServer(t, untilGone, nil)
	v := driver(t, Config{Timeout: time.Minute, Requests: []Request{{URL: srv.URL}, {URL: srv.URL}}})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan []Tried, 1)
	go func() { done <- v.Try(ctx) }()
	within(t, soon, "a handler hangs", func() bool { return srv.seen().running == 1 })
	cancel()
	select {
	case got := <-done:
		for _, g := range got {
			if g.Code != 0 || g.Error == "" {
				t.Errorf("Try = %+v after its context ended, want an error", g)
			}
		}
		if !strings.Contains(got[1].Error, errPhaseOver.Error()) {
			t.Errorf("Try = %+v, want the second not to be sent", got[1])
		}
	case <-time.After(soon):
		t.Fatal("Try hangs after its context ended")
	}
}
