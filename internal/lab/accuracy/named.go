package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/leakgate/leakgate/verdict"
)

// endpoint is a request of a service that has many, as the corpus lists it.
type endpoint struct {
	Path   string   `json:"path"`
	About  string   `json:"about"`
	Leaks  bool     `json:"leaks"`
	Blame  string   `json:"blame"`  // how the function to blame begins; of a healthy one, its own function
	Others []string `json:"others"` // functions of the other goroutines of the same cause
	OneIn  int      `json:"one_in"`
	Each   float64  `json:"per_request"` // goroutines of the function to blame that a request leaves behind
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
