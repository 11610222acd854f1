package report

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/verdict"
)

// hostileJUnit is what parsers that others built are given beside the three
// outcomes (make junit-test): text that would end its element, and characters
// that XML cannot hold.
func hostileJUnit() verdict.Verdict {
	return hostile("]]></failure><testcase name=\"more\"/> & \x00\x1b[31m \U0001F600 \u202e")
}

func TestGoldenHostileJUnit(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, hostileJUnit()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "hostile.xml")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), b.String()); d != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", file, d)
	}
}

func junitOf(t *testing.T, v verdict.Verdict) (junitSuite, int) {
	t.Helper()
	var b bytes.Buffer
	if err := JUnit(&b, v); err != nil {
		t.Fatal(err)
	}
	var doc junitSuites
	if err := xml.Unmarshal(b.Bytes(), &doc); err != nil || len(doc.Suites) != 1 {
		t.Fatalf("%d suites, %v, want one", len(doc.Suites), err)
	}
	return doc.Suites[0], b.Len()
}

// GitLab and GitHub's report actions link a case to its file: a path in the
// repository, where that is known.
func TestJUnitFile(t *testing.T) {
	suite, _ := junitOf(t, withSource())
	for _, c := range suite.Cases[1:] {
		if c.File != "cart/store.go" || c.Line != 44 {
			t.Errorf("%s is at %s:%d, want cart/store.go:44", c.Name, c.File, c.Line)
		}
	}
	// Without a checkout, a path of the machine that built it leads nowhere.
	without := fixtures()["fail"]
	without.Findings[0].Source = nil
	if suite, _ := junitOf(t, without); suite.Cases[1].File != "" || suite.Cases[1].Line != 0 {
		t.Errorf("without a checkout: %s:%d", suite.Cases[1].File, suite.Cases[1].Line)
	}
}

// GitLab tells cases apart by class and name; the second of a pair is dropped.
// Counts have to be those of the cases.
func TestJUnitCounts(t *testing.T) {
	v := fixtures()["fail"]
	for i := range 40 {
		for _, name := range []string{"growth", "baseline", "same process"} {
			v.Checks = append(v.Checks, verdict.Check{Name: name, Target: fmt.Sprintf("replica-%d", i), Outcome: []verdict.Outcome{verdict.Pass, verdict.Fail, verdict.Inconclusive}[i%3]})
		}
	}
	suite, _ := junitOf(t, v)
	seen, failures, errs := map[string]bool{}, 0, 0
	for _, c := range suite.Cases {
		if id := c.Class + "\x00" + c.Name; seen[id] {
			t.Errorf("%s %s is there twice", c.Class, c.Name)
		} else {
			seen[id] = true
		}
		if c.Failure != nil {
			failures++
		}
		if c.Error != nil {
			errs++
		}
	}
	if suite.Tests != len(suite.Cases) || suite.Failures != failures || suite.Errors != errs {
		t.Errorf("says %d, %d, %d; holds %d, %d, %d", suite.Tests, suite.Failures, suite.Errors, len(suite.Cases), failures, errs)
	}
}

// Two leaks that no name tells apart are one case, and the other is counted.
func TestJUnitTwins(t *testing.T) {
	v := fixtures()["fail"]
	v.Checks, v.Findings = nil, slices.Repeat(v.Findings, 2)
	suite, _ := junitOf(t, v)
	if len(suite.Cases) != 2 || suite.Failures != 1 || suite.Cases[1].Name != "more leaks" {
		t.Errorf("twins are %+v, want one failure and a count", suite.Cases)
	}
	v.Findings[0].ID, v.Findings[1].ID = "3f2a9c1d", "77c0ffee"
	if suite, _ := junitOf(t, v); suite.Failures != 2 || len(suite.Cases) != 2 {
		t.Errorf("two stacks of one function are %+v, want two failures", suite.Cases)
	}
}

// GitLab takes 30 MB, and nobody reads the ten thousandth stack.
func TestJUnitBounds(t *testing.T) {
	many := fixtures()["fail"]
	many.Findings = slices.Repeat(many.Findings, 10_000)
	deep := fixtures()["fail"]
	deep.Findings[0].Stack = slices.Repeat(deep.Findings[0].Stack, 50_000)
	deep.Findings[0].Function = string(bytes.Repeat([]byte("x"), 1<<20))
	for name, v := range map[string]verdict.Verdict{"10,000 findings": many, "a stack of 100,000 frames": deep} {
		_, size := junitOf(t, v)
		t.Logf("%s: %d bytes", name, size)
		if size > 1<<20 {
			t.Errorf("%s: %d bytes, want at most 1 MiB", name, size)
		}
	}
}
