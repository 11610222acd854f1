package source

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strings"
)

// file is a source file at HEAD.
type file struct {
	pkg   string // the package clause; empty if it is no Go
	lines int
	decls []decl
}

// decl is the declaration of a function, or of a variable that holds one.
type decl struct {
	path       string
	name       string // Store.refresh, or refresh
	start, end int    // lines, both included
	variable   bool
}

// parse finds the declarations of a Go file, as far as it can be parsed.
func parse(name string, text []byte) *file {
	f := &file{}
	if path.Ext(name) != ".go" {
		return f
	}
	fset := token.NewFileSet()
	syntax, _ := parser.ParseFile(fset, name, text, parser.SkipObjectResolution)
	if syntax == nil || syntax.Name == nil {
		return f
	}
	f.pkg = syntax.Name.Name
	line := func(p token.Pos) int { return fset.PositionFor(p, false).Line } // a line directive does not move it
	last := func(n ast.Node) int {
		return max(line(n.Pos()), line(n.End())) // what is cut off may end behind the file, at line 0
	}
	for _, d := range syntax.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			f.decls = append(f.decls, decl{path: name, name: declared(d), start: line(d.Pos()), end: last(d)})
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, ok := s.(*ast.ValueSpec); ok && d.Tok == token.VAR {
					f.decls = append(f.decls, decl{path: name, name: v.Names[0].Name, start: line(v.Pos()), end: last(v), variable: true})
				}
			}
		}
	}
	return f
}

// declared is a function's name behind its receiver's type.
func declared(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.ParenExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "." + d.Name.Name
		default:
			return d.Name.Name
		}
	}
}

// enclosing is the declaration that a frame's function was compiled from. The
// one that holds the line is right if its name agrees: a closure carries the name of the
// function around it, or of the one that it was inlined into. If the name does not agree,
// HEAD is not quite what was deployed, and the name decides.
func (f *file) enclosing(function string, line int) (decl, bool) {
	name := "." + unqualified(function) + "."
	var best decl
	ok, at := false, 0
	for _, d := range f.decls {
		i := strings.Index(name, "."+d.name+".")
		holds := d.start <= line && line <= d.end
		switch {
		case holds && (i >= 0 || d.variable):
			return d, true
		case i < 0 || d.variable:
		case !ok || i < at:
			best, ok, at = d, true, i
		}
	}
	return best, ok
}

// unqualified is a function's name without import path, receiver signs and type
// arguments: Store.refresh.func1.
func unqualified(function string) string {
	slash := 0
	for i, r := range function {
		if r == '(' || r == '[' {
			break
		}
		if r == '/' {
			slash = i + 1
		}
	}
	_, name, _ := strings.Cut(function[slash:], ".")
	return strings.NewReplacer("(*", "", "(", "", ")", "", "[...]", "").Replace(name)
}
