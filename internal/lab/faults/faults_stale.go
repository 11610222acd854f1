package main

import (
	"bytes"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/google/pprof/profile"
)

// cache keeps answers by the key that it makes of a request.
type cache struct {
	mu   sync.Mutex
	kept map[string]kept
}

type kept struct {
	answer
	at time.Time
}

// get is a kept answer that is younger than ttl, or a fresh one that is kept from now on.
func (c *cache) get(q *query, key string, ttl time.Duration) (a answer, age time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept == nil {
		c.kept = map[string]kept{}
	}
	if k, ok := c.kept[key]; ok && q.time.Sub(k.at) < ttl {
		return k.answer, q.time.Sub(k.at)
	}
	a = q.get(0)
	if a.err == nil && a.status == http.StatusOK {
		c.kept[key] = kept{answer: a, at: q.time}
	}
	return a, 0
}

const forEver = time.Hour

// caching is a cache in front of everything that is served by GET, with the headers that
// a well-behaved one adds, or without.
func caching(ttl time.Duration, headers bool) func() serve {
	return func() serve {
		c := &cache{}
		return func(w http.ResponseWriter, q *query) {
			a, age := c.get(q, q.URL.String(), ttl)
			if headers {
				w.Header().Set("Age", fmt.Sprint(int(age.Seconds())))
				w.Header().Set("X-Cache", map[bool]string{true: "HIT", false: "MISS"}[age > 0])
			}
			a.write(w)
		}
	}
}

// sometimes serves the first goroutine profile again, one time in n.
func sometimes(n int, what func(serve) serve) func() serve {
	return func() serve {
		c := &cache{}
		return what(func(w http.ResponseWriter, q *query) {
			if first, _ := c.get(q, "first", forEver); q.n > 0 && q.n%n == n-1 {
				first.write(w)
				return
			}
			forward(w, q)
		})
	}
}

// frozen serves what was served last before a moment.
func frozen(m moment, what func(serve) serve) func() serve {
	return func() serve {
		c := &cache{}
		return what(func(w http.ResponseWriter, q *query) {
			ttl := time.Duration(0)
			if q.since(m) {
				ttl = forEver
			}
			a, _ := c.get(q, q.URL.String(), ttl)
			a.write(w)
		})
	}
}

func onlyMetrics(then serve) serve { return only(then, askMetrics) }
func onlyHeap(then serve) serve    { return only(then, askHeap) }
func everything(then serve) serve  { return then }

// notModified answers 304 to every request for what was served before, whether the
// client has it or not.
func notModified() serve {
	c := &cache{}
	return profiles(func(w http.ResponseWriter, q *query) {
		a, age := c.get(q, "first", forEver)
		w.Header().Set("ETag", `"1"`)
		if age > 0 {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		a.write(w)
	})
}

// withTime edits a profile's own time.
func withTime(edit func(q *query, p *profile.Profile)) func() serve {
	return func() serve {
		return profiles(change(func(q *query, a *answer) {
			p, err := profile.ParseData(a.body)
			if err != nil {
				return
			}
			edit(q, p)
			a.body = encode(p)
		}))
	}
}

func encode(p *profile.Profile) []byte {
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		return nil // a profile that was read can be written
	}
	return b.Bytes()
}

// staleRows are answers that are older than they seem. Either the age shows, or enough of
// the evidence is fresh for a fail; a pass may rest on none of them.
func staleRows() []row {
	rows := append(cacheRows(), clockRows()...)
	for i := range rows {
		rows[i].kind = "stale"
	}
	return rows
}

// cacheRows are copies of earlier answers.
func cacheRows() []row {
	leak, fine := []string{stale}, []string{stale}
	some, mostly := []string{stale, fails}, []string{stale, passes}
	contradicts := []string{stale, contra, fails}
	return []row{
		{name: "cache for ever", short: true, variants: each, serve: caching(forEver, true),
			leak: leak, healthy: fine},
		{name: "cache for ever without headers", variants: each, serve: caching(forEver, false),
			leak: leak, healthy: fine},
		{name: "cache for 1s", variants: ends, tries: 3, serve: caching(time.Second, true), leak: some,
			healthy: mostly},
		{name: "cache for 1s without headers", variants: ends, tries: 3,
			serve: caching(time.Second, false), leak: some, healthy: mostly},
		{name: "cache for 30s without headers", variants: each, serve: caching(30*time.Second, false),
			leak: leak, healthy: fine},
		{name: "one copy in three", short: true, variants: ends, tries: 20, fineTries: fineTries,
			serve: sometimes(3, profiles), leak: some, healthy: mostly},
		{name: "one copy in five", variants: ends, tries: 10, fineTries: fineTries,
			serve: sometimes(5, profiles), leak: some, healthy: mostly},
		{name: "every answer, one copy in three", variants: ends, tries: 3,
			serve: sometimes(3, everything), leak: append(some, unclear), healthy: append(mostly, unclear),
			why: "the first answer to any question is served for any: what comes is not even of the right kind"},
		{name: "profiles frozen after round 1", variants: ends, tries: 3,
			serve: frozen(settle1, profiles), leak: leak, healthy: fine},
		{name: "everything frozen in round 2", variants: each, tries: 3,
			serve: frozen(round2, everything), leak: leak, healthy: fine},
		{name: "profiles frozen in the long look", plan: longer, tries: 3,
			serve: frozen(longLook, profiles),
			leak:  some, healthy: mostly,
			why: "what the long look sees is high, and of before; that is no fall"},
		{name: "only debug=0 cached", short: true, variants: ends,
			serve: func() serve { return profiles(caching(forEver, false)()) }, leak: leak, healthy: fine},
		{name: "etag and 304", serve: notModified, leak: []string{unclear}, healthy: []string{unclear}},
		{name: "cdn ignores the query", variants: ends, serve: func() serve {
			c := &cache{}
			return func(w http.ResponseWriter, q *query) { a, _ := c.get(q, q.URL.Path, forEver); a.write(w) }
		}, leak: leak, healthy: fine},
		{name: "metrics cached, profiles fresh",
			serve: func() serve { return onlyMetrics(caching(forEver, false)()) }, leak: contradicts,
			healthy: mostly},
		{name: "metrics frozen in round 2", serve: frozen(round2, onlyMetrics), leak: contradicts,
			healthy: mostly},
		{name: "heap cached, profiles fresh", variants: heapOnly,
			serve: func() serve { return onlyHeap(caching(forEver, false)()) }, leak: some, healthy: mostly},
	}
}

// clockRows are profiles whose time is not when they were taken.
func clockRows() []row {
	some, mostly := []string{stale, fails}, []string{stale, passes}
	return []row{
		{name: "time stands still", short: true, variants: ends, serve: func() serve {
			first := int64(0)
			return withTime(func(_ *query, p *profile.Profile) {
				if first == 0 {
					first = p.TimeNanos
				}
				p.TimeNanos = first
			})()
		}, leak: some, healthy: mostly, why: "what it shows is fresh, but nothing says so"},
		{name: "time goes back", variants: ends, serve: func() serve {
			return withTime(func(q *query,
				p *profile.Profile) {
				p.TimeNanos -= int64(q.n) * int64(3*time.Second)
			})()
		}, leak: some, healthy: mostly},
		{name: "time goes back in round 2", serve: withTime(func(q *query, p *profile.Profile) {
			if q.since(round2) {
				p.TimeNanos -= int64(time.Hour)
			}
		}), leak: some, healthy: mostly},
		{name: "no time at all",
			serve: withTime(func(_ *query, p *profile.Profile) { p.TimeNanos = 0 }), leak: some, healthy: mostly},
	}
}
