package plan

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAccept(t *testing.T) {
	rule := func(f string) Ignore {
		return Ignore{Function: f, Reason: `accepted: "+40" of 100`, Owner: "shop", Until: "2027-03-01"}
	}
	for _, c := range []struct {
		name, before string
		rules        []Ignore
		added        int
		err          string   // part of the error; then the file stays as it was
		keeps        []string // what was there before and has to stay
	}{
		{name: "a new file", rules: []Ignore{rule("^a$"), rule(`^b\.\(\*T\)\.c$`)}, added: 2, keeps: []string{"# Growth that is known"}},
		{name: "an empty one", before: "\n", rules: []Ignore{rule("^a$")}, added: 1},
		{name: "comments stay", before: "# ours\n\n- function: ^x$ # why\n  reason: r\n", rules: []Ignore{rule("^a$")}, added: 1, keeps: []string{"# ours\n\n", "# why"}},
		{name: "no newline at the end", before: "- function: ^x$\n  reason: r", rules: []Ignore{rule("^a$")}, added: 1},
		{name: "known already", before: "- function: ^a$\n  reason: r\n", rules: []Ignore{rule("^a$")}},
		{name: "known, but expired", before: "- function: ^a$\n  reason: r\n  until: 2026-10-31\n", rules: []Ignore{rule("^a$")}, added: 1},
		{name: "known on its last day", before: "- function: ^a$\n  reason: r\n  until: 2026-11-01\n", rules: []Ignore{rule("^a$")}},
		{name: "known up to a most", before: "- function: ^a$\n  reason: r\n  max: 3\n", rules: []Ignore{rule("^a$")}, added: 1},
		{name: "what looks like a variable", rules: []Ignore{{Function: "^a$", Reason: "costs ${HOME}"}}, added: 1},
		{name: "twice in one go", rules: []Ignore{rule("^a$"), rule("^a$")}, added: 1},
		{name: "an indented list", before: "  - function: ^x$\n    reason: r\n", rules: []Ignore{rule("^a$")}, err: "dash per rule"},
		{name: "a list on one line", before: "[{function: ^x$, reason: r}]\n", rules: []Ignore{rule("^a$")}, err: "dash per rule"},
		{name: "a plan", before: "targets: []\n", rules: []Ignore{rule("^a$")}, err: "not a list of ignore rules"},
		{name: "a rule without a reason", before: "- function: ^x$\n", rules: []Ignore{rule("^a$")}, err: "reason: missing"},
	} {
		file := filepath.Join(t.TempDir(), "rules.yaml")
		if c.before != "" {
			if err := os.WriteFile(file, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		added, err := Accept(file, c.rules, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
		text, _ := os.ReadFile(file)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || string(text) != c.before {
				t.Errorf("%s: Accept = %v, the file is %q; want an error with %q and %q", c.name, err, text, c.err, c.before)
			}
			continue
		}
		if err != nil || len(added) != c.added {
			t.Errorf("%s: Accept = %d rules, %v; want %d", c.name, len(added), err, c.added)
			continue
		}
		rules, problems := (&decoder{file: file, partial: judgedBy}).parseRules(text)
		for _, r := range added {
			if len(problems) > 0 || !containsRule(rules, r) {
				t.Errorf("%s: %+v is not among %+v (%v)", c.name, r, rules, problems)
			}
		}
		for _, k := range c.keeps {
			if !strings.Contains(string(text), k) {
				t.Errorf("%s: the file lost %q:\n%s", c.name, k, text)
			}
		}
		if _, err := os.Stat(file + ".tmp"); err == nil {
			t.Errorf("%s: a temporary file is left", c.name)
		}
	}
}

func containsRule(rules []Ignore, r Ignore) bool {
	for _, x := range rules {
		if x == r {
			return true
		}
	}
	return false
}
