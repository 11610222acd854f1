package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// What may come of a run, beside the codes of docs/exit-codes.md, which stand for an
// inconclusive one with that code.
const (
	passes      = "pass"
	fails       = "fail"
	unclear     = "inconclusive" // of any code
	usage       = "usage"
	interrupted = "interrupted"
	killed      = "killed" // by SIGKILL: nothing is said, and judge cannot tell
)

// Codes that more than one row expects.
const (
	stale     = "profile-stale"
	restarted = "target-restarted"
	lost      = "target-lost"
	flips     = "identity-flips"
	unknown   = "identity-unknown"
	tooLarge  = "answer-too-large"
	missing   = "samples-missing"
	contra    = "profile-inconsistent"
	refused   = "load-refused"
	failing   = "requests-failing"
	short     = "load-not-delivered"
	stopped   = "load-stopped"
	unreach   = "target-unreachable"
)

// row is a fault, and what has to come of it. That no leak passes and no healthy service
// fails is held of every row, whatever it expects.
type row struct {
	kind, name string
	why        string // of the expectation, where it is not obvious

	serve   func() serve                        // the proxy's behaviour, fresh for each run; none: no fault of the proxy
	act     func(ctx context.Context, s *stage) // something that happens beside the run
	service func(leak bool) features            // of the service; the plain leak and its healthy twin if nil
	second  func(leak bool) features            // of a second replica; none if nil
	plan    func(s *stage, p *planText)         // changes to the plan
	command func(s *stage, args []string) []string

	direct  bool          // the gate reaches the service without the proxy
	load    bool          // the load goes through the proxy too
	patient time.Duration // longest time of a run; patience if 0

	leak, healthy []string // outcomes that are right; a twin without any is not run
	variants      []variant
	tries         int    // 1 if 0
	fineTries     int    // of the healthy twin; tries if 0
	short         bool   // in the short form
	pending       string // what has to be built before the row can hold

	bareLeak, bareFine []string // further outcomes that are right where only profiles are read
	unwritable         bool     // reports may be missing
	unread             bool     // what is said reaches nobody: the directory may say that the run passed
	prepare            func(s *stage) (undo func(), err error)
}

// variant is what the gate has to go by, beside the goroutine profile.
type variant struct{ metrics, heap bool }

var (
	both     = []variant{{true, true}}
	heapOnly = []variant{{false, true}}
	bare     = []variant{{false, false}}
	ends     = []variant{{true, true}, {false, false}}
	each     = []variant{{true, true}, {false, true}, {false, false}}
)

func (v variant) String() string {
	switch v {
	case variant{true, true}:
		return "metrics+heap"
	case variant{true, false}:
		return "metrics"
	case variant{false, true}:
		return "heap"
	}
	return "bare"
}

func (r row) id() string { return r.kind + "/" + r.name }

// plainLeak is the service of rows that name none, and its healthy twin: with a pool,
// so that it has goroutines that stay, too.
func plainLeak(leak bool) features {
	if leak {
		return features{Leak: leakSend, Pool: plainPool}
	}
	return features{Pool: plainPool}
}

// plainPool is the size of the pool that both twins have.
const plainPool = 20

// leaking is a function for row.service.
func leaking(leaky, fine features) func(bool) features {
	return func(leak bool) features {
		if leak {
			return leaky
		}
		return fine
	}
}

// cell is a row's twin in a variant.
type cell struct {
	row
	variant
	leaks bool
	tries int
}

func (r row) cells(short bool) []cell {
	variants := r.variants
	if variants == nil {
		variants = both
	}
	if short { // the one that has the least to go by
		variants = variants[len(variants)-1:]
	}
	var out []cell
	for _, v := range variants {
		for _, leaks := range []bool{true, false} {
			c := cell{row: r, variant: v, leaks: leaks, tries: max(1, r.tries)}
			if !leaks && r.fineTries > 0 {
				c.tries = r.fineTries
			}
			if len(c.expected()) > 0 {
				out = append(out, c)
			}
		}
	}
	return out
}

func (c cell) twin() string {
	if c.leaks {
		return "leak"
	}
	return "healthy"
}

// expected are the outcomes that are right.
func (c cell) expected() []string {
	want, more := c.healthy, c.bareFine
	if c.leaks {
		want, more = c.leak, c.bareLeak
	}
	if len(want) > 0 && c.variant == (variant{}) {
		want = slices.Concat(want, more)
	}
	return want
}

// right reports whether a run ended as it should.
func (c cell) right(got seen) bool {
	want := c.expected()
	if slices.Contains(want, got.outcome) {
		return true
	}
	return got.outcome == unclear && slices.ContainsFunc(got.codes,
		func(code string) bool { return slices.Contains(want, code) })
}

func (c cell) listed() string {
	pending := ""
	if c.pending != "" {
		pending = "  (pending: " + c.pending + ")"
	}
	return fmt.Sprintf("%-44s %-12s %-8s %2d  %s%s", c.id(), c.variant, c.twin(), c.tries,
		strings.Join(c.expected(), ", "), pending)
}
