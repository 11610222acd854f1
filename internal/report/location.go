package report

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// lead is where a reader of a finding starts: the blamed line or, where that is Go's own
// or a dependency's, the nearest place in the service's code.
type lead struct {
	Function string
	File     string // empty where no line of the service's own code is known
	Line     int
	How      how
}

// how a lead relates to the blamed line.
type how int

const (
	itself  how = iota // it is the blamed line
	caller             // it is further out on the stack
	starter            // it is the go statement
	nowhere            // there is none: the whole stack is other people's code
)

// leadOf finds it: the innermost own frame, else the go statement.
func leadOf(f verdict.Finding) lead {
	blamed := stacks.Blame(f.Stack)
	if len(f.Stack) == 0 && f.Module == "" && f.File != "" && f.Function != "" { // nothing but the blamed line is known
		if !stacks.Located(f.Function, f.File, f.Line).Std {
			return lead{f.Function, f.File, f.Line, itself}
		}
	}
	for i, fr := range f.Stack {
		switch {
		case !own(fr) || i == blamed && f.Module != "":
		case i == blamed && f.File != "":
			return lead{f.Function, f.File, f.Line, itself}
		case fr.File != "":
			return lead{fr.Function, fr.File, fr.Line, caller}
		}
	}
	if file, line, ok := split(f.Created); ok && f.Creator != "" && own(stacks.Located(f.Creator, file, line)) {
		return lead{f.Creator, file, line, starter}
	}
	return lead{How: nowhere}
}

// own reports whether a frame is neither Go's nor a dependency's.
func own(fr verdict.Frame) bool { return !fr.Std && fr.Module == "" }

// split is a file:line in two.
func split(at string) (file string, line int, ok bool) {
	i := strings.LastIndexByte(at, ':')
	if i < 1 {
		return "", 0, false
	}
	line, err := strconv.Atoi(at[i+1:])
	return at[:i], line, err == nil
}

// where is the lead as a person reads it, below root where it lies there; a checkout
// knows it best. It is empty where there is none.
func (l lead) where(f verdict.Finding, root string) string {
	if f.Source != nil {
		return place(f.Source.Path, f.Source.Line, root)
	}
	return place(l.File, l.Line, root)
}

// foreign names the dependency or the part of Go that a finding is blamed on; empty if
// that is the service itself.
func foreign(f verdict.Finding, goVersion string) string {
	if f.Module != "" {
		name, version, _ := strings.Cut(f.Module, "@")
		return strings.TrimSpace(name + " " + version)
	}
	i := stacks.Blame(f.Stack)
	switch {
	case f.Function == stacks.AllGoroutines || f.Function == "" || f.Name() != f.Function:
		return ""
	case i >= 0 && !f.Stack[i].Std:
		return ""
	case i < 0 && !stacks.Located(f.Function, f.File, f.Line).Std:
		return ""
	}
	return goName(goVersion) + "'s " + packageOf(f.Function)
}

// goName writes go1.26.8 as Go 1.26.
func goName(version string) string {
	number, ok := strings.CutPrefix(version, "go")
	if !ok {
		return "Go"
	}
	parts := strings.SplitN(number, ".", 3)
	return "Go " + strings.Join(parts[:min(len(parts), 2)], ".")
}

// packageOf is the import path in front of a function's name.
func packageOf(function string) string {
	slash := strings.LastIndexByte(strings.SplitN(function, "(", 2)[0], '/') + 1
	name, _, _ := strings.Cut(function[slash:], ".")
	return function[:slash] + name
}

// opening says where to look first, and what to ask there. It is not printable.
func opening(v verdict.Verdict, f verdict.Finding, root string) string {
	l, whose := leadOf(f), foreign(f, targetOf(v, f).GoVersion)
	at := l.where(f, root)
	switch {
	case at == "" && whose == "":
		return "open the stack and ask what was meant to end the wait there"
	case at == "":
		return fmt.Sprintf("look at what %s does with %s: no line of the stack is the service's own",
			cmp.Or(culprit(f), "the service"), whose)
	case whose == "":
		return fmt.Sprintf("open %s and ask what was meant to end the wait there", at)
	case l.How == starter:
		return fmt.Sprintf("open %s, the go statement from which it gets into %s, "+
			"and ask what was meant to end the wait there", at, whose)
	}
	return fmt.Sprintf("open %s, the nearest own code: it waits in %s; ask what was meant to end that", at, whose)
}

// inRepository is the lead as a path below the repository's root, with slashes; empty if
// it is not known. Without a checkout, a file of the service's own module can serve, if
// the build left no absolute path in it.
func inRepository(f verdict.Finding) (file string, line int) {
	if f.Source != nil {
		if !relative(f.Source.Path) {
			return "", 0
		}
		return f.Source.Path, f.Source.Line
	}
	l := leadOf(f)
	if l.How == nowhere || !relative(l.File) || trimmed(l.Function, l.File) {
		return "", 0
	}
	return path.Clean(l.File), l.Line
}

// trimmed reports whether a file's path is what -trimpath makes of it: the import
// path of the function's package, which is no path in a repository.
func trimmed(function, file string) bool {
	pkg := packageOf(function)
	if pkg == "main" { // does not tell its import path
		return strings.Contains(strings.SplitN(path.Clean(file), "/", 2)[0], ".") && strings.Contains(path.Clean(file), "/")
	}
	return strings.HasPrefix(file, pkg+"/") && strings.Contains(strings.SplitN(pkg, "/", 2)[0], ".")
}

// relative reports whether a file's path can lie below a repository: no root, no
// drive, no version of the module cache, and not out of the folder again.
func relative(file string) bool {
	clean := path.Clean(file)
	outside := clean == ".." || strings.HasPrefix(clean, "../")
	return file != "" && clean != "." && !outside && !path.IsAbs(file) && !strings.ContainsAny(file, `\:@`)
}

// tidy is a file's path without the folder that Go or the module cache lies in, which
// tells a reader nothing: net/http/server.go, golang.org/x/net@v0.61.0/http2/frame.go.
func tidy(file string, std bool) string {
	slashed := strings.ReplaceAll(file, `\`, "/")
	if i := strings.LastIndex(slashed, "/pkg/mod/"); i >= 0 {
		return slashed[i+len("/pkg/mod/"):]
	}
	if i := strings.LastIndex(slashed, "/src/"); std && i >= 0 {
		return slashed[i+len("/src/"):]
	}
	return file
}

// portable is a file's path without anything of the machine that built it: below Go's or
// the module cache's folder, or as far as the import path agrees with it.
func portable(fr verdict.Frame) string {
	file := strings.ReplaceAll(tidy(fr.File, fr.Std), `\`, "/")
	if !path.IsAbs(file) && !(len(file) > 1 && file[1] == ':') {
		return file
	}
	folders := strings.Split(strings.Trim(path.Dir(file), "/"), "/")
	imported := strings.Split(packageOf(fr.Function), "/")
	n := 0
	for n < min(len(folders), len(imported)) && folders[len(folders)-1-n] == imported[len(imported)-1-n] {
		n++
	}
	n = min(max(n, 1), len(folders)) // a file alone says too little
	return path.Join(append(folders[len(folders)-n:], path.Base(file))...)
}

// ownership says whose a finding is and which commit is suspected first, one
// sentence a line.
func ownership(f verdict.Finding) []string {
	if f.Source == nil {
		return nil
	}
	var out []string
	if len(f.Source.Owners) > 0 {
		out = append(out, "owner: "+strings.Join(f.Source.Owners, ", "))
	}
	if len(f.Source.Suspects) > 0 {
		c := f.Source.Suspects[0]
		line := fmt.Sprintf("suspect: %s %s %s: %s",
			c.Hash[:min(len(c.Hash), shortHash)], c.Date.UTC().Format(time.DateOnly), c.Author, c.Subject)
		if n := len(f.Source.Suspects) - 1; n > 0 {
			line += fmt.Sprintf(", and %s", plural(n, "more commit"))
		}
		out = append(out, line)
	}
	return out
}

// clip cuts text to at most n bytes, between characters.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const cut = "…"
	n -= len(cut)
	for n > 0 && s[n]&0xC0 == 0x80 { // inside a character
		n--
	}
	return s[:max(n, 0)] + cut
}
