package probe

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/leakgate/leakgate/internal/budget"
	"github.com/leakgate/leakgate/stacks"
)

// Goroutines reads the goroutine profile: the raw bytes, which
// `go tool pprof` opens, and what they hold.
func (t *Target) Goroutines(ctx context.Context) ([]byte, *stacks.Profile, error) {
	return t.goroutines(ctx, "goroutine", "")
}

// Total counts the target's goroutines by its profile, of which nothing is kept.
func (t *Target) Total(ctx context.Context) (int, error) {
	t.order.Lock()
	defer t.order.Unlock()
	u := t.profileURL("goroutine", "")
	asked := "GET " + clean(u.String())
	lease := t.cfg.Memory.Lease()
	defer lease.End(0)
	raw, err := t.profileBytes(ctx, u, lease)
	if err != nil {
		return 0, err
	}
	total, taken, err := t.reader.Total(raw)
	if err != nil {
		return 0, t.notAProfile(asked, err)
	}
	if e := t.advances(asked, taken); e != nil {
		return 0, e
	}
	t.last.total = total
	return total, nil
}

// tick is longer than the resolution of any system's clock, which is up to 15.6 ms on
// Windows. Two profiles that are taken within one tick may have the same time.
const tick = 20 * time.Millisecond

// profileBytes requests a goroutine profile, at least a tick after the previous one.
func (t *Target) profileBytes(ctx context.Context, u *url.URL, lease *budget.Lease) ([]byte, error) {
	if early := tick - time.Since(t.last.read); early > 0 {
		select {
		case <-time.After(early):
		case <-ctx.Done():
		}
	}
	raw, err := t.get(ctx, u, lease)
	t.last.read = time.Now()
	return raw, err
}

// Leaked reads the goroutines that the runtime has proven can never wake, from
// the goroutineleak profile (Go 1.27, or 1.26 with the experiment). The target
// runs a garbage collection for it. One reading can miss some.
func (t *Target) Leaked(ctx context.Context) ([]byte, *stacks.Profile, error) {
	return t.goroutines(ctx, LeakProfile, "")
}

// Dump reads every goroutine's stack as text, with wait times and creators. It
// stops the target for milliseconds per thousand goroutines: ask once, and
// only of a target known to be small.
func (t *Target) Dump(ctx context.Context) ([]byte, *stacks.Profile, error) {
	return t.goroutines(ctx, "goroutine", "debug=2")
}

func (t *Target) goroutines(ctx context.Context, profile, query string) ([]byte, *stacks.Profile, error) {
	t.order.Lock()
	defer t.order.Unlock()
	u := t.profileURL(profile, query)
	asked := "GET " + clean(u.String())
	lease := t.cfg.Memory.Lease()
	defer lease.End(0)
	raw, err := t.profileBytes(ctx, u, lease)
	if err != nil {
		return nil, nil, err
	}
	raw, p, err := t.reader.Read(raw)
	if err != nil {
		return nil, nil, t.notAProfile(asked, err)
	}
	if e := t.advances(asked, p.Time); e != nil {
		t.reader.Release(p)
		return nil, nil, e
	}
	if profile == "goroutine" {
		t.last.total = p.Total
	}
	return raw, p, nil
}

// Release says that a profile that was read is no longer kept.
func (t *Target) Release(p *stacks.Profile) { t.reader.Release(p) }

// notAProfile says what it returned instead of a goroutine profile.
func (t *Target) notAProfile(asked string, err error) *Error {
	e := &Error{Target: t.name, Asked: asked, Got: err.Error(), Err: err, Hint: brokenHint}
	switch {
	case strings.Contains(e.Got, "HTML"):
		e.Hint = "is it a login page, or a proxy's? targets[].pprof has to be the address of net/http/pprof itself, such as http://host:6060/debug/pprof"
	case errors.Is(err, stacks.ErrTooLarge):
		e.Code, e.Hint = CodeTooLarge, memoryHint
	case errors.Is(err, stacks.ErrDelta):
		e.Hint = "does targets[].pprof, or a proxy, add seconds= to the request?"
	case errors.Is(err, stacks.ErrNoSymbols):
		e.Hint = "serve the profile as net/http/pprof writes it, with function names: without them, stacks cannot be told apart"
	case errors.Is(err, stacks.ErrNotGoroutine):
		e.Hint = "targets[].pprof is the address up to /debug/pprof, without the profile's name"
	}
	return t.hidden(e)
}
