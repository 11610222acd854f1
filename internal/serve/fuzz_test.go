package serve

import (
	"encoding/json"
	"testing"
)

// FuzzParseRun looks for a record that is taken although nobody could say how the run ended.
func FuzzParseRun(f *testing.F) {
	f.Add([]byte(`{"id": "20261125-204818-5c71b8cf", "plan": "a", "state": "finished", "outcome": "pass"}`))
	f.Add([]byte(`{"id": "../../etc", "state": "queued"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseRun(text)
		if err != nil {
			return
		}
		if !isID.MatchString(r.ID) || r.State == Finished && !isOutcome(r.Outcome) {
			t.Errorf("parseRun(%q) = %+v", text, r)
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatalf("%+v: %v", r, err)
		}
		if _, err := parseRun(again); err != nil {
			t.Errorf("parseRun(%q), written and read again: %v", text, err)
		}
	})
}

// FuzzBodies gives the parsers of requests whatever there is.
func FuzzBodies(f *testing.F) {
	f.Add([]byte(`{"plan": "a", "key": "1", "variables": {"LEAKGATE_PLAN_A": "b"}, "again": true}`))
	f.Add([]byte(`{"name": "shop", "namespace": "n", "phase": "Progressing", "checksum": "1", "metadata": {"plan": "a"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if n, err := parseNamed(body); err == nil && checkVariables(n.Variables) == nil {
			for name := range n.Variables {
				if !variableName.MatchString(name) {
					t.Errorf("%q is taken as a variable", name)
				}
			}
		}
		if p, err := parsePayload(body); err == nil && p.Checksum == "" {
			t.Errorf("%q has no checksum", body)
		}
	})
}
