package main

import (
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"

	"github.com/google/pprof/profile"
)

// balance is a load balancer that picks a replica for each request.
func balance(pick func(q *query) int) func() serve {
	return func() serve {
		return func(w http.ResponseWriter, q *query) { q.get(pick(q)).write(w) }
	}
}

func roundRobin(q *query) int { return q.all % 2 }
func random(*query) int       { return rand.IntN(2) }

// byPort is a balancer by the client's address, as by a hash of the connection.
func byPort(q *query) int {
	_, port, _ := net.SplitHostPort(q.RemoteAddr)
	h := fnv.New32a()
	_, _ = h.Write([]byte(port))
	return int(h.Sum32()>>8) % 2
}

// switched sends everything to the second replica from a moment on.
func switched(m moment) func(q *query) int {
	return func(q *query) int {
		if q.since(m) {
			return 1
		}
		return 0
	}
}

// between sends to the second replica from one moment to another.
func between(a, b moment) func(q *query) int {
	return func(q *query) int {
		if q.since(a) && !q.since(b) {
			return 1
		}
		return 0
	}
}

// withBuild changes a profile's build id from a moment on.
func withBuild(m moment) func() serve {
	return func() serve {
		return profiles(change(func(q *query, a *answer) {
			p, err := profile.ParseData(a.body)
			if err != nil {
				return
			}
			for _, m := range p.Mapping {
				m.BuildID = "0123456789abcdef"
			}
			if q.since(m) {
				for _, m := range p.Mapping {
					m.BuildID = "fedcba9876543210"
				}
			}
			a.body = encode(p)
		}))
	}
}

// unknownIdentity is the plan of one who knows that nothing shows who a target is.
func unknownIdentity(_ *stage, p *planText) { p.target = ", identity: unknown" }

// identityRows answer from more than one process at one address. A leak may be seen for
// what it is; a pass would be of a process that was not loaded, or not looked at.
// identityOutcomes are what a change of identity may come to; want is where it was noticed.
func identityOutcomes() (want, leak []string) {
	want = []string{flips, restarted, unknown, contra, "target-replaced"}
	return want, append([]string{fails}, want...)
}

func fineService(bool) features { return plainLeak(false) }

func identityRows() []row {
	rows := append(replicaRows(), otherProcessRows()...)
	for i := range rows {
		rows[i].kind = "identity"
	}
	return rows
}

// replicaRows are two replicas behind one address.
func replicaRows() []row {
	want, leak := identityOutcomes()
	var out []row
	for _, b := range []struct {
		name string
		pick func(q *query) int
	}{
		{"round robin", roundRobin}, {"random", random}, {"by client port", byPort},
		{"switch in round 1", switched(round1)}, {"switch in settle 1", switched(settle1)},
		{"switch in round 2", switched(round2)},
		{"switch in settle 2", switched(settle2)}, {"switch in the long look", switched(longLook)},
		{"another in settle 1 alone", between(settle1, round2)},
	} {
		r := row{name: "two replicas, " + b.name, variants: each, load: true, serve: balance(b.pick),
			second: fineService, leak: leak, healthy: want, bareLeak: []string{"above-baseline", "undecided"}}
		if strings.HasSuffix(b.name, "long look") {
			r.healthy, r.plan = nil, longer // a healthy one has none
		}
		if b.name == "random" || b.name == "by client port" {
			r.tries = 3
		}
		r.short = b.name == "round robin"
		out = append(out, r)
		if r.short || b.name == "random" {
			r.name, r.second, r.short = r.name+", both leak", plainLeak, false
			out = append(out, r)
		}
	}
	return out
}

// toSecond sends one kind of question to the second process.
func toSecond(ask string) func(q *query) int {
	return func(q *query) int {
		if q.ask == ask {
			return 1
		}
		return 0
	}
}

// dnsSwitch sends new connections to the second process from round 2 on; connections that
// are open stay where they were.
func dnsSwitch(q *query) int {
	if q.since(round2) && (q.ask != askLoad || q.since(settle2)) {
		return 1
	}
	return 0
}

// otherProcessRows are answers of another process than the one that is loaded.
func otherProcessRows() []row {
	want, leak := identityOutcomes()
	busy := features{Pool: 300, Leak: "", Sessions: 0}
	return []row{
		{name: "profiles of another process", load: true, serve: balance(toSecond(askGoroutine)),
			second: fineService, leak: leak, healthy: append(want, passes),
			why: "two healthy processes may look the same"},
		{name: "metrics of another process", serve: balance(toSecond(askMetrics)), second: fineService,
			leak: leak, healthy: append(want, passes)},
		{name: "metrics of a busier process", serve: balance(toSecond(askMetrics)),
			second: leaking(features{Stacks: 300}, features{Stacks: 300}), leak: leak, healthy: want},
		{name: "heap of another process", variants: heapOnly, serve: balance(toSecond(askHeap)),
			second: func(bool) features { return busy }, leak: leak, healthy: append(want, passes)},
		{name: "dns switch", variants: each, load: true, serve: balance(dnsSwitch), second: fineService,
			leak: leak, healthy: want},
		{name: "another build from round 2 on", variants: ends, serve: withBuild(round2),
			leak: leak, healthy: want},
		{name: "another build in the long look", plan: longer, variants: ends,
			serve: withBuild(longLook),
			leak:  leak},
		{name: "identity: unknown", variants: bare, plan: unknownIdentity, leak: []string{fails},
			healthy: []string{passes}, pending: "plan key targets[].identity"},
		{name: "identity: unknown, two replicas leak", variants: bare, load: true,
			serve: balance(random), second: plainLeak, plan: unknownIdentity,
			leak: []string{fails, unclear}, healthy: []string{passes, unclear},
			pending: "plan key targets[].identity"},
	}
}
