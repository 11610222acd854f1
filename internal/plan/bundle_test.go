package plan

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bundled is a plan whose load and targets both need files and variables.
const bundled = `
version: 1
targets:
  - pprof: http://127.0.0.1:6060/debug/pprof
    auth: {bearer: "${TARGET_TOKEN}"}
    ca: target.pem
  - {name: other, pprof: "http://127.0.0.1:6061/debug/pprof", auth: {basic: {user: a, password: literal-secret}}} # was: old-secret
  - {name: &name shop, pprof: "http://127.0.0.1:6062/debug/pprof"}
prometheus: {url: "http://127.0.0.1:9090", auth: {bearer: prometheus-secret}}
load:
  # was: old-secret
  ca: ../ca.pem
  requests:
    - {method: POST, url: "http://${HOST}/a", header: {Authorization: "Bearer ${LOAD_TOKEN}"}, body_file: body.json}
    - {url: "http://${HOST}/b", body_file: ABSOLUTE}
    - {method: POST, url: "http://${HOST}/c", header: {X: *name, Y: *name}, body: "  a\n\ttab \n"}
    - method: POST
      url: "http://${HOST}/d"
      body: |2
          indented

        text
policy: {ignore_file: known.yaml}
`

func bundledPlan(t *testing.T) (file string, env func(string) (string, bool)) {
	t.Helper()
	top := t.TempDir()
	dir := filepath.Join(top, "plans")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	absolute := filepath.Join(top, "elsewhere.json")
	for name, text := range map[string]string{
		filepath.Join(dir, "plan.yaml"): strings.Replace(bundled, "ABSOLUTE", absolute, 1), filepath.Join(dir, "target.pem"): "target",
		filepath.Join(top, "ca.pem"): "ca", filepath.Join(dir, "body.json"): `{"a": 1}`, absolute: "\xff\x00 no text",
		filepath.Join(dir, "known.yaml"): "[]",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	values := map[string]string{"TARGET_TOKEN": "target-secret", "LOAD_TOKEN": "load-secret", "HOST": "127.0.0.1:1", "OTHER": "x"}
	return filepath.Join(dir, "plan.yaml"), func(name string) (string, bool) { v, ok := values[name]; return v, ok }
}

// A bundle has what the load needs, and nothing that only targets or policy do.
func TestBundle(t *testing.T) {
	file, env := bundledPlan(t)
	p, err := Read(file, env)
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Bundle(env)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"LOAD_TOKEN": "load-secret", "HOST": "127.0.0.1:1"}, b.Env); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	absolute := filepath.Join(filepath.Dir(filepath.Dir(file)), "elsewhere.json")
	if diff := cmp.Diff([]string{"../ca.pem", absolute, "body.json"}, slices.Sorted(maps.Keys(b.Files))); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	text, err := b.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if IsBundle(p.Text) || !IsBundle(text) {
		t.Error("IsBundle does not tell a plan from a bundle")
	}
	got, err := DecodeBundle(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, got); diff != "" {
		t.Errorf("DecodeBundle (-want +got):\n%s", diff)
	}
	// On another machine, where none of the files is.
	q, err := got.Unpack(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"literal-secret", "prometheus-secret", "old-secret", "TARGET_TOKEN", "target.pem"} {
		if strings.Contains(string(got.Plan), secret) {
			t.Errorf("the bundle's plan has %s, which the load does not need:\n%s", secret, got.Plan)
		}
	}
	if diff := cmp.Diff(p.Load, q.Load); diff != "" {
		t.Errorf("the load there (-want +got):\n%s", diff)
	}
	if q.Name != p.Name {
		t.Errorf("the plan's name is %q there, want %q", q.Name, p.Name)
	}
	for name, want := range b.Files {
		if text, err := os.ReadFile(q.Resolve(name)); err != nil || string(text) != string(want) {
			t.Errorf("%s is %q there, %v, want %q", name, text, err, want)
		}
	}
	if got, want := q.Load.Requests[0].Header["Authorization"], "Bearer load-secret"; got != want {
		t.Errorf("the request's header is %q there, want %q", got, want)
	}
	if got := q.Mask("Bearer load-secret"); strings.Contains(got, "load-secret") {
		t.Errorf("Mask = %q, want no secret", got)
	}
}

// To send the load of a plan takes what its load refers to, and nothing else.
func TestParseLoad(t *testing.T) {
	file, env := bundledPlan(t)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	without := func(missing string) func(string) (string, bool) {
		return func(name string) (string, bool) {
			if name == missing {
				return "", false
			}
			return env(name)
		}
	}
	for _, c := range []struct {
		name   string
		env    func(string) (string, bool)
		remove string
		want   string
	}{
		{"all there", env, "", ""},
		{"a target's variable is not", without("TARGET_TOKEN"), "", ""},
		{"a target's file is not", env, "target.pem", ""},
		{"the rules are not", env, "known.yaml", ""},
		{"the load's variable is not", without("LOAD_TOKEN"), "", "environment variable LOAD_TOKEN is not set"},
		{"the load's file is not", env, "body.json", "load.requests[0].body_file: no such file: body.json"},
	} {
		if c.remove != "" {
			gone := filepath.Join(filepath.Dir(file), c.remove)
			if err := os.Rename(gone, gone+".away"); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Rename(gone+".away", gone) })
		}
		_, err := ParseLoad(file, text, c.env)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("ParseLoad, %s = %v, want %q", c.name, err, c.want)
		}
	}
}

func TestDecodeBundleRefuses(t *testing.T) {
	good, err := Bundle{Plan: []byte("version: 1\n"), Name: "plan.yaml"}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"nothing": nil, "half": good[:len(good)/2], "a plan": []byte("version: 1\n")} {
		if _, err := DecodeBundle(text); err == nil || !strings.HasPrefix(err.Error(), "reading a packed plan: ") {
			t.Errorf("DecodeBundle(%s) = %v, want an error", name, err)
		}
	}
	if b, err := DecodeBundle(good); err != nil || string(b.Plan) != "version: 1\n" {
		t.Errorf("DecodeBundle = %q, %v", b.Plan, err)
	}
}

func FuzzDecodeBundle(f *testing.F) {
	good, err := Bundle{Plan: []byte("version: 1\n"), Name: "plan.yaml", Files: map[string][]byte{"a": []byte("b")}}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)-3])
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := DecodeBundle(text)
		if err != nil {
			return
		}
		_, _ = b.Unpack(t.TempDir())
	})
}

// What is left of a plan sends the same load.
func FuzzLoadAlone(f *testing.F) {
	f.Add([]byte(bundled))
	f.Add([]byte("targets: [{pprof: &a 'http://127.0.0.1:1/debug/pprof'}]\nload: {requests: [*a, *a]}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		env := func(string) (string, bool) { return "value", true }
		p, err := ParseLoad("plan.yaml", text, env)
		if err != nil {
			return
		}
		reduced, err := loadAlone(text)
		if err != nil {
			t.Fatal(err)
		}
		q, err := ParseLoad("plan.yaml", reduced, env)
		if err != nil {
			t.Fatalf("%v, in\n%s", err, reduced)
		}
		if diff := cmp.Diff(p.Load, q.Load); diff != "" {
			t.Errorf("the load (-want +got):\n%s", diff)
		}
	})
}
