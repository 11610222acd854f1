package main

import (
	"context"
	"fmt"
	"time"
)

// restartAt crashes the service some time after a moment, and starts it again after it
// was down for a while.
func restartAt(m moment, after, down time.Duration) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		if s.clock.wait(ctx, m) && sleep(ctx, after) {
			s.restart(ctx, 0, down)
		}
	}
}

// crashAt ends the service for good.
func crashAt(m moment, after time.Duration) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		if s.clock.wait(ctx, m) && sleep(ctx, after) {
			s.replica(0).crash()
		}
	}
}

// inLook does something when a part of the long look is over. The time of the look counts
// from the end of the load.
func inLook(percent int, do func(context.Context, *stage)) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		if !s.clock.wait(ctx, longLook) {
			return
		}
		left := lookTime - s.clock.since(settle2)
		if sleep(ctx, left*time.Duration(percent)/100) {
			do(ctx, s)
		}
	}
}

func restartNow(ctx context.Context, s *stage) { s.restart(ctx, 0, 0) }

const (
	// lookTime is the long look of rows in which something happens in it. It counts from the
	// end of the load, and settling takes most of ten seconds on a busy machine.
	lookTime = 14 * time.Second
	// lingerTime is how long the work of a healthy service goes on that is looked at for
	// long: more than two rounds, so that it grows, and less than round and look.
	lingerTime = 8 * time.Second
	// fineTries is how often the healthy twin is restarted in the long look.
	fineTries = 5
)

// longer is the plan of a run whose long look is interrupted.
func longer(_ *stage, p *planText) { p.confirm = lookTime }

// restartRows crash the service in every phase. The crash ends a leak's goroutines, so
// that a fall proves nothing; the load may have met the crash too, and says so first.
func restartRows() []row {
	const kind = "restart"
	const moments = 300 * time.Millisecond
	want := []string{restarted, lost, unknown, failing, refused, stopped}
	lingers := leaking(plainLeak(true), features{Pool: plainPool, Linger: lingerTime})
	seenAnyway := []string{fails, "above-baseline", "undecided"}
	var out []row
	for _, at := range []struct {
		name  string
		m     moment
		after time.Duration
	}{
		{"in the warm-up", warmup, moments},
		{"in the baseline", baseline, moments},
		{"in round 1", round1, time.Second},
		{"in settle 1", settle1, moments},
		{"in round 2", round2, time.Second},
		{"in settle 2", settle2, moments},
		{"late in settle 2", settle2, 1200 * time.Millisecond},
	} {
		out = append(out,
			row{kind: kind, name: at.name, variants: each, tries: 2, direct: true,
				act:  restartAt(at.m, at.after, 0),
				leak: want, healthy: want, short: at.m == settle1, bareLeak: seenAnyway, bareFine: bareFine(at.m)})
	}
	for _, percent := range []int{10, 50, 90} {
		out = append(out, row{kind: kind, name: fmt.Sprintf("at %d%% of the long look", percent), variants: each,
			tries: 20, fineTries: fineTries, direct: true,
			service: lingers, plan: longer, act: inLook(percent, restartNow), short: percent == 50,
			leak:     append(want, fails),
			bareLeak: seenAnyway, healthy: append([]string{passes}, want...),
			why: "the healthy twin's work ends by itself; where settling took the time of the look, it is decided before"})
	}
	never := []string{lost, restarted, refused, failing, stopped, missing}
	return append(out,
		row{kind: kind, name: "twice, in settle 1 and settle 2", variants: each, tries: 2, direct: true,
			bareLeak: seenAnyway, leak: want, healthy: want,
			act: func(ctx context.Context, s *stage) {
				restartAt(settle1, moments, 0)(ctx, s)
				restartAt(settle2, moments, 0)(ctx, s)
			}},
		row{kind: kind, name: "down for a second in settle 1", variants: ends, direct: true,
			act: restartAt(settle1, moments, time.Second), leak: want, healthy: append(want, missing)},
		row{kind: kind, name: "down for two seconds in the long look", variants: ends, tries: 3, direct: true,
			plan: longer,
			act:  inLook(40, func(ctx context.Context, s *stage) { s.restart(ctx, 0, 2*time.Second) }), leak: want},
		row{kind: kind, name: "at the end of the long look", variants: each, tries: 3, direct: true, plan: longer,
			act: inLook(98, restartNow), leak: append(want, fails),
			why: "the leak may have been decided a moment before"},
		row{kind: kind, name: "while the evidence is taken", variants: ends, tries: 3, direct: true,
			act: restartAt(evidence, 0, 0), leak: append(want, fails), why: "the leak is decided"},
		row{kind: kind, name: "crash for good in round 2", variants: ends, direct: true,
			act: crashAt(round2, time.Second), leak: never, healthy: never},
		row{kind: kind, name: "crash for good in the long look", variants: ends, tries: 3, direct: true,
			plan: longer, act: inLook(40, func(_ context.Context, s *stage) { s.replica(0).crash() }), leak: never},
	)
}

// bareFine are what else may come of a healthy service of which nothing shows who it is:
// what happened before the baseline is of no interest.
func bareFine(m moment) []string {
	if m == warmup || m == baseline {
		return []string{passes}
	}
	return nil
}
