package source

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

// tree is what the repository tracks, as far as it could matter for a verdict.
type tree struct {
	repo    *repo
	modules []module
	named   map[string][]string // tracked files, by their base name
	parsed  map[string]*file    // at HEAD, by path
}

// mostNames bounds the base names that are asked for at once.
const mostNames = 1000

// readTree lists the files of the repository that are named like those of the
// findings' stacks, and its modules.
func readTree(ctx context.Context, r *repo, findings []verdict.Finding) *tree {
	t := &tree{repo: r, named: map[string][]string{}, parsed: map[string]*file{}}
	names := map[string]bool{}
	for _, f := range findings {
		for _, fr := range withCreator(f) {
			// What git would take for a pattern is no name that a Go build sees.
			if name := path.Base(slashed(fr.File)); !fr.Std && name != "." && !strings.ContainsAny(name, "*?[\\\x00") {
				names[name] = true
			}
		}
	}
	asked := slices.Sorted(maps.Keys(names))
	for _, file := range r.tracked(ctx, asked[:min(len(asked), mostNames)]) {
		t.named[path.Base(file)] = append(t.named[path.Base(file)], file)
	}
	if root, err := os.OpenRoot(r.root); err == nil {
		defer root.Close()
		t.modules = readModules(root, r.tracked(ctx, []string{"go.mod"}))
	}
	return t
}

// tracked lists the tracked files that have one of these base names.
func (r *repo) tracked(ctx context.Context, names []string) []string {
	if len(names) == 0 {
		return nil
	}
	args := []string{"ls-files", "-z", "--"}
	for _, n := range names {
		args = append(args, ":(glob)**/"+n)
	}
	out, err := git(ctx, r.root, args...)
	if err != nil {
		return nil
	}
	return strings.FieldsFunc(string(out), func(c rune) bool { return c == 0 })
}

func slashed(file string) string {
	if windowsAbs(file) {
		return strings.ReplaceAll(file, `\`, "/")
	}
	return file
}

func windowsAbs(file string) bool { return len(file) > 2 && file[1] == ':' }

// find is the tracked file that a frame lies in. The build may have been made
// in this checkout, in another, trimmed, from a vendor folder or from the module
// cache.
func (t *tree) find(ctx context.Context, fr verdict.Frame) (string, bool) {
	file := slashed(fr.File)
	if fr.Std || file == "" || fr.Line < 1 {
		return "", false
	}
	var found string
	below, inside := strings.CutPrefix(file, strings.TrimSuffix(t.repo.root, "/")+"/")
	mod, rest, cached := versioned(file)
	switch {
	case inside && t.tracks(below):
		found = below
	case cached:
		found = t.ofModule(mod, rest)
	case inside: // made by the build, or not added yet
	case strings.HasPrefix(fr.Function, "main."):
		found = t.ofMain(ctx, file, fr)
	default:
		found = t.ofPackage(file, fr.Function)
	}
	if found == "" || t.at(ctx, found).lines < fr.Line {
		return "", false
	}
	return found, true
}

func (t *tree) tracks(file string) bool { return slices.Contains(t.named[path.Base(file)], file) }

// ofModule finds a file of a module that the build took with a version: a module
// of this repository, one that a replace directive leads to, or a vendored one.
func (t *tree) ofModule(mod, rest string) string {
	var found []string
	for _, m := range t.modules {
		if file := path.Join(m.dir, rest); m.path == mod && t.tracks(file) && !slices.Contains(found, file) {
			found = append(found, file)
		}
	}
	if len(found) == 0 {
		for _, file := range t.named[path.Base(rest)] {
			if in, ok := vendored(file); ok && in == mod+"/"+rest {
				found = append(found, file)
			}
		}
	}
	return only(found)
}

// ofPackage finds a file by the import path that leads the function's name, and
// by the folders that file and repository have in common.
func (t *tree) ofPackage(file, function string) string {
	var fits []string
	for _, c := range t.named[path.Base(file)] {
		imported, rel := t.imported(c)
		named := func(as string) bool { return strings.HasPrefix(function, path.Dir(as)+".") }
		if slices.ContainsFunc(imported, named) && endsWith(file, rel) {
			fits = append(fits, c)
		}
	}
	return only(longest(fits, func(c string) int { return common(file, c) }))
}

// only is the one candidate; of several, none.
func only(found []string) string {
	if len(found) != 1 {
		return ""
	}
	return found[0]
}

// imported is a file's path in the import path's terms (example.com/shop/cart/store.go),
// and below its module or vendor folder. Where a replace directive gives the
// module another name, which it need not declare, there are several.
func (t *tree) imported(file string) (imported []string, rel string) {
	if rel, ok := vendored(file); ok {
		return []string{rel}, rel
	}
	deepest := -1
	for _, m := range t.modules {
		below, under := m.rel(file)
		switch {
		case !under || len(m.dir) < deepest:
			continue
		case len(m.dir) > deepest:
			deepest, rel, imported = len(m.dir), below, nil
		}
		imported = append(imported, m.path+"/"+rel)
	}
	return imported, rel
}

// vendored is a file's path below the innermost vendor folder.
func vendored(file string) (string, bool) {
	if i := strings.LastIndex("/"+file, "/vendor/"); i >= 0 {
		return file[i+len("vendor/"):], true
	}
	return "", false
}

// mostReads bounds how many files are read to tell which one a frame of package
// main is of.
const mostReads = 20

// ofMain finds a file of package main, whose functions do not tell its import
// path.
func (t *tree) ofMain(ctx context.Context, file string, fr verdict.Frame) string {
	file = path.Clean(file)
	if !path.IsAbs(file) && !windowsAbs(file) && strings.Contains(file, "/") { // trimmed: the import path, or one below the root
		var found []string
		for _, c := range t.named[path.Base(file)] {
			if imported, _ := t.imported(c); c == file || slices.Contains(imported, file) {
				found = append(found, c)
			}
		}
		return only(found)
	}
	best := longest(t.named[path.Base(file)], func(c string) int { return common(file, c) })
	if len(best) > mostReads {
		return ""
	}
	var could, holds, whole []string
	for _, c := range best {
		f := t.at(ctx, c)
		if f.pkg != "main" || f.lines < fr.Line {
			continue
		}
		could = append(could, c)
		if _, ok := f.enclosing(fr.Function, fr.Line); ok {
			holds = append(holds, c)
			if strings.HasSuffix(file, "/"+c) {
				whole = append(whole, c)
			}
		}
	}
	switch {
	case len(holds) == 1:
		return holds[0]
	case len(whole) == 1: // all of its folders, here none, are the file's
		return whole[0]
	case len(could) == 1 && endsWith(file, could[0]) && common(file, could[0]) > 1: // folders agree, the function moved
		return could[0]
	}
	return ""
}

// endsWith reports whether a path ends with all of another's elements.
func endsWith(file, end string) bool { return file == end || strings.HasSuffix(file, "/"+end) }

// common is how many elements two paths have in common at their ends.
func common(a, b string) int {
	as, bs := strings.Split(a, "/"), strings.Split(b, "/")
	n := 0
	for n < min(len(as), len(bs)) && as[len(as)-1-n] == bs[len(bs)-1-n] {
		n++
	}
	return n
}

// longest are the candidates of the highest score.
func longest(candidates []string, score func(string) int) []string {
	var out []string
	most := 0
	for _, c := range candidates {
		switch n := score(c); {
		case n > most:
			most, out = n, []string{c}
		case n == most:
			out = append(out, c)
		}
	}
	return out
}

// at is a file as HEAD has it, which is what was deployed rather than what is
// being edited. One that HEAD does not have has no line.
func (t *tree) at(ctx context.Context, name string) *file {
	if f, ok := t.parsed[name]; ok {
		return f
	}
	f := &file{}
	if text, err := git(ctx, t.repo.root, "cat-file", "blob", t.repo.head+":"+name); err == nil {
		f = parse(name, text)
		f.lines = bytes.Count(text, []byte("\n"))
		if len(text) > 0 && text[len(text)-1] != '\n' {
			f.lines++
		}
	}
	t.parsed[name] = f
	return f
}
