package source

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/mod/modfile"
	modpath "golang.org/x/mod/module"
)

// module is a Go module of the repository.
type module struct {
	path string // example.com/shop, as its go.mod or a replace directive has it
	dir  string // below the root, with slashes; empty at the root
}

// rel is a file's path below the module; false if it is not in there.
func (m module) rel(file string) (string, bool) {
	if m.dir == "" {
		return file, true
	}
	return strings.CutPrefix(file, m.dir+"/")
}

// readModules reads go.mod files, and where replace directives lead within the
// repository. One that cannot be read or parsed is left out.
func readModules(root *os.Root, gomods []string) []module {
	var out []module
	for _, name := range gomods {
		data, err := readFile(root, name)
		if err != nil {
			continue
		}
		f, err := modfile.ParseLax(name, data, nil)
		if err != nil || f.Module == nil {
			continue
		}
		dir := folder(path.Dir(name))
		out = append(out, module{path: f.Module.Mod.Path, dir: dir})
		f, err = modfile.Parse(name, data, nil) // ParseLax skips replace directives
		if err != nil {
			continue
		}
		for _, r := range f.Replace {
			to := path.Join(dir, filepath.ToSlash(r.New.Path))
			if r.New.Version == "" && !path.IsAbs(r.New.Path) && filepath.IsLocal(to) {
				out = append(out, module{path: r.Old.Path, dir: folder(to)})
			}
		}
	}
	return out
}

// folder is a cleaned path with the root as the empty one.
func folder(dir string) string {
	if dir == "." {
		return ""
	}
	return dir
}

// mostBytes bounds a file that is read from the work tree.
const mostBytes = 4 << 20

// readFile reads a file below the root; symbolic links do not lead out of it.
func readFile(root *os.Root, name string) ([]byte, error) {
	info, err := root.Stat(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, os.ErrInvalid
	}
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, mostBytes))
}

// inCache matches a file of the module cache, or of a module in a trimmed build:
// /go/pkg/mod/github.com/x/y@v1.2.3/z.go, github.com/x/y@v1.2.3/z.go.
var inCache = regexp.MustCompile(`^(?:.*/pkg/mod/)?([^@]+)@v[^/]+/(.+)$`)

// versioned splits such a file into its module and its path in there.
func versioned(file string) (mod, rest string, ok bool) {
	m := inCache.FindStringSubmatch(file)
	if m == nil {
		return "", "", false
	}
	if plain, err := modpath.UnescapePath(m[1]); err == nil { // the cache writes !burnt!sushi
		return plain, m[2], true
	}
	return m[1], m[2], true
}
