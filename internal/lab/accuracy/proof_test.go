package main

import (
	"strings"
	"testing"

	"github.com/leakgate/leakgate/verdict"
)

// What the runtime can prove has to be proven, and nothing else.
func TestProofOf(t *testing.T) {
	leak := func(proof string) service {
		return service{Name: "s", Leaks: true, Blame: "main.wait", Proof: proof}
	}
	healthy := service{Name: "s"}
	both := []string{verdict.Growing, verdict.Proven}
	for _, c := range []struct {
		name     string
		service  service
		outcome  verdict.Outcome
		function string // of the finding; none if empty
		evidence []string
		built    string
		wrong    string
	}{
		{"proven, as it can be", leak(verdict.Proven), verdict.Fail, "main.wait", both, "go1.27.1", ""},
		{"not proven, though it can be", leak(verdict.Proven), verdict.Fail, "main.wait", both[:1], "go1.27.1", "not proven"},
		{"growing alone, as nobody can prove it", leak(verdict.Growing), verdict.Fail, "main.wait", both[:1], "go1.27.1", ""},
		{"though it can be woken", leak(verdict.Growing), verdict.Fail, "main.wait", both, "go1.27.1", "can be woken"},
		{"another function is proven", leak(verdict.Proven), verdict.Fail, "main.other", both, "go1.27.1", "not proven"},
		{"missed", leak(verdict.Proven), verdict.Pass, "", nil, "go1.27.1", "does not fail"},
		{"healthy", healthy, verdict.Pass, "", nil, "go1.27.1", ""},
		{"healthy, could not be told", healthy, verdict.Inconclusive, "", nil, "go1.27.1", ""},
		{"healthy, and fails", healthy, verdict.Fail, "main.pool", both[:1], "go1.27.1", "a healthy service fails"},
		{"healthy, and proven", healthy, verdict.Fail, "main.pool", both, "go1.27.1", "are proven"},
		{"an older Go", leak(verdict.Proven), verdict.Fail, "main.wait", both, "go1.26.8", "built by"},
		{"an unknown Go", leak(verdict.Proven), verdict.Fail, "main.wait", both, "", "built by"},
	} {
		v := verdict.Verdict{Targets: []verdict.Target{{Name: "s", GoVersion: c.built}}}
		if c.function != "" {
			v.Findings = []verdict.Finding{{Target: "s", Function: c.function, Evidence: c.evidence}}
		}
		_, wrong := proofOf(result{service: c.service, outcome: c.outcome}, v)
		if (wrong == "") != (c.wrong == "") || !strings.Contains(wrong, c.wrong) {
			t.Errorf("proofOf(%s): %q, want %q", c.name, wrong, c.wrong)
		}
	}
}
