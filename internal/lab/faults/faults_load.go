package main

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// some applies a behaviour to a percentage of the load.
func some(percent int, then serve) serve {
	return only(func(w http.ResponseWriter, q *query) {
		if q.n%100*37%100 < percent { // spread evenly: 37 and 100 have no factor in common
			then(w, q)
			return
		}
		forward(w, q)
	}, askLoad)
}

// executed is a plan whose load is a shell's command.
func executed(command string) func(*stage, *planText) {
	return func(_ *stage, p *planText) {
		p.rounds = execRounds
		p.load = fmt.Sprintf("  exec: {command: [sh, -c, %q]}\n", command)
	}
}

// execRounds is the most rounds of a command's load: without knowing how many requests
// it has in flight, a leak takes four.
const execRounds = 5

// generated is a plan whose load is sent by this program.
func generated(what string) func(*stage, *planText) {
	return func(s *stage, p *planText) {
		self, err := os.Executable()
		if err != nil {
			return // the plan is refused then
		}
		executed(fmt.Sprintf("%s='%s %s' exec '%s'", generatorVariable, p.work, what, self))(s, p)
	}
}

// told is a plan whose command sends load, and then prints a summary that says otherwise.
func told(summary string) func(*stage, *planText) {
	return func(s *stage, p *planText) {
		file := filepath.Join(s.dir, "summary.json")
		if os.WriteFile(file, []byte(summary), 0o644) != nil {
			return // the command fails then
		}
		self, err := os.Executable()
		if err != nil {
			return
		}
		executed(fmt.Sprintf("%s='%s %s' '%s'; cat '%s'", generatorVariable, p.work, saysNothing, self, file))(s, p)
	}
}

// Summaries that say of a run that nothing, or not everything, went well.
const (
	ghzErrors = `{"date":"2026-11-24T13:11:57Z","endReason":"normal","count":300,"total":2000000000,"average":1,
		"slowest":2,"errorDistribution":{"connection refused":300},"statusCodeDistribution":{}}`
	k6Checks = `{"metrics":{"http_reqs":{"count":300},"http_req_failed":{"value":0,"passes":0,"fails":300},
		"iterations":{"count":300},"checks":{"passes":60,"fails":240}}}`
	k6Setup = `{"metrics":{"http_reqs":{"count":1},"http_req_failed":{"value":0,"passes":0,"fails":1},
		"iterations":{"count":300},"grpc_req_duration":{"avg":1},"checks":{"passes":150,"fails":150}}}`
	k6Machine = `{"version":"1.0.0","results":{"passed":true,"metrics":[
		{"name":"http_reqs","type":"counter","values":{"count":300}},
		{"name":"http_req_failed","type":"rate","values":{"rate":0.4,"passes":120,"fails":180}}]}}`
	wrkErrors = "Running 2s test @ http://127.0.0.1:8080/\n  300 requests in 2.00s, 30.00KB read\n" +
		"  Non-2xx or 3xx responses: 300\nRequests/sec: 150.00\n"
	vegetaNone = `{"latencies":{"mean":0,"max":0},"duration":2000000000,"requests":300,"success":0,
		"status_codes":{"0":300},"errors":["connection refused"]}`
)

// counting is a Prometheus server that counts requests in its own way.
func counting(count func(q *query) float64) func() serve {
	return func() serve {
		return only(func(w http.ResponseWriter, q *query) {
			now := float64(q.time.UnixMilli()) / 1000
			_ = q.ParseForm()
			w.Header().Set("Content-Type", "application/json")
			if q.Form.Get("query") == "time()" {
				fmt.Fprintf(w, `{"status":"success","data":{"resultType":"scalar","result":[%f,"%f"]}}`, now, now)
				return
			}
			fmt.Fprintf(w,
				`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[%f,"%v"]}]}}`,
				now, count(q))
		}, askOther)
	}
}

// elsewhere is a plan whose load comes from elsewhere.
func elsewhere(_ *stage, p *planText) {
	p.load = "  none: {requests: sum(http_requests_total)}\n"
	p.more = "prometheus: {url: " + p.pprof[:len(p.pprof)-len("/debug/pprof")] + "}\n"
}

// others send load to the service all the time.
func others(ctx context.Context, s *stage) {
	for ctx.Err() == nil {
		sendFor(time.Second, planRate, "http://"+s.replica(0).load+"/work")
	}
}

// loadRows are loads that do not happen as they should. A leak that was not asked for
// cannot show: that is no pass.
// loadOutcomes are what a fault of the load may come to.
func loadOutcomes() (bad, leak, none []string) {
	bad = []string{failing, refused, stopped, short, "generator-saturated"}
	none = []string{stopped, refused, failing, "load-uncounted", "rounds-missing", "not-measured"}
	return bad, append([]string{fails}, bad...), none
}

func loadRows() []row {
	rows := slices.Concat(answerRows(), execRows(), elsewhereRows())
	for i := range rows {
		rows[i].kind = "load"
		rows[i].load = !rows[i].direct
	}
	return rows
}

// answerRows are services that answer requests badly.
func answerRows() []row {
	bad, leak, _ := loadOutcomes()
	limited := leaking(features{Leak: leakSend, Pool: plainPool, Limit: planRate / 10},
		features{Pool: plainPool, Limit: planRate / 10})
	status500 := status(http.StatusInternalServerError)
	return []row{
		{name: "30% answered 500", short: true, serve: func() serve { return some(30, status500) }, leak: leak,
			healthy: bad},
		{name: "all answered 500", serve: func() serve { return some(100, status500) }, leak: bad, healthy: bad},
		{name: "all reset", serve: func() serve { return some(100, onWire(reset)) }, leak: bad, healthy: bad},
		{name: "all hang", serve: func() serve { return some(100, hang) }, leak: bad, healthy: bad},
		{name: "30% hang", serve: func() serve { return some(30, hang) }, leak: leak, healthy: bad},
		{name: "all redirected", serve: func() serve { return some(100, status(http.StatusFound)) }, leak: bad,
			healthy: bad, why: "a login page was asked for, not the service"},
		{name: "a login page with 200", serve: func() serve { return some(100, login) },
			healthy: []string{unclear, passes},
			why:     "there is no leaking twin: nothing shows that no request did what the plan means"},
		{name: "503 from round 2 on",
			serve: func() serve { return from(round2, some(100, status(http.StatusServiceUnavailable))) },
			leak:  bad, healthy: bad},
		{name: "503 in the warm-up alone", leak: with(bad, fails), healthy: with(bad, passes),
			serve: func() serve {
				return func(w http.ResponseWriter, q *query) {
					if q.since(baseline) {
						forward(w, q)
						return
					}
					some(100, status(http.StatusServiceUnavailable))(w, q)
				}
			}, why: "the rounds are what is judged"},
		{name: "a tenth of the rate", direct: true, service: limited, leak: leak, healthy: bad},
	}
}

// execRows are commands that send the load, or do not, and say so, or do not.
func execRows() []row {
	bad, leak, none := loadOutcomes()
	noisy := append([]string{"above-baseline", "undecided"},
		leak...) // the leak shows, and the summary is not believed
	return []row{
		{name: "exec does nothing", plan: executed("true"), leak: none, healthy: none},
		{name: "exec fails", plan: executed("exit 7"), leak: none, healthy: none},
		{name: "exec waits and sends nothing", plan: executed("sleep $LEAKGATE_SECONDS"), leak: none,
			healthy: with(none, passes),
			why:     "nobody says that anything was sent"},
		{name: "exec sends, and says nothing", direct: true, plan: generated(saysNothing),
			leak: []string{fails, unclear}, healthy: []string{passes, unclear}},
		{name: "exec sends, and says so", direct: true, variants: ends, plan: generated(saysSummary),
			patient: 2 * time.Minute, leak: []string{fails}, healthy: []string{passes}},
		{name: "exec is killed half-way", direct: true, plan: generated(dies), leak: with(none, fails),
			healthy: none},
		{name: "exec, all errors by ghz", direct: true, plan: told(ghzErrors), leak: noisy, healthy: bad},
		{name: "exec, failed checks by k6", direct: true, plan: told(k6Checks), leak: noisy, healthy: bad},
		{name: "exec, one request in setup by k6", direct: true, plan: told(k6Setup), leak: noisy, healthy: bad},
		{name: "exec, machine-readable k6", direct: true, plan: told(k6Machine), leak: noisy, healthy: bad},
		{name: "exec, all errors by wrk", direct: true, plan: told(wrkErrors), leak: noisy, healthy: bad},
		{name: "exec, all errors by vegeta", direct: true, plan: told(vegetaNone), leak: noisy, healthy: bad},
	}
}

// elsewhereRows are loads that others send, and that a server counts, or does not.
func elsewhereRows() []row {
	_, _, none := loadOutcomes()
	start := float64(time.Now().Unix())
	return []row{
		{name: "none, counter rises", plan: elsewhere, act: others,
			serve: counting(func(q *query) float64 { return (float64(q.time.Unix()) - start) * planRate }),
			leak:  []string{fails, unclear}, healthy: []string{passes, unclear}, why: "others never stop sending"},
		{name: "none, counter stands still", plan: elsewhere, act: others,
			serve: counting(func(*query) float64 { return 1000 }), leak: none, healthy: none},
		{name: "none, counter goes down", plan: elsewhere, act: others,
			serve: counting(func(q *query) float64 { return 1e6 - float64(q.n) }), leak: none, healthy: none},
		{name: "none, counter is NaN", plan: elsewhere, act: others,
			serve: counting(func(*query) float64 { return math.NaN() }), leak: none, healthy: none},
		{name: "none, counter rises, and nobody sends", plan: elsewhere,
			serve:   counting(func(q *query) float64 { return (float64(q.time.Unix()) - start) * planRate }),
			healthy: []string{passes, unclear},
			why:     "there is no leaking twin: nothing shows that what the server counts went elsewhere"},
	}
}

// with adds an outcome to some, which stay as they are.
func with(some []string, more string) []string { return append(slices.Clone(some), more) }
