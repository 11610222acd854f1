package kubeload

import (
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// A pod on a node whose clock is wrong says that it began in time.
func TestSkew(t *testing.T) {
	for _, c := range []struct {
		name   string
		behind [4]time.Duration // by how much the clocks of the nodes are
		away   time.Duration    // no list for so long after the end of the load
		late   [4]time.Duration // at least, and at most two seconds more
	}{
		{"good clocks", [4]time.Duration{}, 0, [4]time.Duration{}},
		{"a little off", [4]time.Duration{-time.Second, 0, time.Second, 3 * time.Second}, 0, [4]time.Duration{}},
		{"one is behind", [4]time.Duration{0, 0, 10 * time.Second}, 0, [4]time.Duration{2: 9 * time.Second}},
		// The others only seem to be late.
		{"one is ahead", [4]time.Duration{0, -6 * time.Second}, 0, [4]time.Duration{1: -6 * time.Second}},
		{"ours is behind", [4]time.Duration{-5e9, -5e9, -5e9, -5e9}, 0, [4]time.Duration{-5e9, -5e9, -5e9, -5e9}},
		// What nobody has seen is not made up.
		{"good clocks, and no list for long", [4]time.Duration{}, 20 * time.Second, [4]time.Duration{}},
		{"one is ahead, and no list for long", [4]time.Duration{0, -6 * time.Second}, 20 * time.Second, [4]time.Duration{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				f.behind = func(i int) time.Duration { return c.behind[i] }
				if c.away > 0 {
					f.play = func(f *fake, _ *corev1.Pod, _ int) {
						if time.Since(f.began) > firstLead-time.Second {
							f.awayUntil = firstLead + length + c.away
						}
					}
				}
				load, _, _ := round(t, f, t.Context())
				if load.Stopped != "" {
					t.Fatalf("Run = %q, want a load", load.Stopped)
				}
				for i, p := range load.Parts {
					want := c.late[i]
					if (p.Late == 0) != (want == 0) || p.Late < want-time.Second || p.Late > want+2*time.Second {
						t.Errorf("pod %d began %s late, want about %s", i, p.Late, want)
					}
				}
			})
		})
	}
}

// The API server's clock counts where ours is clearly wrong.
func TestOffset(t *testing.T) {
	at := time.Date(2026, 5, 4, 12, 0, 0, 300e6, time.UTC)
	for _, c := range []struct {
		server time.Time
		want   time.Duration
	}{
		{at.Truncate(time.Second), 0}, {at.Truncate(time.Second).Add(-time.Second), 0}, {at.Truncate(time.Second).Add(time.Second), 0},
		{at.Truncate(time.Second).Add(time.Minute), time.Minute + 200*time.Millisecond},
		{at.Truncate(time.Second).Add(-time.Hour), -time.Hour + 200*time.Millisecond},
	} {
		if got := offset(c.server, at, at); got != c.want {
			t.Errorf("offset(%s at %s) = %s, want %s", c.server, at, got, c.want)
		}
	}
}
