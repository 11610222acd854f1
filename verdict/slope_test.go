package verdict_test

import (
	"slices"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// underLoad adds what is sampled of every target during each round.
func underLoad(run record.Run, levels ...int) record.Run {
	for _, l := range run.Loads {
		if l.Kind != record.Round {
			continue
		}
		for at := l.Start; at < l.End; at += time.Second {
			for _, t := range run.Targets {
				run.Samples = append(run.Samples, record.Sample{At: at, Target: t.Name, Goroutines: levels[l.Round-1]})
			}
		}
	}
	return run
}

// What comes and goes on a leaking stack hides the leak from the windows, not from
// what it has under load.
func TestRising(t *testing.T) {
	const f = "example.com/shop.session"
	windows := []int{60, 92, 81, 128, 112, 150, 141}
	for _, c := range []struct {
		name   string
		levels []int
		look   []int
		want   verdict.Outcome
	}{
		{"a leak", []int{90, 106, 121, 139, 155, 170}, []int{144, 148, 146, 150, 145, 149, 146, 144, 148, 147}, verdict.Fail},
		{"others' traffic", []int{90, 101, 93, 88, 99, 104}, nil, verdict.Pass},
	} {
		moving := script{stacks: map[string][]int{f: windows}, noise: map[string]int{f: 12}}
		if c.look != nil {
			for range 16 {
				moving.looks = map[string][]int{f: append(moving.looks[f], c.look...)}
			}
		} else {
			moving.stacks[f] = []int{60, 62, 58, 64, 57, 66, 69}
		}
		v := verdict.Judge(underLoad(moving.run(), c.levels...), policy())
		if v.Outcome != c.want {
			t.Errorf("Judge(%s) = %s (%s), want %s", c.name, v.Outcome, v.Headline, c.want)
		}
		if c.want == verdict.Fail && (len(v.Findings) != 1 || !slices.Contains(v.Findings[0].Evidence, "rising")) {
			t.Errorf("Judge(%s) finds %+v, want growth under load", c.name, v.Findings)
		}
	}
}

// Where only the number of goroutines is known, pools that filled in the first round
// and work that ends late look like growth: it has to be there when the work has ended.
func TestRisingCounted(t *testing.T) {
	for _, c := range []struct {
		name string
		look int
		want verdict.Outcome
	}{
		{"what grew stays", 2452, verdict.Fail},
		{"what grew goes, but for a pool", 2050, verdict.Inconclusive},
	} {
		run := counted(map[string][]int{"shop/a": {1443, 1913, 2133, 2166, 2286, 2296, 2452}}, map[string]int{"shop/a": c.look})
		v := verdict.Judge(underLoad(run, 1850, 1960, 2070, 2180, 2290, 2400), policy())
		if v.Outcome != c.want {
			t.Errorf("Judge(%s) = %s (%s), want %s", c.name, v.Outcome, v.Headline, c.want)
		}
	}
}

// Two rounds that agree are enough for more than what several pools hold, and not for
// what two of them do.
func TestCountedPools(t *testing.T) {
	for _, c := range []struct {
		each int
		want verdict.Action
	}{{1000, verdict.Watch}, {300, verdict.Load}} {
		instances := map[string][]int{"shop/a": {100, 100 + c.each, 100 + 2*c.each}}
		if s := verdict.Next(counted(instances, nil), policy()); s.Action != c.want {
			t.Errorf("Next(%d more each round) = %v (%s), want %v", c.each, s.Action, s.Why, c.want)
		}
	}
}
