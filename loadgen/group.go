package loadgen

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

const (
	// maxGroups is how many kinds of request from a file get a line of their own.
	maxGroups = 50
	// others is the line of the rest.
	others = "(other requests)"
)

// Group gives equal requests one line of the results, and different ones different names.
// If there are more than 50 kinds, those with the same method and path share a line, and
// beyond 50 of these, the rest does.
func Group(requests []Request) []Request {
	out := slices.Clone(requests)
	kinds := make([]kind, len(out))
	distinct := map[kind]bool{}
	for i := range out {
		out[i].Name, out[i].Grouped = out[i].name(), true
		kinds[i] = kindOf(out[i])
		distinct[kinds[i]] = true
	}
	if len(distinct) > maxGroups {
		nameByPath(out, kinds)
	} else {
		tellApart(out, kinds)
	}
	return out
}

// TellApart gives different names to requests that each have their own line: if names are
// the same, the place in the file is added.
func TellApart(requests []Request) []Request {
	out := slices.Clone(requests)
	kinds := make([]kind, len(out))
	for i := range out {
		out[i].Name = out[i].name()
		binary.BigEndian.PutUint64(kinds[i][:], uint64(i))
	}
	tellApart(out, kinds)
	return out
}

// kind is the same for two requests that are sent in the same way.
type kind [sha256.Size]byte

func kindOf(r Request) kind {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", cmp.Or(r.Method, http.MethodGet), r.URL)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		fmt.Fprintf(h, "%q: %q\n", name, r.Header[name])
	}
	h.Write(r.Body)
	return kind(h.Sum(nil))
}

// tellApart adds the place of the first of its kind to names that several kinds have.
func tellApart(requests []Request, kinds []kind) {
	first := map[kind]string{}
	named := map[string]map[kind]bool{}
	for i, r := range requests {
		if _, known := first[kinds[i]]; !known {
			first[kinds[i]] = cmp.Or(r.Place, fmt.Sprintf("request %d", i+1))
		}
		if named[r.Name] == nil {
			named[r.Name] = map[kind]bool{}
		}
		named[r.Name][kinds[i]] = true
	}
	for i := range requests {
		if r := &requests[i]; len(named[r.Name]) > 1 {
			r.Name += " (" + first[kinds[i]] + ")"
		}
	}
}

// nameByPath names requests by method and path, and says what differs if several share a
// name.
func nameByPath(requests []Request, kinds []kind) {
	type group struct {
		kinds map[kind]bool
		query string
		mixed bool // their queries have different parameters
	}
	groups := map[string]*group{}
	paths := make([]string, len(requests))
	for i, r := range requests {
		path, query, _ := strings.Cut(r.Name, "?")
		paths[i] = path
		names := parameters(query)
		g := groups[path]
		if g == nil {
			g = &group{kinds: map[kind]bool{}, query: names}
			groups[path] = g
		}
		g.kinds[kinds[i]] = true
		g.mixed = g.mixed || g.query != names
	}
	lines := map[string]bool{}
	for i := range requests {
		r, g := &requests[i], groups[paths[i]]
		switch {
		case !lines[paths[i]] && len(lines) >= maxGroups:
			r.Name = others
			continue
		case len(g.kinds) == 1: // its own name says it all
		case g.mixed:
			r.Name = paths[i] + "?…"
		case g.query != "":
			r.Name = paths[i] + "?" + g.query
		default: // their bodies or headers differ
			r.Name = fmt.Sprintf("%s (%d different requests)", paths[i], len(g.kinds))
		}
		lines[paths[i]] = true
	}
}

// parameters is a query string without its values.
func parameters(query string) string {
	if query == "" {
		return ""
	}
	parts := strings.FieldsFunc(query, func(c rune) bool { return c == '&' || c == ';' })
	for i, p := range parts {
		if key, _, ok := strings.Cut(p, "="); ok {
			parts[i] = key + "=…"
		}
	}
	return strings.Join(parts, "&")
}
