//go:build unix

package probe

import (
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leakgate/leakgate/record"
)

// An executable that is the target's says what it was built from; any other says nothing.
func TestReadBuild(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module example.com/shop\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(dir, "shop")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off", "GOOS=linux", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	f, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	id, err := buildID(f)
	if err != nil || len(id) < 20 {
		t.Fatalf("buildID = %q, %v", id, err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, binary, build, want string }{
		{"the target's", program, id, "example.com/shop"},
		// Another program at the same path, as after a deploy.
		{"another build", program, strings.Repeat("0", len(id)), ""},
		{"no build id in the profile", program, "", ""},
		{"not on this machine", filepath.Join(dir, "none"), id, ""},
		{"no executable", filepath.Join(dir, "main.go"), id, ""},
		{"a named pipe", pipe, id, ""},
		{"a directory", dir, id, ""},
		{"a device", "/dev/zero", id, ""},
		{"no path", "", id, ""},
	} {
		i := record.Identity{Binary: c.binary, Build: c.build}
		if readBuild(&i); i.Module != c.want {
			t.Errorf("%s: module %q, want %q", c.name, i.Module, c.want)
		}
	}
}

func TestPageOfBuild(t *testing.T) {
	for _, c := range []struct{ name, line, module, version string }{
		{"a release", `go_build_info{checksum="",path="example.com/shop",version="v1.4.2"} 1`, "example.com/shop", "v1.4.2"},
		{"no version", `go_build_info{checksum="",path="example.com/shop",version="(devel)"} 1`, "example.com/shop", ""},
		{"no labels", `go_build_info 1`, "", ""},
		{"none", `up 1`, "", ""},
	} {
		p, err := readPage(strings.NewReader("go_goroutines 7\n" + c.line + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := p.metrics(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		i := (&Target{name: "shop"}).seen(m)
		if i.Module != c.module || i.Version != c.version {
			t.Errorf("%s: %q %q, want %q %q", c.name, i.Module, i.Version, c.module, c.version)
		}
	}
}

// A note of an executable may say anything of its own lengths.
func FuzzNoteID(f *testing.F) {
	f.Add([]byte("\x04\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00GNU\x00\xab\xcd"))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\x03\x00\x00\x00GNU\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, err := noteID(data, binary.LittleEndian)
		if err == nil && (id == "" || len(id) > 2*len(data)) {
			t.Errorf("noteID(%x) = %q", data, id)
		}
	})
}
