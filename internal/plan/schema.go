package plan

import (
	"encoding/json"
	"reflect"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// Schema is the JSON Schema of the plan, for editors, made from the structs.
// It knows what a field may look like; what only the fields together decide,
// such as max < min, is left to Parse.
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
	switch t { // a bare number will do, if it can be right
	case reflect.TypeFor[Share]():
		return anyOf(&jsonschema.Schema{Type: "number", Minimum: "0", Maximum: "1"}, text, variableSchema())
	case reflect.TypeFor[Rate]():
		most := json.Number(strconv.Itoa(maxRate))
		return anyOf(&jsonschema.Schema{Type: "number", ExclusiveMinimum: "0", Maximum: most}, text, variableSchema())
	case reflect.TypeFor[Duration]():
		return anyOf(text, &jsonschema.Schema{Const: 0}, variableSchema())
	}
	return anyOf(text, variableSchema())
}

func anyOf(s ...*jsonschema.Schema) *jsonschema.Schema { return &jsonschema.Schema{AnyOf: s} }

func textSchema(pattern string) *jsonschema.Schema {
	return &jsonschema.Schema{Type: "string", Pattern: pattern}
}

// variableSchema accepts ${NAME} where the type is not a string.
func variableSchema() *jsonschema.Schema { return textSchema(`\$\{[^}]+\}`) }

// plainSchema accepts what setBasic does: YAML's value, its text in quotes, or
// a variable. Numbers and booleans are texts where a text is wanted.
func plainSchema(k reflect.Kind) *jsonschema.Schema {
	switch k {
	case reflect.Int:
		return anyOf(&jsonschema.Schema{Type: "integer"}, textSchema(`^[-+]?[0-9_]+$`), variableSchema())
	case reflect.Float64:
		return anyOf(&jsonschema.Schema{Type: "number"}, textSchema(`^[-+]?(`+numberSyntax+`)$`), variableSchema())
	case reflect.Bool:
		return anyOf(&jsonschema.Schema{Type: "boolean"}, textSchema(`^([Tt]rue|TRUE|[Ff]alse|FALSE)$`), variableSchema())
	}
	return &jsonschema.Schema{Not: anyOf(
		&jsonschema.Schema{Type: "object"}, &jsonschema.Schema{Type: "array"}, &jsonschema.Schema{Type: "null"})}
}

// decorate adds to a struct's schema what the tags say.
func decorate(s *jsonschema.Schema, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("yaml")
		p, ok := s.Properties.Get(key)
		if !ok {
			continue
		}
		required := f.Tag.Get("required") == "true"
		if required {
			s.Required = append(s.Required, key)
		}
		p = fieldSchema(p, f, required)
		p.Description = f.Tag.Get("doc")
		s.Properties.Set(key, p)
	}
	for _, key := range oneOf[t] {
		s.AnyOf = append(s.AnyOf, &jsonschema.Schema{Required: []string{key}})
	}
}

// oneOf are the keys of which a mapping needs one.
var oneOf = map[reflect.Type][]string{
	reflect.TypeFor[Ignore](): {"function", "frame", "created_by", "label"},
	reflect.TypeFor[Load]():   {"requests", "file", "streams", "exec", "none", "job", "testrun"},
	reflect.TypeFor[Target](): {"pprof", "selector", "kubernetes"},
	reflect.TypeFor[Stream](): streamKeys(),
}

// fieldSchema completes the schema of one field.
func fieldSchema(p *jsonschema.Schema, f reflect.StructField, required bool) *jsonschema.Schema {
	inner := f.Type
	for inner.Kind() == reflect.Pointer {
		inner = inner.Elem()
	}
	_, own := reflect.New(inner).Interface().(scalar)
	enum := f.Tag.Get("enum")
	switch {
	case own: // as mapScalar made it
	case enum != "":
		list := &jsonschema.Schema{Type: "string"}
		for v := range strings.SplitSeq(enum, ",") {
			list.Enum = append(list.Enum, v)
		}
		p = anyOf(list, variableSchema())
	case inner.Kind() == reflect.Struct:
		decorate(p, inner)
		if _, ok := reflect.New(inner).Interface().(short); ok {
			p = anyOf(plainSchema(reflect.String), p)
		}
		if !required && len(p.Required) == 0 {
			p = orNothing(p)
		}
	case inner.Kind() == reflect.Slice:
		if inner.Elem().Kind() == reflect.Struct {
			decorate(p.Items, inner.Elem())
		} else {
			p.Items = plainSchema(inner.Elem().Kind())
		}
		if inner.Elem() == reflect.TypeFor[Request]() {
			p.Items = anyOf(shortRequest(), p.Items)
		}
		if required {
			one := uint64(1)
			p.MinItems = &one
		} else {
			p = orNothing(p)
		}
	case inner.Kind() == reflect.Map:
		p.AdditionalProperties = plainSchema(inner.Elem().Kind())
		p = orNothing(p)
	default:
		p = plainSchema(inner.Kind())
	}
	if d, ok := f.Tag.Lookup("default"); ok {
		p.Default = typedDefault(inner.Kind(), d)
	}
	return p
}

// orNothing accepts a key with nothing under it.
func orNothing(p *jsonschema.Schema) *jsonschema.Schema {
	return anyOf(p, &jsonschema.Schema{Type: "null"})
}

// shortRequest is a request as METHOD URL, a URL alone, or a variable that
// holds either.
func shortRequest() *jsonschema.Schema {
	return &jsonschema.Schema{
		Type: "string", Pattern: `^\s*([A-Z]+\s+\S+|\S*://\S*)\s*$|\$\{[^}]+\}`,
		Examples: []any{"GET http://127.0.0.1:8080/"},
	}
}

func typedDefault(k reflect.Kind, text string) any {
	switch k {
	case reflect.Bool:
		return text == "true"
	case reflect.Int, reflect.Float64:
		if n, err := number(text); err == nil {
			return n
		}
	}
	return text
}
