package loadgen

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/leakgate/leakgate/record"
)

// However a load is divided, its requests are due at the same times as those of one
// generator, each once.
func TestShareOfSchedule(t *testing.T) {
	for _, c := range []struct {
		name string
		in   schedule
	}{
		{"constant", schedule{rate: 100, duration: 3 * time.Second}},
		// Fewer requests than generators in a second.
		{"slow", schedule{rate: 0.7, duration: 10 * time.Second}},
		{"ramp", schedule{rate: 93, ramp: 2 * time.Second, duration: 4 * time.Second}},
		// Fewer requests than generators in all.
		{"two requests", schedule{rate: 1, duration: 2 * time.Second}},
	} {
		for _, of := range []int{1, 2, 3, 7} {
			due := map[time.Duration]int{}
			var sum uint64
			for i := range of {
				s := c.in
				s.share = Share{Index: i, Of: of}
				sum += s.expected()
				for n := range s.expected() {
					due[s.due(n)]++
				}
			}
			if want := c.in.expected(); sum != want {
				t.Errorf("%s in %d parts: they expect %d requests together, want %d", c.name, of, sum, want)
			}
			for n := range c.in.expected() {
				if due[c.in.due(n)]--; due[c.in.due(n)] < 0 {
					t.Errorf("%s in %d parts: no part sends request %d", c.name, of, n)
				}
			}
		}
	}
}

func TestShareOfConnections(t *testing.T) {
	for _, c := range []struct{ n, of int }{{256, 8}, {100, 7}, {5, 4}, {3, 4}, {1, 1}} {
		for turn := range 3 {
			sum, least, most := 0, c.n, 0
			for i := range c.of {
				part := Share{Index: i, Of: c.of}.of(c.n, turn)
				sum, least, most = sum+part, min(least, part), max(most, part)
			}
			if sum != c.n || most-least > 1 {
				t.Errorf("%d connections in %d parts: %d in all, from %d to %d each", c.n, c.of, sum, least, most)
			}
		}
	}
	// The one connection of each of several streams goes to different generators.
	if (Share{Index: 0, Of: 4}).of(1, 0) != 1 || (Share{Index: 0, Of: 4}).of(1, 1) != 0 {
		t.Error("the first generator gets the remainder of every stream, want another one for each")
	}
}

func TestShareCheck(t *testing.T) {
	for _, c := range []struct {
		in Share
		ok bool
	}{
		{Share{}, true}, {Share{0, 1}, true}, {Share{7, 8}, true},
		{Share{8, 8}, false}, {Share{-1, 8}, false}, {Share{0, -1}, false}, {Share{1, 0}, false},
	} {
		if err := c.in.check(); (err == nil) != c.ok {
			t.Errorf("%+v.check() = %v, want ok: %t", c.in, err, c.ok)
		}
	}
}

// Several generators send each entry together as often as one would, but for one request
// of each generator.
func TestSharesKeepWeights(t *testing.T) {
	weights := []int{1, 3, 2, 1}
	var requests []Request
	for i, w := range weights {
		requests = append(requests, Request{URL: fmt.Sprintf("http://127.0.0.1:1/%d", i), Weight: w})
	}
	v, err := NewVegeta(Config{Requests: requests, Rate: 100})
	if err != nil {
		t.Fatal(err)
	}
	const of, each = 4, 71
	sent := make([]int, len(weights))
	for i := range of {
		own := make([]int, len(weights))
		for _, n := range sequence(t, v, Phase{Share: Share{Index: i, Of: of}}, each) {
			sent[n]++
			own[n]++
		}
		for n, w := range weights {
			if want := each * w / 7; own[n] < want-1 || own[n] > want+2 {
				t.Errorf("part %d sends entry %d %d times of %d, want about %d", i+1, n, own[n], each, want)
			}
		}
	}
	for n, w := range weights {
		if want := of * each * w / 7; sent[n] < want-2 || sent[n] > want+2 {
			t.Errorf("%d parts send entry %d %d times, want about %d", of, n, sent[n], want)
		}
	}
}

// Each of three generators sends its share of the rate, and counts its latencies by line.
func TestRunShares(t *testing.T) {
	srv := newServer(t, func(http.ResponseWriter, *http.Request) {}, nil)
	v, err := NewVegeta(Config{Requests: []Request{{URL: srv.URL + "/a"}, {URL: srv.URL + "/b", Weight: 2}}, Rate: 300,
		Connections: 7})
	if err != nil {
		t.Fatal(err)
	}
	var sources []Source
	connections := 0
	for i := range 3 {
		phase := Phase{Round: 1, Duration: 200 * time.Millisecond, Share: Share{Index: i, Of: 3}}
		p := RunPart(func(ph Phase) record.Load { return v.Run(t.Context(), ph) }, v.Lines(), phase, "test", time.Now)
		connections += p.Load.Connections
		for n, e := range p.Load.Entries {
			if p.Latencies[n].Count() != e.Sent {
				t.Errorf("part %d has %d latencies of %s, want %d", i+1, p.Latencies[n].Count(), e.Name, e.Sent)
			}
		}
		sources = append(sources, Source{Part: p, Name: fmt.Sprint("pod-", i)})
	}
	got, err := Merge(sources)
	if err != nil {
		t.Fatal(err)
	}
	if got.Asked != 300 || got.Expected != 60 || got.Sent < 55 || got.Sent > 60 || connections != 7 {
		t.Errorf("three parts asked for %v/s, expected %d, sent %d, over %d connections; want 300/s, 60, about 60, 7",
			got.Asked, got.Expected, got.Sent, connections)
	}
	if e := got.Entries; e[1].Sent < 2*e[0].Sent-4 || e[1].Sent > 2*e[0].Sent+4 {
		t.Errorf("three parts sent %d and %d, want twice as many of the second", e[0].Sent, e[1].Sent)
	}
	if got.Entries[0].P50 <= 0 || got.Entries[0].P99 > got.Entries[0].Max {
		t.Errorf("quantiles are %v, %v of at most %v", got.Entries[0].P50, got.Entries[0].P99, got.Entries[0].Max)
	}
}

// sequence is the entries of the first n requests of a phase.
func sequence(t *testing.T, v *Vegeta, phase Phase, n int) (entries []int) {
	t.Helper()
	next := v.targeter(phase)
	for range n {
		var target vegeta.Target
		if err := next(&target); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entryOf(target.URL))
	}
	return entries
}

// A generator that gets no connection says so, instead of sending nothing.
func TestRunWithoutConnection(t *testing.T) {
	v, err := NewVegeta(Config{Requests: []Request{{URL: "http://127.0.0.1:1/"}}, Rate: 10, Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	got := v.Run(t.Context(), Phase{Duration: time.Second, Share: Share{Index: 1, Of: 2}})
	if want := "part 2 of 2 has none of the load's 1 connections"; got.Stopped != want || got.Sent != 0 {
		t.Errorf("Run = %q after %d requests, want %q", got.Stopped, got.Sent, want)
	}
}
