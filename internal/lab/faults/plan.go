package main

import (
	"fmt"
	"strings"
	"time"
)

// The phases of every run: as short as they may be for the leak to be told from the
// pool, twice per request what the connections hold.
const (
	planRate    = 150 // per second
	connections = 8
	leastRounds = 2
	mostRounds  = 3
	warmupTime  = time.Second
	roundTime   = 2 * time.Second
	confirmTime = 4 * time.Second
	askTime     = 3 * time.Second
)

// planText is a plan whose parts rows change.
type planText struct {
	pprof, metrics, work string // addresses; metrics is empty where there are none
	target               string // further keys of the target, each ", key: value"
	load                 string // lines in place of the requests
	rate                 string
	connections, rounds  int // rounds: at most
	round, confirm       time.Duration
	timeout              time.Duration // of a question to the target
	policy               string        // lines
	more                 string        // lines at the end
	success              string
}

func (p planText) String() string {
	var b strings.Builder
	metrics := ""
	if p.metrics != "" {
		metrics = ", metrics: " + p.metrics
	}
	fmt.Fprintf(&b, "name: faults\ntargets:\n  - {name: service, pprof: %s%s, timeout: %s%s}\n",
		p.pprof, metrics, p.timeout, p.target)
	fmt.Fprintf(&b,
		"load:\n  rate: %s\n  warmup: %s\n  round: %s\n  rounds: {min: %d, max: %d}\n  delivered: 0.5\n", p.rate,
		warmupTime, p.round, leastRounds, p.rounds)
	if p.load == "" {
		fmt.Fprintf(&b, "  connections: %d\n%s  requests: [GET %s]\n", p.connections, p.success, p.work)
	}
	b.WriteString(p.load)
	fmt.Fprintf(&b, "settle: {timeout: 10s, quiet: 500ms, confirm: %s}\n", p.confirm)
	if p.policy != "" {
		b.WriteString("policy:\n" + p.policy)
	}
	b.WriteString("attribute: false\nreport: {dir: run}\n")
	b.WriteString(p.more)
	return b.String()
}

func newPlan(admin, load string, v variant) *planText {
	p := &planText{
		pprof: "http://" + admin + "/debug/pprof", work: "http://" + load + "/work",
		rate: fmt.Sprintf("%d/s", planRate), connections: connections, rounds: mostRounds, round: roundTime,
		confirm: confirmTime, timeout: askTime,
	}
	if v.metrics {
		p.metrics = "http://" + admin + "/metrics"
	}
	return p
}
