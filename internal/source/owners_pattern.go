package source

import (
	"regexp"
	"strings"
	"unicode/utf8"
)

// githubPattern is a pattern of gitignore's kind: without a slash before its end it
// matches at any depth, else from the root, and what it matches may be a folder, with
// all that is in it. nil matches nothing.
func githubPattern(pattern string) *regexp.Regexp {
	if strings.Contains(pattern, "***") {
		return nil
	}
	rest := strings.TrimPrefix(pattern, "/")
	expr := ""
	if rest == pattern && !strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
		expr = `(?:.*/)?`
	}
	switch {
	case rest == "**" || strings.HasSuffix(rest, "/**"):
		return compile(expr + glob(strings.TrimSuffix(rest, "**"), false) + `.*`)
	case strings.HasSuffix(rest, "/"):
		return compile(expr + glob(rest, false) + `.*`)
	case strings.HasSuffix(rest, "/*"): // that folder alone
		return compile(expr + glob(rest, false))
	}
	return compile(expr + glob(rest, false) + `(?:/.*)?`)
}

// gitlabPattern is a pattern of GitLab, which matches whole paths by Ruby's File.fnmatch
// with FNM_PATHNAME and FNM_DOTMATCH: without a slash in front it matches at any depth,
// and a folder without a slash behind is no folder. nil matches nothing.
func gitlabPattern(pattern string) *regexp.Regexp {
	if pattern == "*" {
		return compile(`.*`)
	}
	rest := strings.TrimPrefix(pattern, "/")
	expr := ""
	if rest == pattern {
		expr = `(?:.*/)?`
	}
	if strings.HasSuffix(rest, "/") || rest == "" {
		rest += "**/*"
	}
	g := glob(rest, true)
	if g == "" {
		return nil
	}
	return compile(expr + g)
}

func compile(expr string) *regexp.Regexp {
	re, err := regexp.Compile(`(?s)\A` + expr + `\z`)
	if err != nil {
		return nil
	}
	return re
}

// glob is a pattern as a regular expression: **/ any folders, * and ? what is in one
// name, \ the next character as it is, and with sets [a-z] one of some. "" matches
// nothing.
func glob(pattern string, sets bool) string {
	var b strings.Builder
	for i := 0; i < len(pattern); {
		rest := pattern[i:]
		switch c, size := utf8.DecodeRuneInString(rest); {
		case strings.HasPrefix(rest, "**/") && (i == 0 || pattern[i-1] == '/'):
			b.WriteString(`(?:[^/]+/)*`)
			i += len("**/")
		case c == '*':
			b.WriteString(`[^/]*`)
			i += len(rest) - len(strings.TrimLeft(rest, "*"))
		case c == '?':
			b.WriteString(`[^/]`)
			i += size
		case c == '[' && sets:
			set, n := bracket(rest)
			if n == 0 {
				return ""
			}
			b.WriteString(set)
			i += n
		case c == '\\' && len(rest) > size:
			c, n := utf8.DecodeRuneInString(rest[size:])
			b.WriteString(regexp.QuoteMeta(string(c)))
			i += size + n
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
			i += size
		}
	}
	return b.String()
}

// bracket is a set in brackets, and how long it is; 0 if it has no end.
func bracket(text string) (set string, n int) {
	var b strings.Builder
	b.WriteString("[")
	i := 1
	if len(text) > i && (text[i] == '^' || text[i] == '!') {
		b.WriteString("^/")
		i++
	}
	for begin := i; i < len(text); {
		c, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case c == ']' && i > begin:
			return b.String() + "]", i + size
		case c == '\\' && len(text) > i+size:
			i += size
			c, size = utf8.DecodeRuneInString(text[i:])
			b.WriteString(regexp.QuoteMeta(string(c)))
		case c == '-' && i > begin && !strings.HasPrefix(text[i+size:], "]"):
			b.WriteByte('-')
		case c == '-' || c == '[' || c == ']' || c == '^' || c == '\\':
			b.WriteString(`\` + string(c))
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
		i += size
	}
	return "", 0
}
