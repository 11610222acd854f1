package simulate

import "testing"

func TestTooMany(t *testing.T) {
	for _, c := range []struct {
		fails, runs int
		want        bool
	}{
		{0, 720, false}, {1, 720, false}, {3, 720, false}, {4, 720, true},
		{0, 0, false}, {12, 12_000, false}, {13, 12_000, true},
	} {
		if got := tooMany(c.fails, c.runs); got != c.want {
			t.Errorf("tooMany(%d of %d) = %t, want %t", c.fails, c.runs, got, c.want)
		}
	}
}
