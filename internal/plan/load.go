package plan

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/leakgate/leakgate/record"
)

// Read reads a plan from a file. env looks up environment variables. Files
// that the plan names are taken relative to the plan's folder. The error is a
// Problems, or says why the file could not be read.
func Read(file string, env func(string) (string, bool)) (*Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading plan: %w", err)
	}
	return Parse(file, text, env)
}

// Parse is Read for a plan that was read already. A nil env leaves variables
// as they are written: enough to judge by, not to run with.
func Parse(file string, text []byte, env func(string) (string, bool)) (*Plan, error) {
	d := &decoder{file: file, env: env}
	p := d.decode(text)
	p.File, p.Text = file, text
	p.Name = cmp.Or(p.Name, strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)))
	if len(d.at) > 1 && d.values <= maxValues { // otherwise there is nothing, or not all, to be judged
		d.validate(p)
	}
	p.Secrets = d.secrets
	if len(d.problems) > 0 {
		slices.SortStableFunc(d.problems, func(a, b Problem) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, d.problems
	}
	return p, nil
}

// ReadPolicy reads a plan to judge by: variables stay as they are written, and
// the files that it names need not be there.
func ReadPolicy(file string) (*Plan, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading plan: %w", err)
	}
	return Parse(file, text, nil)
}

// Resolve makes a path of the plan relative to the plan's folder.
func (p *Plan) Resolve(name string) string {
	if name == "" || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(p.File), name)
}

// where finds the node of a field, or of the nearest field around it.
func (d *decoder) where(path string) *yaml.Node {
	for {
		if n, ok := d.at[path]; ok {
			return n
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return d.at[""]
		}
		path = path[:i]
	}
}

// bad reports a value that decoded but cannot be right, unless there is a
// complaint about it, or about what holds it, already.
func (d *decoder) bad(path, hint, format string, args ...any) {
	if !d.sound(path) {
		return
	}
	d.problem(d.where(path), path, hint, format, args...)
}

// sound tells whether all of some fields hold what the plan says: nothing was
// reported about them or about what holds them, and their variables are known.
func (d *decoder) sound(paths ...string) bool {
	for _, path := range paths {
		for path != "" {
			if d.unsound[path] {
				return false
			}
			path = path[:max(strings.LastIndexAny(path, ".["), 0)]
		}
	}
	return true
}

func (d *decoder) given(path string) bool { _, ok := d.at[path]; return ok }

func (d *decoder) validate(p *Plan) {
	if p.Version != 1 {
		d.bad("version", "write version: 1", "format %d is not known to this leakgate", p.Version)
	}
	d.prometheus(p)
	d.targets(p)
	d.load(p)
	d.policy(p)
	if p.Production.Replicas < 1 {
		d.bad("production.replicas", "", "%d is not a number of replicas", p.Production.Replicas)
	}
	if d.given("production.rate") && p.Production.Rate == Max && d.sound("production.rate") {
		d.bad("production.rate", "as 500/s", "max is not the rate of a production")
	}
	if p.Safety.Goroutines < 0 {
		d.bad("safety.goroutines", "0 sets no limit", "%d is negative", p.Safety.Goroutines)
	}
	if d.given("report.dir") && p.Report.Dir == "" {
		d.bad("report.dir", "", "is empty")
	}
	if p.Settle.Quiet > p.Settle.Timeout && d.sound("settle.timeout") {
		d.bad("settle.quiet", "", "%s is longer than settle.timeout, %s", time.Duration(p.Settle.Quiet), time.Duration(p.Settle.Timeout))
	}
	if p.Settle.Quiet < Duration(500*time.Millisecond) {
		d.bad("settle.quiet", "2s is the default", "%s is too short to tell whether a count is level; 500ms at least", time.Duration(p.Settle.Quiet))
	}
}

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
		if t.Timeout <= 0 {
			d.bad(at+".timeout", "", "must be more than 0")
		}
	}
}

// source checks where a target is read from, and names it after that if it has no
// name.
func (d *decoder) source(p *Plan, t *Target, at string) {
	switch {
	case t.Pprof == "" && t.Selector == "" && !d.given(at+".pprof") && !d.given(at+".selector"):
		d.bad(at+".pprof", "or a selector, with prometheus: {url: …}", "missing: address of net/http/pprof, up to and including /debug/pprof")
	case t.Pprof != "" || d.given(at+".pprof"):
		if u := d.url(t.Pprof, at+".pprof"); t.Name == "" && u != nil {
			t.Name = u.Host
		}
	case t.Name == "":
		t.Name = t.Selector
	}
	if t.Metrics != "" {
		d.url(t.Metrics, at+".metrics")
	}
	switch {
	case t.Selector == "" && d.given(at+".selector"):
		d.bad(at+".selector", `as {job="checkout"}`, "is empty")
	case t.Selector == "":
	case p.Prometheus.URL == "" && d.sound("prometheus.url"):
		d.bad(at+".selector", "add prometheus: {url: http://prometheus:9090}", "needs a Prometheus server to ask")
	case t.Metrics != "":
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
		d.bad(at, "give each target a name of its own", "targets[%d] has the same name, %s", first, quote(name))
	default:
		d.bad(at, "", "as a file name, %s is the same as targets[%d].name, %s", quote(name), first, quote(p.Targets[first].Name))
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
	if l.Format != "" && l.Format != "http" && l.Format != "json" {
		d.bad("load.format", "http or json", "%q is not a target format", l.Format)
	}
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
		d.bad("load.rounds.min", "growth that repeats is what tells a leak from a pool", "%d is too few; 2 at least", l.Rounds.Min)
	}
	if l.Rounds.Max < l.Rounds.Min && d.sound("load.rounds.min") {
		d.bad("load.rounds.max", "", "%d is less than min, %d", l.Rounds.Max, l.Rounds.Min)
	}
	if l.Rounds.Max > maxRounds {
		d.bad("load.rounds.max", "", "%d is too many; %d at most", l.Rounds.Max, maxRounds)
	}
	if l.Connections < 0 || l.Connections > maxConnections || d.given("load.connections") && l.Connections == 0 {
		d.bad("load.connections", "", "%d is not between 1 and %d", l.Connections, maxConnections)
	}
	if l.Rate != Max && d.sound("load.round") && float64(l.Rate)*time.Duration(l.Round).Seconds() < 1 {
		d.bad("load.rate", "raise the rate or load.round", "less than one request per round")
	}
	if l.H2C && (l.CA != "" || l.Cert != "" || l.Insecure) {
		d.bad("load.h2c", "", "h2c is HTTP/2 without TLS; ca, cert and insecure make no sense with it")
	}
	d.pair("load", p, l.Cert, l.Key)
	d.file1("load.ca", p, l.CA)
}

// kinds checks where the load comes from.
func (d *decoder) kinds(p *Plan) {
	l := &p.Load
	sends := len(l.Requests) > 0 || l.File != "" || len(l.Streams) > 0
	switch {
	case !sends && l.Exec == nil && l.None == nil:
		d.bad("load.requests", "list at least one: - GET http://127.0.0.1:8080/", "no request to send")
	case len(l.Requests) > 0 && l.File != "":
		d.bad("load.file", "", "requests and file exclude each other")
	case l.Exec != nil && (sends || l.None != nil):
		d.bad("load.exec", "give the command all of the load", "exec excludes requests, file, streams and none")
	case l.None != nil && sends:
		d.bad("load.none", "", "none excludes requests, file and streams")
	}
	for i := range l.Streams {
		d.stream(p, &l.Streams[i], fmt.Sprintf("load.streams[%d]", i))
	}
	if l.Exec != nil {
		if d.given("load.exec.command") && (len(l.Exec.Command) == 0 || l.Exec.Command[0] == "") {
			d.bad("load.exec.command", "as [ghz, --insecure, …]", "is empty")
		}
		if !slices.Contains([]string{"auto", "k6", "ghz", "vegeta", "wrk", "none"}, l.Exec.Summary) {
			d.bad("load.exec.summary", "auto, k6, ghz, vegeta, wrk or none", "%s is none of them", quote(l.Exec.Summary))
		}
	}
	if l.None != nil && (l.None.Requests != "" || l.None.Connections != "") && p.Prometheus.URL == "" && d.sound("prometheus.url") {
		d.bad("load.none", "add prometheus: {url: http://prometheus:9090}", "its queries need a Prometheus server to ask")
	}
}

func (d *decoder) stream(p *Plan, s *Stream, at string) {
	n := 0
	for _, k := range []struct{ key, value, schemes string }{
		{"websocket", s.WebSocket, "ws wss http https"}, {"sse", s.SSE, "http https"}, {"poll", s.Poll, "http https"}, {"grpc", s.GRPC, "http https"},
	} {
		if k.value == "" && !d.given(at+"."+k.key) {
			continue
		}
		n++
		d.address(k.value, at+"."+k.key, strings.Fields(k.schemes))
	}
	if n != 1 {
		d.bad(at, "as {websocket: ws://127.0.0.1:8080/ws, connections: 200}", "names %d of websocket, sse, poll and grpc; want one", n)
	}
	if (s.GRPC == "") != (s.Method == "") && d.sound(at+".grpc", at+".method") {
		d.bad(at+".method", "as /chat.Chat/Join", "grpc and method go together")
	}
	if s.Method != "" && !grpcMethod.MatchString(s.Method) {
		d.bad(at+".method", "as /chat.Chat/Join", "%s is not the full name of a method", quote(s.Method))
	}
	if s.Connections < 1 || s.Connections > maxConnections {
		d.bad(at+".connections", "", "%d is not between 1 and %d", s.Connections, maxConnections)
	}
	if s.Hold > 0 && s.Hold < Duration(100*time.Millisecond) {
		d.bad(at+".hold", "load.requests sends short requests", "%s is too short for something that is held; 100ms at least", time.Duration(s.Hold))
	}
	if s.Every > 0 && s.Every < Duration(time.Millisecond) {
		d.bad(at+".every", "", "%s is too short; 1ms at least", time.Duration(s.Every))
	}
	if d.given(at+".every") && s.Send == "" && s.GRPC == "" {
		d.bad(at+".every", "", "there is no message to send")
	}
	if (s.SSE != "" || s.Poll != "") && s.Send != "" {
		d.bad(at+".send", "", "nothing can be sent on sse and poll")
	}
}

var grpcMethod = regexp.MustCompile(`^/[A-Za-z_][\w.]*/[A-Za-z_]\w*$`)

func (d *decoder) oneRequest(p *Plan, r *Request, at string) {
	u := d.url(r.URL, at+".url")
	if u != nil && u.Scheme == "https" && p.Load.H2C {
		d.bad(at+".url", "", "https and load.h2c, HTTP/2 without TLS, exclude each other")
	}
	if !method.MatchString(r.Method) {
		d.bad(at+".method", "methods are written in capitals", "%q is not an HTTP method", r.Method)
	}
	if r.Weight < 1 || r.Weight > 10000 {
		d.bad(at+".weight", "leave a request out instead of giving it no weight", "%d is not between 1 and 10000", r.Weight)
	}
	if r.Body != "" && r.BodyFile != "" {
		d.bad(at+".body_file", "", "body and body_file exclude each other")
	}
	d.file1(at+".body_file", p, r.BodyFile)
}

func (d *decoder) policy(p *Plan) {
	if p.Policy.Goroutines.Tolerance < 0 {
		d.bad("policy.goroutines.tolerance", "", "%d is negative", p.Policy.Goroutines.Tolerance)
	}
	if p.Policy.Goroutines.Percent < 0 || p.Policy.Goroutines.Percent > 100 {
		d.bad("policy.goroutines.percent", "", "%v is not between 0 and 100", p.Policy.Goroutines.Percent)
	}
	if b := p.Policy.Before; b != "warn" && b != "fail" {
		d.bad("policy.leaked_before", "warn or fail", "%s is neither", quote(b))
	}
	for _, r := range []struct{ key, value string }{{"heap", p.Policy.Heap}, {"resident", p.Policy.Resident}, {"threads", p.Policy.Threads}} {
		if !slices.Contains([]string{"warn", "fail", "ignore"}, r.value) {
			d.bad("policy."+r.key, "warn, fail or ignore", "%s is none of them", quote(r.value))
		}
	}
	if strings.ContainsAny(p.Policy.GroupBy, "=\"\n") {
		d.bad("policy.group_by", "the label's name alone, as tenant", "%s is not the name of a goroutine label", quote(p.Policy.GroupBy))
	}
	d.rules(p.Policy.Ignore, "policy.ignore")
	d.ignoreFile(p)
	if n := int(p.Policy.Detect); n > 0 && p.Load.Rate != Max && d.sound("load.rate", "load.round", "load.rounds.max") {
		most := float64(p.Load.Rate) * time.Duration(p.Load.Round).Seconds() * float64(p.Load.Rounds.Max)
		if most < float64(n) {
			d.bad("policy.detect", "raise load.rate, load.round or load.rounds.max",
				"the whole load is %.0f requests at most; a leak in one of %d could not be seen", most, n)
		}
	}
}

// rules checks ignore rules.
func (d *decoder) rules(rules []Ignore, path string) {
	for i, r := range rules {
		at := fmt.Sprintf("%s[%d]", path, i)
		none := true
		for _, m := range []struct{ key, pattern string }{
			{"function", r.Function}, {"frame", r.Frame}, {"created_by", r.CreatedBy}, {"label", r.Label},
		} {
			none = none && !d.given(at+"."+m.key)
			if d.given(at+"."+m.key) && m.pattern == "" {
				d.bad(at+"."+m.key, "write . if that is meant", "is empty; it would match every stack")
			}
			if _, err := regexp.Compile(m.pattern); err != nil {
				d.bad(at+"."+m.key, "a regular expression in Go's syntax", "%v", err)
			}
		}
		if none {
			d.bad(at, "add function: with a regular expression for the function that reports blame", "names no function, frame, created_by or label; it would match every stack")
		}
		if d.given(at+".reason") && r.Reason == "" {
			d.bad(at+".reason", "", "is empty; say why the stack may grow")
		}
		if r.Max < 0 {
			d.bad(at+".max", "", "%d is negative", r.Max)
		}
	}
}

// ignoreFile adds the rules of policy.ignore_file to the plan's. They are part
// of what a verdict depends on, so the file is needed to judge too.
func (d *decoder) ignoreFile(p *Plan) {
	if p.Policy.IgnoreFile == "" || !d.sound("policy.ignore_file") {
		return
	}
	name := p.Resolve(p.Policy.IgnoreFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		d.bad("policy.ignore_file", "paths are relative to the plan's folder; judge --accept writes the file", "no such file: %s", p.Policy.IgnoreFile)
		return
	}
	if err != nil {
		d.bad("policy.ignore_file", "", "%v", err)
		return
	}
	rules, problems := parseRules(name, text, d.env)
	p.Policy.Ignore = append(p.Policy.Ignore, rules...)
	d.problems = append(d.problems, problems...)
}

// parseRules reads a file of ignore rules. Comments alone are no rules.
func parseRules(file string, text []byte, env func(string) (string, bool)) ([]Ignore, Problems) {
	d := &decoder{file: file, env: env}
	var rules []Ignore
	root := d.root(text)
	if root == nil {
		if len(d.problems) == 1 && d.problems[0].Line == 0 { // empty
			return nil, nil
		}
		return nil, d.problems
	}
	d.value(root, reflect.ValueOf(&rules).Elem(), "")
	d.rules(rules, "")
	return rules, d.problems
}

func (d *decoder) url(text, path string) *url.URL {
	return d.address(text, path, []string{"http", "https"})
}

// address checks an address whose scheme has to be one of some.
func (d *decoder) address(text, path string, schemes []string) *url.URL {
	begin := fmt.Sprintf("begin it with %s:// or %s://", schemes[0], schemes[1])
	if text == "" {
		d.bad(path, "", "is empty")
		return nil
	}
	if !d.sound(path) {
		return nil
	}
	if !strings.Contains(text, "://") {
		d.bad(path, begin, "%s is not %s address", quote(cleanHost(text)), article(schemes[0]))
		return nil
	}
	u, err := url.Parse(text)
	if err == nil {
		d.urlSecrets(u)
	}
	switch {
	case err != nil:
		d.bad(path, "", "not an address: %s", urlReason(err, text))
	case !slices.Contains(schemes, u.Scheme):
		d.bad(path, begin, "%s is not %s address", quote(CleanURL(text)), article(schemes[0]))
	case u.Host == "":
		d.bad(path, "", "no host in the address")
	default:
		return u
	}
	return nil
}

func article(scheme string) string {
	if scheme == "http" {
		return "an http"
	}
	return "a " + scheme
}

// cleanHost is CleanURL for an address without a scheme.
func cleanHost(text string) string {
	return strings.TrimPrefix(CleanURL("//"+strings.TrimPrefix(text, "//")), "//")
}

// urlReason says what is wrong with an address without its secrets: the address
// is left out, and of one that has a user so is the part that is quoted, since
// a slash in a password makes "host:port" of user and password.
func urlReason(err error, text string) string {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if !strings.Contains(text, "@") {
		return err.Error()
	}
	reason, _, _ := strings.Cut(err.Error(), `"`)
	return strings.TrimSpace(reason) + " (escape special characters in the password)"
}

func (d *decoder) pair(at string, p *Plan, cert, key string) {
	switch {
	case cert != "" && key == "":
		d.bad(at+".key", "", "missing: the key of cert")
	case cert == "" && key != "":
		d.bad(at+".cert", "", "missing: the certificate of key")
	}
	d.file1(at+".cert", p, cert)
	d.file1(at+".key", p, key)
}

// file1 checks that a file the plan names is there. Without an environment the
// plan is only judged by, and its files may be gone.
func (d *decoder) file1(path string, p *Plan, name string) {
	if name == "" || d.env == nil {
		return
	}
	info, err := os.Stat(p.Resolve(name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.bad(path, "paths are relative to the plan's folder", "no such file: %s", name)
	case err != nil:
		d.bad(path, "", "%v", err)
	case info.IsDir():
		d.bad(path, "", "%s is a directory", name)
	}
}
