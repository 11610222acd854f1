package plan

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// Schema is the JSON Schema of the plan, for editors, made from the structs.
func Schema() ([]byte, error) {
	r := &jsonschema.Reflector{
		FieldNameTag: "yaml", DoNotReference: true, Anonymous: true,
		RequiredFromJSONSchemaTags: true, Mapper: mapScalar,
	}
	s := r.Reflect(&Plan{})
	s.Title = "leakgate plan"
	decorate(s, reflect.TypeFor[Plan]())
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}

// mapScalar gives values with a syntax of their own a pattern.
func mapScalar(t reflect.Type) *jsonschema.Schema {
	s, ok := reflect.New(t).Interface().(scalar)
	if !ok {
		return nil
	}
	pattern, example := s.Syntax()
	text := &jsonschema.Schema{Type: "string", Pattern: pattern, Examples: []any{example}}
	switch t.Kind() {
	case reflect.Float64: // a bare number will do
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "number"}, text, variableSchema()}}
	}
	return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{text, variableSchema()}}
}

// variableSchema accepts ${NAME} where the type of what it stands for is not a text.
func variableSchema() *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: `\$\{[^}]+\}`}
}

// decorate adds to a struct's schema what the tags say.
func decorate(s *jsonschema.Schema, t reflect.Type) {
	if s.Properties == nil {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("yaml")
		p, ok := s.Properties.Get(key)
		if !ok {
			continue
		}
		inner := f.Type
		for inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch inner.Kind() {
		case reflect.Struct:
			decorate(p, inner)
		case reflect.Slice:
			if inner.Elem().Kind() == reflect.Struct {
				decorate(p.Items, inner.Elem())
				if inner.Elem() == reflect.TypeFor[Request]() {
					p.Items = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
						{Type: "string", Pattern: `^\s*([A-Z]+\s+)?\S+\s*$`, Examples: []any{"GET http://127.0.0.1:8080/"}}, p.Items,
					}}
				}
			}
		case reflect.Int, reflect.Bool, reflect.Float64:
			if len(p.AnyOf) == 0 {
				plain := *p
				*p = jsonschema.Schema{AnyOf: []*jsonschema.Schema{&plain, variableSchema()}}
			}
		case reflect.String:
			if p.Type == "string" { // YAML's numbers and booleans are texts where a text is wanted
				p.Type = ""
				p.Not = &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "object"}, {Type: "array"}, {Type: "null"}}}
			}
		}
		p.Description = f.Tag.Get("doc")
		if d, ok := f.Tag.Lookup("default"); ok {
			p.Default = typedDefault(inner.Kind(), d)
		}
		if e, ok := f.Tag.Lookup("enum"); ok {
			p.Not = nil
			p.Type = "string"
			for v := range strings.SplitSeq(e, ",") {
				p.Enum = append(p.Enum, v)
			}
		}
		if f.Tag.Get("required") == "true" {
			s.Required = append(s.Required, key)
		}
	}
}

func typedDefault(k reflect.Kind, text string) any {
	switch k {
	case reflect.Bool:
		return text == "true"
	case reflect.Int, reflect.Float64:
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	}
	return text
}
