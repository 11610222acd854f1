package plan

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// FuzzParse looks for a plan that makes Parse panic, that it accepts with
// values out of range, or that brings what no terminal should see into a
// problem.
func FuzzParse(f *testing.F) {
	for _, c := range problemCases {
		if len(c.text) < 4<<10 {
			f.Add([]byte(c.text))
		}
	}
	for _, pattern := range []string{"testdata/valid/*.yaml", "testdata/invalid/*.yaml"} {
		for _, file := range files(f, pattern) {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, env := range []func(string) (string, bool){testEnv, nil} {
			p, err := Parse("plan.yaml", text, env)
			if err != nil {
				checkProblems(t, p, err)
				continue
			}
			checkPlan(t, p)
		}
	})
}

func checkProblems(t *testing.T, p *Plan, err error) {
	var problems Problems
	if p != nil || !errors.As(err, &problems) || len(problems) == 0 {
		t.Fatalf("Parse = %v, %#v, want problems only", p, err)
	}
	inOrder := slices.IsSortedFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
	if !inOrder {
		t.Errorf("the problems are not in the order of the file:\n%v", err)
	}
	for _, p := range problems {
		line := p.String()
		if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("a problem is not printable: %q", line)
		}
	}
}

func checkPlan(t *testing.T, p *Plan) {
	l := p.Load
	if len(p.Targets) == 0 || len(l.Requests)+len(l.Streams) == 0 && l.File == "" && l.Exec == nil && l.None == nil &&
		l.Job == nil && l.TestRun == nil || p.Version != 1 || l.Rounds.Min < 2 || l.Rounds.Max < l.Rounds.Min || l.Round <= 0 || l.Timeout <= 0 || l.Rate < 0 || !(l.Success >= 0 && l.Success <= 1) {
		t.Errorf("Parse accepts %+v", p)
	}
	for _, g := range p.Targets {
		if g.Pprof == "" && g.Kubernetes == nil && (g.Selector == "" || p.Prometheus.URL == "") {
			t.Errorf("Parse accepts the target %+v", g)
		}
	}
	for _, r := range p.Policy.Ignore {
		if _, err := regexp.Compile(r.Function); err != nil || r.Function+r.Frame+r.CreatedBy+r.Label == "" {
			t.Errorf("Parse accepts the rule %+v: %v", r, err)
		}
	}
	p.Mask("text")
	p.VerdictPolicy()
}

// FuzzScalars looks for a text that a value accepts and the schema's pattern
// does not: an editor would complain of a plan that runs.
func FuzzScalars(f *testing.F) {
	for _, seed := range []string{"1m30s", ".5s", "0", "-0s", "200/s", "5/2s500ms", "5/", "max", "1e3", "5 %", "1/1000", "2027-03-01", "4Gi", "1.5 G", "NaN", "0x1p4", "1_000", "\u00a05%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, s := range scalars() {
			if s.Set(text) != nil {
				continue
			}
			if pattern, _ := s.Syntax(); !regexp.MustCompile(pattern).MatchString(text) {
				t.Errorf("%T accepts %q, its pattern %s does not", s, text, pattern)
			}
		}
	})
}
