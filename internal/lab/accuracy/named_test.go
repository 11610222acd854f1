package main

import (
	"strings"
	"testing"

	"github.com/leakgate/leakgate/verdict"
)

const asked = "GET http://127.0.0.1:1/leak-body"

// leaking is an endpoint whose connections leak, two goroutines each.
var leaking = endpoint{
	Path: "/leak-body", Leaks: true, OneIn: 1,
	Blame: "net/http.(*persistConn).readLoop", Others: []string{"net/http.(*persistConn).writeLoop"},
}

// finding is of a function, and blames requests with an answer.
func finding(function string, answer verdict.Answer, requests ...string) verdict.Finding {
	f := verdict.Finding{Function: function, Class: verdict.Confirmed}
	if answer != "" {
		f.Requests = []verdict.Blamed{
			{Requests: []string{"GET http://127.0.0.1:1/other"}, Answer: verdict.LeaksNot},
			{Requests: requests, Answer: answer},
		}
	}
	return f
}

// member adds another stack of the same cause to a finding.
func member(f verdict.Finding, function string) verdict.Finding {
	f.Members = []verdict.Member{{Function: function}}
	return f
}

// An endpoint that leaks is named by the right function with the right request, and by
// nothing less; one that does not is named by either.
func TestNameOf(t *testing.T) {
	healthy := endpoint{Path: "/fine-pool", Blame: "main.(*pool).work"}
	plain := endpoint{Path: "/fine-plain"}
	read, write := leaking.Blame, leaking.Others[0]
	const other = "GET http://127.0.0.1:1/b"
	one := func(f verdict.Finding) []verdict.Finding { return []verdict.Finding{f} }
	for _, c := range []struct {
		name     string
		endpoint endpoint
		findings []verdict.Finding
		right    bool
		why      string
	}{
		{"function and request", leaking, one(finding(read, verdict.Leaks, asked)), true, ""},
		{"as a member", leaking, one(member(finding(write, verdict.Leaks, asked), read)), true, ""},
		{"beside another with the same function", leaking,
			[]verdict.Finding{finding(read, verdict.Leaks, other), finding(read, verdict.Leaks, asked)}, true, ""},
		{"no finding", leaking, nil, false, "in no finding"},
		{"another function", leaking, one(finding("main.x", verdict.Leaks, asked)), false, "in no finding"},
		{"its other goroutine alone", leaking, one(finding(write, verdict.Leaks, asked)), false, "only " + write},
		{"another request", leaking, one(finding(read, verdict.Leaks, other)), false, "blames " + other},
		{"a group of requests", leaking, one(finding(read, verdict.Leaks, asked, other)), false, "blames 2 requests"},
		{"an unclear request", leaking, one(finding(read, verdict.LeaksMaybe, asked)), false, "no request is blamed"},
		{"no trials", leaking, one(finding(read, "")), false, "no request was tried"},
		{"healthy, and not named", healthy, one(finding(read, verdict.Leaks, asked)), true, ""},
		{"healthy, its function in a finding", healthy, one(finding(healthy.Blame, "")), false, "its function"},
		{"healthy, its function in a member", healthy, one(member(finding(read, ""), healthy.Blame)), false, "its function"},
		{"healthy without a function, not blamed", plain, one(finding(read, verdict.Leaks, asked)), true, ""},
		{"healthy without a function, blamed", plain,
			one(finding(read, verdict.Leaks, "GET http://127.0.0.1:1/fine-plain")), false, "its request"},
	} {
		n := nameOf(c.endpoint, "GET http://127.0.0.1:1"+c.endpoint.Path, verdict.Verdict{Findings: c.findings})
		if n.right() != c.right || !strings.Contains(n.why, c.why) || c.right && n.why != "" {
			t.Errorf("%s: right %v, %q; want %v, %q", c.name, n.right(), n.why, c.right, c.why)
		}
	}
}

// An interval that misses the true rate is counted, and one that nobody gave is not.
func TestIntervals(t *testing.T) {
	e := leaking
	e.Each = 0.25
	said := func(low, high float64) named {
		return named{endpoint: e, function: true, request: true, each: verdict.Blamed{Low: low, High: high}}
	}
	m := manyResult{endpoints: []named{said(0.2, 0.3), said(0.25, 0.25), said(0.26, 0.3), said(0, 0), {endpoint: e}}}
	if hold, of := m.intervals(); hold != 2 || of != 3 {
		t.Errorf("intervals = %d of %d, want 2 of 3", hold, of)
	}
}

func TestBegins(t *testing.T) {
	for _, c := range []struct {
		function, name string
		want           bool
	}{
		{"main.tick", "main.tick", true},
		{"main.tick.func1", "main.tick", true},
		{"main.consume[...]", "main.consume[...]", true},
		{"main.consume[...]", "main.consume", true},
		{"main.ticker", "main.tick", false},
		{"main.tick2", "main.tick", false},
		{"main.tickü", "main.tick", false},
		{"other.tick", "main.tick", false},
		{"main.(*ledger).audit", "main.(*ledger).", true}, // any method
		{"main.(*ledger2).audit", "main.(*ledger).", false},
		{"example.com/grpc/internal/x.run", "example.com/grpc/", true},
		{"example.com/redis/v9.(*channel).run", "example.com/redis/v9", true},
	} {
		if got := begins(c.function, c.name); got != c.want {
			t.Errorf("begins(%s, %s) = %v, want %v", c.function, c.name, got, c.want)
		}
	}
}

// Two leaks may go unnamed, a third may not, and no healthy endpoint may be named.
func TestManyGood(t *testing.T) {
	leak := func(right bool) named { return named{endpoint: leaking, function: true, request: right} }
	of := func(right, wrong int) manyResult {
		var m manyResult
		for range right {
			m.endpoints = append(m.endpoints, leak(true))
		}
		for range wrong {
			m.endpoints = append(m.endpoints, leak(false))
		}
		return m
	}
	blamed := of(3, 0)
	blamed.endpoints = append(blamed.endpoints, named{function: true})
	for _, c := range []struct {
		name string
		m    manyResult
		want bool
	}{
		{"all", of(40, 0), true},
		{"two unnamed", of(38, 2), true},
		{"three unnamed", of(37, 3), false},
		{"a healthy one named", blamed, false},
	} {
		if c.m.good() != c.want {
			t.Errorf("good(%s) = %v, want %v", c.name, !c.want, c.want)
		}
	}
}
