package plan

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/leakgate/leakgate/internal/quote"
)

func (d *decoder) scalar(n *yaml.Node, s scalar, path string) {
	_, example := s.Syntax()
	if n.Kind != yaml.ScalarNode || isNull(n) {
		d.problem(n, path, "", "want a value such as %s, not %s", example, describe(n, path))
		return
	}
	text, ok := d.expand(n, path)
	if !ok {
		return
	}
	err := s.Set(text)
	switch {
	case err != nil && text != n.Value: // what a variable holds is not for the log
		d.problem(n, path, "", "want a value such as %s, not what %s holds", example, quoted(n.Value))
	case err != nil:
		d.problem(n, path, "", "%v", err)
	}
}

// request reads the short form: METHOD URL, or a URL alone.
func (d *decoder) request(n *yaml.Node, r *Request, path string) {
	d.defaults(reflect.ValueOf(r).Elem())
	text, ok := d.expand(n, path)
	words := strings.Fields(text)
	switch {
	case len(words) == 1 && (strings.Contains(words[0], "://") || !ok):
		r.URL = words[0]
	case len(words) == 2:
		r.Method, r.URL = words[0], words[1]
	case ok || d.partial != nil:
		d.problem(n, path, "", "want METHOD URL, not %s", quoted(cleanWords(n.Value)))
	}
}

func (d *decoder) basic(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.problem(n, path, "", "want %s, not %s", kindName(v.Kind()), describe(n, path))
		return
	}
	if isNull(n) {
		d.problem(n, path, "", "has no value")
		return
	}
	text, ok := d.expand(n, path)
	if !ok && v.Kind() != reflect.String {
		return
	}
	err := setBasic(v, text)
	switch {
	case err == nil:
	case text != n.Value:
		d.problem(n, path, "", "want %s, not what %s holds", kindName(v.Kind()), quoted(n.Value))
	case errors.Is(err, strconv.ErrRange):
		d.problem(n, path, "", "%s is out of range", quoted(text))
	default:
		d.problem(n, path, "", "want %s, not %s", kindName(v.Kind()), quoted(text))
	}
}

func setBasic(v reflect.Value, text string) error {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		switch text { // as YAML 1.2 has it
		case "true", "True", "TRUE":
			v.SetBool(true)
		case "false", "False", "FALSE":
			v.SetBool(false)
		default:
			return errors.New("want true or false")
		}
	case reflect.Int:
		n, err := strconv.Atoi(strings.ReplaceAll(text, "_", ""))
		if err != nil {
			return err
		}
		v.SetInt(int64(n))
	case reflect.Float64:
		f, err := number(text)
		if err != nil {
			return err
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
	return "a string"
}

// describe names a value in a message. A text where a secret may stand is not
// repeated.
func describe(n *yaml.Node, path string) string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	case secretPlace.MatchString(path):
		return "a string"
	}
	return quoted(cleanWords(n.Value))
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

// maxQuoted is how much of a value a message repeats, in bytes.
const maxQuoted = 80

func quoted(text string) string { return quote.Text(text, maxQuoted) }
