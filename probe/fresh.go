package probe

import (
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/leakgate/leakgate/record"
)

// CodeStale is what a run is judged by where an answer is a copy of an older one.
const CodeStale = "profile-stale"

// staleHint is the next thing to do about a copy.
const staleHint = "something between leakgate and the target keeps copies, as a proxy, a CDN or a mesh: " +
	"go around it, or let it pass requests for pprof and metrics through"

// askFresh are the headers by which caches let a request through.
func askFresh(h http.Header) {
	h.Set("Cache-Control", "no-cache, no-store, max-age=0")
	h.Set("Pragma", "no-cache")
}

// cacheHit matches the values of headers in which caches say that an answer is theirs:
// X-Cache and its kin, and Cache-Status (RFC 9211).
var cacheHit = regexp.MustCompile(`(?i)(^|[\s,;_-])(hit|stale|updating|revalidated)($|[\s,;=_-])`)

// cacheHeaders are where caches say whether they answered: Varnish and CDNs, nginx,
// Cloudflare, and the standard one.
var cacheHeaders = []string{"X-Cache", "X-Cache-Status", "X-Proxy-Cache", "Cf-Cache-Status", "X-Varnish-Cache", "Cache-Status"}

// copied is what shows that an answer comes from a cache, or is empty.
func copied(h http.Header) string {
	if age, err := strconv.Atoi(strings.TrimSpace(h.Get("Age"))); err == nil && age > 0 {
		return fmt.Sprintf("Age: %d", age)
	}
	for _, name := range cacheHeaders {
		for _, v := range h.Values(name) {
			if cacheHit.MatchString(v) {
				return name + ": " + v
			}
		}
	}
	if w := h.Get("Warning"); strings.HasPrefix(w, "110") || strings.HasPrefix(w, "111") { // stale; revalidation failed
		return "Warning: " + w
	}
	return ""
}

// stale is an answer that is a copy.
func (t *Target) stale(asked, got string) *Error {
	return t.hidden(&Error{Target: t.name, Asked: asked, Got: got, Hint: staleHint, Code: CodeStale})
}

// advances checks that a profile is newer than the one before. Go writes into a profile
// when it was taken; what a cache keeps has the time of its first reader.
func (t *Target) advances(asked string, taken time.Time) *Error {
	if taken.IsZero() {
		return nil
	}
	last := t.last.profile
	t.last.profile = taken
	switch {
	case last.IsZero() || taken.After(last):
		return nil
	case taken.Equal(last):
		return t.stale(asked, fmt.Sprintf("the profile is a copy of the one before: both were taken at %s", clockOf(taken)))
	}
	return t.stale(asked, fmt.Sprintf("the profile is older than the one before: it was taken at %s, that at %s; "+
		"a copy, or another process' whose clock differs", clockOf(taken), clockOf(last)))
}

func clockOf(t time.Time) string { return t.Format("15:04:05.000000") }

// readings is what was read of a target last, by which the next reading is known to be a
// new one of the same process.
type readings struct {
	profile    time.Time // when the newest profile was taken, by the target's clock
	read       time.Time // when it was read, by ours
	collection uint64    // when the last collection ended, nanoseconds since 1970
	count      uint64    // collections since the start
	allocated  uint64    // bytes allocated since the start
	total      int       // goroutines

	continuity record.Continuity // with what was read before, until an identity has it
}
