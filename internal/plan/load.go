package plan

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
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
	if len(d.problems) == 0 || len(d.at) > 1 {
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

func (d *decoder) bad(path, hint, format string, args ...any) {
	if d.reported(path) {
		return
	}
	d.problem(d.where(path), path, hint, format, args...)
}

// reported avoids a second complaint about one field.
func (d *decoder) reported(path string) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Field == path })
}

func (d *decoder) given(path string) bool { _, ok := d.at[path]; return ok }

func (d *decoder) validate(p *Plan) {
	if p.Version != 1 {
		d.bad("version", "write version: 1", "format %d is not known to this leakgate", p.Version)
	}
	d.targets(p)
	d.load(p)
	d.policy(p)
	for path, v := range map[string]int{"safety.goroutines": p.Safety.Goroutines, "policy.goroutines.tolerance": p.Policy.Goroutines.Tolerance} {
		if v < 0 {
			d.bad(path, "", "%d is negative", v)
		}
	}
	if p.Settle.Quiet > p.Settle.Timeout {
		d.bad("settle.quiet", "", "%s is longer than settle.timeout, %s", time.Duration(p.Settle.Quiet), time.Duration(p.Settle.Timeout))
	}
	if p.Settle.Quiet < Duration(500*time.Millisecond) && !d.reported("settle.quiet") {
		d.bad("settle.quiet", "2s is the default", "%s is too short to tell whether a count is level; 500ms at least", time.Duration(p.Settle.Quiet))
	}
}

func (d *decoder) targets(p *Plan) {
	if len(p.Targets) == 0 && !d.reported("targets") {
		d.bad("targets", "list at least one process: - {pprof: http://127.0.0.1:6060/debug/pprof}", "no target")
	}
	names := map[string]int{}
	for i := range p.Targets {
		t := &p.Targets[i]
		at := fmt.Sprintf("targets[%d]", i)
		u := d.url(t.Pprof, at+".pprof")
		if t.Metrics != "" {
			d.url(t.Metrics, at+".metrics")
		}
		if t.Name == "" && u != nil {
			t.Name = u.Host
		}
		if first, twice := names[record.FileName(t.Name)]; twice && t.Name != "" {
			d.bad(at+".name", "give each target a name of its own", "targets[%d] has the same name, %q", first, t.Name)
		}
		names[record.FileName(t.Name)] = i
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

func (d *decoder) load(p *Plan) {
	l := &p.Load
	switch {
	case len(l.Requests) == 0 && l.File == "" && !d.reported("load") && !d.reported("load.requests"):
		d.bad("load.requests", "list at least one: - GET http://127.0.0.1:8080/", "no request to send")
	case len(l.Requests) > 0 && l.File != "":
		d.bad("load.file", "", "requests and file exclude each other")
	}
	d.file1("load.file", p, l.File)
	if l.Format != "" && l.Format != "http" && l.Format != "json" {
		d.bad("load.format", "http or json", "%q is not a target format", l.Format)
	}
	for i := range l.Requests {
		d.oneRequest(p, &l.Requests[i], fmt.Sprintf("load.requests[%d]", i))
	}
	for path, v := range map[string]Duration{"load.timeout": l.Timeout, "load.round": l.Round} {
		if v <= 0 {
			d.bad(path, "", "must be more than 0")
		}
	}
	if l.Rounds.Min < 2 {
		d.bad("load.rounds.min", "growth that repeats is what tells a leak from a pool", "%d is too few; 2 at least", l.Rounds.Min)
	}
	if l.Rounds.Max < l.Rounds.Min {
		d.bad("load.rounds.max", "", "%d is less than min, %d", l.Rounds.Max, l.Rounds.Min)
	}
	if l.Connections < 0 || d.given("load.connections") && l.Connections == 0 {
		d.bad("load.connections", "", "must be at least 1")
	}
	if l.Rate != Max && float64(l.Rate)*time.Duration(l.Round).Seconds() < 1 {
		d.bad("load.rate", "raise the rate or load.round", "less than one request per round")
	}
	if l.H2C && (l.CA != "" || l.Cert != "" || l.Insecure) {
		d.bad("load.h2c", "", "h2c is HTTP/2 without TLS; ca, cert and insecure make no sense with it")
	}
	d.pair("load", p, l.Cert, l.Key)
	d.file1("load.ca", p, l.CA)
}

func (d *decoder) oneRequest(p *Plan, r *Request, at string) {
	u := d.url(r.URL, at+".url")
	if u != nil && u.Scheme == "https" && p.Load.H2C {
		d.bad(at+".url", "", "https with load.h2c, which is HTTP/2 without TLS")
	}
	if !regexp.MustCompile(`^[A-Z]+$`).MatchString(r.Method) {
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
	if p.Policy.Goroutines.Percent < 0 || p.Policy.Goroutines.Percent > 100 {
		d.bad("policy.goroutines.percent", "", "%v is not between 0 and 100", p.Policy.Goroutines.Percent)
	}
	for i, r := range p.Policy.Ignore {
		at := fmt.Sprintf("policy.ignore[%d]", i)
		if _, err := regexp.Compile(r.Function); err != nil {
			d.bad(at+".function", "a regular expression in Go's syntax", "%v", err)
		}
		if d.given(at+".reason") && r.Reason == "" {
			d.bad(at+".reason", "", "is empty; say why the stack may grow")
		}
		if r.Max < 0 {
			d.bad(at+".max", "", "%d is negative", r.Max)
		}
	}
	if n := int(p.Policy.Detect); n > 0 && p.Load.Rate != Max {
		most := float64(p.Load.Rate) * time.Duration(p.Load.Round).Seconds() * float64(p.Load.Rounds.Max)
		if most < float64(n) {
			d.bad("policy.detect", "raise load.rate, load.round or load.rounds.max",
				"the whole load is %.0f requests at most; a leak in one of %d could not be seen", most, n)
		}
	}
}

func (d *decoder) url(text, path string) *url.URL {
	if text == "" {
		d.bad(path, "", "is empty")
		return nil
	}
	if d.env == nil && strings.Contains(text, "${") {
		return &url.URL{Host: text}
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the address: it may hold a secret
		}
		d.bad(path, "", "not an address: %v", err)
	case u.Scheme != "http" && u.Scheme != "https":
		d.bad(path, "begin it with http:// or https://", "not an http address")
	case u.Host == "":
		d.bad(path, "", "no host in the address")
	default:
		return u
	}
	return nil
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

// Mask replaces every secret of the plan in text.
func (p *Plan) Mask(text string) string { return string(p.MaskBytes([]byte(text))) }

// MaskBytes replaces every secret of the plan in data.
func (p *Plan) MaskBytes(data []byte) []byte {
	for _, s := range p.Secrets {
		data = bytes.ReplaceAll(data, []byte(s), []byte("***"))
		if q := url.QueryEscape(s); q != s {
			data = bytes.ReplaceAll(data, []byte(q), []byte("***"))
		}
	}
	return data
}

// secretQuery matches the names of URL parameters that carry secrets.
var secretQuery = regexp.MustCompile(`(?i)token|key|secret|password|sig`)

// CleanURL writes an address without user, password and secret parameters.
func CleanURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(address)"
	}
	if u.User != nil {
		u.User = url.User("***")
	}
	q := u.Query()
	for k := range q {
		if secretQuery.MatchString(k) {
			q.Set(k, "***")
		}
	}
	if u.RawQuery != "" {
		u.RawQuery = strings.ReplaceAll(q.Encode(), "%2A%2A%2A", "***")
	}
	u.Fragment = ""
	return strings.ReplaceAll(u.String(), "%2A%2A%2A@", "***@")
}
