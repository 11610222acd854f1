package gate

import (
	"math/rand/v2"
	"testing"
	"time"
)

// every makes polls of these counts, 400 ms apart.
func every(counts ...int) []poll {
	out := make([]poll, len(counts))
	for i, n := range counts {
		out[i] = poll{at: time.Duration(i) * settleEvery, count: n}
	}
	return out
}

func TestLevel(t *testing.T) {
	for _, c := range []struct {
		name  string
		polls []poll
		want  bool
	}{
		{"at rest", every(12, 12, 12, 12, 12, 12), true},
		{"too few polls to tell", every(12, 12), false},
		// Work of 5 s that ends evenly: 200 goroutines, 16 fewer each poll.
		{"draining", every(200, 184, 168, 152, 136, 120), false},
		{"drained a while ago", every(200, 100, 12, 12, 12, 12, 12, 12, 12), true},
		{"drained just now", every(200, 200, 200, 12, 12, 12), false},
		// A few in flight for other users, always.
		{"noise", every(100, 104, 97, 103, 99, 101), true},
		{"one more, one less", every(12, 13, 12, 13, 12, 12), true},
		// Large counts waver by a percent.
		{"waver of a large count", every(10000, 10040, 9990, 10010, 9960, 10020), true},
		// Work of 20 s beside many that stay: one percent a second.
		{"draining slowly", every(667, 664, 660, 656, 653, 650), false},
		{"one less, twice", every(667, 667, 666, 666, 665, 665), true},
		{"growing", every(100, 120, 140, 160, 180, 200), false},
	} {
		if got := level(c.polls, 2*time.Second); got != c.want {
			t.Errorf("level(%s) = %v, want %v", c.name, got, c.want)
		}
	}
}

// Stationary traffic of other users must not keep a gate from ever settling.
func TestLevelUnderTraffic(t *testing.T) {
	src := rand.New(rand.NewPCG(1, 2))
	var polls []poll
	waited := 0
	for i := range 400 {
		polls = append(polls, poll{at: time.Duration(i) * settleEvery, count: 50 + int(src.NormFloat64()*10)})
		if level(polls, 2*time.Second) {
			waited = 0
			continue
		}
		if waited++; waited > 25 { // ten seconds
			t.Fatalf("not level for ten seconds under stationary traffic, at poll %d", i)
		}
	}
}

func TestSlope(t *testing.T) {
	if got := slope(every(200, 190, 180, 170), time.Second); got > -24 || got < -26 {
		t.Errorf("slope = %.1f per second, want -25", got)
	}
	if got := slope(every(5), time.Second); got != 0 {
		t.Errorf("slope of one poll = %v, want 0", got)
	}
}
