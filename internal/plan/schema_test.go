package plan

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// decoderOnly are the mistakes that a schema cannot see: two fields have to be
// compared, or the value is right in form.
var decoderOnly = map[string]string{
	"max-below-min.yaml":       "compares two fields",
	"few-rounds.yaml":          "the number is a number",
	"both-auths.yaml":          "compares two fields",
	"h2c-https.yaml":           "compares two fields",
	"share-percent.yaml":       "150% has the form of a share",
	"no-such-day.yaml":         "2027-02-30 has the form of a date",
	"bad-regexp.yaml":          "a string",
	"same-name.yaml":           "compares two targets",
	"other-version.yaml":       "the number is a number",
	"not-http.yaml":            "a string",
	"detect-out-of-reach.yaml": "a product of three fields",
	"lower-case-method.yaml":   "a string",
	"no-weight.yaml":           "the number is a number",
}

// The schema and the decoder agree: what runs is not marked by an editor, and
// what an editor could mark is.
func TestSchemaAgrees(t *testing.T) {
	schema := compile(t)
	for _, file := range append(files(t, "testdata/valid/*.yaml"), examples(t)...) {
		if err := schema.Validate(asEditor(t, file)); err != nil {
			t.Errorf("schema.Validate(%s) = %v, want no error: Parse accepts it", file, err)
		}
	}
	excused := map[string]bool{}
	for _, file := range files(t, "testdata/invalid/*.yaml") {
		err := schema.Validate(asEditor(t, file))
		_, only := decoderOnly[filepath.Base(file)]
		switch {
		case only && err != nil:
			t.Errorf("schema.Validate(%s) = %v: it sees the mistake; strike it from decoderOnly", file, err)
		case !only && err == nil:
			t.Errorf("schema.Validate(%s) = nil, want an error: Parse rejects it", file)
		}
		excused[filepath.Base(file)] = only
	}
	for name := range decoderOnly {
		if !excused[name] {
			t.Errorf("decoderOnly names %s, which is not in testdata/invalid", name)
		}
	}
}

// Editors show what the tags say.
func TestSchemaSays(t *testing.T) {
	schema := compile(t)
	round := schema.Properties["load"].Properties["round"]
	if round.Description != "Duration of the load in each round." || round.Default == nil || *round.Default != "20s" {
		t.Errorf("load.round: description %q, default %v", round.Description, round.Default)
	}
	if got := schema.Required; fmt.Sprint(got) != "[targets load]" {
		t.Errorf("required = %v, want [targets load]", got)
	}
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("plan.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("plan.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asEditor reads a file as JSON would hold it, which is how an editor sees it.
func asEditor(t *testing.T, file string) any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return asJSON(v)
}

func asJSON(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, item := range v {
			v[k] = asJSON(item)
		}
		return v
	case map[any]any:
		out := map[string]any{}
		for k, item := range v {
			out[fmt.Sprint(k)] = asJSON(item)
		}
		return out
	case []any:
		for i, item := range v {
			v[i] = asJSON(item)
		}
		return v
	case time.Time: // JSON has no dates
		return v.Format(time.DateOnly)
	}
	return v
}
