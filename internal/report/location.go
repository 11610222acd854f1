package report

import (
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/leakgate/leakgate/verdict"
)

// inRepository is the blamed line as a path below the repository's root, with
// slashes; empty if it is not known. Without a checkout, a file of the service's
// own module can serve, if the build left no absolute path in it.
func inRepository(f verdict.Finding) (file string, line int) {
	if f.Source != nil {
		return f.Source.Path, f.Source.Line
	}
	if f.Module != "" || !relative(f.File) || trimmed(f.Function, f.File) {
		return "", 0
	}
	return path.Clean(f.File), f.Line
}

// trimmed tells whether a file's path is what -trimpath makes of it: the import
// path of the function's package, which is no path in a repository.
func trimmed(function, file string) bool {
	head, rest := "", function
	if i := strings.LastIndexByte(function, '/'); i >= 0 {
		head, rest = function[:i+1], function[i+1:]
	}
	pkg, _, _ := strings.Cut(rest, ".")
	return strings.HasPrefix(file, head+pkg+"/") && strings.Contains(strings.SplitN(head+pkg, "/", 2)[0], ".")
}

// relative tells whether a file's path can lie below a repository: no root, no
// drive, no version of the module cache, and not out of the folder again.
func relative(file string) bool {
	clean := path.Clean(file)
	return file != "" && clean != "." && !path.IsAbs(file) && !strings.ContainsAny(file, `\:@`) && clean != ".." && !strings.HasPrefix(clean, "../")
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
		line := fmt.Sprintf("suspect: %s %s %s: %s", c.Hash[:min(len(c.Hash), 7)], c.Date.UTC().Format(time.DateOnly), c.Author, c.Subject)
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
