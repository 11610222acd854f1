package report

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/verdict"
)

func TestSourceLines(t *testing.T) {
	commits := func(n int) []verdict.Commit {
		var out []verdict.Commit
		for range n {
			out = append(out, verdict.Commit{Hash: "abc1234def", Author: "Alice", Subject: "x", Function: "f"})
		}
		return out
	}
	const commit = "since v1: abc1234 0001-01-01 Alice: x (touches f)"
	rows := []struct {
		name   string
		file   string
		source *verdict.Source
		want   []string
	}{
		// Not in a checkout: nothing is said.
		{name: "none", file: "/ci/cart/store.go"},
		// The place is the one that the stack shows already.
		{name: "same place", file: "/ci/cart/store.go", source: &verdict.Source{Path: "cart/store.go", Line: 7, Since: "v1"}},
		// A library leaks, its caller is ours.
		{name: "caller", file: "/go/pkg/mod/x@v1.0.0/store.go", source: &verdict.Source{Path: "cart/store.go", Line: 7}, want: []string{"in the checkout: cart/store.go:7"}},
		{name: "another line", file: "cart/store.go", source: &verdict.Source{Path: "cart/store.go", Line: 8}, want: []string{"in the checkout: cart/store.go:8"}},
		// The end of a file's name is not the end of its path.
		{name: "longer name", file: "/ci/mycart/store.go", source: &verdict.Source{Path: "cart/store.go", Line: 7}, want: []string{"in the checkout: cart/store.go:7"}},
		// Three commits are shown, the rest is counted.
		{name: "three", file: "cart/store.go", source: &verdict.Source{Path: "cart/store.go", Line: 7, Since: "v1", Suspects: commits(3)}, want: []string{commit, commit, commit}},
		{name: "four", file: "cart/store.go", source: &verdict.Source{Path: "cart/store.go", Line: 7, Since: "v1", Suspects: commits(4)}, want: []string{commit, commit, commit, "since v1: 1 commit more"}},
	}
	for _, r := range rows {
		got := sourceLines(verdict.Finding{File: r.file, Line: 7, Source: r.source})
		if d := cmp.Diff(r.want, got); d != "" {
			t.Errorf("sourceLines(%s) (-want +got):\n%s", r.name, d)
		}
	}
}
