package source

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/verdict"
)

var (
	refresh = verdict.Frame{Function: "example.com/shop/cart.(*Store).refresh.func1", File: "/ci/cart/store.go", Line: 7}
	sleep   = verdict.Frame{Function: "time.Sleep", File: "/usr/lib/go/src/runtime/time.go", Line: 300, Std: true}
	library = verdict.Frame{Function: "github.com/x/q.(*Pool).wait", File: "/go/pkg/mod/github.com/x/q@v1.0.0/pool.go", Line: 9, Module: "github.com/x/q@v1.0.0"}
	cached  = verdict.Frame{Function: "github.com/x/y.Wait", File: "/ci/vendor/github.com/x/y/z.go", Line: 4, Module: "github.com/x/y"}
	entry   = verdict.Frame{Function: "main.serve", File: "/ci/cmd/x/main.go", Line: 7}
)

// Where a finding lies: the blamed frame, or who calls it from this repository.
func TestAnnotateWhere(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", shop+"-- CODEOWNERS --\n* @everyone\n/cart/ @team-cart\n")
	rows := []struct {
		name  string
		stack []verdict.Frame
		want  string
		owner string
	}{
		{name: "blamed", stack: []verdict.Frame{sleep, refresh, entry}, want: "cart/store.go:7", owner: "@team-cart"},
		// A library is blamed: the nearest caller that is ours.
		{name: "caller", stack: []verdict.Frame{sleep, library, refresh, entry}, want: "cart/store.go:7", owner: "@team-cart"},
		{name: "caller's caller", stack: []verdict.Frame{sleep, library, library, entry}, want: "cmd/x/main.go:7", owner: "@everyone"},
		// A vendored library is in the repository.
		{name: "vendored", stack: []verdict.Frame{sleep, cached, refresh}, want: "vendor/github.com/x/y/z.go:4", owner: "@everyone"},
		// Nothing of the stack is ours.
		{name: "foreign", stack: []verdict.Frame{sleep, library}, want: "-"},
		{name: "standard library alone", stack: []verdict.Frame{sleep}, want: "-"},
	}
	for _, r := range rows {
		s := c.annotated("", r.stack...)
		if where(s) != r.want {
			t.Errorf("source(%s) = %s, want %s", r.name, where(s), r.want)
		} else if s != nil && strings.Join(s.Owners, " ") != r.owner {
			t.Errorf("owners(%s) = %v, want %s", r.name, s.Owners, r.owner)
		}
	}
}

// A library's goroutine that this repository started.
func TestAnnotateCreator(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", shop)
	f := finding(sleep, library)
	f.Creator, f.Created = "example.com/shop/cart.(*Store).refresh", "/ci/cart/store.go:6"
	v := &verdict.Verdict{Findings: []verdict.Finding{f}}
	if err := Annotate(context.Background(), v, c.dir, ""); err != nil || where(v.Findings[0].Source) != "cart/store.go:6" {
		t.Errorf("source of a library's goroutine = %s, %v, want the go statement cart/store.go:6", where(v.Findings[0].Source), err)
	}
	if len(v.Findings[0].Stack) != 2 {
		t.Errorf("Annotate changed the stack: %v", v.Findings[0].Stack)
	}
}

// A checkout is found from a folder within it, also where git was told of
// another repository, as in a hook.
func TestAnnotateBelowRoot(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", shop)
	t.Setenv("GIT_DIR", filepath.Join(t.TempDir(), "elsewhere"))
	t.Setenv("GIT_INDEX_FILE", filepath.Join(t.TempDir(), "index"))
	v := &verdict.Verdict{Findings: []verdict.Finding{finding(refresh)}}
	if err := Annotate(context.Background(), v, filepath.Join(c.dir, "cmd", "x"), ""); err != nil || where(v.Findings[0].Source) != "cart/store.go:7" {
		t.Errorf("source from cmd/x = %s, %v, want cart/store.go:7", where(v.Findings[0].Source), err)
	}
}

// Where there is nothing to read, nothing changes, and nothing fails.
func TestAnnotateNothing(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", shop)
	empty := newCheckout(t)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	rows := []struct {
		name, dir, path, since string
		ctx                    context.Context
	}{
		{name: "no checkout", dir: t.TempDir(), path: os.Getenv("PATH"), since: "v9"},
		{name: "no folder", dir: filepath.Join(c.dir, "nowhere"), path: os.Getenv("PATH")},
		{name: "no git", dir: c.dir, path: t.TempDir(), since: "v9"},
		{name: "no commit", dir: empty.dir, path: os.Getenv("PATH")},
		{name: "switched off", dir: "", path: os.Getenv("PATH")},
		{name: "no time", dir: c.dir, path: os.Getenv("PATH"), since: "v9", ctx: cancelled},
	}
	for _, r := range rows {
		t.Setenv("PATH", r.path)
		ctx := r.ctx
		if ctx == nil {
			ctx = context.Background()
		}
		v := &verdict.Verdict{Findings: []verdict.Finding{finding(refresh)}}
		if err := Annotate(ctx, v, r.dir, r.since); err != nil || v.Findings[0].Source != nil {
			t.Errorf("Annotate(%s) = %v, source %s, want neither", r.name, err, where(v.Findings[0].Source))
		}
		if err := Check(ctx, r.dir, r.since); err != nil {
			t.Errorf("Check(%s) = %v", r.name, err)
		}
	}
}

// Only the first findings are looked up.
func TestAnnotateBounds(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", shop)
	v := &verdict.Verdict{}
	for range mostFindings + 1 {
		v.Findings = append(v.Findings, finding(refresh))
	}
	if err := Annotate(context.Background(), v, c.dir, ""); err != nil {
		t.Fatal(err)
	}
	for i, f := range v.Findings {
		if got := f.Source != nil; got != (i < mostFindings) {
			t.Errorf("finding %d has a source: %v", i, got)
		}
	}
}

func TestCheck(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", shop)
	c.git("tag", "v1.0.0")
	c.git("tag", "-a", "-m", "annotated", "v1.0.1")
	c.git("tag", "tree", "HEAD^{tree}")
	for _, since := range []string{"", "v1.0.0", "v1.0.1", "HEAD", "main", c.git("rev-parse", "HEAD")} {
		if err := Check(context.Background(), c.dir, since); err != nil {
			t.Errorf("Check(%q) = %v", since, err)
		}
	}
	// Not there; no commit; a range; options, which git must never see.
	for _, since := range []string{"v9.9.9", "tree", "v1.0.0..HEAD", "HEAD^", "--all", "--output=x", "-h", "a b", "v1.0.0\x00"} {
		err := Check(context.Background(), c.dir, since)
		var u *UnresolvedError
		if !errors.As(err, &u) || u.Since != since || !strings.Contains(err.Error(), fmt.Sprintf("%q", since)) || u.Hint() == "" {
			t.Errorf("Check(%q) = %v, want an UnresolvedError with a hint", since, err)
		}
		if err := Annotate(context.Background(), &verdict.Verdict{}, c.dir, since); !errors.As(err, &u) {
			t.Errorf("Annotate(%q) = %v, want an UnresolvedError", since, err)
		}
	}
	if _, err := os.Stat(filepath.Join(c.dir, "x")); err == nil {
		t.Error("git took --since for an option, and wrote a file")
	}
}

// release is a repository with a history:
//
//	v1.0.0  first
//	v1.1.0  old      refresh, before the release that counts
//	        kept     refresh
//	        other    another function of the same file
//	        elsewhere
//	        both     serve and refresh
//	        merged   refresh, on a branch
//	        entry    serve
func release(t *testing.T) (*checkout, map[string]string) {
	t.Helper()
	c := newCheckout(t)
	hash := map[string]string{}
	const head = "package cart\n\ntype Store struct{}\n\n"
	store := func(other, body string) string {
		return "-- cart/store.go --\n" + head + "func Other() int { return " + other + " }\n\nfunc (s *Store) refresh() {\n\tgo func() {\n" + body + "\t\tselect {}\n\t}()\n}\n"
	}
	entry := func(body string) string {
		return "-- cmd/x/main.go --\npackage main\n\nfunc main() { serve() }\n\nfunc serve() {\n" + body + "\tselect {}\n}\n"
	}
	hash["first"] = c.commit("first", shop+store("0", "")+entry(""))
	c.git("tag", "v1.0.0")
	hash["old"] = c.commit("old", store("0", "\t\t_ = 1\n"))
	c.git("tag", "-a", "-m", "release", "v1.1.0")
	hash["kept"] = c.commit("kept", store("0", "\t\t_ = 2\n"), "--author=Bob <bob@example.com>")
	hash["other"] = c.commit("other", store("1", "\t\t_ = 2\n"))
	hash["elsewhere"] = c.commit("elsewhere", "-- lib/sub/lib.go --\npackage sub\n")
	hash["both"] = c.commit("both", store("1", "\t\t_ = 3\n")+entry("\t_ = 3\n"))
	c.git("checkout", "-q", "-b", "topic")
	hash["merged"] = c.commit("merged", store("1", "\t\t_ = 4\n"))
	c.git("checkout", "-q", "main")
	hash["entry"] = c.commit("entry", entry("\t_ = 5\n"))
	c.git("merge", "-q", "--no-ff", "-m", "merge", "topic")
	c.now = c.now.AddDate(0, 0, 1)
	return c, hash
}

var releaseStack = []verdict.Frame{sleep, library,
	{Function: "example.com/shop/cart.(*Store).refresh.func1", File: "example.com/shop/cart/store.go", Line: 10},
	{Function: "main.serve", File: "example.com/shop/cmd/x/main.go", Line: 6},
}

func subjects(s *verdict.Source) string {
	if s == nil {
		return "-"
	}
	var out []string
	for _, c := range s.Suspects {
		out = append(out, c.Subject+" ("+c.Function+")")
	}
	return s.Since + ": " + strings.Join(out, ", ")
}

func TestSuspects(t *testing.T) {
	c, hash := release(t)
	want := "v1.1.0: entry (serve), merged (Store.refresh), both (Store.refresh), kept (Store.refresh)"
	// The last tag before HEAD.
	s := c.annotated("", releaseStack...)
	if got := subjects(s); got != want {
		t.Fatalf("suspects since the last tag = %s, want %s", got, want)
	}
	if d := cmp.Diff(verdict.Commit{
		Hash: hash["kept"], Author: "Bob", Date: time.Date(2026, 11, 3, 12, 0, 0, 0, time.UTC), Subject: "kept", Function: "Store.refresh",
	}, s.Suspects[3]); d != "" {
		t.Errorf("suspect (-want +got):\n%s", d)
	}
	rows := []struct{ name, since, tag, want string }{
		// Further back, as the user says.
		{name: "given", since: "v1.0.0", want: "v1.0.0: entry (serve), merged (Store.refresh), both (Store.refresh), kept (Store.refresh), old (Store.refresh)"},
		{name: "hash", since: hash["both"], want: hash["both"] + ": entry (serve), merged (Store.refresh)"},
		// Nothing after HEAD.
		{name: "head", since: "HEAD", want: "HEAD: "},
		// HEAD is a release itself, under two names: the one before counts.
		{name: "released", tag: "v1.2.0", want: want},
		{name: "released twice", tag: "v1.2.0-final", want: want},
	}
	for _, r := range rows {
		if r.tag != "" {
			c.git("tag", r.tag)
		}
		if got := subjects(c.annotated(r.since, releaseStack...)); got != r.want {
			t.Errorf("suspects(%s) = %s, want %s", r.name, got, r.want)
		}
	}
}

// A name that is both a tag and a branch means the tag.
func TestSuspectsAmbiguousTag(t *testing.T) {
	c, hash := release(t)
	c.git("branch", "v1.1.0", hash["entry"])
	if got := subjects(c.annotated("", releaseStack...)); !strings.HasSuffix(got, "kept (Store.refresh)") {
		t.Errorf("suspects since a tag with a branch's name = %s", got)
	}
}

// Without a tag nothing is suspected, and without one before it, neither.
func TestSuspectsNoTag(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", shop)
	for range 2 {
		if s := c.annotated("", refresh); s == nil || s.Since != "" || s.Suspects != nil {
			t.Errorf("source without a release before = %+v, want a place and no more", s)
		}
		c.git("tag", "-f", "v1.0.0")
	}
}

// At most ten, the newest.
func TestSuspectsBounds(t *testing.T) {
	c := newCheckout(t)
	c.commit("first", shop)
	c.git("tag", "v1.0.0")
	for i := range mostCommits + 3 {
		c.commit(fmt.Sprintf("change %d", i), fmt.Sprintf("-- root.go --\npackage shop\n\nfunc Root() {\n\t_ = %d\n\tselect {}\n}\n", i))
	}
	s := c.annotated("", verdict.Frame{Function: "example.com/shop.Root", File: "/ci/root.go", Line: 6})
	if s == nil || len(s.Suspects) != mostCommits || s.Suspects[0].Subject != "change 12" || s.Suspects[9].Subject != "change 3" {
		t.Errorf("suspects of 13 commits = %s, want 12 to 3", subjects(s))
	}
}

// A shallow clone seems to have written everything in its first commit.
func TestSuspectsShallow(t *testing.T) {
	c, hash := release(t)
	shallow := newCheckout(t)
	shallow.dir = filepath.Join(shallow.dir, "clone")
	c.git("tag", "here", hash["entry"])
	c.git("clone", "-q", "--depth", "2", "file://"+c.dir, shallow.dir)
	if got := subjects(shallow.annotated("", releaseStack...)); got != "here: " {
		t.Errorf("suspects in a shallow clone = %s, want none: a cut commit did not write what it seems to", got)
	}
	err := Check(context.Background(), shallow.dir, "v1.0.0")
	var u *UnresolvedError
	if !errors.As(err, &u) || !strings.Contains(u.Hint(), "--unshallow") {
		t.Errorf("Check(v1.0.0) in a shallow clone = %v, want a hint to fetch more", err)
	}
}

// Names and subjects are text, whatever they hold.
func TestSuspectsHostile(t *testing.T) {
	texts := []string{
		"\x1b[2Jred", "\xff\xfe bytes", "a\tb", "%x00%H", "commit 0123456789", "diff --git a/x b/x", "::error::gone", strings.Repeat("long ", 1000), "</script>", "-- \n\nbody\n\nSigned-off: x",
	}
	c := newCheckout(t)
	c.commit("first", shop)
	c.git("tag", "v1.0.0")
	// What a repository's configuration may do to git's output, or to this machine.
	trap := filepath.Join(c.dir, "trap")
	for _, kv := range []string{"log.showSignature=true", "color.ui=always", "format.pretty=raw", "log.date=relative", "core.pager=touch " + trap, "core.fsmonitor=touch " + trap, "diff.external=touch " + trap, "diff.trap.textconv=touch " + trap} {
		k, v, _ := strings.Cut(kv, "=")
		c.git("config", k, v)
	}
	for i, text := range texts {
		author := strings.NewReplacer("\n", " ", "<", " ", ">", " ").Replace(text)
		c.commit(text, fmt.Sprintf("-- .gitattributes --\n*.go diff=trap\n-- root.go --\npackage shop\n\nfunc Root() {\n\t_ = %d\n\tselect {}\n}\n", i), "--author="+author+" <e@example.com>")
	}
	if err := os.Remove(trap); err != nil && !os.IsNotExist(err) { // the test's own git may have sprung it
		t.Fatal(err)
	}
	s := c.annotated("", verdict.Frame{Function: "example.com/shop.Root", File: "/ci/root.go", Line: 6})
	if s == nil || len(s.Suspects) != len(texts) {
		t.Fatalf("suspects = %s, want %d", subjects(s), len(texts))
	}
	for i, text := range texts {
		got := s.Suspects[len(texts)-1-i]
		first, _, _ := strings.Cut(text, "\n")
		want := short(strings.TrimSpace(first))
		if !utf8.ValidString(text) { // git or Annotate mends it
			want = got.Subject
		}
		if got.Subject != want || !utf8.ValidString(got.Subject+got.Author) || got.Function != "Root" || len(got.Hash) != 40 {
			t.Errorf("suspect %d = %+v, want the subject %q", i, got, want)
		}
		if n := len([]rune(got.Subject)); n > mostRunes+1 {
			t.Errorf("suspect %d: a subject of %d characters", i, n)
		}
	}
	if _, err := os.Stat(trap); err == nil {
		t.Error("a program that the repository's configuration names was run")
	}
}

func FuzzCommits(f *testing.F) {
	f.Add("abc\x001700000000\x00Alice\x00subject\x00")
	f.Add("abc\x00no number\x00\x00\x00def\x001\x00\xff\x00\n\x00")
	f.Fuzz(func(t *testing.T, out string) {
		if cs := commits(out); len(cs)*logged > strings.Count(out, "\x00")+1 {
			t.Errorf("commits(%q) = %d commits", out, len(cs))
		}
	})
}
