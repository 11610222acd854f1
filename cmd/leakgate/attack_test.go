package main

import (
	"testing"

	"github.com/leakgate/leakgate/loadgen"
)

func TestShare(t *testing.T) {
	env := func(value string) func(string) (string, bool) {
		return func(name string) (string, bool) { return value, name == jobIndex && value != "" }
	}
	for _, c := range []struct {
		text, index string
		want        loadgen.Share
		ok          bool
	}{
		{"1/1", "", loadgen.Share{Index: 0, Of: 1}, true},
		{"2/8", "", loadgen.Share{Index: 1, Of: 8}, true},
		{"8/8", "5", loadgen.Share{Index: 7, Of: 8}, true},
		{"job/8", "0", loadgen.Share{Index: 0, Of: 8}, true},
		{"job/8", "7", loadgen.Share{Index: 7, Of: 8}, true},
		// A Job with more pods than parts would send some twice.
		{"job/8", "8", loadgen.Share{}, false},
		{"job/8", "", loadgen.Share{}, false},
		{"job/8", "x", loadgen.Share{}, false},
		{"0/8", "", loadgen.Share{}, false},
		{"9/8", "", loadgen.Share{}, false},
		{"2", "", loadgen.Share{}, false},
		{"1/0", "", loadgen.Share{}, false},
		{"a/b", "", loadgen.Share{}, false},
	} {
		got, err := share(c.text, env(c.index))
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("share(%s) with index %q = %+v, %v, want %+v, ok: %t", c.text, c.index, got, err, c.want, c.ok)
		}
	}
}
