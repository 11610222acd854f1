package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/pprof/profile"

	"github.com/leakgate/leakgate/internal/plan"
	"github.com/leakgate/leakgate/record"
)

// A row that expected a green leak or a red healthy service would hide what the matrix is
// for, and one that nobody can name cannot be run again.
func TestRows(t *testing.T) {
	ids := map[string]bool{}
	faults := 0
	for _, r := range rows() {
		if ids[r.id()] {
			t.Errorf("two rows are %q", r.id())
		}
		ids[r.id()] = true
		if slices.Contains(r.leak, passes) || slices.Contains(r.bareLeak, passes) {
			t.Errorf("%s expects a leak to pass", r.id())
		}
		if slices.Contains(r.healthy, fails) || slices.Contains(r.bareFine, fails) {
			t.Errorf("%s expects a healthy service to fail", r.id())
		}
		if len(r.leak)+len(r.healthy) == 0 {
			t.Errorf("%s expects nothing", r.id())
		}
		if len(r.leak) == 0 || len(r.healthy) == 0 {
			continue
		}
		faults++
	}
	if faults < 60 {
		t.Errorf("%d faults with both twins, want 60 at least", faults)
	}
}

func TestShort(t *testing.T) {
	cells := options{short: true}.cells(regexp.MustCompile(""))
	if n := len(cells); n < 24 || n > 48 {
		t.Errorf("the short form has %d runs, want a dozen rows or two with their twins", n)
	}
	for _, c := range cells {
		if c.tries != 1 {
			t.Errorf("%s is tried %d times in the short form", c.id(), c.tries)
		}
	}
}

// Rows that depend on when something happens are worth nothing unless they are repeated.
func TestTimingRowsAreRepeated(t *testing.T) {
	for _, id := range []string{"stale/one copy in three", "restart/at 10% of the long look",
		"restart/at 50% of the long look", "restart/at 90% of the long look"} {
		i := slices.IndexFunc(rows(), func(r row) bool { return r.id() == id })
		if i < 0 {
			t.Fatalf("there is no row %q", id)
		}
		for _, c := range rows()[i].cells(false) {
			if c.leaks && c.tries < 20 {
				t.Errorf("%s, %s is tried %d times, want 20", id, c.variant, c.tries)
			}
		}
	}
}

func TestRight(t *testing.T) {
	r := row{leak: []string{fails, stale}, healthy: []string{passes}, bareFine: []string{unknown}}
	for _, tt := range []struct {
		name string
		cell cell
		seen seen
		want bool
	}{
		{"expected outcome", cell{row: r, leaks: true}, seen{outcome: fails}, true},
		{"expected code", cell{row: r, leaks: true}, seen{outcome: unclear, codes: []string{"undecided", stale}},
			true},
		{"another code", cell{row: r, leaks: true}, seen{outcome: unclear, codes: []string{"undecided"}}, false},
		{"code of what is no inconclusive run", cell{row: r, leaks: true},
			seen{outcome: passes, codes: []string{stale}}, false},
		{"only where profiles alone are read", cell{row: r}, seen{outcome: unclear, codes: []string{unknown}},
			true},
		{"not where there is more", cell{row: r, variant: variant{metrics: true}},
			seen{outcome: unclear, codes: []string{unknown}}, false},
	} {
		if got := tt.cell.right(tt.seen); got != tt.want {
			t.Errorf("right(%s) = %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestRaw(t *testing.T) {
	for _, tt := range []struct {
		text string
		bad  bool
	}{
		{"PASS  shop\n\tindented, naïve ✓\n", false},
		{"a\x1b[31mb", true},
		{"a\rb", true},
		{"bell\a", true},
		{"C1 as one byte \x9b", true},
		{"C1 in UTF-8 \u009b", true},
		{"del\x7f", true},
	} {
		if got := raw([]byte(tt.text)); (got != "") != tt.bad {
			t.Errorf("raw(%q) = %q, want bad: %v", tt.text, got, tt.bad)
		}
	}
}

// A journal in which a leak is looked at for long, as it grows.
func TestClock(t *testing.T) {
	c := newClock("")
	for _, tt := range []struct {
		line string
		want moment
	}{
		{`{"run":{"schema":1}}`, preflight},
		{`{"phase":{"kind":"preflight"}}`, warmup},
		{`{"phase":{"kind":"warmup"}}`, baseline},
		{`{"phase":{"kind":"baseline"}}`, round1},
		{`{"phase":{"kind":"round","round":1}}`, settle1},
		{`{"phase":{"kind":"settle","round":1}}`, round2},
		{`{"phase":{"kind":"round","round":2}}`, settle2},
		{`{"phase":{"kind":"settle","round":2}}`, settle2}, // a round, or a look: not known yet
		{`{"capture":{"kind":"confirm","round":2}}`, longLook},
		{`{"phase":{"kind":"confirm","round":2}}`, evidence},
	} {
		half := len(tt.line) / 2
		rest := c.lines([]byte(tt.line[:half])) // a reader may see half of a line
		c.lines(append(rest, tt.line[half:]+"\n"...))
		if got := c.at(); got != tt.want {
			t.Errorf("after %s: %v, want %v", tt.line, got, tt.want)
		}
	}
	if third := (moment{record.Round, 3}); longLook.order() >= third.order() || third.order() >= evidence.order() {
		t.Error("a third round does not come between the long look and the evidence")
	}
}

func TestTable(t *testing.T) {
	leak := result{cell: cell{row: row{kind: "k", name: "a|b", leak: []string{fails}}, leaks: true, tries: 2},
		counts: map[string]int{}, broken: map[string]int{}}
	leak.add(seen{outcome: fails}, 0, nil)
	leak.add(seen{outcome: passes, broken: []string{"LEAK GREEN"}, message: "no leak"}, 0, nil)
	tab := table{results: []result{leak}}
	if want := "1 rows, 2 runs, 1 not as expected; leaks green: 1, healthy red: 0"; tab.total() != want {
		t.Errorf("total() = %q, want %q", tab.total(), want)
	}
	if tab.good() {
		t.Error("good() with a green leak")
	}
	if line := leak.line(); !strings.Contains(line, "1 fail, 1 pass") || !strings.Contains(line, "no leak") {
		t.Errorf("line() = %q", line)
	}
	if got := shorten("a \x1b[31m\n  b"); got != "a ·[31m b" {
		t.Errorf("shorten(ESC) = %q", got)
	}
	tab.results[0].pending = "a key"
	if tab.good() {
		t.Error("good() with a green leak in a pending row")
	}
}

// A plan that is refused tests nothing but the plan's reader.
func TestPlans(t *testing.T) {
	for _, r := range rows() {
		if r.plan == nil || r.pending != "" {
			continue
		}
		for _, v := range []variant{{true, true}, {}} {
			p := newPlan("127.0.0.1:1", "127.0.0.1:2", v)
			r.plan(&stage{dir: t.TempDir()}, p)
			if _, err := plan.Parse("plan.yaml", []byte(p.String()),
				func(string) (string, bool) { return "", false }); err != nil {
				t.Errorf("%s: %v\n%s", r.id(), err, p)
			}
		}
	}
}

// A hostile profile that is no profile would be refused for another reason.
func TestHostileProfile(t *testing.T) {
	p, err := profile.ParseData(hostileProfile(6000))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.CheckValid(); err != nil || len(p.Sample) != 1000 {
		t.Errorf("%d samples, %v; want 1000 and valid", len(p.Sample), err)
	}
}
