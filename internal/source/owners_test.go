package source

import (
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
		if got := strings.Join(parseOwners(r.text).of(r.path), " "); got != r.want {
			t.Errorf("owners(%s) = %q, want %q", r.name, got, r.want)
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
	f.Add("[", "")
	f.Add("/ @a\n/\t@b\n/", "x/y.go")
	f.Fuzz(func(t *testing.T, text, path string) {
		seen := map[string]bool{}
		for _, o := range parseOwners(text).of(path) {
			if o == "" || seen[o] {
				t.Errorf("owners(%q) of %q: %q is empty or there twice", text, path, o)
			}
			seen[o] = true
		}
	})
}
