package gate

import (
	"context"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
)

// Source is a target: a process that the gate reads itself, which is a Process as well, or
// one of which only somebody else knows how many goroutines it has. Its methods may be
// called from several goroutines. Errors of the target's are *probe.Error.
type Source interface {
	Name() string
	// Every is the time between two counts that differ; 0: any.
	Every() time.Duration
	// Identify reaches the target, and says who it is and what it offers.
	Identify(ctx context.Context) (record.Target, error)
	// Count counts goroutines as cheaply as the target allows, with what that says of its
	// identity.
	Count(ctx context.Context) (record.Sample, record.Identity, error)
	// Identity says who the target is. With collect, a Process runs a garbage collection first.
	Identity(ctx context.Context, collect bool) (record.Identity, error)
	// Memory is what the target holds, after a collection where it can be asked for one, with
	// the raw heap profile.
	Memory(ctx context.Context) (record.Memory, record.Identity, []byte, error)
	// Goroutines is a goroutine profile, raw and parsed; without bytes, it is but a count.
	Goroutines(ctx context.Context) ([]byte, *stacks.Profile, error)
	// Total is how many goroutines Goroutines would find.
	Total(ctx context.Context) (int, error)
}

// Process is a Source whose stacks can be read at any time.
type Process interface {
	Source
	// Measured reports whether metrics of its own count its goroutines, beside its profiles.
	Measured() bool
	// Leaked is the profile of goroutines that the runtime has proven can never wake. It is
	// asked for where record.Target.Profiles lists record.LeakProfile.
	Leaked(ctx context.Context) ([]byte, *stacks.Profile, error)
	// Dump is the debug=2 dump, which stops the process for about 5 ms per thousand goroutines.
	Dump(ctx context.Context) ([]byte, *stacks.Profile, error)
	// Release says that a profile is no longer kept.
	Release(p *stacks.Profile)
}

// processes are the targets that have stacks.
func (g *Gate) processes() []Process {
	var out []Process
	for _, s := range g.targets {
		if p, ok := s.(Process); ok {
			out = append(out, p)
		}
	}
	return out
}

// countOnly reports whether the number of goroutines is all that is known of a target.
func countOnly(s Source) bool {
	_, ok := s.(Process)
	return !ok
}
