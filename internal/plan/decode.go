package plan

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// decoder walks a YAML tree beside the plan's structs, so that every problem
// is found, with its position.
type decoder struct {
	file     string
	env      func(string) (string, bool) // nil: variables stay as they are written
	problems Problems
	secrets  []string
	at       map[string]*yaml.Node // field path → where it stands, for validation
}

func (d *decoder) problem(n *yaml.Node, field, hint, format string, args ...any) {
	p := Problem{File: d.file, Field: field, Message: fmt.Sprintf(format, args...), Hint: hint}
	if n != nil {
		p.Line, p.Column = n.Line, n.Column
	}
	d.problems = append(d.problems, p)
}

// decode reads text into a Plan with defaults. The problems are in d.
func (d *decoder) decode(text []byte) *Plan {
	p := &Plan{}
	d.at = map[string]*yaml.Node{}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		d.problem(nil, "", "`leakgate init` writes a starter plan", "the plan is empty")
		return p
	case err != nil:
		d.syntax(err)
		return p
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		d.problem(nil, "", "", "more than one YAML document; a plan is one")
	}
	root := doc.Content[0]
	if root.Kind == yaml.ScalarNode && root.Tag == "!!null" {
		d.problem(nil, "", "`leakgate init` writes a starter plan", "the plan is empty")
		return p
	}
	d.value(root, reflect.ValueOf(p).Elem(), "")
	return p
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): `)

func (d *decoder) syntax(err error) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	p := Problem{File: d.file, Message: "not YAML: " + text}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		p.Line, _ = strconv.Atoi(m[1])
		p.Column = 1
		p.Message = "not YAML: " + yamlLine.ReplaceAllString(err.Error(), "")
	}
	d.problems = append(d.problems, p)
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
	d.at[path] = n
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if r, ok := v.Addr().Interface().(*Request); ok && n.Kind == yaml.ScalarNode {
		d.request(n, r, path)
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
	if n.Kind != yaml.MappingNode {
		if n.Tag == "!!null" { // `settle:` with nothing under it
			return
		}
		d.problem(n, path, "", "want a mapping with %s, not %s", strings.Join(keys(v.Type()), ", "), describe(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		if seen[k.Value] {
			d.problem(k, join(path, k.Value), "", "given twice")
			continue
		}
		seen[k.Value] = true
		f, ok := fieldByKey(v, k.Value)
		if !ok {
			d.unknown(k, v.Type(), path)
			continue
		}
		d.value(val, f, join(path, k.Value))
	}
	t := v.Type()
	for i := range t.NumField() {
		key := t.Field(i).Tag.Get("yaml")
		if t.Field(i).Tag.Get("required") == "true" && !seen[key] {
			d.problem(n, join(path, key), "", "missing: %s", strings.ToLower(t.Field(i).Tag.Get("doc")[:1])+strings.TrimSuffix(t.Field(i).Tag.Get("doc")[1:], "."))
		}
	}
}

func (d *decoder) unknown(k *yaml.Node, t reflect.Type, path string) {
	known := keys(t)
	hint := "known keys: " + strings.Join(known, ", ")
	if near := nearest(k.Value, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.problem(k, join(path, k.Value), hint, "unknown key")
}

// keys lists the YAML keys of a struct, in order.
func keys(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		if k := t.Field(i).Tag.Get("yaml"); k != "-" {
			out = append(out, k)
		}
	}
	return out
}

func fieldByKey(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if k := v.Type().Field(i).Tag.Get("yaml"); k == key && k != "-" {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// defaults fills a struct from its tags, and the structs inside it.
func (d *decoder) defaults(v reflect.Value) {
	t := v.Type()
	for i := range t.NumField() {
		f := v.Field(i)
		if text, ok := t.Field(i).Tag.Lookup("default"); ok {
			var err error
			if s, ok := f.Addr().Interface().(scalar); ok {
				err = s.Set(text)
			} else {
				err = setBasic(f, text)
			}
			if err != nil {
				d.problem(nil, t.Field(i).Name, "", "default %q: %v", text, err)
			}
		} else if f.Kind() == reflect.Struct {
			d.defaults(f)
		}
	}
}

func (d *decoder) sequence(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.SequenceNode {
		if n.Tag != "!!null" {
			d.problem(n, path, "begin each item with a dash", "want a list, not %s", describe(n))
		}
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, out.Index(i), fmt.Sprintf("%s[%d]", path, i))
	}
	v.Set(out)
}

func (d *decoder) strings(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.MappingNode {
		d.problem(n, path, "", "want a mapping of names to values, not %s", describe(n))
		return
	}
	out := map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		if _, twice := out[k.Value]; twice {
			d.problem(k, join(path, k.Value), "", "given twice")
		}
		if val.Kind != yaml.ScalarNode {
			d.problem(val, join(path, k.Value), "", "want a text, not %s", describe(val))
			continue
		}
		out[k.Value] = d.expand(val, join(path, k.Value))
	}
	v.Set(reflect.ValueOf(out))
}

func (d *decoder) scalar(n *yaml.Node, s scalar, path string) {
	_, example := s.Syntax()
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		d.problem(n, path, "", "want a value such as %s, not %s", example, describe(n))
		return
	}
	if err := s.Set(d.expand(n, path)); err != nil {
		d.problem(n, path, "", "%v", err)
	}
}

// request reads the short form: METHOD URL, or a URL alone.
func (d *decoder) request(n *yaml.Node, r *Request, path string) {
	d.defaults(reflect.ValueOf(r).Elem())
	words := strings.Fields(d.expand(n, path))
	switch {
	case len(words) == 1 && strings.Contains(words[0], "://"):
		r.URL = words[0]
	case len(words) == 2:
		r.Method, r.URL = words[0], words[1]
	default:
		d.problem(n, path, "", "want METHOD URL, not %q", n.Value)
	}
}

func (d *decoder) basic(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.problem(n, path, "", "want %s, not %s", kindName(v.Kind()), describe(n))
		return
	}
	if n.Tag == "!!null" {
		d.problem(n, path, "", "has no value")
		return
	}
	text := d.expand(n, path)
	if err := setBasic(v, text); err != nil {
		d.problem(n, path, "", "want %s, not %q", kindName(v.Kind()), text)
	}
}

func setBasic(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil || text != "true" && text != "false" {
			return errors.New("want true or false")
		}
		v.SetBool(b)
	case reflect.Int:
		n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
		if err != nil {
			return err
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return errors.New("want a number")
		}
		v.SetFloat(f)
	default:
		return fmt.Errorf("no text form for %s", v.Kind())
	}
	return nil
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Int:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	}
	return "a text"
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	if n.Tag == "!!null" {
		return "nothing"
	}
	return strconv.Quote(n.Value)
}

var variable = regexp.MustCompile(`\$?\$\{([^}]*)\}`)

// expand replaces ${NAME} by the variable's value; $${NAME} stands for the
// text itself. A variable that is not set is a problem that names it.
func (d *decoder) expand(n *yaml.Node, path string) string {
	out := variable.ReplaceAllStringFunc(n.Value, func(m string) string {
		if strings.HasPrefix(m, "$$") {
			return m[1:]
		}
		name := m[2 : len(m)-1]
		if d.env == nil {
			return m
		}
		val, ok := d.env(name)
		switch {
		case name == "":
			d.problem(n, path, "", "${} names no variable")
		case !ok:
			d.problem(n, path, "export it, or write $${"+name+"} for the text itself", "environment variable %s is not set", name)
		}
		return val
	})
	if secretField.MatchString(path) && len(out) >= minSecret && !slices.Contains(d.secrets, out) {
		d.secrets = append(d.secrets, out)
	}
	return out
}

// secretField matches the fields whose values are masked in everything that is
// printed or stored, wherever they come from.
var secretField = regexp.MustCompile(`\.auth\.(bearer|basic\.password|headers\.)|\.header\.(?i:authorization|cookie|.*(token|key|secret|password).*)$`)

// minSecret is the shortest value, in bytes, that is masked: to mask every
// "1" would hide the report instead.
const minSecret = 4
