package source

import "testing"

const functionsText = `package cart

import "sync"

type Store[T any] struct{ mu sync.Mutex }

func (s *Store[T]) refresh() {
	go func() {
		select {}
	}()
}

func (s Store[T]) Close() {}

func refresh() {}

func each[T any](t T) {
	_ = t
}

var loop = func() {
	select {}
}

func init() {}

func init() {
	select {}
}
//line other.go:900
func moved() {}
`

func TestEnclosing(t *testing.T) {
	f := parse("cart/store.go", []byte(functionsText))
	rows := []struct {
		name, function string
		line           int
		want           string
		start          int
	}{
		{name: "method", function: "example.com/cart.(*Store[...]).refresh", line: 8, want: "Store.refresh", start: 7},
		// A closure belongs to the function around it.
		{name: "closure", function: "example.com/cart.(*Store[...]).refresh.func1", line: 9, want: "Store.refresh", start: 7},
		{name: "value receiver", function: "example.com/cart.Store[...].Close", line: 13, want: "Store.Close", start: 13},
		{name: "generic", function: "example.com/cart.each[...]", line: 18, want: "each", start: 17},
		// A plain function beside a method of the same name.
		{name: "function beside method", function: "example.com/cart.refresh", line: 15, want: "refresh", start: 15},
		// The deployed file had other lines: the name tells.
		{name: "moved method", function: "example.com/cart.(*Store[...]).refresh.func1", line: 18, want: "Store.refresh", start: 7},
		{name: "moved function", function: "example.com/cart.each[...].func2.1", line: 2, want: "each", start: 17},
		// A closure of refresh that was compiled into each bears both names.
		{name: "inlined", function: "example.com/cart.each[...].refresh.func1", line: 15, want: "refresh", start: 15},
		// A variable's function has no name of its own.
		{name: "variable", function: "example.com/cart.glob..func1", line: 22, want: "loop", start: 21},
		{name: "variable since Go 1.21", function: "example.com/cart.init.func1", line: 22, want: "loop", start: 21},
		// Of several init, the one that holds the line.
		{name: "second init", function: "example.com/cart.init.1", line: 28, want: "init", start: 27},
		// A line directive counts lines of another file.
		{name: "line directive", function: "example.com/cart.moved", line: 900, want: "moved", start: 31},
		// Neither name nor line.
		{name: "gone", function: "example.com/cart.gone", line: 18},
		{name: "dotted import path", function: "example.com/cart.v2.(*Store[...]).refresh", line: 8, want: "Store.refresh", start: 7},
	}
	for _, r := range rows {
		d, ok := f.enclosing(r.function, r.line)
		if d.name != r.want || d.start != r.start || ok != (r.want != "") {
			t.Errorf("enclosing(%s) = %q from line %d, %v, want %q from line %d", r.name, d.name, d.start, ok, r.want, r.start)
		}
	}
}

// A file that does not parse to its end has the declarations before.
func TestParseBroken(t *testing.T) {
	f := parse("a.go", []byte("package a\n\nfunc one() {}\n\nfunc two( {\n"))
	if d, ok := f.enclosing("example.com/a.one", 3); !ok || d.name != "one" {
		t.Errorf("enclosing(broken file) = %v, %v, want one", d, ok)
	}
	if f := parse("a.rl", []byte(functionsText)); len(f.decls) != 0 {
		t.Errorf("parse(a.rl) = %v, want nothing: it is no Go", f.decls)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(functionsText), "example.com/cart.(*Store[...]).refresh", 8)
	f.Add([]byte("package a; func ("), "(", -1)
	f.Add([]byte("package A\nfunc()refresh"), ".refresh", 8)
	f.Fuzz(func(t *testing.T, text []byte, function string, line int) {
		p := parse("a.go", text)
		if d, ok := p.enclosing(function, line); ok && (d.start < 1 || d.end < d.start) {
			t.Errorf("enclosing(%q, %d) = %+v: no range of lines", function, line, d)
		}
	})
}
