package plan

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/leakgate/leakgate/internal/mask"
)

// decoder walks a YAML tree beside the plan's structs, so that every problem
// is found, with its position.
type decoder struct {
	file string
	env  func(string) (string, bool) // nil: no variable is known
	// partial is for a plan that nothing is run with: files that it names need not be
	// there, and variables that are not known stay as they are written, but in the fields
	// that it matches. Nil: all is needed.
	partial  *regexp.Regexp
	problems Problems
	secrets  []string
	pairs    []mask.Pair           // of them, those that go with a user name
	at       map[string]*yaml.Node // field path → where it stands, for validation
	unsound  map[string]bool       // field path → a problem was reported there, or its variable is not known
	values   int                   // decoded so far, aliases counted each time

	variables, files []Reference       // that the plan refers to
	moved            map[string]string // where files that it names are, if not where it says
}

// maxValues bounds what a plan expands to: aliases make much of little. A plan
// of 10,000 requests in full has about 100,000 values.
const maxValues = 300_000

func (d *decoder) problem(n *yaml.Node, field, hint, format string, args ...any) {
	p := Problem{File: d.file, Field: field, Message: fmt.Sprintf(format, args...), Hint: hint}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	d.problems = append(d.problems, p)
	d.unsound[field] = true
}

// decode reads text into a Plan with defaults. The problems are in d.
func (d *decoder) decode(text []byte) *Plan {
	p := &Plan{}
	if root := d.root(text); root != nil {
		d.value(root, reflect.ValueOf(p).Elem(), "")
	}
	return p
}

// root reads text as one YAML document that is not empty; nil if it is not.
func (d *decoder) root(text []byte) *yaml.Node {
	d.at, d.unsound = map[string]*yaml.Node{}, map[string]bool{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc, second yaml.Node
	err := document(dec, &doc)
	switch {
	case errors.Is(err, io.EOF):
		d.problem(nil, "", "`leakgate init` writes a starter plan", "the plan is empty")
		return nil
	case err != nil:
		d.syntax(text, err)
		return nil
	}
	switch err := document(dec, &second); {
	case err == nil:
		d.problem(&second, "", "", "more than one YAML document; a plan has one")
	case !errors.Is(err, io.EOF):
		d.syntax(text, err)
	}
	root := doc.Content[0]
	if isNull(root) {
		d.problem(nil, "", "`leakgate init` writes a starter plan", "the plan is empty")
		return nil
	}
	return root
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if d.values++; d.values > maxValues {
		if d.values == maxValues+1 {
			d.problem(n, path, "use fewer aliases", "the plan expands to more than %d values", maxValues)
		}
		return
	}
	d.at[path] = n
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if r, ok := v.Addr().Interface().(*Request); ok && n.Kind == yaml.ScalarNode && !isNull(n) {
		d.request(n, r, path)
		return
	}
	if s, ok := v.Addr().Interface().(short); ok && n.Kind == yaml.ScalarNode && !isNull(n) {
		d.defaults(v)
		text, _ := d.expand(n, path)
		s.SetShort(text)
		return
	}
	if s, ok := v.Addr().Interface().(scalar); ok {
		d.scalar(n, s, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.mapping(n, v, path)
	case reflect.Slice:
		d.sequence(n, v, path)
	case reflect.Map:
		d.strings(n, v, path)
	default:
		d.basic(n, v, path)
	}
}

func (d *decoder) mapping(n *yaml.Node, v reflect.Value, path string) {
	d.defaults(v)
	if n.Kind != yaml.MappingNode && !isNull(n) { // `settle:` with nothing under it is an empty mapping
		d.problem(n, path, "", "want a mapping with %s, not %s", someKeys(v.Type()), describe(n, path))
		return
	}
	seen, misspelt := map[string]bool{}, map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		key, ok := d.key(k, path)
		if !ok {
			continue
		}
		if seen[key] {
			d.problem(k, join(path, key), "", "given twice")
			continue
		}
		seen[key] = true
		f, ok := fieldByKey(v, key)
		if !ok {
			if near := d.unknown(k, key, v.Type(), path); near != "" {
				misspelt[near], d.unsound[join(path, near)] = true, true
			}
			continue
		}
		d.value(val, f, join(path, key))
	}
	t := v.Type()
	for i := range t.NumField() {
		key := t.Field(i).Tag.Get("yaml")
		needed := t.Field(i).Tag.Get("required") == "true" && (path != "" || d.partial != sentBy || sentKeys[key])
		if needed && !seen[key] && !misspelt[key] {
			d.problem(n, join(path, key), "", "missing: %s",
				strings.ToLower(t.Field(i).Tag.Get("doc")[:1])+strings.TrimSuffix(t.Field(i).Tag.Get("doc")[1:], "."))
		}
	}
}

// key reads the key of a mapping's entry.
func (d *decoder) key(k *yaml.Node, path string) (string, bool) {
	n := k
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.ShortTag() == "!!merge":
		d.problem(k, join(path, "<<"), "give the alias to a whole value, or write the keys out",
			"merge keys are not supported")
	case n.Kind != yaml.ScalarNode || isNull(n):
		d.problem(k, path, "", "want a string as a key, not %s", describe(n, path))
	default:
		return n.Value, true
	}
	return "", false
}

// unknown reports a key that is not one of a struct's. It returns the one that
// was most likely meant, or "".
func (d *decoder) unknown(k *yaml.Node, key string, t reflect.Type, path string) string {
	known := keys(t)
	near := nearest(key, known)
	hint := "known keys: " + strings.Join(known, ", ")
	if near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.problem(k, join(path, key), hint, "unknown key")
	return near
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		if !isNull(n) {
			d.problem(n, path, "begin each item with a dash", "want a list, not %s", describe(n, path))
		}
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, out.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(out)
}

// strings reads a mapping of header names, which differ by more than case.
func (d *decoder) strings(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		if !isNull(n) {
			d.problem(n, path, "", "want a mapping of names to values, not %s", describe(n, path))
		}
		return
	}
	out := map[string]string{}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		key, ok := d.key(k, path)
		if !ok {
			continue
		}
		if seen[strings.ToLower(key)] {
			d.problem(k, join(path, key), "", "given twice")
			continue
		}
		seen[strings.ToLower(key)] = true
		text := reflect.New(reflect.TypeFor[string]()).Elem()
		d.value(val, text, join(path, key))
		out[key] = text.String()
	}
	v.Set(reflect.ValueOf(out))
}
