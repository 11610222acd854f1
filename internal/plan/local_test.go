package plan

import (
	"reflect"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLocals(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []Local
	}{
		{"nothing but addresses", "targets:\n  - pprof: http://h/debug/pprof\nload:\n  requests: [GET http://h/]\n", nil},
		{"a body from a file", "load:\n  requests:\n    - url: http://h/\n      body_file: /etc/passwd\n",
			[]Local{{"load.requests[0].body_file", 4, LocalFile}}},
		{"its text instead", "load:\n  requests:\n    - url: http://h/\n      body: /etc/passwd\n", nil},
		{"a target's certificates", "targets:\n  - ca: ca.pem\n    auth: {cert: c.pem, key: k.pem}\n", []Local{
			{"targets[0].auth.cert", 3, LocalFile}, {"targets[0].auth.key", 3, LocalFile}, {"targets[0].ca", 2, LocalFile}}},
		{"a command", "load:\n  exec: {command: [sh, -c, id]}\n", []Local{{"load.exec.command", 2, LocalCommand}}},
		{"a file by a variable", "load:\n  file: ${ANY}\n", []Local{{"load.file", 2, LocalFile}}},
		{"a file by an alias", "name: &a /etc/passwd\nload:\n  file: *a\n", []Local{{"load.file", 1, LocalFile}}},
		{"rules and a socket", "load: {unix_socket: /run/s}\npolicy: {ignore_file: r.yaml}\n", []Local{
			{"load.unix_socket", 1, LocalFile}, {"policy.ignore_file", 2, LocalFile}}},
		{"pods of any image", "load:\n  kubernetes: {pods: 2, image: x}\n", []Local{{"load.kubernetes", 2, LocalPods}}},
		{"a manifest", "load:\n  job: job.yaml\n", []Local{{"load.job", 2, LocalFile}}},
		{"a target in a cluster", "targets:\n  - kubernetes: deployment/shop\n", nil},
		{"no plan", "{", nil},
	} {
		if diff := cmp.Diff(c.want, Locals([]byte(c.text))); diff != "" {
			t.Errorf("Locals(%s): -want +got\n%s", c.name, diff)
		}
	}
}

// TestLocalFieldsAreMarked finds a field that names a file, by its text, and is not marked
// as one: leakgate serve would read it for whoever posts a plan.
func TestLocalFieldsAreMarked(t *testing.T) {
	names := regexp.MustCompile(`(?i)\bfiles?\b|\bsocket to\b|^program\b`)
	notItself := map[string]bool{ // their text speaks of another field's file, or of one that leakgate writes
		"Plan.Name": true, "Load.Format": true, "Policy.Resident": true,
	}
	seen := map[reflect.Type]bool{}
	var walk func(t reflect.Type, f func(reflect.Type, reflect.StructField))
	walk = func(typ reflect.Type, f func(reflect.Type, reflect.StructField)) {
		switch typ.Kind() {
		case reflect.Pointer, reflect.Slice, reflect.Map:
			walk(typ.Elem(), f)
		case reflect.Struct:
			if seen[typ] {
				return
			}
			seen[typ] = true
			for i := range typ.NumField() {
				f(typ, typ.Field(i))
				if typ.Field(i).Tag.Get("yaml") != "-" && typ.Field(i).Tag.Get("local") == "" {
					walk(typ.Field(i).Type, f)
				}
			}
		}
	}
	walk(reflect.TypeFor[Plan](), func(in reflect.Type, f reflect.StructField) {
		text := names.MatchString(f.Tag.Get("doc"))
		kind := f.Type.Kind()
		if kind != reflect.String && kind != reflect.Slice {
			return
		}
		if marked := f.Tag.Get("local") != ""; text && !marked && !notItself[in.Name()+"."+f.Name] {
			t.Errorf("%s.%s names a file or command, %q, and has no tag local", in.Name(), f.Name, f.Tag.Get("doc"))
		}
	})
}
