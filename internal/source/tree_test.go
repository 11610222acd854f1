package source

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leakgate/leakgate/verdict"
)

// shop has a module at its root, one nested, one that a replace directive leads
// to, a vendor folder, three main packages, and a package twice under one name.
const shop = `
-- go.mod --
module example.com/shop

go 1.26

replace github.com/acme/fork => ./third_party/fork
replace example.com/gone => ../gone
-- root.go --
package shop

func Root() {
	select {}
}
-- cart/store.go --
package cart

type Store struct{}

func (s *Store) refresh() {
	go func() {
		select {}
	}()
}
-- cart.v2/store.go --
package cart

func Refresh() {
	select {}
}
-- internal/cart/store.go --
package cart

func refresh() {
	select {}
}
-- main.go --
package main

func main() { select {} }
-- tool.go --
package main

func tool() { select {} }
-- cmd/x/main.go --
package main

func main() {
	serve()
}

func serve() { select {} }
-- cmd/y/main.go --
package main

func main() {
	poll()
}

func poll() { select {} }
-- doc/main.go --
package doc

func main() {
	serve()
}

func serve() { select {} }
-- lib/go.mod --
module example.com/lib

go 1.26
-- lib/sub/lib.go --
package sub

func Wait() {
	select {}
}
-- third_party/fork/go.mod --
module github.com/Acme/fork
-- third_party/fork/fork.go --
package fork

func Wait() {
	select {}
}
-- vendor/github.com/x/y/z.go --
package y

func Wait() {
	select {}
}
-- broken/go.mod --
this is <no> go.mod
-- .dotted/go.mod --
module example.com/dotted
-- .dotted/dot.go --
package dotted

func Dot() {}
`

func TestFind(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", shop)
	c.write("-- cart/new.go --\npackage cart\n\nfunc fresh() {}\n") // not tracked
	const refresh = "example.com/shop/cart.(*Store).refresh.func1"
	rows := []struct {
		name, function, file string
		line                 int
		module               string
		std                  bool
		want                 string // empty: outside the repository
	}{
		// Built in this checkout.
		{name: "this checkout", function: refresh, file: c.dir + "/cart/store.go", line: 7, want: "cart/store.go"},
		// A file that nobody added to the repository has no owner and no history.
		{name: "not tracked", function: "example.com/shop/cart.fresh", file: c.dir + "/cart/new.go", line: 3},
		// Built by CI, in a folder of its own.
		{name: "another checkout", function: refresh, file: "/home/ci/build/42/cart/store.go", line: 7, want: "cart/store.go"},
		// The same on Windows.
		{name: "windows", function: refresh, file: `C:\ci\shop\cart\store.go`, line: 7, want: "cart/store.go"},
		// Same package name and file name one folder further in: the import path tells.
		{name: "internal twin", function: "example.com/shop/internal/cart.refresh", file: "/home/ci/build/internal/cart/store.go", line: 4, want: "internal/cart/store.go"},
		// A dot in a package's last element is no end of the import path.
		{name: "dotted package", function: "example.com/shop/cart.v2.Refresh", file: "/ci/shop/cart.v2/store.go", line: 4, want: "cart.v2/store.go"},
		// The root's package: no folder to compare.
		{name: "root package", function: "example.com/shop.Root", file: "/ci/whatever/root.go", line: 4, want: "root.go"},
		// go build -trimpath.
		{name: "trimmed", function: refresh, file: "example.com/shop/cart/store.go", line: 7, want: "cart/store.go"},
		// Bazel writes paths below the root.
		{name: "below the root", function: refresh, file: "cart/store.go", line: 7, want: "cart/store.go"},
		// A function of another import path is another repository's, however alike the file.
		{name: "foreign import path", function: "example.com/other/cart.(*Store).refresh", file: "/ci/other/cart/store.go", line: 7},
		// An import path that begins like ours.
		{name: "longer import path", function: "example.com/shopping/cart.refresh", file: "/ci/shopping/cart/store.go", line: 7},
		// The function is ours, the file is not: a library's code inlined into it.
		{name: "inlined library", function: refresh, file: "/go/pkg/mod/github.com/x/q@v1.0.0/store.go", line: 7, module: "github.com/x/q@v1.0.0"},
		// More lines than HEAD has: not the file that was built.
		{name: "beyond the end", function: refresh, file: "/ci/cart/store.go", line: 10},
		// Line 9 is its last.
		{name: "last line", function: refresh, file: "/ci/cart/store.go", line: 9, want: "cart/store.go"},
		// No line is no place.
		{name: "no line", function: refresh, file: "/ci/cart/store.go"},
		// The standard library's, whatever its name.
		{name: "standard library", function: refresh, file: "/ci/cart/store.go", line: 7, std: true},
		// A nested module, in place and from the module cache.
		{name: "nested module", function: "example.com/lib/sub.Wait", file: "/ci/shop/lib/sub/lib.go", line: 4, want: "lib/sub/lib.go"},
		{name: "nested module in the cache", function: "example.com/lib/sub.Wait", file: "/go/pkg/mod/example.com/lib@v1.2.3/sub/lib.go", line: 4, module: "example.com/lib@v1.2.3", want: "lib/sub/lib.go"},
		// Its import path is its own module's, not the outer one's.
		{name: "nested module by the outer path", function: "example.com/shop/lib/sub.Wait", file: "/ci/shop/lib/sub/lib.go", line: 4},
		// The outer module's path is not the nested one's, whichever is listed first.
		{name: "dotted folder by the outer path", function: "example.com/shop.Dot", file: "/ci/shop/.dotted/dot.go", line: 3},
		// The function is ours, but its package is in another folder than the file.
		{name: "another folder", function: refresh, file: "/ci/shop/lib/store.go", line: 7},
		// A folder whose name begins with a dot keeps it.
		{name: "dotted folder", function: "example.com/dotted.Dot", file: "/ci/shop/.dotted/dot.go", line: 3, want: ".dotted/dot.go"},
		// replace with a folder: a trimmed build names the module with the version that it replaces.
		{name: "replaced, trimmed", function: "github.com/acme/fork.Wait", file: "github.com/acme/fork@v1.0.0/fork.go", line: 4, module: "github.com/acme/fork@v1.0.0", want: "third_party/fork/fork.go"},
		// Untrimmed, the import path is the replaced one's, whatever the folder's go.mod declares.
		{name: "replaced", function: "github.com/acme/fork.Wait", file: "/ci/shop/third_party/fork/fork.go", line: 4, want: "third_party/fork/fork.go"},
		// Upper case is written !a in the module cache.
		{name: "escaped upper case", function: "github.com/Acme/fork.Wait", file: "/go/pkg/mod/github.com/!acme/fork@v1.0.0/fork.go", line: 4, module: "github.com/Acme/fork@v1.0.0", want: "third_party/fork/fork.go"},
		// Vendored: in place, in another checkout, trimmed.
		{name: "vendored", function: "github.com/x/y.Wait", file: c.dir + "/vendor/github.com/x/y/z.go", line: 4, module: "github.com/x/y", want: "vendor/github.com/x/y/z.go"},
		{name: "vendored elsewhere", function: "github.com/x/y.Wait", file: "/ci/shop/vendor/github.com/x/y/z.go", line: 4, module: "github.com/x/y", want: "vendor/github.com/x/y/z.go"},
		{name: "vendored, trimmed", function: "github.com/x/y.Wait", file: "github.com/x/y@v1.2.3/z.go", line: 4, module: "github.com/x/y@v1.2.3", want: "vendor/github.com/x/y/z.go"},
		// A module that is only in the module cache.
		{name: "module cache", function: "github.com/x/q.Wait", file: "/go/pkg/mod/github.com/x/q@v1.0.0/z.go", line: 4, module: "github.com/x/q@v1.0.0"},
		// Package main: the trimmed path tells which.
		{name: "main, trimmed", function: "main.serve", file: "example.com/shop/cmd/x/main.go", line: 7, want: "cmd/x/main.go"},
		{name: "main of another module, trimmed", function: "main.serve", file: "example.com/other/cmd/x/main.go", line: 7},
		// Package main of another checkout: the folders tell, and the function agrees.
		{name: "main", function: "main.main", file: "/home/ci/42/cmd/y/main.go", line: 4, want: "cmd/y/main.go"},
		{name: "main at the root", function: "main.main", file: "/home/ci/42/main.go", line: 3, want: "main.go"},
		// The function moved to another file since; its folders still agree.
		{name: "main, renamed function", function: "main.old", file: "/home/ci/42/cmd/y/main.go", line: 4, want: "cmd/y/main.go"},
		// go build main.go tells the base name alone: the one file that holds the function.
		{name: "main, base name", function: "main.poll", file: "./main.go", line: 7, want: "cmd/y/main.go"},
		// Three files hold a main with that line: better none than a wrong one.
		{name: "main, ambiguous", function: "main.main", file: "/src/main.go", line: 4},
		// Nothing but the name of the file in common, and nowhere that function.
		{name: "main, unknown", function: "main.watch", file: "/src/app/main.go", line: 2},
		// A file of that name at the root, which another program may have as well.
		{name: "main, another program's", function: "main.other", file: "/ci/other/tool.go", line: 3},
		{name: "main, its twin", function: "main.tool", file: "/ci/other/tool.go", line: 3, want: "tool.go"},
		// Foreign text.
		{name: "pattern", function: "main.main", file: "/src/*", line: 1},
		{name: "out of the root", function: "main.main", file: c.dir + "/../x/main.go", line: 1},
		{name: "nothing", function: "", file: "", line: 1},
	}
	for _, r := range rows {
		fr := verdict.Frame{Function: r.function, File: r.file, Line: r.line, Module: r.module, Std: r.std}
		ours := fr
		ours.Std = false
		got, ok := c.tree(ours).find(context.Background(), fr)
		if got != r.want || ok != (r.want != "") {
			t.Errorf("find(%s) = %q, %v, want %q", r.name, got, ok, r.want)
		}
	}
}

// What is being edited is not what was deployed: lines are those of HEAD.
func TestFindAtHead(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", shop)
	c.write("-- cart/store.go --\n" + strings.Repeat("// a line\n", 50) + "package cart\n")
	fr := verdict.Frame{Function: "example.com/shop/cart.(*Store).refresh", File: "/ci/cart/store.go", Line: 40}
	if got, ok := c.tree(fr).find(context.Background(), fr); ok {
		t.Errorf("find(line 40, which only the work tree has) = %q, want none", got)
	}
	c.commit("second", "-- nothing --\n")
	if got, ok := c.tree(fr).find(context.Background(), fr); !ok {
		t.Errorf("find(line 40, committed) = %q, %v", got, ok)
	}
}

// What the toolchain really writes into a build, in its forms.
func TestFindBuilt(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	c := newCheckout(t)
	c.commit("first", `
-- go.mod --
module example.com/outer
-- svc/go.mod --
module example.com/svc

go 1.26

require example.com/dep v1.0.0

replace example.com/dep => ./dep
-- svc/dep/go.mod --
module example.com/dep
-- svc/dep/dep.go --
package dep

import "runtime"

func Where() runtime.Frame {
	pc, _, _, _ := runtime.Caller(0)
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return f
}
-- svc/wait/wait.go --
package wait

import "runtime"

func Where() runtime.Frame {
	pc, _, _, _ := runtime.Caller(0)
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	return f
}
-- svc/cmd/run/main.go --
package main

import (
	"encoding/json"
	"os"
	"runtime"

	"example.com/dep"
	"example.com/svc/wait"
)

func main() {
	pc, _, _, _ := runtime.Caller(0)
	f, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	json.NewEncoder(os.Stdout).Encode([]runtime.Frame{f, wait.Where(), dep.Where()})
}
`)
	elsewhere := filepath.Join(t.TempDir(), "ci")
	if err := os.CopyFS(elsewhere, os.DirFS(c.dir)); err != nil {
		t.Fatal(err)
	}
	want := "svc/cmd/run/main.go svc/wait/wait.go svc/dep/dep.go"
	rows := []struct {
		name, dir string
		args      []string
	}{
		// In the checkout itself, and in another that is gone by the time it is asked.
		{name: "plain", dir: c.dir, args: []string{"./cmd/run"}},
		{name: "elsewhere", dir: elsewhere, args: []string{"./cmd/run"}},
		// Nothing of the folder is left.
		{name: "trimmed", dir: elsewhere, args: []string{"-trimpath", "./cmd/run"}},
		// The main package has no import path, and its file no folder.
		{name: "trimmed, by file", dir: elsewhere, args: []string{"-trimpath", "cmd/run/main.go"}},
	}
	for _, r := range rows {
		binary := filepath.Join(t.TempDir(), "run")
		build := exec.Command("go", append([]string{"build", "-o", binary}, r.args...)...)
		build.Dir = filepath.Join(r.dir, "svc")
		build.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOWORK=off")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("go build (%s): %v\n%s", r.name, err, out)
		}
		out, err := exec.Command(binary).Output()
		if err != nil {
			t.Fatal(err)
		}
		var frames []verdict.Frame
		if err := json.Unmarshal(out, &frames); err != nil {
			t.Fatal(err)
		}
		var got []string
		tr := c.tree(frames...)
		for _, fr := range frames {
			path, _ := tr.find(context.Background(), fr)
			got = append(got, path)
		}
		if g := strings.Join(got, " "); g != want {
			t.Errorf("find(%s: %+v) = %q, want %q", r.name, frames, g, want)
		}
	}
}
