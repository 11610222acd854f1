package promql

import (
	"strings"
	"testing"
)

func TestParseCount(t *testing.T) {
	for _, c := range []struct{ selector, metric, matchers, err string }{
		{`{job="shop"}`, "", `{job="shop"}`, ""},
		{` go_goroutines{job="shop", a=~"}"} `, "go_goroutines", `{job="shop", a=~"}"}`, ""},
		{"go_goroutines", "go_goroutines", "", ""},
		{`shop_goroutines{a="b"}`, "shop_goroutines", `{a="b"}`, ""},
		{`up{job="shop"}`, "", "", "names up, which does not count goroutines"},
		{`{"up", job="shop"}`, "", "", "names up, which does not count goroutines"},
		{`job="shop"`, "", "", "is not a selector"},
		{"", "", "", "is empty"},
		{`rate({job="shop"}[1m])`, "", "", "is not a selector"},
		{`{__name__="up"}`, "", "", "__name__"},
		{`{job="a",__name__ =~"go_.*"}`, "", "", "__name__"},
	} {
		s, err := ParseCount(c.selector)
		metric, matchers := s.Metric, s.Braces()
		if metric != c.metric || matchers != c.matchers || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("ParseCount(%s) = %q, %q, %v; want %q, %q, %q", c.selector, metric, matchers, err, c.metric, c.matchers, c.err)
		}
	}
}
