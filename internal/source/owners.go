package source

import (
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/hmarr/codeowners"
)

// owners are the rules of a CODEOWNERS file, by section. Sections are GitLab's:
// a file has the owners of each. On GitHub there is one.
type owners []section

type section struct {
	rules    codeowners.Ruleset
	defaults []string // owners of rules that name none
}

// header starts a section: [Name], ^[Name][2] @default.
var header = regexp.MustCompile(`^\^?\[[^\]]+\](?:\[\d+\])?(?:\s+(.*))?$`)

// readOwners reads the CODEOWNERS file that GitHub or GitLab would.
func readOwners(dir string) owners {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil
	}
	defer root.Close()
	for _, name := range []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS"} {
		if text, err := readFile(root, name); err == nil {
			return parseOwners(string(text))
		}
	}
	return nil
}

// parseOwners skips lines that are not understood, as GitHub does.
func parseOwners(text string) owners {
	all := owners{{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if m := header.FindStringSubmatch(line); m != nil {
			all = append(all, section{defaults: strings.Fields(m[1])})
			continue
		}
		if f := strings.Fields(line); len(f) > 0 && f[0] == "/" {
			continue // matches nothing, and codeowners v1.2.1 panics when it is asked
		}
		in := &all[len(all)-1]
		rules, err := codeowners.ParseFile(strings.NewReader(line), codeowners.WithOwnerMatchers([]codeowners.OwnerMatcher{codeowners.OwnerMatchFunc(owner)}))
		if err == nil {
			in.rules = append(in.rules, rules...)
		}
	}
	return all
}

// owner takes users, teams at any depth (@group/subgroup/team) and addresses.
func owner(s string) (codeowners.Owner, error) {
	if strings.HasPrefix(s, "@") && len(s) > 1 {
		return codeowners.Owner{Value: s[1:], Type: codeowners.TeamOwner}, nil
	}
	return codeowners.MatchEmailOwner(s)
}

// of lists a file's owners. The last rule that matches decides, also if it names
// none.
func (o owners) of(path string) []string {
	var out []string
	for _, s := range o {
		rule, err := s.rules.Match(path)
		if err != nil || rule == nil {
			continue
		}
		names := s.defaults
		if len(rule.Owners) > 0 {
			names = nil
			for _, n := range rule.Owners {
				names = append(names, n.String())
			}
		}
		for _, n := range names {
			if !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}
