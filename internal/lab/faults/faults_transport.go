package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// probed is every answer to the gate's own questions.
func probed(then serve) serve {
	return only(then, askGoroutine, askHeap, askMetrics, askIndex, askOther)
}

// once applies a behaviour to the first request from a moment on.
func once(m moment, then serve) serve {
	var done atomic.Bool
	return from(m, func(w http.ResponseWriter, q *query) {
		if q.profile() && done.CompareAndSwap(false, true) {
			then(w, q)
			return
		}
		forward(w, q)
	})
}

// status refuses with a status.
func status(code int) serve {
	return func(w http.ResponseWriter, _ *query) {
		if code == http.StatusFound {
			w.Header().Set("Location", "/login?next=\u001b[31m")
		}
		w.Header().Set("Retry-After", "1")
		http.Error(w, "upstream said:\x1b[31m no\n::error::no", code)
	}
}

// hang never answers.
func hang(_ http.ResponseWriter, q *query) { <-q.Context().Done() }

// onWire lets a function speak to the client's connection itself.
func onWire(speak func(c net.Conn)) serve {
	return func(w http.ResponseWriter, _ *query) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		speak(c)
	}
}

// reset cuts the connection as a crashed process does.
func reset(c net.Conn) {
	if t, ok := c.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
}

// alert is what a server of TLS says to a client that speaks none.
func alert(c net.Conn) { _, _ = c.Write([]byte{0x15, 3, 1, 0, 2, 2, 0x46}) }

// drip sends an answer byte by byte.
func drip(every time.Duration) serve {
	return func(w http.ResponseWriter, q *query) {
		a := q.get(0)
		out := http.NewResponseController(w)
		for _, b := range a.body {
			if _, err := w.Write([]byte{b}); err != nil || out.Flush() != nil || !sleep(q.Context(), every) {
				return
			}
		}
	}
}

// late answers after a while, one time in n.
func lateBy(d time.Duration, n int) serve {
	return func(w http.ResponseWriter, q *query) {
		if q.n%n == 0 && !sleep(q.Context(), d) {
			return
		}
		forward(w, q)
	}
}

// transportRows are what networks, proxies and guards do to the gate's questions. What
// happens once is asked again; what stays is named; none of it is a leak.
// transportOutcomes are what a broken transport may come to; gone is where it was noticed.
func transportOutcomes() (gone, leak, fine []string) {
	return []string{lost, missing, unreach}, []string{fails}, []string{passes}
}

func transportRows() []row {
	rows := slices.Concat(statusRows(), brokenRows(), pathRows())
	for i := range rows {
		rows[i].kind = "transport"
	}
	return rows
}

// statusRows are statuses other than 200.
func statusRows() []row {
	gone, leak, fine := transportOutcomes()
	var out []row
	for _, code := range []int{500, 502, 503, 429, 401, 403, 404, 302} {
		name := fmt.Sprint("status ", code)
		out = append(out,
			row{name: name + " at the start", serve: func() serve { return probed(status(code)) },
				leak: []string{unreach}, healthy: []string{unreach}, short: code == 302},
			row{name: name + " once in settle 1",
				serve: func() serve { return once(settle1, status(code)) }, leak: leak, healthy: fine,
				short: code == 503},
			row{name: name + " from round 2 on", variants: ends,
				serve: func() serve { return from(round2, probed(status(code))) }, leak: gone, healthy: gone},
		)
	}
	return out
}

// brokenRows are connections that break.
func brokenRows() []row {
	gone, leak, fine := transportOutcomes()
	var out []row
	for _, f := range []struct {
		name string
		then serve
	}{
		{"hang", hang}, {"reset", onWire(reset)}, {"alert of TLS", onWire(alert)},
		{"a byte a second", drip(time.Second)},
	} {
		out = append(out,
			row{name: f.name + " at the start", serve: func() serve { return probed(f.then) },
				leak: []string{unreach}, healthy: []string{unreach}},
			row{name: f.name + " once in settle 1",
				serve: func() serve { return once(settle1, f.then) }, leak: leak, healthy: fine},
			row{name: f.name + " from round 2 on", variants: ends,
				serve: func() serve { return from(round2, probed(f.then)) }, leak: gone, healthy: gone},
			row{name: f.name + " in the long look", plan: longer,
				serve: func() serve { return from(longLook, probed(f.then)) }, leak: gone},
		)
	}
	return out
}

// pathRows are whatever else may stand between the gate and a target.
func pathRows() []row {
	gone, leak, fine := transportOutcomes()
	maybeLeak, maybeFine := append(leak, gone...), append(fine, gone...)
	return []row{
		{name: "refused for three seconds in settle 1", variants: ends,
			act: offline(settle1, 3*time.Second), leak: maybeLeak, healthy: maybeFine},
		{name: "refused for three seconds in the long look", plan: longer,
			act:  offline(longLook, 3*time.Second),
			leak: maybeLeak},
		{name: "everything takes a second", variants: ends,
			serve: func() serve { return probed(lateBy(time.Second, 1)) }, leak: leak, healthy: fine,
			patient: 3 * time.Minute},
		{name: "half of the answers come too late", variants: ends,
			serve: func() serve { return probed(lateBy(5*time.Second, 2)) }, leak: maybeLeak, healthy: maybeFine,
			patient: 4 * time.Minute},
		{name: "https where http is served", leak: []string{unreach}, healthy: []string{unreach},
			plan: func(_ *stage, p *planText) {
				p.pprof, p.metrics = strings.Replace(p.pprof, "http:", "https:", 1),
					strings.Replace(p.metrics, "http:", "https:", 1)
			}},
		{name: "one answer in ten is 503", serve: func() serve {
			return probed(func(w http.ResponseWriter, q *query) {
				if q.n%10 == 9 {
					status(http.StatusServiceUnavailable)(w, q)
					return
				}
				forward(w, q)
			})
		}, leak: maybeLeak, healthy: maybeFine},
		{name: "heap forbidden from round 2 on", variants: []variant{{true, true}, {false, true}},
			leak: maybeLeak, healthy: maybeFine,
			serve: func() serve { return from(round2, only(status(http.StatusForbidden), askHeap)) }},
		{name: "metrics gone from round 2 on", leak: maybeLeak, healthy: maybeFine,
			serve: func() serve { return from(round2, only(status(http.StatusNotFound), askMetrics)) }},
	}
}

// offline makes the proxy refuse connections for a while.
func offline(m moment, d time.Duration) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		if s.clock.wait(ctx, m) {
			s.refuse(ctx, d)
		}
	}
}
