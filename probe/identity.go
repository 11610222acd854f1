package probe

import (
	"context"
	"errors"
	"net/http"
	"regexp"

	"github.com/leakgate/leakgate/record"
)

// Count reads the number of goroutines as cheaply as the target allows: from
// its metrics, with what they say of its identity, or from its profile, which
// says nothing of it.
func (t *Target) Count(ctx context.Context) (record.Sample, record.Identity, error) {
	if t.measured() {
		m, taken, err := t.measure(ctx)
		if err != nil {
			return record.Sample{}, record.Identity{}, err
		}
		return record.Sample{Target: t.name, Goroutines: m.goroutines, Resident: m.resident, Threads: m.threads,
			Metric: true, Taken: taken}, t.seen(m), nil
	}
	total, err := t.Total(ctx)
	if err != nil {
		return record.Sample{}, record.Identity{}, err
	}
	return record.Sample{Target: t.name, Goroutines: total}, record.Identity{Target: t.name}, nil
}

// seen is what a metrics page says of the target's identity.
func (t *Target) seen(m metrics) record.Identity {
	i := record.Identity{Target: t.name, Start: m.start, GoVersion: m.goVersion, Allocated: m.allocated}
	if i.Module = m.build.path; m.build.version != develVersion {
		i.Version = m.build.version
	}
	return i
}

// Identify finds out who the target is and what it offers. It fails where the
// goroutine profile, or metrics that the plan names, cannot be read.
func (t *Target) Identify(ctx context.Context) (record.Target, error) {
	out := record.Target{Name: t.name, Pprof: clean(t.pprof.String()), Pod: t.cfg.Pod, Group: t.cfg.Group}
	_, p, err := t.Goroutines(ctx)
	if err != nil {
		return out, err
	}
	t.reader.Release(p)
	if t.measured() {
		if t.series != nil {
			out.Metrics, out.Selector = t.series.group.prom.address, t.series.group.selector
		} else {
			out.Metrics = clean(t.metrics.String())
		}
		m, _, err := t.measure(ctx)
		if err != nil {
			return out, err
		}
		out.Counter = m.counter
	}
	out.Identity, err = t.Identity(ctx, false)
	if err != nil {
		return out, err
	}
	out.Identity.Build, out.Identity.Binary = p.BuildID, p.Binary
	readBuild(&out.Identity)
	out.Profiles, err = t.profiles(ctx)
	return out, err
}

// LeakProfile is the name of the profile of goroutines that can never wake.
const LeakProfile = "goroutineleak"

// known are the profiles that a report may ask for.
var known = []string{"allocs", "block", "goroutine", LeakProfile, "heap", "mutex", "threadcreate"}

var linked = regexp.MustCompile(`href=['"]?([a-z]+)\?debug=`)

// profiles reads the index page of net/http/pprof. Where there is none, the
// goroutine profile is all that is known.
func (t *Target) profiles(ctx context.Context) ([]string, error) {
	u := *t.pprof
	u.Path += "/"
	lease := t.cfg.Memory.Lease()
	defer lease.End(0)
	t.order.Lock()
	body, err := t.get(ctx, &u, lease)
	t.order.Unlock()
	if err != nil {
		var e *Error
		if errors.As(err, &e) && e.Status != 0 {
			return []string{"goroutine"}, nil
		}
		return nil, err
	}
	offered := map[string]bool{}
	for _, m := range linked.FindAllSubmatch(body, -1) {
		offered[string(m[1])] = true
	}
	var out []string
	for _, name := range known {
		if offered[name] {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		out = []string{"goroutine"}
	}
	return out, nil
}

// Identity looks at the target's identity. With collect, the target runs a
// garbage collection first, so that objects whose goroutine ends by finalizer
// are gone. What shows the identity of what serves the profiles is, in this order: metrics
// of the same address, the memory statistics of the heap profile or of the profile of
// allocations, and a dump of a small target.
func (t *Target) Identity(ctx context.Context, collect bool) (record.Identity, error) {
	s := record.Identity{Target: t.name}
	if t.measured() {
		m, _, err := t.measure(ctx)
		if err != nil {
			return s, err
		}
		s = t.seen(m)
	}
	if s.Start > 0 && !collect && t.metrics != nil && t.metrics.Host == t.pprof.Host {
		return s, nil
	}
	known, err := t.statistics(ctx, collect, &s)
	if err != nil || known {
		return s, err
	}
	s.Listeners, err = t.listeners(ctx)
	return s, err
}

// smallDump is the number of goroutines up to which a dump is taken just to identify the
// target: it stops the target for about ten milliseconds.
const smallDump = 2000

// listeners are the addresses of the poll descriptors on which the target accepts
// connections; none where it is too large to be asked, or has no dump.
func (t *Target) listeners(ctx context.Context) ([]string, error) {
	t.order.Lock()
	large := t.last.total > smallDump
	t.order.Unlock()
	if large || t.lacks("goroutine", debugDump) {
		return nil, nil
	}
	for try := 1; ; try++ {
		_, p, err := t.Dump(ctx)
		if err != nil && t.hasNone(err, "goroutine", debugDump) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		t.reader.Release(p)
		t.serves("goroutine", debugDump)
		if len(p.Listeners) > 0 || try == dumpTries {
			return p.Listeners, nil
		}
	}
}

// dumpTries is how often a dump is asked for in which nobody waits for connections: who
// accepts them may just have got one.
const dumpTries = 3

// debugDump is the form of the goroutine profile that has every goroutine.
const debugDump = "debug=2"

// lacks reports whether a profile is known not to be there.
func (t *Target) lacks(profile, query string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	there, known := t.offered[profile+"?"+query]
	return known && !there
}

// serves notes that a profile is there: from then on, a 404 is not the target's usual
// answer.
func (t *Target) serves(profile, query string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.offered[profile+"?"+query] = true
}

// hasNone reports whether an error means that the target does not have a profile, and
// remembers it.
func (t *Target) hasNone(err error, profile, query string) bool {
	var e *Error
	if !errors.As(err, &e) || !missing(e.Status) {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.offered[profile+"?"+query] {
		return false
	}
	t.offered[profile+"?"+query] = false
	return true
}

// missing reports whether a status means that the profile does not exist.
func missing(status int) bool {
	return status == http.StatusNotFound || status == http.StatusMethodNotAllowed || status == http.StatusForbidden
}
