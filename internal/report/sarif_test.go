package report

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/leakgate/leakgate/verdict"
)

// checkSARIF validates against the standard's own schema, which the library
// carries.
func checkSARIF(t *testing.T, text []byte) *sarif.Report {
	t.Helper()
	r, err := sarif.FromBytes(text, sarif.WithStrictValidation())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Validate(); err != nil {
		t.Errorf("against the schema: %v", err)
	}
	return r
}

func sarifResults(t *testing.T, text []byte) int {
	t.Helper()
	var doc struct {
		Runs []struct{ Results []json.RawMessage }
	}
	if err := json.Unmarshal(text, &doc); err != nil || len(doc.Runs) != 1 {
		t.Fatalf("%d runs, %v, want one", len(doc.Runs), err)
	}
	return len(doc.Runs[0].Results)
}

func written(t *testing.T, v verdict.Verdict) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := SARIF(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSARIF(t *testing.T) {
	for name, v := range fixtures() {
		r := checkSARIF(t, written(t, v))
		if got, want := *r.Runs[0].Invocations[0].ExecutionSuccessful, name != "inconclusive"; got != want {
			t.Errorf("%s: executionSuccessful = %v, want %v", name, got, want)
		}
		if got := len(r.Runs[0].Results); got != len(v.Findings) {
			t.Errorf("%s: %d results, want %d", name, got, len(v.Findings))
		}
	}
	unclear := checkSARIF(t, written(t, fixtures()["inconclusive"])).Runs[0].Invocations[0].ToolExecutionNotifications
	if len(unclear) != 2 || *unclear[1].Descriptor.ID != verdict.CodeRestarted || unclear[0].Level != "error" {
		t.Errorf("notifications of a restart: %+v", unclear)
	}
}

// The schema has to be able to say no.
func TestSARIFSchemaRefuses(t *testing.T) {
	r := checkSARIF(t, written(t, withSource()))
	r.Runs[0].Results[0].Level = "terrible"
	if r.Validate() == nil {
		t.Error("a level that SARIF does not have is valid")
	}
}

func TestSARIFResult(t *testing.T) {
	r := checkSARIF(t, written(t, withSource())).Runs[0].Results[0]
	at := r.Locations[0].PhysicalLocation
	if *at.ArtifactLocation.URI != "cart/store.go" || *at.ArtifactLocation.URIBaseID != sourceRoot || *at.Region.StartLine != 44 {
		t.Errorf("location %s %d, want cart/store.go 44 below %s", *at.ArtifactLocation.URI, *at.Region.StartLine, sourceRoot)
	}
	frame := r.Stacks[0].Frames[1].Location
	if got := *frame.LogicalLocations[0].FullyQualifiedName; len(r.Stacks[0].Frames) != 2 || got != "example.com/cart.(*Store).refresh.func1" {
		t.Errorf("second frame %s of %d", got, len(r.Stacks[0].Frames))
	}
	if *frame.PhysicalLocation.ArtifactLocation.URI != "cart/store.go" || frame.PhysicalLocation.ArtifactLocation.URIBaseID != nil {
		t.Errorf("a file of the build machine is given as %s", *frame.PhysicalLocation.ArtifactLocation.URI)
	}
	if p := r.Properties.Properties; p["leaked"] != 240.0 || p["per_1000_requests"] != 10.0 || fmt.Sprint(p["evidence"], p["owners"]) != "[growing] [@shop/cart @ann]" {
		t.Errorf("properties %v", p)
	}
	for _, part := range []string{"+240", "10 per 1,000 requests", "chan send", "owner: @shop/cart", "suspect: 0123456 2026-10-30 Ann: cart: refresh prices"} {
		if !strings.Contains(*r.Message.Text, part) {
			t.Errorf("message %q lacks %q", *r.Message.Text, part)
		}
	}
	// Brackets would make a link.
	v := withSource()
	v.Findings[0].Function = "[click](http://evil.invalid)"
	if text := *checkSARIF(t, written(t, v)).Runs[0].Results[0].Message.Text; !strings.HasPrefix(text, `\[click\](http`) {
		t.Errorf("message %q makes a link", text)
	}
}

// GitHub refuses an upload for one result that has no file.
func TestSARIFAlwaysHasAFile(t *testing.T) {
	for _, file := range []string{"", "/go/pkg/mod/a.b/c@v1.0.0/d e.go", `C:\src\x.go`} {
		v := withSource()
		v.Findings[0].Source, v.Findings[0].File = nil, file
		at := checkSARIF(t, written(t, v)).Runs[0].Results[0].Locations[0].PhysicalLocation.ArtifactLocation
		if *at.URI != "unknown" || at.URIBaseID != nil {
			t.Errorf("file %q is given as %q, want unknown", file, *at.URI)
		}
	}
}

// One leak has one fingerprint: not another after a line was added above it, a
// build elsewhere, a new Go or a further run.
func TestSARIFFingerprint(t *testing.T) {
	hash := func(change func(*verdict.Finding)) string {
		v := withSource()
		change(&v.Findings[0])
		return checkSARIF(t, written(t, v)).Runs[0].Results[0].PartialFingerprints[fingerprint]
	}
	want := hash(func(*verdict.Finding) {})
	if got := hash(func(f *verdict.Finding) {
		f.Source, f.Leaked, f.Counts, f.Creator = nil, 7, nil, ""
		f.Stack = slices.Clone(f.Stack)
		f.Stack[0].Function = "time.Sleep2"
		f.Stack[1].File, f.Stack[1].Line = "/elsewhere/store.go", 43
	}); got != want || len(got) != 32 {
		t.Errorf("the same leak: %s, want %s", got, want)
	}
	if got := hash(func(f *verdict.Finding) { f.Stack = frames("example.com/cart.(*Store).refresh.func2") }); got == want {
		t.Error("another function has the same fingerprint")
	}
}

// GitHub takes 10 MB of gzip and 25,000 results.
func TestSARIFBounds(t *testing.T) {
	v := withSource()
	for i := range 10_000 {
		f := v.Findings[0]
		f.Function = fmt.Sprintf("example.com/cart.f%d", i)
		v.Findings = append(v.Findings, f)
	}
	wide := withSource()
	wide.Findings[0].Stack = slices.Repeat(wide.Findings[0].Stack, 10_000)
	wide.Findings[0].Function = strings.Repeat("<", 1<<20)
	for name, v := range map[string]verdict.Verdict{"10,000 findings": v, "a stack of 20,000 frames": wide} {
		text := written(t, v)
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		_, _ = z.Write(text)
		_ = z.Close()
		got := sarifResults(t, text)
		t.Logf("%s: %d results, %d bytes, %d packed", name, got, len(text), packed.Len())
		if len(text) > 10_000_000 || got > 5000 || got == 0 {
			t.Errorf("%s: %d results in %d bytes, want some in at most 10 MB", name, got, len(text))
		}
		checkSARIF(t, text)
		if left := len(v.Findings) - got; left > 0 && !bytes.Contains(text, fmt.Appendf(nil, "%d findings more", left)) {
			t.Errorf("%s: nothing says that %d findings are left out", name, left)
		}
		if name != "10,000 findings" {
			continue
		}
		for format, render := range map[string]Renderer{"junit": JUnit, "markdown": Markdown, "github": Formats()["github"]} {
			var b bytes.Buffer
			if err := render(&b, v); err != nil || b.Len() > 256<<10 {
				t.Errorf("%s of 10,000 findings: %d bytes, %v, want at most 256 KiB", format, b.Len(), err)
			}
			t.Logf("%s: %d bytes", format, b.Len())
		}
	}
	if err := SARIF(io.Discard, v); err != nil {
		t.Error(err)
	}
}
