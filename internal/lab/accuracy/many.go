package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/leakgate/leakgate/internal/lab/section"
	"github.com/leakgate/leakgate/verdict"
)

const (
	// manyRate is how many requests a second each endpoint gets: in a round of ten
	// seconds, fifty, as services have endpoints that are seldom asked.
	manyRate = 5
	// manyMissed is how many of the leaking endpoints may go unnamed: what is recorded in
	// one run on a noisy machine scatters.
	manyMissed = 2
)

// endpoint is a request of a service that has many, as the corpus lists it.
type endpoint struct {
	Path   string   `json:"path"`
	About  string   `json:"about"`
	Leaks  bool     `json:"leaks"`
	Blame  string   `json:"blame"`  // how the function to blame begins; of a healthy one, its own function
	Others []string `json:"others"` // functions of the other goroutines of the same cause
	OneIn  int      `json:"one_in"`
}

// named is what a verdict says of one endpoint.
type named struct {
	endpoint
	function bool          // some finding, or a member of one, has the right function
	request  bool          // and blames the right request
	class    verdict.Class // of that finding
	each     verdict.Blamed
	why      string // why it does not count as named
}

// right reports whether the verdict says of an endpoint what is true.
func (n named) right() bool {
	if n.Leaks {
		return n.function && n.request
	}
	return !n.function && !n.request
}

// many makes one run over each service that has many endpoints. With short, the run is
// the same: the service is one target.
func many(ctx context.Context, o options, reportFile string) (bool, error) {
	services, err := listed(ctx, o)
	if err != nil {
		return false, err
	}
	good, text := true, ""
	for _, s := range services {
		if len(s.Endpoints) == 0 {
			continue
		}
		m, err := manyRun(ctx, o, s)
		if err != nil {
			return false, err
		}
		m.write(os.Stdout)
		text += m.markdown()
		good = good && m.good()
	}
	if text == "" {
		return false, fmt.Errorf("the corpus has no service with many endpoints")
	}
	if reportFile != "" {
		if err := section.Replace(reportFile, "make many", text); err != nil {
			return false, err
		}
	}
	return good, nil
}

// manyRun runs the gate on a service with many endpoints, with the default policy.
func manyRun(ctx context.Context, o options, s service) (manyResult, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	dir, err := os.MkdirTemp(o.keep, "many-")
	if err != nil {
		return manyResult{}, err
	}
	if o.keep == "" {
		defer os.RemoveAll(dir)
	}
	at, end, err := start(ctx, o.corpus, s.Name)
	if err != nil {
		return manyResult{}, fmt.Errorf("starting %s: %w", s.Name, err)
	}
	defer end()
	_, v, err := gateRun(ctx, manyPlan(at, s.Endpoints), dir)
	if err != nil {
		return manyResult{}, err
	}
	return judgeMany(at, s, v), nil
}

// manyPlan is a plan with defaults but for the rounds, which are short.
func manyPlan(at string, endpoints []endpoint) string {
	var b strings.Builder
	fmt.Fprintf(&b, "name: many\ntargets: [{name: many, pprof: %s/debug/pprof}]\n", at)
	fmt.Fprintf(&b, "load:\n  rate: %d/s\n  round: %s\n  requests:\n", manyRate*len(endpoints), shortRound)
	for _, e := range endpoints {
		fmt.Fprintf(&b, "    - GET %s%s\n", at, e.Path)
	}
	return b.String()
}

// manyResult is what a verdict says of a service with many endpoints.
type manyResult struct {
	service
	v         verdict.Verdict
	endpoints []named
	strangers []string // functions of findings that belong to no endpoint
}

func judgeMany(at string, s service, v verdict.Verdict) manyResult {
	m := manyResult{service: s, v: v}
	for _, e := range s.Endpoints {
		m.endpoints = append(m.endpoints, nameOf(e, "GET "+at+e.Path, v))
	}
	for _, f := range v.Findings {
		if !slices.ContainsFunc(s.Endpoints, func(e endpoint) bool { return e.owns(f) }) {
			m.strangers = append(m.strangers, f.Function)
		}
	}
	return m
}

// nameOf looks an endpoint up in a verdict.
func nameOf(e endpoint, request string, v verdict.Verdict) named {
	n := named{endpoint: e}
	other := ""
	for _, f := range v.Findings {
		b, blamed := culprit(f)
		mine := blamed && slices.Equal(b.Requests, []string{request})
		if !e.Leaks { // either is one too many
			n.function = n.function || e.blames(f)
			n.request = n.request || mine
			continue
		}
		switch {
		case !e.blames(f):
			if e.owns(f) {
				other = f.Function
			}
		case !n.request && (mine || !n.function):
			n.function, n.request, n.class, n.each = true, mine, f.Class, b
			n.why = blameOf(b, blamed, f)
		}
	}
	switch {
	case !e.Leaks && n.function:
		n.why = "its function is in a finding"
	case !e.Leaks && n.request:
		n.why = "its request is blamed"
	case e.Leaks && !n.function && other != "":
		n.why = "only " + other + " is in a finding"
	case e.Leaks && !n.function:
		n.why = "in no finding"
	case n.right():
		n.why = ""
	}
	return n
}

// blameOf says which request a finding blames instead.
func blameOf(b verdict.Blamed, blamed bool, f verdict.Finding) string {
	switch {
	case blamed && len(b.Requests) > 1:
		return fmt.Sprintf("%s: blames %d requests", f.Function, len(b.Requests))
	case blamed:
		return fmt.Sprintf("%s: blames %s", f.Function, strings.Join(b.Requests, ", "))
	case len(f.Requests) == 0:
		return f.Function + ": no request was tried"
	default:
		return f.Function + ": no request is blamed"
	}
}

// culprit is the first request that a finding says leaks.
func culprit(f verdict.Finding) (verdict.Blamed, bool) {
	i := slices.IndexFunc(f.Requests, func(b verdict.Blamed) bool { return b.Answer == verdict.Leaks })
	if i < 0 {
		return verdict.Blamed{}, false
	}
	return f.Requests[i], true
}

// blames reports whether a finding, or a member of it, is of the function to blame.
func (e endpoint) blames(f verdict.Finding) bool {
	return e.Blame != "" && (begins(f.Function, e.Blame) ||
		slices.ContainsFunc(f.Members, func(m verdict.Member) bool { return begins(m.Function, e.Blame) }))
}

// owns reports whether a finding is of one of an endpoint's functions.
func (e endpoint) owns(f verdict.Finding) bool {
	return e.blames(f) || slices.ContainsFunc(e.Others, func(o string) bool { return begins(f.Function, o) })
}

// begins reports whether a function is the one that the corpus names, or lies in it, as a
// closure or a method does: main.tick is not main.ticker.
func begins(function, name string) bool {
	rest, ok := strings.CutPrefix(function, name)
	return ok && (rest == "" || !inName(name[len(name)-1]) || !inName(rest[0]))
}

// inName reports whether a byte belongs to a name, and not to what ends one.
func inName(c byte) bool {
	return c == '_' || c >= utf8.RuneSelf || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// count is how many of the endpoints of a kind hold.
func (m manyResult) count(leaks bool, holds func(named) bool) (n, of int) {
	for _, e := range m.endpoints {
		if e.Leaks != leaks {
			continue
		}
		of++
		if holds(e) {
			n++
		}
	}
	return n, of
}

// good reports whether enough leaks are named, and no healthy endpoint is.
func (m manyResult) good() bool {
	right, leaks := m.count(true, named.right)
	clean, healthy := m.count(false, named.right)
	return right >= leaks-manyMissed && clean == healthy
}

// summary says in two lines how many leaks are named.
func (m manyResult) summary() string {
	right, leaks := m.count(true, named.right)
	function, _ := m.count(true, func(n named) bool { return n.function })
	likely, _ := m.count(true, func(n named) bool { return n.right() && n.class == verdict.Likely })
	clean, healthy := m.count(false, named.right)
	return fmt.Sprintf("%d of %d leaks named with the right function and the right request (%d with the right function; %d as likely); %d of %d healthy endpoints named;\n"+
		"%s after %d rounds, %d findings, %d more stacks could not be told; %s\n",
		right, leaks, function, likely, healthy-clean, healthy, m.v.Outcome, m.v.Rounds, len(m.v.Findings)+m.v.More, m.v.Unclear, m.v.Timing)
}

// intervals are in how many of the named leaks the interval holds the true rate.
func (m manyResult) intervals() (hold, of int) {
	for _, e := range m.endpoints {
		if !e.Leaks || !e.right() || e.each.High == 0 {
			continue
		}
		of++
		if truth := 1 / float64(max(e.OneIn, 1)); e.each.Low <= truth && truth <= e.each.High {
			hold++
		}
	}
	return hold, of
}

func (m manyResult) write(w *os.File) {
	fmt.Fprintf(w, "\n%s: %s", m.Name, m.summary())
	for _, e := range m.endpoints {
		if !e.right() {
			fmt.Fprintf(w, "  %-28s %-44s <-- %s\n", e.Path, cmp.Or(e.Blame, "-"), e.why)
		}
	}
	for _, f := range m.strangers {
		fmt.Fprintf(w, "  %-28s %s\n", "(of no endpoint)", f)
	}
}

func (m manyResult) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n| endpoint | what it does | one request in | blamed | said so |\n| --- | --- | ---: | --- | --- |\n", m.summary())
	for _, e := range m.endpoints {
		said := e.why
		switch {
		case e.right() && e.Leaks:
			said = fmt.Sprintf("%s, %.2f a request", cmp.Or(e.class, verdict.Confirmed), e.each.Each)
		case e.right():
			said = "in no finding"
		}
		in, blame := "", ""
		if e.Leaks {
			in, blame = fmt.Sprint(e.OneIn), "`"+e.Blame+"`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", e.Path, e.About, in, blame, said)
	}
	return b.String()
}
