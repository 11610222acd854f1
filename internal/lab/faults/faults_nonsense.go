package main

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/pprof/profile"
)

// steady makes a row's serve of a behaviour without a state of its own.
func steady(s serve) func() serve { return func() serve { return s } }

// body edits the bytes of goroutine profiles.
func body(edit func(b []byte) []byte) serve {
	return profiles(change(func(_ *query, a *answer) { a.body = edit(a.body) }))
}

// instead asks the service something else than the gate asked.
func instead(path string) serve {
	return profiles(func(w http.ResponseWriter, q *query) { q.getPath(0, path).write(w) })
}

// page answers with a text, whatever was asked.
func page(status int, kind, text string) serve {
	return func(w http.ResponseWriter, _ *query) {
		w.Header().Set("Content-Type", kind)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(text))
	}
}

func login(w http.ResponseWriter, q *query) {
	page(http.StatusOK, "text/html; charset=utf-8",
		"<!doctype html><html><head><title>Sign in</title></head><body><form><input name=user></form></body></html>")(w,
		q)
}

// broken promises more bytes than it sends.
func broken(promised bool) serve {
	return profiles(func(w http.ResponseWriter, q *query) {
		a := q.get(0)
		half := a.body[:len(a.body)/2]
		if promised {
			w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		}
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write(half)
	})
}

// nonsenseRows answer what no process says of itself. It is refused by name, or what is
// left of the evidence decides.
// nonsenseOutcomes are what nonsense may come to; named is where it was noticed.
func nonsenseOutcomes() (named, leak, fine []string) {
	named = []string{unreach, missing, contra, lost}
	return named, append([]string{fails}, named...), append([]string{passes}, named...)
}

func nonsenseRows() []row {
	rows := slices.Concat(nonsenseMetrics(), nonsenseProfiles(), nonsenseAnswers(), hugeRows())
	for i := range rows {
		rows[i].kind = "nonsense"
	}
	return rows
}

// nonsenseMetrics are pages whose numbers cannot be.
func nonsenseMetrics() []row {
	named, leak, fine := nonsenseOutcomes()
	var out []row
	for _, value := range []string{"NaN", "+Inf", "-8", "9e18", "3.5"} {
		out = append(out, row{name: "go_goroutines " + value, short: value == "NaN",
			serve: steady(metric("go_goroutines", value)), leak: leak, healthy: named})
	}
	return append(out,
		row{name: "go_goroutines NaN from round 2 on",
			serve: steady(from(round2, metric("go_goroutines", "NaN"))), leak: leak, healthy: named},
		row{name: "go_goroutines stays at 20", serve: steady(metric("go_goroutines", "20")),
			leak: leak, healthy: fine},
		row{name: "go_goroutines stays at 5000", serve: steady(metric("go_goroutines", "5000")),
			leak: leak, healthy: named},
		row{name: "start time NaN", serve: steady(metric("process_start_time_seconds", "NaN")),
			leak: leak, healthy: fine},
		row{name: "start time -1", serve: steady(metric("process_start_time_seconds", "-1")),
			leak: leak, healthy: fine},
		row{name: "start time +Inf", serve: steady(metric("process_start_time_seconds", "+Inf")),
			leak: leak, healthy: fine},
		row{name: "allocated bytes NaN", serve: steady(metric("go_memstats_alloc_bytes_total", "NaN")),
			leak: leak, healthy: fine},
		row{name: "resident memory NaN", serve: steady(metric("process_resident_memory_bytes", "NaN")),
			leak: leak, healthy: fine},
		row{name: "no go_goroutines", serve: steady(metric("go_goroutines", "")), leak: named,
			healthy: named},
	)
}

// nonsenseProfiles are profiles that say something else than they should.
func nonsenseProfiles() []row {
	named, leak, fine := nonsenseOutcomes()
	return []row{
		{name: "delta profile", short: true, variants: ends,
			serve: steady(instead("/debug/pprof/goroutine?seconds=1")), leak: named, healthy: named,
			patient: 3 * time.Minute},
		{name: "delta profile from round 2 on",
			serve: steady(from(round2, instead("/debug/pprof/goroutine?seconds=1"))), leak: named, healthy: named,
			patient: 3 * time.Minute},
		{name: "text instead of protobuf", variants: ends,
			serve: steady(instead("/debug/pprof/goroutine?debug=1")), leak: leak, healthy: fine,
			why: "it is as good"},
		{name: "text whose total disagrees", variants: ends, leak: named, healthy: named,
			serve: steady(profiles(func(w http.ResponseWriter, q *query) {
				a := q.getPath(0, "/debug/pprof/goroutine?debug=1")
				a.body = []byte(strings.Replace(string(a.body), "total ", "total 1", 1))
				a.write(w)
			}))},
		{name: "heap under goroutine", variants: ends, serve: steady(instead("/debug/pprof/heap")),
			leak: named, healthy: named},
		{name: "threads under goroutine from round 2 on", variants: ends,
			serve: steady(from(round2, instead("/debug/pprof/threadcreate"))), leak: named, healthy: named},
		{name: "no functions", variants: ends, leak: leak, healthy: fine,
			serve: steady(profiles(edited(func(p *profile.Profile) {
				for _, l := range p.Location {
					l.Line = nil
				}
				p.Function = nil
			})))},
		{name: "empty names", leak: leak, healthy: fine,
			serve: steady(profiles(edited(func(p *profile.Profile) {
				for _, f := range p.Function {
					f.Name, f.SystemName = "", ""
				}
			})))},
		{name: "counts times a thousand from round 2 on", leak: append(slices.Clone(leak), stale),
			healthy: append(slices.Clone(named), stale),
			why:     "metrics contradict it, and did not before",
			serve:   steady(from(round2, profiles(edited(func(p *profile.Profile) { p.Scale(1000) }))))},
		{name: "labels not in the dump, rule by creator", plan: ruleByCreator,
			leak: []string{fails}, healthy: []string{passes},
			service: leaking(features{Leak: leakSend}, features{Leak: leakLabels}),
			why:     "what the next row is compared with"},
		{name: "labels in the dump, rule by creator", variants: ends, service: ignoredOrNot,
			plan: ruleByCreator, leak: []string{fails}, healthy: []string{passes},
			why: "what the rule ignores is no leak; what it does not, is"},
	}
}

// nonsenseAnswers are answers whose bytes are not those of the target.
func nonsenseAnswers() []row {
	named, leak, fine := nonsenseOutcomes()
	return []row{
		{name: "byte order mark",
			serve: steady(body(func(b []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) })), leak: leak,
			healthy: fine},
		{name: "login page", short: true, variants: ends,
			serve: steady(only(login, askGoroutine, askHeap, askMetrics, askIndex)), leak: named, healthy: named},
		{name: "login page from round 2 on", variants: each,
			serve: steady(from(round2, only(login, askGoroutine, askHeap, askMetrics))), leak: named,
			healthy: named},
		{name: "login page for metrics from round 2 on",
			serve: steady(from(round2, only(login, askMetrics))), leak: leak, healthy: named},
		{name: "truncated", variants: ends,
			serve: steady(body(func(b []byte) []byte { return b[:len(b)/2] })), leak: named, healthy: named},
		{name: "truncated from round 2 on",
			serve: steady(from(round2, body(func(b []byte) []byte { return b[:len(b)/2] }))), leak: named,
			healthy: named},
		{name: "breaks off", serve: steady(broken(true)), leak: named, healthy: named},
		{name: "breaks off from round 2 on, chunked", serve: steady(from(round2, broken(false))),
			leak: named, healthy: named},
		{name: "empty", variants: ends, serve: steady(body(func([]byte) []byte { return nil })),
			leak: named, healthy: named},
		{name: "empty from round 2 on", variants: ends,
			serve: steady(from(round2, body(func([]byte) []byte { return nil }))), leak: named, healthy: named},
		{name: "trailing garbage",
			serve: steady(body(func(b []byte) []byte { return append(b, "garbage"...) })), leak: leak,
			healthy: fine},
		{name: "names that speak to terminals", short: true, variants: ends,
			serve: steady(profiles(edited(renamed("\x1b[31m\r\n::error::x<script>|\u202e\x9b")))), leak: leak,
			healthy: fine},
	}
}

// ignoredOrNot leaks what a rule ignores, or something else.
func ignoredOrNot(leak bool) features {
	f := features{Leak: leakLabels, env: []string{"GODEBUG=tracebacklabels=1"}}
	if leak {
		f.Leak = leakSend
	}
	return f
}

func ruleByCreator(_ *stage, p *planText) {
	p.policy = "  ignore: [{created_by: 'main\\.open', reason: sessions are meant to stay}]\n"
}
