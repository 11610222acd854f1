package promql

import (
	"errors"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
)

func TestParse(t *testing.T) {
	for _, c := range []struct{ text, metric, matchers string }{
		{`{job="a"}`, "", `{job="a"}`},
		{" go_goroutines {\tjob = \"a\" , b!='c' ,}\n", "go_goroutines", `{job="a", b!="c"}`},
		{"go_goroutines", "go_goroutines", ""},
		{"go_goroutines{}", "go_goroutines", ""},
		{`shop:goroutines{a="b"}`, "shop:goroutines", `{a="b"}`},
		// What looks like an operator, and is a label or a value.
		{`{or="x",and=~"y"}`, "", `{or="x", and=~"y"}`},
		{`{job="a or b"}`, "", `{job="a or b"}`},
		{`{job="} or {"}`, "", `{job="} or {"}`},
		{`{job=~"a|b", b!~"c.*"}`, "", `{job=~"a|b", b!~"c.*"}`},
		{"{job=`a\\d\"`}", "", `{job="a\\d\""}`},
		{`{job='it\'s', b="\u00e4\x41\101"}`, "", `{job="it's", b="äAA"}`},
		{`{"my.label"="x"}`, "", `{"my.label"="x"}`},
		{`{"go_goroutines", job="a"}`, "go_goroutines", `{job="a"}`},
		{`{job="a", "go.goroutine.count"}`, "go.goroutine.count", `{job="a"}`},
		{"{job=\"a\" # the service\n}", "", `{job="a"}`},
		{`{a="", job="b"}`, "", `{a="", job="b"}`},
	} {
		s, err := Parse(c.text)
		if err != nil || s.Metric != c.metric || s.Braces() != c.matchers {
			t.Errorf("Parse(%s) = %q %s, %v; want %q %s", c.text, s.Metric, s.Braces(), err, c.metric, c.matchers)
		}
	}
}

// What another query would be made of is refused, with what to write instead.
func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ text, want, hint string }{
		{`{job="a" or job="b"}`, `has "or" between its matchers, which only MetricsQL allows, at character 10`, `{job=~"a|b"}`},
		{`{job="a" OR job="b"}`, `has "or" between`, `{job=~"a|b"}`},
		{`go_goroutines{job="a",b="c" or job="b"}`, `at character 29`, `{job=~"a|b"}`},
		{`{job="a"} or {job="b"}`, `joins two with "or" at character 11`, `{job=~"a|b"}`},
		{`{job="a"} unless {job="b"}`, `continues with "unless"`, "one selector"},
		{`go_goroutines{"go_goroutines", job="a"}`, `names two metrics, go_goroutines and "go_goroutines", at character 15`, "once"},
		{`{"go_goroutines", "go_threads"}`, "names two metrics", "once"},
		{`rate({job="a"}[1m])`, "it calls rate at character 5", "one selector"},
		{`sum by (job) ({job="a"})`, `continues with "by"`, "one selector"},
		{`WITH (x={job="a"}) x`, "it calls WITH", "one selector"},
		{`{job="a"}[5m]`, "it has a range at character 10", "leave it out"},
		{`{job="a"} offset 5m`, `it has "offset"`, "leave it out"},
		{`{job="a"} @ 1700000000`, `it has "@"`, "leave it out"},
		{`{job="a"} > 5`, `continues with ">"`, "one selector"},
		{`({job="a"})`, `it has "({job=\"a\"})" at character 1`, "one selector"},
		{`-go_goroutines`, "at character 1", "one selector"},
		{`job="a"`, `it has "=\"a\""`, "in braces"},
		{`{job=a}`, `has no value for "job"`, "in quotes"},
		{`{job=="a"}`, "has no operator", `label="value"`},
		{`{job}`, "has no operator", `label="value"`},
		{`{job="a"`, "brace is never closed", "}"},
		{`{job="a}`, "string is never closed", `"`},
		{"{job=\"a\n\"}", "has an invalid escape in a string", `\\`},
		{`{job="\d"}`, "has an invalid escape in a string", `\\`},
		{`{job="a" b="c"}`, `it has "b=\"c\"}"`, "commas"},
		{`{,}`, `it has ",}"`, "label"},
		{`{my.label="a"}`, "has no operator", `label="value"`},
		{`{1a="b"}`, "it has", "in quotes"},
		{`{=""}`, "it has", "in quotes"},
		{`{""="a"}`, "has an empty label name", "in quotes"},
		{`{job=~"("}`, `has "(", which is not a valid regular expression`, "RE2"},
		{`{job="\xff"}`, "not UTF-8", ""},
		{`{__name__="up"}`, "__name__", "go_goroutines{…}"},
		{`{"__name__"=~".*",job="a"}`, "__name__", "go_goroutines{…}"},
		{`{}`, "matches every series", `{job="checkout"}`},
		{`{job=~".*"}`, "matches every series", `{job="checkout"}`},
		{` `, "is empty", ""},
		{`"go_goroutines"`, "is not a selector", ""},
	} {
		_, err := Parse(c.text)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Got, c.want) || !strings.Contains(e.Hint, c.hint) {
			t.Errorf("Parse(%s) = %v, want an error with %q and the hint %q", c.text, err, c.want, c.hint)
		}
	}
}

func TestWithMetric(t *testing.T) {
	for _, c := range []struct{ metric, matchers, want string }{
		{"go_goroutines", `{job="a"}`, `go_goroutines{job="a"}`},
		{"go_goroutines", "", "go_goroutines"},
		{"go.goroutine.count", `{job="a"}`, `{"go.goroutine.count", job="a"}`},
		{"go.goroutine.count", "", `{"go.goroutine.count"}`},
	} {
		if got := WithMetric(c.metric, c.matchers); got != c.want {
			t.Errorf("WithMetric(%s, %s) = %s, want %s", c.metric, c.matchers, got, c.want)
		}
	}
}

func TestContradicted(t *testing.T) {
	for _, c := range []struct {
		selector string
		labels   model.Metric
		want     string
	}{
		{`{job="a"}`, model.Metric{"job": "a"}, ""},
		{`{job="a"}`, model.Metric{"job": "b"}, `job="a"`},
		{`{job!="a"}`, model.Metric{"job": "b"}, ""},
		{`{x="",job!="a"}`, model.Metric{"job": "a"}, `job!="a"`},
		{`{job=~"a|b"}`, model.Metric{"job": "b"}, ""},
		{`{job=~"a|b"}`, model.Metric{"job": "bc"}, `job=~"a|b"`},
		{`{job=~"a.c"}`, model.Metric{"job": "a\nc"}, ""},
		{`{x="y",job!~"a.*"}`, model.Metric{"job": "ab"}, `job!~"a.*"`},
		// Thanos merges replicas, and leaves their label out.
		{`{replica="1",job="a"}`, model.Metric{"job": "a"}, ""},
		{`{"my.label"="x"}`, model.Metric{"my.label": "y"}, `"my.label"="x"`},
	} {
		s, err := Parse(c.selector)
		if err != nil {
			if s, err = Parse("go_goroutines" + c.selector); err != nil {
				t.Fatal(err)
			}
		}
		m, bad := s.Contradicted(c.labels)
		if bad != (c.want != "") || bad && m.String() != c.want {
			t.Errorf("contradicted(%s, %s) = %s, %v; want %q", c.selector, c.labels, m, bad, c.want)
		}
	}
}

// FuzzSelector looks for a text that makes the parser panic, or whose selector is another
// one when it is written and read again.
func FuzzSelector(f *testing.F) {
	for _, text := range []string{`{job="a" or job="b"}`, "go_goroutines{a=~'b|c',\"d.e\"!=`f`,}", `{"go_goroutines", job="\u00e4"} # x`, `{a="b"}[5m] offset 1m`} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		written := WithMetric(s.Metric, s.Braces())
		if s.Metric == "" {
			written = s.Braces()
		}
		again, err := Parse(written)
		if err != nil || again.Metric != s.Metric || again.Braces() != s.Braces() || len(again.Matchers) != len(s.Matchers) {
			t.Fatalf("Parse(%q) = %+v; written %q, and read again %+v, %v", text, s, written, again, err)
		}
		for i, m := range s.Matchers {
			if n := again.Matchers[i]; n.Label != m.Label || n.Op != m.Op || n.Value != m.Value {
				t.Fatalf("Parse(%q): %v became %v", text, m, n)
			}
		}
	})
}
