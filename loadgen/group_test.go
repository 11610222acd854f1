package loadgen

import (
	"fmt"
	"net/http"
	"testing"
)

// names are the requests' lines of the results.
func names(requests []Request) []string {
	out := make([]string, len(requests))
	for i, r := range requests {
		out[i] = r.Name
	}
	return out
}

func TestGroup(t *testing.T) {
	many := func(n int, format string) []Request {
		out := make([]Request, n)
		for i := range out {
			out[i] = Request{Method: "GET", URL: fmt.Sprintf(format, i), Place: fmt.Sprintf("t.http:%d", i+1)}
		}
		return out
	}
	order := func(body string, place string) Request {
		return Request{Method: "POST", URL: "http://h/order", Body: []byte(body), Place: place}
	}
	for _, c := range []struct {
		name  string
		in    []Request
		lines map[string]int // requests on each
	}{
		{"equal requests", append(many(2, "http://h/a#%.0d"), Request{URL: "http://h/b"}, Request{Method: "GET", URL: "http://h/b"}),
			map[string]int{"GET http://h/a#": 1, "GET http://h/a#1": 1, "GET http://h/b": 2}},
		{"queries", many(3, "http://h/a?x=%d"), map[string]int{"GET http://h/a?x=0": 1, "GET http://h/a?x=1": 1, "GET http://h/a?x=2": 1}},
		// The same name, since the query is a secret.
		{"secrets", []Request{
			{Method: "GET", URL: "http://h/a?token=1", Name: "GET http://h/a?token=***", Place: "t.http:1"},
			{Method: "GET", URL: "http://h/a?token=2", Name: "GET http://h/a?token=***", Place: "t.http:7"},
			{Method: "GET", URL: "http://h/a?token=1", Name: "GET http://h/a?token=***", Place: "t.http:9"},
			{Method: "GET", URL: "http://h/b?token=1", Name: "GET http://h/b?token=***", Place: "t.http:11"},
		}, map[string]int{"GET http://h/a?token=*** (t.http:1)": 2, "GET http://h/a?token=*** (t.http:7)": 1, "GET http://h/b?token=***": 1}},
		{"bodies", []Request{order("1", "t.json:1"), order("2", "t.json:2"), order("1", "t.json:3")},
			map[string]int{"POST http://h/order (t.json:1)": 2, "POST http://h/order (t.json:2)": 1}},
		{"headers", []Request{
			{Method: "GET", URL: "http://h/", Header: http.Header{"A": {"1"}}, Place: "t.http:1"}, {Method: "GET", URL: "http://h/"},
		}, map[string]int{"GET http://h/ (t.http:1)": 1, "GET http://h/ (request 2)": 1}},
		{"as many kinds as there are lines", many(maxGroups, "http://h/a?x=%d"), nil},
		{"many kinds of one path", append(many(maxGroups+1, "http://h/item?id=%d;v=1"), Request{URL: "http://h/b?x=1"}),
			map[string]int{"GET http://h/item?id=…&v=…": maxGroups + 1, "GET http://h/b?x=1": 1}},
		{"many kinds of one path, with other parameters", append(many(maxGroups+1, "http://h/item?id=%d"), Request{URL: "http://h/item"}),
			map[string]int{"GET http://h/item?…": maxGroups + 2}},
		{"many bodies", func() (out []Request) {
			for i := range maxGroups + 1 {
				out = append(out, order(fmt.Sprint(i), ""))
			}
			return out
		}(), map[string]int{"POST http://h/order (51 different requests)": maxGroups + 1}},
	} {
		lines := map[string]int{}
		for i, r := range Group(c.in) {
			lines[r.Name]++
			if !r.Grouped || r.URL != c.in[i].URL {
				t.Errorf("Group(%s) made %+v of %+v", c.name, r, c.in[i])
			}
		}
		if c.lines == nil && len(lines) != len(c.in) {
			t.Errorf("Group(%s) = %v, want a line of each", c.name, lines)
		}
		for name, n := range c.lines {
			if lines[name] != n || len(lines) != len(c.lines) {
				t.Errorf("Group(%s) = %v, want %v", c.name, lines, c.lines)
				break
			}
		}
		if c.in[0].Grouped {
			t.Errorf("Group(%s) edited its argument: %+v", c.name, c.in[0])
		}
	}
}

func TestGroupBounds(t *testing.T) {
	var in []Request
	for i := range maxGroups + 10 {
		in = append(in, Request{Method: "GET", URL: fmt.Sprintf("http://h/%d", i)})
	}
	lines := map[string]int{}
	for _, r := range Group(append(in, in[0], in[maxGroups])) {
		lines[r.Name]++
	}
	if len(lines) != maxGroups+1 || lines[others] != 11 || lines["GET http://h/0"] != 2 {
		t.Errorf("Group(%d kinds) = %v, want %d lines and 11 others", maxGroups+10, lines, maxGroups+1)
	}
}

// Each request of a plan has a line of its own.
func TestTellApart(t *testing.T) {
	in := []Request{
		{URL: "http://h/a", Name: "GET http://h/a", Place: "load.requests[0]"},
		{URL: "http://h/b", Name: "GET http://h/b", Place: "load.requests[1]"},
		{URL: "http://h/a", Name: "GET http://h/a", Place: "load.requests[2]", Abandon: 0.5},
	}
	want := "[GET http://h/a (load.requests[0]) GET http://h/b GET http://h/a (load.requests[2])]"
	if got := fmt.Sprint(names(TellApart(in))); got != want {
		t.Errorf("TellApart = %s, want %s", got, want)
	}
}
