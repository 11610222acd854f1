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

// CodeStale is the code of a run in which an answer was a copy of an older one.
const CodeStale = "profile-stale"

// staleHint says what to do about a copy.
const staleHint = "something between leakgate and the target caches answers, such as a proxy, a CDN or a mesh: " +
	"bypass it, or exclude pprof and metrics from its cache"

// askFresh sets the headers that make caches pass a request on.
func askFresh(h http.Header) {
	h.Set("Cache-Control", "no-cache, no-store, max-age=0")
	h.Set("Pragma", "no-cache")
}

// cacheHit matches the values of headers in which caches say that an answer is theirs:
// X-Cache and its kin, and Cache-Status (RFC 9211).
var cacheHit = regexp.MustCompile(`(?i)(^|[\s,;_-])(hit|stale|updating|revalidated)($|[\s,;=_-])`)

// cacheHeaders are where caches say whether they answered: Varnish and CDNs, nginx,
// Cloudflare, and the standard one.
var cacheHeaders = []string{"X-Cache", "X-Cache-Status", "X-Proxy-Cache", "Cf-Cache-Status", "X-Varnish-Cache",
	"Cache-Status"}

// copied returns the header that shows that an answer comes from a cache; empty if there is
// none.
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

// advances checks that a profile is newer than the previous one. Go records in a profile
// when it was taken; a cached copy keeps its old time.
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
		return t.stale(asked, fmt.Sprintf("the profile is a copy of the previous one: both were taken at %s", clockOf(taken)))
	}
	return t.stale(asked, fmt.Sprintf("the profile is older than the previous one: it was taken at %s, that one at %s; "+
		"it is a copy, or comes from another process with a different clock", clockOf(taken), clockOf(last)))
}

func clockOf(t time.Time) string { return t.Format("15:04:05.000000") }

// readings is what was last read from a target. It shows whether the next reading is new,
// and from the same process.
type readings struct {
	profile    time.Time // when the newest profile was taken, by the target's clock
	read       time.Time // when it was read, by ours
	collection uint64    // when the last collection ended, nanoseconds since 1970
	count      uint64    // collections since the start
	allocated  uint64    // bytes allocated since the start
	total      int       // goroutines

	continuity record.Continuity // with what was read before, until an identity has it
}
