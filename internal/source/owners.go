package source

import (
	"os"
	"regexp"
	"slices"
	"strings"
)

// dialect is whose reading of a CODEOWNERS file holds.
type dialect int

const (
	github dialect = iota
	gitlab
)

// owners are the rules of a CODEOWNERS file, by section. Sections are GitLab's:
// a file has the owners of each. On GitHub there is one.
type owners struct {
	dialect  dialect
	sections []*section
}

type section struct {
	name     string
	rules    []rule
	defaults []string // owners of rules that name none, nor have a heading that does
}

type rule struct {
	pattern *regexp.Regexp // nil: matches nothing
	owners  []string
	exclude bool // what it matches has no owners in its section
}

// heading starts a section of GitLab's: [Name], ^[Name][2] @default. What follows
// these is not looked at.
var heading = regexp.MustCompile(`^\^?\[(.*?)\](?:\[\d*\])?(?:\s+([@\pL\pN_.\-/\s+]*))?`)

// readOwners reads the CODEOWNERS file that GitHub or GitLab would.
func readOwners(dir string) owners {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return owners{}
	}
	defer root.Close()
	for _, name := range []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"} {
		if text, err := readFile(root, name); err == nil {
			return parseOwners(string(text), name)
		}
	}
	return owners{}
}

// parseOwners reads a file as the one reads it in whose folder it lies, and in no such
// folder as GitLab if it has a section or an exclusion, which GitHub does not know.
// Lines that are not understood are skipped, as both do.
//
// GitHub: docs.github.com, "About code owners": the last rule that matches decides, and
// a line that begins with !, escapes a # or has a range in brackets is invalid.
// GitLab: docs.gitlab.com, user/project/codeowners/reference ("Sections", "Path
// matching", "Exclusion patterns", of 17.10) and advanced ("Pattern matching",
// "Sections with duplicate names", "Error handling").
func parseOwners(text, name string) owners {
	var lines []string
	for line := range strings.Lines(strings.TrimPrefix(text, "\ufeff")) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	if dialectOf(lines, name) == github {
		return githubOwners(lines)
	}
	return gitlabOwners(lines)
}

func dialectOf(lines []string, name string) dialect {
	switch {
	case strings.HasPrefix(name, ".github/"):
		return github
	case strings.HasPrefix(name, ".gitlab/"):
		return gitlab
	case slices.ContainsFunc(lines, func(l string) bool { return l[0] == '!' || heading.MatchString(l) }):
		return gitlab
	}
	return github
}

func githubOwners(lines []string) owners {
	s := &section{}
	for _, line := range lines {
		line, _, _ = strings.Cut(line, "#")
		pattern, names := splitRule(line)
		if pattern == "" || pattern == "/" || strings.ContainsAny(pattern, "![]") {
			continue
		}
		r := rule{pattern: githubPattern(pattern)}
		for _, n := range strings.Fields(names) {
			if r.owners = append(r.owners, n); !isOwner(n, github) {
				r.pattern = nil
			}
		}
		if r.pattern != nil {
			s.rules = append(s.rules, r)
		}
	}
	return owners{github, []*section{s}}
}

func gitlabOwners(lines []string) owners {
	in := &section{}
	all := []*section{in}
	var defaults []string // of the heading
	for _, line := range lines {
		if m := heading.FindStringSubmatch(line); m != nil {
			defaults = gitlabNames(m[2])
			in = nil
			for _, s := range all[1:] { // the first is of rules before any heading
				if strings.EqualFold(s.name, m[1]) {
					in = s
				}
			}
			if in == nil {
				in = &section{name: m[1]}
				all = append(all, in)
			}
			if in.defaults == nil {
				in.defaults = defaults
			}
			continue
		}
		pattern, names := splitRule(line)
		pattern, exclude := strings.CutPrefix(pattern, "!")
		if pattern == "" {
			continue
		}
		r := rule{pattern: gitlabPattern(pattern), owners: gitlabNames(names), exclude: exclude}
		if len(r.owners) == 0 {
			r.owners = defaults
		}
		in.rules = append(in.rules, r)
	}
	return owners{gitlab, all}
}

// gitlabNames are the owners among the words of a line: what is none is ignored, and a
// comment behind a rule is not known, so that those in it own too.
func gitlabNames(text string) []string {
	return slices.DeleteFunc(strings.Fields(text), func(s string) bool { return !isOwner(s, gitlab) })
}

// splitRule is a rule's pattern, up to the first blank that no backslash escapes, and
// the rest.
func splitRule(line string) (pattern, rest string) {
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case ' ', '\t':
			return line[:i], line[i:]
		}
	}
	return line, ""
}

var (
	ownerName = regexp.MustCompile(`^@[\pL\pN_][\pL\pN_.\-/]*$`)
	ownerRole = regexp.MustCompile(`(?i)^@@(developer|maintainer|owner)s?$`)
	ownerMail = regexp.MustCompile(`^[^@\s<>()]+@[\pL\pN\-]+(\.[\pL\pN\-]+)+$`)
)

// isOwner takes users, teams at any depth (@group/subgroup/team), addresses, and on
// GitLab roles.
func isOwner(s string, d dialect) bool {
	return ownerName.MatchString(s) || ownerMail.MatchString(s) || d == gitlab && ownerRole.MatchString(s)
}

// of lists a file's owners. The last rule of a section that matches decides, also if it
// names none; an exclusion does wherever it stands.
func (o owners) of(path string) []string {
	var out []string
	for _, s := range o.sections {
		for _, n := range s.of(path) {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

func (s *section) of(path string) []string {
	var last *rule
	for i := range s.rules {
		switch r := &s.rules[i]; {
		case r.pattern == nil || !r.pattern.MatchString(path):
		case r.exclude:
			return nil
		default:
			last = r
		}
	}
	switch {
	case last == nil:
		return nil
	case len(last.owners) == 0:
		return s.defaults
	}
	return last.owners
}
