package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/leakgate/leakgate/record"
	"github.com/leakgate/leakgate/verdict"
)

// Every report says which image was judged, by its digest; of targets that are no pods there
// is nothing of the kind.
func TestImages(t *testing.T) {
	pod := &record.Pod{Name: "web-1-a", Image: "registry.example/shop:1.4", Digest: "sha256:0123456789abcdef0123", Revision: "4f5e6d7c"}
	with := verdict.Verdict{Plan: "shop", Outcome: verdict.Pass, Headline: "no goroutine leak", Targets: []verdict.Target{
		{Name: "web-1-a", Build: "build id 421f757bebe2145e8c044741a491a24bd5649da7", Pod: pod}, {Name: "web-1-b", Pod: pod}}}
	without := with
	without.Targets = []verdict.Target{{Name: "web"}}
	forms := Formats()
	forms["console"] = Console(Style{})
	for form, render := range forms {
		if form == "json" || form == "github" {
			continue // all of the pod; annotations of lines, beside which the summary has it
		}
		for _, c := range []struct {
			v    verdict.Verdict
			want bool
		}{{with, true}, {without, false}} {
			var b bytes.Buffer
			if err := render(&b, c.v); err != nil {
				t.Fatal(err)
			}
			text := strings.ReplaceAll(b.String(), `\`, "")
			for _, want := range []string{"registry.example/shop:1.4", "sha256:0123456789ab", "4f5e6d7c"} {
				if strings.Contains(text, want) != c.want {
					t.Errorf("%s: %q in it: %t, want %t", form, want, !c.want, c.want)
				}
			}
		}
	}
}
