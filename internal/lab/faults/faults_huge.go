package main

import (
	"strings"
	"time"
)

// manyStacks is the number of stacks at which what is quadratic takes minutes.
const manyStacks = 20_000

// hugePatience is the longest time of a run with huge answers.
const hugePatience = 4 * time.Minute

// patiently is a plan that waits for huge answers: that they take long is not the fault.
func patiently(_ *stage, p *planText) { p.timeout = 30 * time.Second }

// hugeRows answer more than a gate may hold. It is refused by name, or read in bounds.
func hugeRows() []row {
	big := []string{tooLarge}
	leak, fine := []string{tooLarge, fails}, []string{tooLarge, passes}
	zeros := func() serve { b := bomb(300 * mib); return body(func([]byte) []byte { return b }) }
	samples := func() serve { b := hostileProfile(40 * mib); return body(func([]byte) []byte { return b }) }
	metrics := func() serve {
		var long []byte
		return only(change(func(_ *query, a *answer) {
			if long == nil {
				long = longPage(50*mib, nil)
			}
			a.body = append(long[:len(long):len(long)], a.body...)
		}), askMetrics)
	}
	distinct := features{Stacks: manyStacks, Pool: plainPool}
	many := []string{tooLarge, stopped, contra, stale} // they are read in bounds, and are more goroutines than may be
	rows := []row{
		{name: "40 MiB of samples", variants: ends, serve: samples, leak: many, healthy: many},
		{name: "40 MiB of samples from round 2 on",
			serve: func() serve { return from(round2, samples()) }, leak: many, healthy: many},
		{name: "gzip bomb", variants: ends, serve: zeros, leak: big, healthy: big},
		{name: "gzip bomb in the heap profile", variants: heapOnly, leak: leak, healthy: fine,
			serve: func() serve {
				b := bomb(300 * mib)
				return only(change(func(_ *query, a *answer) { a.body = b }), askHeap)
			}},
		{name: "50 MiB of metrics", serve: metrics, leak: leak, healthy: fine},
		{name: "a function name of 1 MiB",
			serve: steady(profiles(edited(renamed(strings.Repeat("x", mib))))), leak: leak, healthy: fine},
		{name: "20,000 distinct stacks", leak: []string{fails}, healthy: []string{passes},
			service: leaking(features{Stacks: manyStacks, Leak: leakSend, Pool: plainPool}, distinct)},
		{name: "a stack of its own for each that leaks", variants: ends,
			service: leaking(features{Leak: leakStacks, Pool: plainPool}, features{Pool: plainPool}),
			leak:    []string{fails}, healthy: []string{passes}},
	}
	for i := range rows {
		rows[i].kind, rows[i].plan, rows[i].patient = "huge", patiently, hugePatience
	}
	return rows
}
