package verdict_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leakgate/leakgate/verdict"
)

var update = flag.Bool("update", false, "rewrite docs/thresholds.md")

const thresholdsFile = "../docs/thresholds.md"

// Every threshold is in docs/thresholds.md, with its default and the reason for it, which is
// the comment in the source.
func TestDocs(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# Thresholds

The numbers that decide, each with its default and the reason for it. They are recorded
with a run (` + "`journal.jsonl`" + `), so that it is judged by what it was made with, a year later too.
They are no keys of a plan: what suits one service is its plan's policy. To see what other
values would have said of a run, write those that differ into a JSON file:

` + "```sh\n" + `echo '{"growth": {"beyond_pools": 200}}' > strict.json
leakgate judge leakgate-out --thresholds strict.json
leakgate explain leakgate-out            # every question, its statistic and its limit
` + "```\n" + `
Durations are in nanoseconds. ` + "`make golden`" + ` writes this page from the source.
`)
	limits := reflect.ValueOf(verdict.DefaultThresholds())
	comments := fieldComments(t, "thresholds.go", "internal/trend/thresholds.go", "internal/blame/thresholds.go")
	for i := range limits.NumField() {
		group, typ := limits.Field(i), limits.Field(i).Type()
		fmt.Fprintf(&b, "\n## %s\n\n| threshold | default | what for |\n| --- | --- | --- |\n", jsonName(limits.Type().Field(i)))
		for j := range group.NumField() {
			f := typ.Field(j)
			text := forReaders(comments[typ.Name()+"."+f.Name], typ)
			if text == "" {
				t.Errorf("%s.%s has no reason: say in a comment why it is what it is", typ.Name(), f.Name)
			}
			value := fmt.Sprint(group.Field(j).Interface())
			if d, ok := group.Field(j).Interface().(time.Duration); ok {
				value = fmt.Sprintf("%d (%s)", d, d)
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", jsonName(f), strings.ReplaceAll(value, " ", "&nbsp;"), text)
		}
	}
	if *update {
		if err := os.WriteFile(thresholdsFile, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(thresholdsFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != b.String() {
		t.Errorf("%s is not what the source says: make golden rewrites it", thresholdsFile)
	}
}

// forReaders names fields as a file of thresholds does.
func forReaders(text string, group reflect.Type) string {
	for i := range group.NumField() {
		f := group.Field(i)
		text = regexp.MustCompile(`\b`+f.Name+`\b`).ReplaceAllString(text, "`"+jsonName(f)+"`")
	}
	return text
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// fieldComments are the comments of all fields of struct types, by Type.Field; of one that
// only points at another field, that one's name.
func fieldComments(t *testing.T, files ...string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			typ, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := typ.Type.(*ast.StructType); ok {
				for _, f := range s.Fields.List {
					text := strings.Join(strings.Fields(f.Doc.Text()+" "+f.Comment.Text()), " ")
					for _, n := range f.Names {
						out[typ.Name.Name+"."+n.Name] = text
					}
				}
			}
			return true
		})
	}
	return out
}

// No number that decides stands bare in the code: it is a threshold, or a constant whose
// name says what it is.
func TestNoBareNumbers(t *testing.T) {
	for _, dir := range []string{".", "internal/trend", "internal/blame"} {
		for name, lines := range bareNumbers(t, dir) {
			for _, l := range lines {
				t.Errorf("%s: a bare number: %s", name, l)
			}
		}
	}
}

// bareNumbers are the numbers beside 0 and 1 that stand in the functions of a package, by
// file.
func bareNumbers(t *testing.T, dir string) map[string][]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	files := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		files++
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, dir+"/"+e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GenDecl:
				return n.Tok != token.CONST
			case *ast.FuncDecl:
				return !strings.HasPrefix(n.Name.Name, "Default")
			case *ast.ArrayType:
				return false // [3]float64
			case *ast.CompositeLit:
				return n.Type == nil || isSpan(n) // tables of units have their own names
			case *ast.BasicLit:
				if (n.Kind == token.INT || n.Kind == token.FLOAT) && !slices.Contains([]string{"0", "1", "0.0", "1.0"}, n.Value) {
					at := set.Position(n.Pos()).String()
					out[at] = append(out[at], n.Value)
				}
			}
			return true
		})
	}
	if files == 0 {
		t.Fatalf("no source in %s", dir)
	}
	return out
}

// isSpan leaves every literal of a table to be looked at but those of units.
func isSpan(n *ast.CompositeLit) bool {
	_, table := n.Type.(*ast.ArrayType)
	return !table
}

// What is left out of a file keeps its default; what was recorded comes back; what is not
// known is an error for a person, and none for a run of a newer leakgate.
func TestReadThresholds(t *testing.T) {
	got, err := verdict.ReadThresholds([]byte(`{"growth": {"beyond_pools": 200}, "trials": {"budget": 5000000000}}`))
	want := verdict.DefaultThresholds()
	want.Growth.BeyondPools, want.Trials.Budget = 200, 5*time.Second
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ReadThresholds = %+v, %v; want the default ones with two changes", got, err)
	}
	for _, bad := range []string{``, `{`, `[]`, `{"growth": {"beyond": 1}}`, `{"groth": {}}`, `{"growth": {"beyond_pools": "many"}}`, `{} {}`,
		`{"slope": {"blocks": 0}}`, `{"slope": {"blocks": -3}}`, `{"slope": {"tail": 2}}`, `{"connections": {"parts": 0}}`,
		`{"growth": {"base_rounds": -1}}`, `{"growth": {"false_red": 0}}`, `{"growth": {"false_red": 1}}`, `{"trials": {"confidence": 2}}`,
		`{"sensitivity": {"plants": 0}}`, `{"sensitivity": {"rates": []}}`, `{"sensitivity": {"rates": [1, 0]}}`, `{"memory": {"heap_least": 0}}`,
	} {
		if _, err := verdict.ReadThresholds([]byte(bad)); err == nil || !strings.Contains(err.Error(), "thresholds") {
			t.Errorf("ReadThresholds(%s) = %v, want an error that says what was read", bad, err)
		}
	}
	p := policy()
	p.Thresholds = &want
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back verdict.Policy
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, p) {
		t.Errorf("policy read back: %+v, %v; want what was written", back, err)
	}
	var newer verdict.Policy
	if err := json.Unmarshal([]byte(`{"thresholds": {"growth": {"beyond_pools": 7, "of_next_year": 3}}}`), &newer); err != nil || newer.Thresholds.Growth.BeyondPools != 7 {
		t.Errorf("thresholds of a newer leakgate: %+v, %v; want what is known of them", newer.Thresholds, err)
	}
}

// A run is judged by the thresholds that it has.
func TestThresholdsDecide(t *testing.T) {
	const f = "example.com/shop.f"
	run := script{stacks: map[string][]int{f: {0, 200, 400, 600}}, looks: map[string][]int{f: {600}}, lookFrom: 150 * time.Second}.run()
	p := policy()
	if v := verdict.Judge(run, p); v.Outcome != verdict.Fail {
		t.Fatalf("Judge = %s (%s), want fail", v.Outcome, v.Headline)
	}
	limits := verdict.DefaultThresholds()
	limits.Growth.BeyondPools, limits.Growth.ManyRequests = 5000, 1
	p.Thresholds = &limits
	if v := verdict.Judge(run, p); v.Outcome == verdict.Fail {
		t.Errorf("Judge with pools of thousands = %s (%s), want no fail", v.Outcome, v.Headline)
	}
}
