// Package gate measures a run: the phases in order, and the only place that knows them
// all. It loads through a driver and looks through sources, whatever they are, and records
// what it saw; what the measurements mean, and what to measure next, package verdict says.
// What a plan asks for is made in package setup. Its clock is the time package's, which a
// test makes virtual (testing/synctest).
package gate

import (
	"context"
	"errors"
	"time"

	"github.com/leakgate/leakgate/loadgen"
	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// Config is what a run needs from outside.
type Config struct {
	Settings
	Policy verdict.Policy
	Driver loadgen.Driver
	// Discover finds the targets, and says of which of them there is nothing to ask.
	Discover func(ctx context.Context) (targets []Source, failed []Found)
	Pods     Pods // that targets are; nil: none is one
	Writer   *record.Writer
	Began    time.Time                // the start of the run, of which all times in it are offsets
	Observer Observer                 // nil: nobody watches
	Mask     func(text string) string // takes secrets out of what is recorded; nil: there are none
}

// Settings are what a plan says about measuring.
type Settings struct {
	Warmup  time.Duration // load before the baseline; 0: none
	Round   time.Duration // load per round
	Quiet   time.Duration // how long a count has to be level
	Timeout time.Duration // how long targets may take to come to rest
	// Goroutines is the count, on any target, at which the load stops; 0: none.
	Goroutines int
	Attribute  bool // after a fail, load some requests only, to learn which of them leaks
	// Held: the driver holds connections open through each round. Connections: it says how
	// many are open.
	Held, Connections bool
}

// Gate is one run.
type Gate struct {
	Config
	targets  []Source // from the preflight on
	settled  settled
	order    order
	taken    taken
	movement movement
	sampler  *sampler // while targets are watched
	dumped   map[dumping]bool
	// next says what to measure next: verdict.Next, but for tests of what it may yet say.
	next func(record.Run, verdict.Policy) verdict.Step
}

// New prepares a run. It asks nothing of anybody.
func New(c Config) *Gate {
	if c.Observer == nil {
		c.Observer = Silent{}
	}
	if c.Mask == nil {
		c.Mask = func(text string) string { return text }
	}
	return &Gate{Config: c, dumped: map[dumping]bool{}, next: verdict.Next}
}

// Sent is the number of requests sent so far in the phase that runs.
func (g *Gate) Sent() uint64 { return g.Driver.Progress() }

// codeError is the code of a run that leakgate itself could not go on with.
const codeError = "error"

// abort ends a run that cannot go on.
type abort struct{ code, message, hint string }

func (a *abort) Error() string { return a.message }

// Run measures until the evidence is in, the budget is spent, something makes
// the run inconclusive, or ctx ends. What was recorded is on disk when it
// returns; the error is of writing it.
func (g *Gate) Run(ctx context.Context) (record.Run, error) {
	end := record.End{Reason: record.Complete}
	err := g.phases(ctx)
	g.leavePods()
	var a *abort
	switch {
	case errors.As(err, &a):
		end = record.End{Reason: record.Aborted, Code: a.code, Message: g.Mask(a.message), Hint: a.hint}
	case err == nil:
	case ctx.Err() != nil:
		end.Reason = record.Interrupted
	default:
		end = record.End{Reason: record.Aborted, Code: codeError, Message: g.Mask(err.Error())}
	}
	end.At = g.now()
	err = g.Writer.Close(end)
	return g.Writer.Run(), err
}

// now is the time since the start of the run.
func (g *Gate) now() time.Duration { return time.Since(g.Began) }

// begin opens a phase; what it returns ends and records it.
func (g *Gate) begin(p record.Phase, planned time.Duration, why string) func() {
	p.Start = g.now()
	g.Observer.Begin(p, planned, why)
	return func() {
		p.End = g.now()
		g.Writer.Phase(p)
	}
}

func (g *Gate) phases(ctx context.Context) error {
	if err := g.preflight(ctx); err != nil {
		return err
	}
	if err := g.lookAtPods(ctx, g.watched(ctx)); err != nil {
		return err
	}
	g.evidence(ctx)
	g.attribute(ctx)
	return nil
}

// watched does the rounds with the samplers beside them, which end with them:
// what is asked of a target after the decision changes no verdict.
func (g *Gate) watched(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	g.sampler = g.sample(ctx, stop)
	defer g.sampler.wait()
	defer stop(nil) // runs before the wait
	g.followPods(ctx, stop)
	err := g.rounds(ctx)
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	return err
}

// rounds loads and looks until there is nothing more to learn.
func (g *Gate) rounds(ctx context.Context) error {
	if err := g.baseline(ctx); err != nil {
		return err
	}
	asked := 0 // the round after which the runtime was asked for proof
	for at := (moment{seq: afterWindow}); ; {
		if err := g.viable(ctx); err != nil {
			return err
		}
		step := g.next(g.Writer.Run(), g.Policy)
		if asked < at.round && (step.Action != verdict.Load || step.Why != "") {
			// Before a verdict, and before further rounds or a long look that a
			// proof makes needless.
			if err := g.prove(ctx, at.round); err != nil {
				return err
			}
			asked = at.round
			continue
		}
		if g.dump(ctx, at, step.Dump) {
			continue
		}
		switch step.Action {
		case verdict.Stop:
			return nil
		case verdict.Watch:
			if err := g.confirm(ctx, at.round, step); err != nil {
				return err
			}
			at.seq = afterLook
		case verdict.Load:
			at = moment{round: at.round + 1, seq: afterWindow}
			if err := g.round(ctx, at.round, step.Why); err != nil {
				return err
			}
		}
	}
}

// baseline warms the targets up, and looks at what the rounds are compared with.
func (g *Gate) baseline(ctx context.Context) error {
	if g.Warmup > 0 {
		rising := loadgen.Phase{Duration: g.Warmup, Ramp: g.Warmup / rampShare}
		if err := g.load(ctx, record.Phase{Kind: record.Warmup}, rising, ""); err != nil {
			return err
		}
	}
	if err := g.freezePods(ctx); err != nil {
		return err
	}
	if err := g.settle(ctx, record.Baseline, 0); err != nil {
		return err
	}
	return g.prove(ctx, 0)
}

// round loads, and looks at what that left behind.
func (g *Gate) round(ctx context.Context, n int, why string) error {
	g.movement.begin(n, g.now())
	err := g.load(ctx, record.Phase{Kind: record.Round, Round: n}, loadgen.Phase{Round: n, Duration: g.Round}, why)
	g.recordMovement()
	if err != nil {
		return err
	}
	return g.settle(ctx, record.Settling, n)
}

// viable is the error that makes the run inconclusive, whatever else is measured.
func (g *Gate) viable(ctx context.Context) error {
	c, ok := verdict.Hopeless(g.Writer.Run(), g.Policy)
	if ok && c.Code == verdict.CodeRestarted {
		g.lookAtBuild(ctx, c.Target)
	}
	return g.hopeless()
}

// hopeless is viable by what was recorded alone.
func (g *Gate) hopeless() error {
	c, ok := verdict.Hopeless(g.Writer.Run(), g.Policy)
	if !ok {
		return nil
	}
	message := c.Message
	if c.Target != "" {
		message = c.Target + ": " + message
	}
	return &abort{code: c.Code, message: message, hint: c.Hint}
}

// lookAtBuild looks whether a target that is not the same process any more is
// another build too: only its profiles say so.
func (g *Gate) lookAtBuild(ctx context.Context, name string) {
	for _, t := range g.processes() {
		if t.Name() != name {
			continue
		}
		if _, p, err := t.Goroutines(ctx); err == nil && p.BuildID != "" {
			g.Writer.Identity(record.Identity{At: g.now(), Target: name, Build: p.BuildID})
			return
		}
	}
}
