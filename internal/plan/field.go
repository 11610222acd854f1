package plan

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// someKeys lists the first keys of a struct, for a message.
func someKeys(t reflect.Type) string {
	known := keys(t)
	if len(known) > 10 {
		known = append(known[:3:3], "…")
	}
	return strings.Join(known, ", ")
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

// enums checks every field whose tag lists the words that it may hold.
func (d *decoder) enums(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			d.enums(v.Elem(), path)
		}
	case reflect.Slice:
		for i := range v.Len() {
			d.enums(v.Index(i), fmt.Sprintf("%s[%d]", path, i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			tag := v.Type().Field(i).Tag
			if key, ok := tag.Lookup("yaml"); ok && key != "-" {
				d.enum(v.Field(i), tag, join(path, key))
				d.enums(v.Field(i), join(path, key))
			}
		}
	}
}

// enum checks one field. Without a default, it may be empty.
func (d *decoder) enum(v reflect.Value, tag reflect.StructTag, path string) {
	list, ok := tag.Lookup("enum")
	if _, must := tag.Lookup("default"); !ok || v.String() == "" && !must {
		return
	}
	if words := strings.Split(list, ","); !slices.Contains(words, v.String()) {
		d.bad(path, "write "+listed(words, "or"), "%s is not a valid value", quoted(v.String()))
	}
}
