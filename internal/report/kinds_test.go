package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/leakgate/leakgate/verdict"
)

// kind is a failed run whose one finding has been seen in another way.
func kind(evidence ...string) verdict.Verdict {
	v := withSource()
	v.Findings = v.Findings[:1]
	f := &v.Findings[0]
	f.Evidence, f.Counts, f.Leaked, f.Kept = evidence, []int{500, 1500}, 1000, nil
	f.Profiles = []string{"profiles/checkout-0/held-2-1.pb.gz", "profiles/checkout-0/held-2-2.pb.gz"}
	return v
}

// What is held is in no baseline: no report compares with one.
func TestHeldFinding(t *testing.T) {
	v := kind(verdict.Held)
	var console, markdown bytes.Buffer
	if err := Console(Style{Dir: "out"})(&console, v); err != nil {
		t.Fatal(err)
	}
	if err := Markdown(&markdown, v); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"console": console.String(), "summary": markdown.String(), "ticket": ticket(v, v.Findings[0])} {
		if !strings.Contains(text, "500 → 1500, early and late while connections are held") || !strings.Contains(text, "held") || strings.Contains(text, "more than at its baseline") {
			t.Errorf("the %s does not say when it was counted:\n%s", name, text)
		}
	}
	if !strings.Contains(console.String(), "-diff_base out/profiles/checkout-0/held-2-1.pb.gz out/profiles/checkout-0/held-2-2.pb.gz") {
		t.Errorf("the console compares other profiles:\n%s", console.String())
	}
	for _, s := range runbook(v, v.Findings[0]) {
		for _, c := range s.Commands {
			if strings.Contains(c.Line, "baseline") {
				t.Errorf("the runbook compares with the baseline: %s", c.Line)
			}
		}
	}
	if got := areasOf(v.Findings, v.Timing.Phases); len(got) != 0 {
		t.Errorf("areas %+v of what is not there after a round", got)
	}
}

// What is not confirmed is no leak yet, to nobody who decides by it.
func TestUnconfirmedFinding(t *testing.T) {
	v := kind(verdict.Growing, verdict.Unconfirmed)
	v.Outcome = verdict.Inconclusive
	if got := GitHubOutputs(v, "out")["leaked"]; got != "0" {
		t.Errorf("leaked is %s, want 0", got)
	}
	var text bytes.Buffer
	if err := SARIF(&text, v); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), `"level": "error",
          "message"`) || !strings.Contains(text.String(), `"level": "warning"`) {
		t.Errorf("SARIF says it is an error:\n%s", text.String())
	}
	if c := findingAnnotation(v, v.Findings[0], ""); c.Name != "warning" {
		t.Errorf("annotated as %s, want a warning", c.Name)
	}
}

// A fail without a finding is no clean run to code scanning.
func TestSARIFOfOtherFails(t *testing.T) {
	v := kind()
	v.Findings = nil
	v.Checks = append(v.Checks, verdict.Check{Name: "heap", Target: "checkout-0", Outcome: verdict.Fail, Code: "heap-growing", Message: "the heap grew"})
	var text bytes.Buffer
	if err := SARIF(&text, v); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text.String(), "heap-growing") || !strings.Contains(text.String(), "the heap grew") {
		t.Errorf("SARIF does not say why it failed:\n%s", text.String())
	}
}
