package verdict_test

import (
	"testing"

	"github.com/leakgate/leakgate/verdict"
)

// What a pass claims grows with the rounds that the plan allows, and is no
// worse than a tenth of what all of them allow with four.
func TestSensitivityByBudget(t *testing.T) {
	last := 0
	for _, rounds := range []int{2, 3, 4, 6} {
		p := policy()
		p.MaxRounds = rounds
		v := verdict.Judge(script{stacks: map[string][]int{"example.com/shop.f": {1, 1, 1}}}.run(), p)
		if v.Sensitivity.OneIn < last {
			t.Errorf("with %d rounds at most a pass claims 1 in %d, with fewer 1 in %d", rounds, v.Sensitivity.OneIn, last)
		}
		last = v.Sensitivity.OneIn
		if rounds == 4 && last < 100 {
			t.Errorf("with 4 rounds of 4000 requests a pass claims 1 in %d", last)
		}
		t.Logf("%d rounds: 1 in %d", rounds, last)
	}
}
