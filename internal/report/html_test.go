package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"github.com/leakgate/leakgate/verdict"
)

func rendered(t *testing.T, v verdict.Verdict) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// parsed is a page as a browser reads it: its elements in order, with the names
// of their attributes, and the text of its scripts.
func parsed(t *testing.T, page string) (elements, scripts, text []string, nodes []*html.Node) {
	t.Helper()
	doc, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range doc.Descendants() {
		switch n.Type {
		case html.ElementNode:
			e := n.Data
			for _, a := range n.Attr {
				e += " " + a.Key
			}
			elements, nodes = append(elements, e), append(nodes, n)
			if n.Data == "script" && n.FirstChild != nil {
				scripts = append(scripts, n.FirstChild.Data)
			}
		case html.TextNode:
			if n.Parent.Data != "script" && n.Parent.Data != "style" {
				text = append(text, n.Data)
			}
		case html.CommentNode:
			elements = append(elements, "<!-- -->")
		default:
		}
	}
	return elements, scripts, text, nodes
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

// Foreign text changes nothing in the structure of the page.
func TestHTMLStructure(t *testing.T) {
	want, _, _, _ := parsed(t, rendered(t, hostile("x")))
	for _, a := range attacks {
		got, scripts, _, _ := parsed(t, rendered(t, hostile(a)))
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q changes the page (-harmless +hostile):\n%s", a, d)
		}
		if !json.Valid([]byte(scripts[0])) {
			t.Errorf("%q makes data that is no JSON", a)
		}
	}
}

// The page runs its own scripts and no other, and leads nowhere.
func TestHTMLPolicy(t *testing.T) {
	for name, v := range pages() {
		page := rendered(t, v)
		_, scripts, _, nodes := parsed(t, page)
		policy := ""
		for _, n := range nodes {
			if attribute(n, "http-equiv") == "Content-Security-Policy" {
				policy = attribute(n, "content")
			}
			for _, key := range []string{"src", "href", "action", "srcset", "poster", "data"} {
				if to := attribute(n, key); to != "" && !strings.HasPrefix(to, "#") && to != "data:," {
					t.Errorf("%s: <%s %s=%q> leads out of the page", name, n.Data, key, to)
				}
			}
			for _, a := range n.Attr {
				if strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: <%s %s> is a script", name, n.Data, a.Key)
				}
			}
		}
		if !strings.HasPrefix(policy, "default-src 'none'; script-src 'sha256-") || strings.Contains(policy, "unsafe-eval") {
			t.Errorf("%s: policy %q", name, policy)
		}
		for _, s := range scripts {
			if json.Valid([]byte(s)) {
				continue // data
			}
			sum := sha256.Sum256([]byte(s))
			if hash := "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, hash) {
				t.Errorf("%s: the policy forbids the page's script %.40q", name, s)
			}
		}
	}
}

// Ids are unique, links within the page lead somewhere, headings are in order.
func TestHTMLIsWellMade(t *testing.T) {
	for name, v := range pages() {
		_, _, _, nodes := parsed(t, rendered(t, v))
		ids := map[string]bool{}
		for _, n := range nodes {
			if id := attribute(n, "id"); id != "" {
				if ids[id] {
					t.Errorf("%s: id %q is there twice", name, id)
				}
				ids[id] = true
			}
		}
		for _, n := range nodes {
			for _, key := range []string{"href", "aria-labelledby"} {
				if to := strings.TrimPrefix(attribute(n, key), "#"); to != "" && to != "data:," && !ids[to] {
					t.Errorf("%s: %s=%q leads nowhere", name, key, to)
				}
			}
		}
	}
}

// Everything that the page has to say is in its text, without scripts.
func TestHTMLText(t *testing.T) {
	_, _, text, _ := parsed(t, rendered(t, pages()["fail"]))
	all := strings.Join(text, "")
	for _, want := range []string{
		"POST /order leaks 0.030 goroutines per request", "owned by @shop/cart, @lea", "cart: refresh prices in the background", "label tenant=blue",
		"go tool pprof -top -diff_base profiles/checkout-00/baseline-0-1.pb.gz profiles/checkout-00/settle-4-5.pb.gz",
		"leakgate judge .", "dlv attach PID", "goroutines -with userloc http/transport.go:2700", "goroutines -with goloc cart/store.go:40",
		"curl -fsS 'http://10.0.7.0:6060/debug/pprof/goroutine?debug=1' | grep -F -B 4 -e 'example.com/shop/checkout/internal/cart.(*Store).refresh0.func1'",
		"1,000 requests/s, that is about 864,000 goroutines a day", "git show 3f2a9c1d7e55", "Goroutine leak in example.com", "/debug/pprof/goroutineleak",
		"A leak of one goroutine in 1900 requests", "timeout: 100", "build id 8f14e45fceea…", "2.1 times the load",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("the page of a failed run lacks %q", want)
		}
	}
}

// Five findings and the worst targets stand open, however many there are.
func TestHTMLFolds(t *testing.T) {
	findings := rendered(t, pages()["findings"])
	if open, folded := strings.Count(findings, "<article"), strings.Count(findings, `class="folded" id="finding-`); open != 5 || folded != 195 {
		t.Errorf("of 200 findings, %d stand open and %d are folded", open, folded)
	}
	targets := rendered(t, pages()["targets"])
	open, folded, ok := strings.Cut(targets, `class="folded target"`)
	if !ok || strings.Count(open, "<figure") != openCharts || strings.Count(folded, "<figure") != 60-openCharts {
		t.Errorf("of 60 targets, %d have their charts open", strings.Count(open, "<figure"))
	}
	for name, page := range map[string]string{"findings": findings, "targets": targets} {
		if kb := len(page) >> 10; kb > 2048 {
			t.Errorf("%s: the page has %d KB", name, kb)
		}
	}
}

// What a target calls itself is one word to the shell into which it is pasted.
func TestQuoted(t *testing.T) {
	for _, s := range append([]string{"profiles/a/baseline-0-1.pb.gz", "", "-rf", "a b", "it's", "$(id)", "`id`", "a;id", "a\nid", "~", "*", "a=b", "!1", "#"}, attacks...) {
		out, err := exec.Command("sh", "-c", "printf %s "+quoted(s)).Output()
		if err != nil || string(out) != printable(s) && s != "-rf" {
			t.Errorf("the shell reads %q as %q (%v)", quoted(s), out, err)
		}
	}
}

// Areas stand at the ends of the windows in which they were counted.
func TestAreas(t *testing.T) {
	fs := []verdict.Finding{leakingFinding("a", 0)}
	got := areasOf(fs, phases())
	want := []area{{Name: "cart.(*Store).refresh0.func1", Seconds: []float64{30, 65, 100, 135, 170, 260}, Counts: []int{0, 300, 600, 900, 1200, 1200}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("areasOf (-want +got):\n%s", d)
	}
	if got := areasOf(fs, nil); len(got) != 0 {
		t.Errorf("areas of unknown times: %+v", got)
	}
	var many []verdict.Finding
	for j := range 50 {
		many = append(many, leakingFinding("a", j))
	}
	few := areasOf(many, phases())
	sum, all := 0, 0
	for _, a := range few {
		sum += a.Counts[4]
	}
	for _, f := range many {
		all += f.Counts[4]
	}
	if len(few) != maxAreas || sum != all {
		t.Errorf("%d areas with %d goroutines, want %d with %d", len(few), sum, maxAreas, all)
	}
}

// The flame graph adds up: a frame is as wide as what it called and what ended in it.
func TestFlame(t *testing.T) {
	root := flame(pages()["findings"])
	var check func(n *node)
	check = func(n *node) {
		if n.Growth <= 0 || n.Ends() < 0 {
			t.Errorf("%s: %d, of which %d end there", n.Function, n.Growth, n.Ends())
		}
		for _, c := range n.Children {
			check(c)
		}
	}
	check(root)
	check(root.Drawn())
	if wide := len(root.Drawn().Children[0].Children); float64(wide) > 1/leastShare {
		t.Errorf("%d boxes beside each other", wide)
	}
	deep := leakingFinding("a", 0)
	for range 500 {
		deep.Stack = append(deep.Stack, verdict.Frame{Function: "example.com/a.recurse", File: "a.go", Line: 1})
	}
	if text := flame(verdict.Verdict{Findings: []verdict.Finding{deep}}).Text(); strings.Count(text, "\n") > maxDepth+3 || !strings.Contains(text, "further in") {
		t.Errorf("a recursion fills the page:\n%s", text)
	}
}

var numberedStep = regexp.MustCompile(`(?m)^\d+\. \*\*`)

// The summary carries the first finding's runbook, folded.
func TestMarkdownRunbook(t *testing.T) {
	var b bytes.Buffer
	if err := Markdown(&b, pages()["fail"]); err != nil {
		t.Fatal(err)
	}
	if got, want := len(numberedStep.FindAllString(b.String(), -1)), len(runbook(pages()["fail"], pages()["fail"].Findings[0])); got != want {
		t.Errorf("%d steps, want %d:\n%s", got, want, b.String())
	}
}
