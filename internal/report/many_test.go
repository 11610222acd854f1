package report

import (
	"fmt"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

// manyLeaks is a run over a service with so many different leaks, each behind a request
// of its own, of which every tenth is just likely.
func manyLeaks(n int) verdict.Verdict {
	v := leakingRun(1, 0)
	v.Targets[0].Name = "corpus"
	v.Checks = []verdict.Check{
		{Name: "same process", Target: "corpus", Outcome: verdict.Pass, Unit: "changes of identity"},
		{Name: "baseline", Target: "corpus", Outcome: verdict.Fail, Measured: 4120, Limit: 10, Unit: "goroutines", Message: "4120 goroutines above the baseline of 12, tolerance 10"},
		{Name: "growth", Target: "corpus", Outcome: verdict.Fail, Measured: float64(n), Unit: "stacks", Message: "main.(*pool).fill0 grew again in every round"},
	}
	names := []string{"refresh", "awaitReply", "fanOut", "subscribe", "flushLater", "watchPrices", "retryForever", "drainQueue"}
	types := []string{"*Store", "*Client", "*Broker", "*SessionCache", "*AuditLog", "*RateLimiter"}
	for j := range n {
		pkg := []string{"cart", "pricing/quotes", "orders", "stock"}[j%4]
		fn := fmt.Sprintf("example.com/shop/internal/%s.(%s).%s%d.func1", pkg, types[j%len(types)], names[j%len(names)], j)
		file := fmt.Sprintf("/home/ci/build/shop/internal/%s/%s.go", pkg, strings.ToLower(names[j%len(names)]))
		f := leakingFinding("corpus", j)
		each := max(2, 600/(j+3))
		f.ID = fmt.Sprintf("%08x", 0x3f2a9c1d+uint32(j)*2654435761)
		f.Class = verdict.Confirmed
		if j%10 == 9 {
			f.Class = verdict.Likely
		}
		f.Function, f.File, f.Line, f.Source, f.Targets, f.Labels, f.Retains = fn, file, 40+j, nil, nil, nil, nil
		f.Counts, f.Leaked = []int{0, each, 2 * each, 3 * each, 4 * each}, 4*each
		kept := f.Leaked
		f.Kept, f.Per1000 = &kept, float64(each)*4/6
		f.Creator, f.Created = strings.TrimSuffix(fn, ".func1"), fmt.Sprintf("%s:%d", file, 36+j)
		f.Stack = []verdict.Frame{{Function: fn, File: file, Line: 40 + j}}
		f.Requests = []verdict.Blamed{{Requests: []string{fmt.Sprintf("GET http://127.0.0.1:8080/%s/%d", strings.ToLower(names[j%len(names)]), j)}, Sent: 120, Leaked: 122, Each: 1.02, Low: 0.95, High: 1.1, Answer: verdict.Leaks}}
		f.Cleared = n + 20
		if j%7 == 0 {
			f.Members = connectionMembers(f.Leaked)
		}
		v.Findings = append(v.Findings, f)
		v.Explanations = append(v.Explanations, leakExplained(f))
	}
	v.Findings[3] = dependencyFinding(v.Findings[3])
	v.Findings[4] = standardFinding(v.Findings[4])
	v.Unclear = 6
	v.Explanations = append(v.Explanations, poolExplained("corpus"), noiseExplained("corpus"))
	v.Headline = v.Findings[0].Function + " leaks goroutines: +800 after 120000 requests (cart/refresh.go:40), and 72 more"
	return v
}

func connectionMembers(n int) []verdict.Member {
	member := func(id, name string, line int, each float64) verdict.Member {
		fn := "net/http.(*persistConn)." + name
		return verdict.Member{
			ID: id, Function: fn, File: "/usr/local/go/src/net/http/transport.go", Line: line, State: "select", Creator: "net/http.(*Transport).dialConn",
			Counts: []int{0, n / 2, n}, Leaked: int(each * float64(n)), Ratio: each,
			Stack: []verdict.Frame{{Function: fn, File: "/usr/local/go/src/net/http/transport.go", Line: line, Std: true}},
		}
	}
	return []verdict.Member{member("aa01", "readLoop", 2399, 1), member("aa02", "writeLoop", 2562, 2)}
}

// dependencyFinding is blamed on a module of the cache, with own code further out.
func dependencyFinding(f verdict.Finding) verdict.Finding {
	f.Function, f.File, f.Line = "github.com/minio/minio-go/v7.Client.listObjects.func1", "/root/go/pkg/mod/github.com/minio/minio-go/v7@v7.0.32/api-list.go", 120
	f.Module = "github.com/minio/minio-go/v7@v7.0.32"
	f.Stack = []verdict.Frame{
		{Function: f.Function, File: f.File, Line: f.Line, Module: f.Module},
		{Function: "example.com/shop/internal/stock.(*Store).list", File: "/home/ci/build/shop/internal/stock/list.go", Line: 77},
	}
	return f
}

// standardFinding is Go's own code from end to end; the service's is the go statement.
func standardFinding(f verdict.Finding) verdict.Finding {
	f.Function, f.File, f.Line, f.Module = "context.(*cancelCtx).propagateCancel.func2", "/usr/local/go/src/context/context.go", 523, ""
	f.Stack = []verdict.Frame{{Function: f.Function, File: f.File, Line: f.Line, Std: true}}
	f.Creator, f.Created = "context.(*cancelCtx).propagateCancel", "/usr/local/go/src/context/context.go:522"
	f.Note = "a context that nobody cancels"
	return f
}

func leakExplained(f verdict.Finding) verdict.Explanation {
	e := verdict.Explanation{
		ID: f.ID, Target: f.Target, Function: f.Function, File: f.File, Line: f.Line, Class: "leak",
		Looks:  []verdict.Looked{{Round: 4, Seconds: 90, Age: 310, Lowest: f.Leaked - 2, Last: f.Leaked}},
		Reason: "it reached a new height in every round, followed the requests, and all of it stayed when nothing was asked of the service",
		Change: "if it had fallen by half in the long look; or if two of the four rounds had brought no new height",
		Asked: []verdict.Question{
			{Rule: "noise", Question: "Is its growth no more than comes and goes anyway?", Statistic: float64(f.Leaked), Limit: 14.2, Unit: "goroutines", Threshold: "growth.noise"},
			{Rule: "pool", Question: "Did it stop growing for a round?", Statistic: float64(f.Leaked / 4), Limit: 1, Unit: "goroutines in the last round"},
			{Rule: "heights", Question: "Did every round bring a new height?", Answer: true, Statistic: 4, Limit: 4, Unit: "rounds", Threshold: "growth.rounds"},
			{Rule: "look", Question: "Did at least half of it stay in the long look?", Answer: true, Statistic: 0.99, Limit: 0.5, Threshold: "look.kept"},
		},
	}
	if f.Class == verdict.Likely {
		e.Class = "likely"
	}
	for i, n := range f.Counts {
		s := verdict.Seen{Low: n, Middle: n + 1, High: n + 3}
		if i > 0 {
			s.Requests, s.Floor, s.Profiles = 30000, n-min(n, 2), 9
		}
		e.Windows = append(e.Windows, s)
	}
	return e
}

// poolExplained is of a healthy pool, which came close to being called a leak.
func poolExplained(target string) verdict.Explanation {
	return verdict.Explanation{
		ID: "77c0ffee", Target: target, Function: "example.com/shop/internal/work.(*Pool).worker", File: "/home/ci/build/shop/internal/work/pool.go", Line: 61, Class: "pool",
		Windows: []verdict.Seen{
			{Low: 40, Middle: 40, High: 41}, {Low: 118, Middle: 120, High: 122, Requests: 30000, Floor: 61, Profiles: 9}, {Low: 186, Middle: 187, High: 187, Requests: 30000, Floor: 102, Profiles: 9},
			{Low: 200, Middle: 200, High: 200, Requests: 30000, Floor: 131, Profiles: 9}, {Low: 200, Middle: 200, High: 200, Requests: 30000, Floor: 140, Profiles: 8},
		},
		Asked: []verdict.Question{
			{Rule: "noise", Question: "Is its growth no more than comes and goes anyway?", Statistic: 160, Limit: 11.4, Unit: "goroutines", Threshold: "growth.noise"},
			{Rule: "pool", Question: "Did it stop growing for a round?", Answer: true, Statistic: 0, Limit: 1, Unit: "goroutines in the last round"},
			{Rule: "moves", Question: "Do its goroutines move while there is load?", Answer: true, Statistic: 60, Limit: 10, Unit: "goroutines below its floor at rest", Threshold: "movement.least"},
		},
		Reason: "it filled up in three rounds and stopped at 200, and its goroutines work while there is load",
		Change: "if the last round had brought one more goroutine, another round would have been asked for", Nearest: true,
	}
}

// noiseExplained is of connections that come and go.
func noiseExplained(target string) verdict.Explanation {
	return verdict.Explanation{
		ID: "0bad5eed", Target: target, Function: "net/http.(*conn).serve", Class: "noise",
		Windows: []verdict.Seen{{Low: 2, Middle: 3, High: 5}, {Low: 3, Middle: 4, High: 6, Requests: 30000}, {Low: 2, Middle: 2, High: 4, Requests: 30000}},
		Asked:   []verdict.Question{{Rule: "noise", Question: "Is its growth no more than comes and goes anyway?", Answer: true, Statistic: 1, Limit: 4.5, Unit: "goroutines"}},
		Reason:  "its counts vary by as much within a window",
	}
}
