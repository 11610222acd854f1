package verdict

import (
	"fmt"
	"testing"
)

// A stack that a hundred replicas have hides no other, and no target.
func TestChoose(t *testing.T) {
	var all []Finding
	add := func(function, target string) {
		all = append(all, Finding{Function: function, Target: target, Stack: []Frame{{Function: function}}})
	}
	for i := range 100 {
		add("a.everywhere", fmt.Sprintf("shop-%d", i%30))
	}
	add("a.rare", "shop-3")
	add("a.everywhere", "cart-0")
	got := choose(all, 40)
	functions, targets := map[string]int{}, map[string]int{}
	for _, f := range got {
		functions[f.Function]++
		targets[f.Target]++
	}
	if len(got) != 40 || functions["a.rare"] != 1 || len(targets) != 31 || got[0].Target != "shop-0" || got[39].Target != "cart-0" {
		t.Errorf("choose keeps %d findings of %d targets, %d of the rare one, from %s to %s; want 40 of 31, with it, in their order", len(got), len(targets), functions["a.rare"], got[0].Target, got[len(got)-1].Target)
	}
	if got := choose(all, 1); len(got) != 1 || got[0].Function != "a.everywhere" {
		t.Errorf("choose(1) = %+v, want the first", got)
	}
}
