package verdict_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// labelled is a leak of 2000 goroutines a round whose goroutines carry labels:
// a share of each round's for every label.
func labelled(shares map[string]float64) record.Run {
	const f = "example.com/shop.f"
	run := script{stacks: map[string][]int{f: {0, 2000, 4000}}, looks: map[string][]int{f: {4000}}, lookFrom: 150 * time.Second}.run()
	for i := range run.Captures {
		for j, s := range run.Captures[i].Profile.Stacks {
			s.Labels = map[string]int{}
			for l, share := range shares {
				s.Labels[l] = int(share * float64(s.Count))
			}
			run.Captures[i].Profile.Stacks[j] = s
		}
	}
	run.Captures = append(run.Captures, record.Capture{Target: target, Kind: record.Evidence, Seq: 1, Profile: &stacks.Profile{Stacks: []stacks.Stack{{
		Key: "time.Sleep\n" + f + "\n", Count: 4000, CreatedBy: &stacks.Frame{Function: "example.com/shop.(*Shop).start", File: "shop.go", Line: 7},
	}}}})
	return run
}

func TestGroupBy(t *testing.T) {
	shares := map[string]float64{"tenant=a": 0.5, "tenant=b": 0.25, "route=/cart": 1}
	for _, c := range []struct {
		by   string
		want []verdict.Label
	}{
		{"", []verdict.Label{{Label: "route=/cart", Growth: 4000}, {Label: "tenant=a", Growth: 2000}, {Label: "tenant=b", Growth: 1000}}},
		{"tenant", []verdict.Label{{Label: "tenant=a", Growth: 2000}, {Label: "tenant=b", Growth: 1000}, {Label: "no tenant", Growth: 1000}}},
		{"route", []verdict.Label{{Label: "route=/cart", Growth: 4000}}},
		{"user", []verdict.Label{{Label: "no user", Growth: 4000}}},
	} {
		p := policy()
		p.GroupBy = c.by
		v := verdict.Judge(labelled(shares), p)
		if len(v.Findings) != 1 {
			t.Fatalf("group by %q: %d findings (%s)", c.by, len(v.Findings), v.Headline)
		}
		if diff := cmp.Diff(c.want, v.Findings[0].Labels); diff != "" {
			t.Errorf("group by %q (-want +got):\n%s", c.by, diff)
		}
	}
	many := map[string]float64{}
	for i := range 40 {
		many["tenant="+string(rune('A'+i))] = 0.025
	}
	p := policy()
	p.GroupBy = "tenant"
	labels := verdict.Judge(labelled(many), p).Findings[0].Labels
	if last := labels[len(labels)-1]; len(labels) != 11 || last != (verdict.Label{Label: "30 more values of tenant", Growth: 3000}) {
		t.Errorf("40 tenants make %d labels, the last %+v", len(labels), last)
	}
}

// A rule ignores what all of its patterns match.
func TestRules(t *testing.T) {
	shares := map[string]float64{"tenant=load-test": 1, "tenant=b": 0.25}
	for _, c := range []struct {
		name string
		rule verdict.Rule
		want verdict.Outcome
	}{
		{"the blamed function", verdict.Rule{Function: `^example\.com/shop\.f$`}, verdict.Pass},
		{"another function of the stack", verdict.Rule{Function: `^time\.Sleep$`}, verdict.Fail},
		{"any frame", verdict.Rule{Frame: `^time\.Sleep$`}, verdict.Pass},
		{"no frame", verdict.Rule{Frame: `^cart\.`}, verdict.Fail},
		{"the creator", verdict.Rule{CreatedBy: `Shop\)\.start$`}, verdict.Pass},
		{"another creator", verdict.Rule{CreatedBy: `Cart`}, verdict.Fail},
		{"a label of all that grew", verdict.Rule{Label: `^tenant=load-test$`}, verdict.Pass},
		{"a label of a quarter", verdict.Rule{Label: `^tenant=b$`}, verdict.Fail},
		{"both match", verdict.Rule{Function: `f$`, Label: `load-test`}, verdict.Pass},
		{"one of two matches", verdict.Rule{Function: `f$`, Label: `other`}, verdict.Fail},
		{"nothing to match", verdict.Rule{}, verdict.Fail},
		{"more than it covers", verdict.Rule{Function: `f$`, Max: 100}, verdict.Fail},
	} {
		p := policy()
		c.rule.Reason = "for the test"
		p.Ignore = []verdict.Rule{c.rule}
		v := verdict.Judge(labelled(shares), p)
		if v.Outcome != c.want || (c.want == verdict.Pass) != (len(v.Ignored) == 1) {
			t.Errorf("%s: Judge = %s (%s), %d ignored, want %s", c.name, v.Outcome, v.Headline, len(v.Ignored), c.want)
		}
	}
	// Without a dump the creator is not known, and nothing is ignored; Next asks
	// for one.
	run := labelled(shares)
	run.Captures = run.Captures[:len(run.Captures)-1]
	p := policy()
	p.Ignore = []verdict.Rule{{CreatedBy: `start$`, Reason: "r"}}
	if v := verdict.Judge(run, p); v.Outcome != verdict.Fail {
		t.Errorf("a creator's rule without a dump: Judge = %s, want fail", v.Outcome)
	}
	if step := verdict.Next(run, p); !cmp.Equal(step.Dump, []string{target}) {
		t.Errorf("Next asks for dumps of %v, want %s", step.Dump, target)
	}
}
