package plan

import (
	"fmt"
	"reflect"
	"strings"
)

// The kinds of Local, as the tag of a field has them.
const (
	LocalFile    = "file"    // it names a file that is read
	LocalCommand = "command" // it names a command that is started
	LocalPods    = "pods"    // it has pods started, of an image that it names
)

// Local is a field of a plan that reaches into the machine on which the plan is run, or
// starts something in its name.
type Local struct {
	Field string // its path, such as load.requests[0].body_file
	Line  int    // 1-based
	Kind  string // LocalFile, LocalCommand or LocalPods
}

// Locals lists what in a plan reaches into the machine on which it is run, for who runs
// plans that others wrote. It touches none of it. What is wrong with the plan is left to
// Parse.
func Locals(text []byte) []Local {
	none := func(string) (string, bool) { return "", true }
	d := &decoder{file: "plan", env: none}
	p := d.decode(text)
	var out []Local
	d.locals(reflect.ValueOf(p).Elem(), "", &out)
	return out
}

// locals walks what was decoded. A field counts if the plan has it, whatever it says there:
// a variable may be anything by the time of the run.
func (d *decoder) locals(v reflect.Value, path string, out *[]Local) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			d.locals(v.Elem(), path, out)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				d.locals(v.Index(i), fmt.Sprintf("%s[%d]", path, i), out)
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Type().Field(i)
			key, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if key == "" || key == "-" {
				continue
			}
			at := join(path, key)
			kind := f.Tag.Get("local")
			if kind == "" {
				d.locals(v.Field(i), at, out)
			} else if n, ok := d.at[at]; ok {
				*out = append(*out, Local{Field: at, Line: n.Line, Kind: kind})
			}
		}
	}
}
