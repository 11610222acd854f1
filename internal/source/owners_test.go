package source

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOwners(t *testing.T) {
	const rules = `# who looks after what
*            @everyone
/cart/       @team-cart cart@example.com
*.sql        @org/databases # the last rule wins
/cart/gen/
lib/**       @org/group/subgroup
{broken      @nobody
docs/*       @writers
`
	const sections = `* @fallback

[Payments] @payments @pay-lead
/cart/
/cart/store.go @org/store

^[Reviews][2]
*.go @gophers
`
	rows := []struct{ name, text, path, want string }{
		{name: "catch-all", text: rules, path: "main.go", want: "@everyone"},
		{name: "folder", text: rules, path: "cart/deep/store.go", want: "@team-cart cart@example.com"},
		// The last that matches wins, not the longest.
		{name: "last wins", text: rules, path: "cart/schema.sql", want: "@org/databases"},
		// A rule without owners takes them away.
		{name: "nobody's", text: rules, path: "cart/gen/x.go", want: ""},
		// A folder anywhere; a team of a team, as GitLab has them.
		{name: "subgroup", text: rules, path: "lib/a/b.go", want: "@org/group/subgroup"},
		// A line that is not understood does not take the others with it.
		{name: "after a broken line", text: rules, path: "docs/a.md", want: "@writers"},
		// One folder deep and no deeper.
		{name: "not that deep", text: rules, path: "docs/a/b.md", want: "@everyone"},
		// GitLab: every section has its say, with its own owners where a rule names none.
		{name: "section defaults", text: sections, path: "cart/x.txt", want: "@fallback @payments @pay-lead"},
		{name: "sections add up", text: sections, path: "cart/store.go", want: "@fallback @org/store @gophers"},
		// A rule for the root alone matches no file.
		{name: "root", text: "* @a\n/ @b\n", path: "cart/store.go", want: "@a"},
		{name: "empty", text: "", path: "cart/store.go", want: ""},
	}
	for _, r := range rows {
		if got := strings.Join(parseOwners(r.text, "CODEOWNERS").of(r.path), " "); got != r.want {
			t.Errorf("owners(%s) = %q, want %q", r.name, got, r.want)
		}
	}
}

// What GitLab reads in its own way: the same lines in GitHub's folder are its twin.
func TestOwnersOfGitLab(t *testing.T) {
	for _, r := range []struct{ name, text, path, gitlab, github string }{
		{name: "exclusion", text: "* @s\n!/x/\n", path: "x/a.go", gitlab: "", github: "@s"},
		// Once out, a file is out of its section.
		{name: "exclusion first", text: "!*.go\n* @s\n/x/ @t", path: "x/a.go", gitlab: "", github: "@t"},
		{name: "exclusion of another file", text: "* @s\n!/y/\n", path: "x/a.go", gitlab: "@s", github: "@s"},
		{name: "exclusion in its section", text: "* @s\n[Go]\n*.go @g\n!/x/\n", path: "x/a.go", gitlab: "@s", github: "@g"},
		{name: "exclusion of generated folders", text: "* @s\n!**/gen/\n", path: "a/gen/b/c.go", gitlab: "", github: "@s"},
		{name: "sections of one name", text: "[Sec] @s\n/x/ @t\n[sec]\n/x/a.go @u\n", path: "x/a.go", gitlab: "@u", github: "@u"},
		{name: "sections of one name, with letters", text: "[Ärzte]\n/x/ @t\n[ärzte]\n/x/a.go @u\n", path: "x/a.go", gitlab: "@u", github: "@u"},
		{name: "defaults of the section of that name", text: "[Sec] @s\n/y/\n[SEC]\n/x/\n", path: "x/a.go", gitlab: "@s", github: ""},
		{name: "defaults of the second heading", text: "[Sec] @s\n/y/\n[SEC] @t\n/x/\n", path: "x/a.go", gitlab: "@t", github: ""},
		{name: "sections of two names", text: "[A]\n/x/ @t\n[B]\n/x/a.go @u\n", path: "x/a.go", gitlab: "@t @u", github: "@u"},
		{name: "count of approvals", text: "[Sec][2] @s\n/x/\n", path: "x/a.go", gitlab: "@s", github: ""},
		{name: "count of approvals apart", text: "[Sec] [2]\n/x/\n", path: "x/a.go", gitlab: "", github: ""},
		{name: "optional", text: "^[Sec][1] @s @t/u\n/x/\n", path: "x/a.go", gitlab: "@s @t/u", github: ""},
		{name: "heading without an end", text: "[A] @s\n/x/\n[B\n/x/a.go @u\n", path: "x/a.go", gitlab: "@u", github: "@u"},
		{name: "byte order mark", text: "\ufeff/x/ @u\n", path: "x/a.go", gitlab: "@u", github: "@u"},
		{name: "byte order mark before a heading", text: "\ufeff[A] @s\n/x/\n", path: "x/a.go", gitlab: "@s", github: ""},
		{name: "CRLF", text: "[A] @s\r\n/x/\r\n!/x/b.go\r\n", path: "x/a.go", gitlab: "@s", github: ""},
		{name: "letters", text: "/größe/ @u\n", path: "größe/a.go", gitlab: "@u", github: "@u"},
		{name: "other signs", text: "/a,b=c~d/*.go @u\n", path: "a,b=c~d/x.go", gitlab: "@u", github: "@u"},
		{name: "one letter", text: "/gr?ße/ @u\n", path: "größe/a.go", gitlab: "@u", github: "@u"},
		{name: "escaped blank", text: "/a\\ b/ @u\n", path: "a b/x.go", gitlab: "@u", github: "@u"},
		{name: "escaped number sign", text: "\\#x.go @u\n", path: "#x.go", gitlab: "@u", github: ""},
		{name: "number sign within", text: "/a#b/ @u\n", path: "a#b/x.go", gitlab: "@u", github: ""},
		{name: "roles", text: "/x/ @@developers @@nobodies\n", path: "x/a.go", gitlab: "@@developers", github: ""},
		{name: "addresses", text: "/x/ a.b@c.example @u\n", path: "x/a.go", gitlab: "a.b@c.example @u", github: "a.b@c.example @u"},
		// GitLab ignores what is no owner; GitHub, the line.
		{name: "malformed owner", text: "* @s\n/x/ nobody @u\n", path: "x/a.go", gitlab: "@u", github: "@s"},
		{name: "comment behind a rule", text: "/x/ @u # and @v\n", path: "x/a.go", gitlab: "@u @v", github: "@u"},
		{name: "set", text: "/[x-y]/*.go @u\n", path: "x/a.go", gitlab: "@u", github: ""},
		{name: "set of others", text: "/[!a-c]/*.go @u\n", path: "x/a.go", gitlab: "@u", github: ""},
		{name: "set without an end", text: "/[x/*.go @u\n", path: "[x/a.go", gitlab: "", github: ""},
		{name: "relative", text: "b/c.go @u\n", path: "a/b/c.go", gitlab: "@u", github: ""},
		{name: "folder without a slash", text: "/x @u\n", path: "x/a.go", gitlab: "", github: "@u"},
		{name: "dot files", text: "* @u\n", path: ".x/.a", gitlab: "@u", github: "@u"},
	} {
		for name, want := range map[string]string{".gitlab/CODEOWNERS": r.gitlab, ".github/CODEOWNERS": r.github} {
			if got := strings.Join(parseOwners(r.text, name).of(r.path), " "); got != want {
				t.Errorf("owners(%s) in %s = %q, want %q", r.name, name, got, want)
			}
		}
	}
}

// Files as they were found in the field: GitLab's, by what is in them.
func TestOwnersFiles(t *testing.T) {
	for name, want := range map[string]string{"bom": "@u", "dup-sections": "@u", "exclusion": ""} {
		text, err := os.ReadFile(filepath.Join("testdata", "owners", name))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(parseOwners(string(text), "CODEOWNERS").of("x/a.go"), " "); got != want {
			t.Errorf("owners(%s) = %q, want %q", name, got, want)
		}
	}
}

// GitHub reads .github first, then the root, then docs; GitLab its own folder.
func TestReadOwners(t *testing.T) {
	c := newCheckout(t)
	if got := readOwners(c.dir).of("a.go"); got != nil {
		t.Errorf("owners without a file = %q", got)
	}
	for _, name := range []string{".gitlab/CODEOWNERS", "docs/CODEOWNERS", "CODEOWNERS", ".github/CODEOWNERS"} {
		who := "@" + strings.NewReplacer("/", "-", ".", "").Replace(name)
		c.write("-- " + name + " --\n* " + who + "\n")
		if got := strings.Join(readOwners(c.dir).of("a.go"), " "); got != who {
			t.Errorf("owners with %s = %q, want %q", name, got, who)
		}
	}
}

func FuzzOwners(f *testing.F) {
	f.Add("* @a\n[S][2] @b\n/x/ c@d.ef", "x/y.go")
	f.Add("* @a\n!/x/[a-z\n[s]\n/[!x]\\# @@owners", "x/y.go")
	f.Add("[", "")
	f.Add("/ @a\n/\t@b\n/", "x/y.go")
	f.Fuzz(func(t *testing.T, text, path string) {
		seen := map[string]bool{}
		for _, name := range []string{".github/CODEOWNERS", ".gitlab/CODEOWNERS"} {
			if parseOwners(text, name).dialect == gitlab != strings.HasPrefix(name, ".gitlab") {
				t.Errorf("%s is read as the other's", name)
			}
			parseOwners(text, name).of(path)
		}
		for _, o := range parseOwners(text, "CODEOWNERS").of(path) {
			if o == "" || seen[o] {
				t.Errorf("owners(%q) of %q: %q is empty or there twice", text, path, o)
			}
			seen[o] = true
		}
	})
}
