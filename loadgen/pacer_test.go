package loadgen

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestSchedule(t *testing.T) {
	for _, c := range []struct {
		name     string
		in       schedule
		n        uint64
		due      time.Duration // of request n
		expected uint64
	}{
		// 100/s: one each 10 ms, the first at once.
		{"constant, first", schedule{rate: 100, duration: time.Second}, 0, 0, 100},
		{"constant", schedule{rate: 100, duration: time.Second}, 25, 250 * time.Millisecond, 100},
		// The 101st belongs to the second after.
		{"constant, beyond the end", schedule{rate: 100, duration: time.Second}, 100, time.Second, 100},
		// Less than one a second.
		{"slow", schedule{rate: 0.5, duration: 10 * time.Second}, 3, 6 * time.Second, 5},
		// Half of 100/s over 2 s of ramp: 100 requests in it, a quarter of them by half-time.
		{"ramp, first", schedule{rate: 100, ramp: 2 * time.Second, duration: 4 * time.Second}, 0, 0, 300},
		{"ramp, half-time", schedule{rate: 100, ramp: 2 * time.Second, duration: 4 * time.Second}, 25, time.Second, 300},
		{"ramp, its end", schedule{rate: 100, ramp: 2 * time.Second, duration: 4 * time.Second}, 100, 2 * time.Second, 300},
		{"after the ramp", schedule{rate: 100, ramp: 2 * time.Second, duration: 4 * time.Second}, 200, 3 * time.Second, 300},
		// All of the phase is ramp.
		{"ramp as long as the phase", schedule{rate: 100, ramp: 2 * time.Second, duration: 2 * time.Second}, 100, 2 * time.Second, 100},
		// A ramp of 4 s that ends after 1 s never got beyond 25/s.
		{"ramp cut short", schedule{rate: 100, ramp: 4 * time.Second, duration: time.Second}, 0, 0, 13},
		{"ramp cut short, its end", schedule{rate: 96, ramp: 4 * time.Second, duration: time.Second}, 12, time.Second, 12},
		// max: every request is due at once, and no number is expected.
		{"max", schedule{duration: time.Second}, 1e9, 0, 0},
		{"max ignores the ramp", schedule{ramp: time.Second, duration: time.Second}, 7, 0, 0},
	} {
		if got := c.in.due(c.n); (got - c.due).Abs() > time.Microsecond {
			t.Errorf("%s: due(%d) = %v, want %v", c.name, c.n, got, c.due)
		}
		if got := c.in.expected(); got != c.expected {
			t.Errorf("%s: expected() = %d, want %d", c.name, got, c.expected)
		}
	}
}

// drive asks p for hits as vegeta does, until it stops, and returns how many
// it let through and when it stopped. each, if any, is called before every hit.
func drive(p *pacer, each func(hits uint64)) (hits uint64, elapsed time.Duration) {
	for began := time.Now(); ; hits++ {
		if each != nil {
			each(hits)
		}
		wait, stop := p.Pace(time.Since(began), hits)
		if stop {
			return hits, time.Since(began)
		}
		time.Sleep(wait)
	}
}

func TestPaceConstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{schedule: schedule{rate: 100, duration: time.Second}, ctx: t.Context()}
		hits, elapsed := drive(p, nil)
		if hits != 100 || elapsed > time.Second || elapsed < 990*time.Millisecond {
			t.Errorf("Pace(100/s for 1s) let %d hits through in %v, want 100 in at most 1s", hits, elapsed)
		}
	})
}

func TestPaceRamp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{schedule: schedule{rate: 100, ramp: time.Second, duration: 2 * time.Second}, ctx: t.Context()}
		inRamp := uint64(0)
		began := time.Now()
		hits, _ := drive(p, func(n uint64) {
			if time.Since(began) < time.Second {
				inRamp = n
			}
		})
		if hits != 150 || inRamp != 50 {
			t.Errorf("Pace(ramp to 100/s) let %d hits through, %d of them in the ramp; want 150 and 50", hits, inRamp)
		}
	})
}

// A server that held everything up for half of the phase: what is overdue goes
// out at once, and nothing after the end.
func TestPaceCatchesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{schedule: schedule{rate: 100, duration: time.Second}, ctx: t.Context()}
		hits, elapsed := drive(p, func(n uint64) {
			if n == 10 {
				time.Sleep(500 * time.Millisecond)
			}
		})
		if hits != 100 || elapsed > time.Second {
			t.Errorf("Pace after a stall let %d hits through in %v, want 100 in at most 1s", hits, elapsed)
		}
	})
}

func TestPaceStopsAtDuration(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pacer{schedule: schedule{rate: 100, duration: time.Second}, ctx: t.Context()}
		hits, elapsed := drive(p, func(n uint64) { // far slower than the rate
			if n > 0 {
				time.Sleep(300 * time.Millisecond)
			}
		})
		if hits != 4 || elapsed != 1200*time.Millisecond {
			t.Errorf("Pace with 300ms between hits let %d through and stopped at %v, want 4 and 1.2s", hits, elapsed)
		}
		p = &pacer{schedule: schedule{duration: time.Second}, ctx: t.Context()} // max
		if wait, stop := p.Pace(time.Second-1, 1e6); wait != 0 || stop {
			t.Errorf("Pace(max, before the end) = %v, %v, want 0, false", wait, stop)
		}
		if _, stop := p.Pace(time.Second, 1e6); !stop {
			t.Error("Pace(max, at the end) goes on, want stop")
		}
	})
}

func TestPaceEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := &pacer{schedule: schedule{rate: 0.01, duration: time.Hour}, ctx: ctx}
		time.AfterFunc(7*time.Second, cancel) // amid the wait of 100 s for the second hit
		hits, elapsed := drive(p, nil)
		if hits != 1 || elapsed != 7*time.Second {
			t.Errorf("Pace let %d hits through and stopped at %v, want 1 and 7s, when its context ended", hits, elapsed)
		}
		if _, stop := p.Pace(0, 0); !stop {
			t.Error("Pace after its context ended goes on, want stop")
		}
	})
}

func TestPacerRate(t *testing.T) {
	p := &pacer{schedule: schedule{rate: 100, ramp: 2 * time.Second, duration: 4 * time.Second}}
	for at, want := range map[time.Duration]float64{0: 0, time.Second: 50, 2 * time.Second: 100, 3 * time.Second: 100} {
		if got := p.Rate(at); got != want {
			t.Errorf("Rate(%v) = %v, want %v", at, got, want)
		}
	}
}
