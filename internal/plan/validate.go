package plan

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/leakgate/leakgate/internal/promql"
	"github.com/leakgate/leakgate/record"
)

func (d *decoder) targets(p *Plan) {
	if len(p.Targets) == 0 {
		d.bad("targets", "list at least one process: - {pprof: http://127.0.0.1:6060/debug/pprof}", "no target")
	}
	names := map[string]int{}
	for i := range p.Targets {
		t := &p.Targets[i]
		at := fmt.Sprintf("targets[%d]", i)
		d.source(p, t, at)
		if t.Name != "" {
			d.name(p, names, i)
		}
		if t.Auth.Bearer != "" && t.Auth.Basic != nil {
			d.bad(at+".auth.basic", "", "bearer and basic exclude each other")
		}
		d.pair(at+".auth", p, t.Auth.Cert, t.Auth.Key)
		d.file1(at+".ca", p, t.CA)
		d.authPair(t.Auth)
		if t.Timeout <= 0 {
			d.bad(at+".timeout", "", "must be more than 0")
		}
	}
}

// source checks where a target is read from, and names it after that if it has no
// name.
func (d *decoder) source(p *Plan, t *Target, at string) {
	if t.Kubernetes != nil {
		d.cluster(t, at)
		return
	}
	d.outside(t, at)
	switch {
	case t.Pprof == "" && t.Selector == "" && !d.given(at+".pprof") && !d.given(at+".selector"):
		d.bad(at+".pprof", "or add a selector, and prometheus: {url: …}, or kubernetes: deployment/NAME",
			"missing: address of net/http/pprof, up to and including /debug/pprof")
	case t.Pprof != "" || d.given(at+".pprof"):
		if u := d.url(t.Pprof, at+".pprof"); t.Name == "" && u != nil {
			t.Name = u.Host
		}
	case t.Name == "":
		t.Name = t.Selector
	}
	if _, err := promql.ParseCount(t.Selector); err != nil && t.Selector != "" {
		var wrong *promql.Error
		if errors.As(err, &wrong) {
			d.bad(at+".selector", wrong.Hint, "%s %s", quoted(t.Selector), wrong.Got)
		}
	}
	switch {
	case t.Selector == "" && d.given(at+".selector"):
		d.bad(at+".selector", `such as {job="checkout"}`, "is empty")
	case t.Selector == "":
	case p.Prometheus.URL == "" && d.sound("prometheus.url"):
		d.bad(at+".selector", "add prometheus: {url: http://prometheus:9090}", "needs a Prometheus server")
	case t.Metrics.Given():
		d.bad(at+".metrics", "", "metrics and selector exclude each other")
	}
}

// prometheus checks the server's settings.
func (d *decoder) prometheus(p *Plan) {
	c := p.Prometheus
	if c.URL != "" || d.given("prometheus.url") {
		d.url(c.URL, "prometheus.url")
	}
	if c.Auth.Bearer != "" && c.Auth.Basic != nil {
		d.bad("prometheus.auth.basic", "", "bearer and basic exclude each other")
	}
	d.authPair(c.Auth)
	d.pair("prometheus.auth", p, c.Auth.Cert, c.Auth.Key)
	d.file1("prometheus.ca", p, c.CA)
	if c.Timeout <= 0 {
		d.bad("prometheus.timeout", "", "must be more than 0")
	}
}

// name checks that a target's name is its own, as a file name too. The map
// holds the targets before it by file name.
func (d *decoder) name(p *Plan, names map[string]int, i int) {
	at, name := fmt.Sprintf("targets[%d].name", i), p.Targets[i].Name
	file := record.FileName(name)
	first, taken := names[file]
	switch {
	case !taken:
		names[file] = i
	case p.Targets[first].Name == name:
		d.bad(at, "give each target a name of its own", "targets[%d] has the same name, %s", first, quoted(name))
	default:
		d.bad(at, "", "%s makes the same file name as targets[%d].name, %s", quoted(name), first,
			quoted(p.Targets[first].Name))
	}
}

// maxRounds and maxConnections bound what a plan may ask for. The first keeps
// sums of durations, each a week at most, far from overflow; the second is the
// number of ports that one address has.
const (
	maxRounds      = 1000
	maxConnections = 65535
)

var method = regexp.MustCompile(`^[A-Z]+$`)

func (d *decoder) load(p *Plan) {
	l := &p.Load
	d.kinds(p)
	d.file1("load.file", p, l.File)
	for i := range l.Requests {
		d.oneRequest(p, &l.Requests[i], fmt.Sprintf("load.requests[%d]", i))
	}
	if l.Timeout <= 0 {
		d.bad("load.timeout", "", "must be more than 0")
	}
	if l.Round <= 0 {
		d.bad("load.round", "", "must be more than 0")
	}
	if l.Rounds.Min < 2 {
		d.bad("load.rounds.min", "only growth that repeats tells a leak from a pool", "%d is too few; the minimum is 2",
			l.Rounds.Min)
	}
	if l.Rounds.Max < l.Rounds.Min && d.sound("load.rounds.min") {
		d.bad("load.rounds.max", "", "%d is less than min, %d", l.Rounds.Max, l.Rounds.Min)
	}
	if l.Rounds.Max > maxRounds {
		d.bad("load.rounds.max", "", "%d is too many; the maximum is %d", l.Rounds.Max, maxRounds)
	}
	if l.Connections < 0 || l.Connections > maxConnections || d.given("load.connections") && l.Connections == 0 {
		d.bad("load.connections", "", "%d is not between 1 and %d", l.Connections, maxConnections)
	}
	if l.Rate != Max && d.sound("load.round") && float64(l.Rate)*time.Duration(l.Round).Seconds() < 1 {
		d.bad("load.rate", "raise the rate or load.round", "less than one request per round")
	}
	if l.H2C && (l.CA != "" || l.Cert != "" || l.Insecure) {
		d.bad("load.h2c", "", "h2c is HTTP/2 without TLS and excludes ca, cert and insecure")
	}
	d.pair("load", p, l.Cert, l.Key)
	d.file1("load.ca", p, l.CA)
}

// kinds checks where the load comes from.
func (d *decoder) kinds(p *Plan) {
	l := &p.Load
	sends := len(l.Requests) > 0 || l.File != "" || len(l.Streams) > 0
	switch {
	case l.Job != nil || l.TestRun != nil:
		d.manifests(p, sends || l.Exec != nil || l.None != nil)
	case !sends && l.Exec == nil && l.None == nil:
		d.bad("load.requests", "list at least one: - GET http://127.0.0.1:8080/", "no request to send")
	case len(l.Requests) > 0 && l.File != "":
		d.bad("load.file", "", "requests and file exclude each other")
	case l.Exec != nil && (sends || l.None != nil):
		d.bad("load.exec", "have the command send all of the load", "exec excludes requests, file, streams and none")
	case l.None != nil && sends:
		d.bad("load.none", "", "none excludes requests, file and streams")
	}
	if l.Kubernetes != nil {
		d.pods(l)
	}
	for i := range l.Streams {
		d.stream(&l.Streams[i], fmt.Sprintf("load.streams[%d]", i))
	}
	if l.Exec != nil {
		if d.given("load.exec.command") && (len(l.Exec.Command) == 0 || l.Exec.Command[0] == "") {
			d.bad("load.exec.command", "such as [ghz, --insecure, …]", "is empty")
		}
	}
	if l.None != nil && !d.given("load.rate") {
		l.Rate = 0 // what others send is their business, unless the plan says what it has to be
	}
	if l.None != nil && (l.None.Requests != "" || l.None.Connections != "") && p.Prometheus.URL == "" &&
		d.sound("prometheus.url") {
		d.bad("load.none", "add prometheus: {url: http://prometheus:9090}", "its queries need a Prometheus server")
	}
}

func (d *decoder) oneRequest(p *Plan, r *Request, at string) {
	u := d.url(r.URL, at+".url")
	if u != nil && u.Scheme == "https" && p.Load.H2C {
		d.bad(at+".url", "", "https excludes load.h2c, which is HTTP/2 without TLS")
	}
	if !method.MatchString(r.Method) {
		d.bad(at+".method", "write methods in capitals", "%q is not an HTTP method", r.Method)
	}
	if r.Weight < 1 || r.Weight > 10000 {
		d.bad(at+".weight", "leave a request out instead of giving it no weight", "%d is not between 1 and 10000", r.Weight)
	}
	if r.Body != "" && r.BodyFile != "" {
		d.bad(at+".body_file", "", "body and body_file exclude each other")
	}
	d.file1(at+".body_file", p, r.BodyFile)
}
