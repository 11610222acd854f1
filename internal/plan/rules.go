package plan

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"regexp"
	"strings"
	"time"
)

func (d *decoder) policy(p *Plan) {
	if p.Policy.Goroutines.Tolerance < 0 {
		d.bad("policy.goroutines.tolerance", "", "%d is negative", p.Policy.Goroutines.Tolerance)
	}
	if p.Policy.Goroutines.Percent < 0 || p.Policy.Goroutines.Percent > 100 {
		d.bad("policy.goroutines.percent", "", "%v is not between 0 and 100", p.Policy.Goroutines.Percent)
	}
	if strings.ContainsAny(p.Policy.GroupBy, "=\"\n") {
		d.bad("policy.group_by", "write the label's name alone, such as tenant", "%s is not the name of a goroutine label",
			quoted(p.Policy.GroupBy))
	}
	d.rules(p.Policy.Ignore, "policy.ignore")
	d.ignoreFile(p)
	if n := int(p.Policy.Detect); n > 0 && p.Load.Rate != Max && d.sound("load.rate", "load.round", "load.rounds.max") {
		most := float64(p.Load.Rate) * time.Duration(p.Load.Round).Seconds() * float64(p.Load.Rounds.Max)
		if most < float64(n) {
			d.bad("policy.detect", "raise load.rate, load.round or load.rounds.max",
				"the whole load is at most %.0f requests, too few to see a leak of one in %d", most, n)
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
				d.bad(at+"."+m.key, "write . if you mean that", "is empty; it would match every stack")
			}
			if _, err := regexp.Compile(m.pattern); err != nil {
				d.bad(at+"."+m.key, "write a regular expression in Go's syntax", "%v", err)
			}
		}
		if none {
			d.bad(at, "add function: with a regular expression for the blamed function",
				"has no function, frame, created_by or label; it would match every stack")
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
	if p.Policy.IgnoreFile == "" || !d.sound("policy.ignore_file") || d.partial == sentBy {
		return
	}
	d.files = append(d.files, Reference{"policy.ignore_file", p.Policy.IgnoreFile})
	name := p.Resolve(p.Policy.IgnoreFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		d.bad("policy.ignore_file", "paths are relative to the plan's folder; judge --accept writes the file",
			"no such file: %s", p.Policy.IgnoreFile)
		return
	}
	if err != nil {
		d.bad("policy.ignore_file", "", "%v", err)
		return
	}
	rules, problems := (&decoder{file: name, env: d.env, partial: d.partial}).parseRules(text)
	p.Policy.Ignore = append(p.Policy.Ignore, rules...)
	d.problems = append(d.problems, problems...)
}

// parseRules reads a file of ignore rules. Comments alone are no rules.
func (d *decoder) parseRules(text []byte) ([]Ignore, Problems) {
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
