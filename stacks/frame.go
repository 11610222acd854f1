package stacks

import (
	"net/url"
	"path"
	"regexp"
	"strings"
)

// Frame is one call of a goroutine's stack, inlined calls included.
type Frame struct {
	Function string `json:"function"`         // full name with escapes undone: example.com/cart.(*Store).refresh.func1
	File     string `json:"file"`             // as the build recorded it; relative under -trimpath
	Line     int    `json:"line"`             // 1-based; 0 where the profile has none
	Module   string `json:"module,omitempty"` // module@version that the file belongs to, where the path shows it
	Std      bool   `json:"-"`                // part of the runtime or of the standard library
}

// escaped is a byte of an import path that the linker wrote as %xx: the dots
// of a path's last element, and characters outside ASCII.
var escaped = regexp.MustCompile(`(?:%[0-9a-fA-F]{2})+`)

// generated is a wrapper that the compiler puts around `go f(x)`, `defer f(x)`
// and method values. A reader knows only the function that holds it.
var generated = regexp.MustCompile(`(?:\.gowrap\d+|\.deferwrap\d+|-fm|-range\d+)$`)

// functionName undoes what the toolchain did to a name: escapes in the import
// path, type arguments of a generic instance, compiler-made wrappers.
func functionName(name string) string {
	name = escaped.ReplaceAllStringFunc(name, func(s string) string {
		if plain, err := url.PathUnescape(s); err == nil {
			return plain
		}
		return s
	})
	name = withoutTypeArguments(name)
	for generated.MatchString(name) {
		name = generated.ReplaceAllString(name, "")
	}
	return name
}

// withoutTypeArguments writes F[go.shape.int] as F[...], the form that
// tracebacks use, so that instances of one generic function are one stack.
func withoutTypeArguments(name string) string {
	if !strings.Contains(name, "[") {
		return name
	}
	var b strings.Builder
	depth := 0
	for _, r := range name {
		switch {
		case r == '[':
			if depth == 0 {
				b.WriteString("[...]")
			}
			depth++
		case r == ']' && depth > 0:
			depth--
		case depth == 0:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// packagePath is the import path in front of a function name.
func packagePath(function string) string {
	if i := strings.IndexByte(function, '['); i >= 0 {
		function = function[:i]
	}
	slash := strings.LastIndexByte(function, '/') + 1
	if dot := strings.IndexByte(function[slash:], '.'); dot >= 0 {
		// gopkg.in/yaml.v3.parse: a dotted last element ends at its version.
		if m := versioned.FindString(function[slash:]); m != "" && slash > 0 {
			return function[:slash] + m
		}
		return function[:slash+dot]
	}
	return function
}

// versioned matches a last import path element such as yaml.v3.
var versioned = regexp.MustCompile(`^[^.()]+\.v\d+`)

// isRuntime reports whether a function belongs to the scheduler and is left
// out of a stack's identity: otherwise every parked goroutine starts alike.
func isRuntime(function string) bool {
	pkg := packagePath(function)
	return pkg == "runtime" || strings.HasPrefix(pkg, "runtime/internal/") || strings.HasPrefix(pkg, "internal/runtime/")
}

// standard holds the first path element of every package of Go's standard
// library (go list std, Go 1.26).
var standard = set(`archive bufio bytes cmp compress container context crypto database debug embed encoding errors
	expvar flag fmt go hash html image index internal io iter log maps math mime net os path plugin reflect regexp
	runtime simd slices sort strconv strings structs sync syscall testing text time unicode unique unsafe vendor weak`)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// isStandard decides by file where the file is telling, since inlining can
// leave a library's code under its caller's function name, and by package
// otherwise. goroot is empty where the build was trimmed or it is unknown.
func isStandard(function, file, goroot string) bool {
	switch {
	case goroot != "" && strings.HasPrefix(file, goroot+"/src/"):
		return true
	case strings.Contains(file, "@") || strings.Contains(file, "/pkg/mod/"):
		return false
	case strings.Contains(file, "/") && !path.IsAbs(file) && !windowsAbs(file):
		first, _, _ := strings.Cut(file, "/") // trimmed: net/http/server.go, example.com/shop/cart.go
		return standard[first]
	case goroot != "" && file != "":
		return false
	}
	first, _, _ := strings.Cut(packagePath(function), "/")
	return standard[first]
}

func windowsAbs(file string) bool { return len(file) > 2 && file[1] == ':' }

// goroot finds the toolchain's folder from any runtime frame.
func goroot(function, file string) (string, bool) {
	if !strings.HasPrefix(function, "runtime.") {
		return "", false
	}
	i := strings.LastIndex(file, "/src/runtime/")
	if i < 0 {
		return "", false
	}
	return file[:i], true
}

var (
	inModuleCache = regexp.MustCompile(`(?:^|/pkg/mod/)([^/@]+(?:/[^/@]+)*@v[^/]+)/`)
	inVendor      = regexp.MustCompile(`/vendor/((?:github|gitlab|bitbucket)\.[^/]+/[^/]+/[^/]+|gopkg\.in/[^/]+|golang\.org/x/[^/]+|[^/]+\.[^/]+/[^/]+)/`)
	upper         = regexp.MustCompile(`!([a-z])`)
)

// moduleOf reads the module and version from a file's path: the module cache,
// a trimmed build, or a vendor folder (which shows no version).
func moduleOf(file string) string {
	m := inModuleCache.FindStringSubmatch(file)
	if m == nil {
		m = inVendor.FindStringSubmatch(file)
	}
	if m == nil {
		return ""
	}
	return upper.ReplaceAllStringFunc(m[1], func(s string) string { return strings.ToUpper(s[1:]) })
}

// Located is a frame of which only the function and its place are known, such as a go
// statement's, with the module that the file belongs to and whether that is Go itself.
func Located(function, file string, line int) Frame {
	return Frame{Function: function, File: file, Line: line, Module: moduleOf(file), Std: isStandard(function, file, "")}
}
