package report

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

//go:embed report.html.tmpl assets
var files embed.FS

// asset is an embedded file as text.
func asset(name string) string {
	b, err := files.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // not foreign input: the file is part of the program
	}
	return string(b)
}

// library is the chart library with its licence, which asks to go with copies.
func library() string {
	return "/*\n" + strings.TrimSpace(asset("uPlot.LICENSE")) + "\n*/\n" + strings.TrimSpace(asset("uPlot.iife.min.js"))
}

// page is what the template sees.
type page struct {
	verdict.Verdict
	Word       string
	Policy     string // the content security policy
	Library    template.JS
	Script     template.JS
	Style      template.CSS
	Timeline   timeline
	Flame      *node
	Digging    []command
	Open       []numbered // findings that fail the run, and stand open
	Folded     []numbered
	Rows       []numbered // those that have just a line
	Likely     []numbered // findings that fail nothing, all folded
	LikelyRows []numbered
	Others     []account // stacks that are in no finding
	OthersLeft int
	Failed     []verdict.Check // and inconclusive ones
	Passed     []verdict.Check
	Columns    []int // rounds
}

// numbered is a finding with its place in the verdict, and the run around it.
type numbered struct {
	verdict.Finding
	N       int
	Runbook []step
	Ticket  string
	Whose   string // the dependency, or the part of Go, that it is blamed on
	Nearest string // own code, where that is not the blamed line
	Row     string // its place in few characters
	On      string // its target, where there are several
	Culprit string // the request that leaks it
	Colour  string
	Why     *account
}

const (
	// maxStacks is how many findings have their stack and runbook on the page: some
	// two megabytes of text. Those of the smallest growth have a line.
	maxStacks = 200
	// maxOthers is how many stacks that are no finding the page explains.
	maxOthers = 200
)

// fewRows is how many rows of a table stand open.
const fewRows = 12

// HTML writes one self-contained page, which fetches nothing. Everything that
// it has to say is there without scripts; these add charts that can be zoomed
// and buttons that copy.
func HTML(w io.Writer, v verdict.Verdict) error {
	t, err := template.New("report.html.tmpl").Funcs(template.FuncMap{
		"counts": counts, "history": history, "number": number, "rate": rate, "join": strings.Join, "p": printable, "short": shortFunction, "created": func(f verdict.Finding) string { return createdPlace(f, "") }, "at": asBuilt, "blamed": func(f verdict.Finding) string { return blamedPlace(f, "") },
		"place": func(file string, line int) string { return place(file, line, "") },
		"kind":  func(key string) string { return bandNames[key] }, "thousands": func(n uint64) string { return thousands(float64(n)) },
		"others": func(f verdict.Finding) []string {
			return slices.DeleteFunc(slices.Clone(f.Targets), func(t string) bool { return t == f.Target })
		},
		"bytes": verdict.Bytes, "amount": amount,
		"plural": plural, "pair": func(a, b any) pair { return pair{a, b} },
		"head": head, "tail": tail, "company": company, "meaning": meaning, "unclear": unclear, "explained": explained, "build": buildOf,
		"window": window, "floor": floor, "look": lookText, "middles": middles,
		"half": func(x float64) float64 { return tenth(x / 2) }, "halve": func(n int) string { return number(float64(n) / 2) },
	}).ParseFS(files, "report.html.tmpl")
	if err != nil {
		return fmt.Errorf("parsing report template: %w", err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, pageOf(v)); err != nil {
		return fmt.Errorf("filling in report template: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// head is the rows of a table that stand open, tail the others.
func head(rows any) any { return cutRows(rows, func(n int) (int, int) { return 0, min(n, fewRows) }) }
func tail(rows any) any { return cutRows(rows, func(n int) (int, int) { return min(n, fewRows), n }) }

func cutRows(rows any, at func(n int) (from, to int)) any {
	list := reflect.ValueOf(rows)
	from, to := at(list.Len())
	return list.Slice(from, to).Interface()
}

// memory is what a target held, beside its goroutines.
type memory struct {
	verdict.Memory
	Totals []int
}

// row is one of a target's numbers, at baseline and after each round.
type row struct {
	Name  string
	Cells []string
}

// Rows are what is known of it.
func (m memory) Rows() []row {
	var out []row
	add := func(name string, cells []string) {
		if len(cells) > 0 {
			out = append(out, row{name, cells})
		}
	}
	add("goroutines", texts(m.Totals, func(n int) string { return strconv.Itoa(n) }))
	for _, b := range []struct {
		name  string
		bytes []uint64
	}{{"heap", m.Heap}, {"stacks", m.Stacks}, {"resident", m.Resident}} {
		add(b.name, texts(b.bytes, func(n uint64) string { return verdict.Bytes(int64(n)) })) // of a process
	}
	add("threads", texts(m.Threads, func(n int) string { return strconv.Itoa(n) }))
	return out
}

// Columns are the rounds.
func (m memory) Columns() []int {
	var out []int
	for i := range max(len(m.Totals), len(m.Heap), len(m.Resident), len(m.Threads)) - 1 {
		out = append(out, i+1)
	}
	return out
}

func texts[T any](values []T, text func(T) string) []string {
	var out []string
	for _, v := range values {
		out = append(out, text(v))
	}
	return out
}

// Memories are the targets whose memory is known, those where something grew first.
func (p page) Memories() []memory {
	var out []memory
	for _, m := range p.Memory {
		x := memory{Memory: m}
		for _, t := range p.Targets {
			if t.Name == m.Target {
				x.Totals = t.Totals
			}
		}
		out = append(out, x)
	}
	slices.SortStableFunc(out, func(a, b memory) int {
		return cmp.Compare(btoi(a.Message == ""), btoi(b.Message == ""))
	})
	return out
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Rising are the slopes that are worth a line.
func (p page) Rising() []verdict.Slope {
	return slices.DeleteFunc(slices.Clone(p.Slopes), func(s verdict.Slope) bool { return !rises(s) })
}

// pair is two values for a part of the template that takes one.
type pair struct{ A, B any }

// bandNames say what is shaded.
var bandNames = map[string]string{"load": "load", "settle": "settling", "look": "long look without load", "trial": "requests loaded alone"}

func pageOf(v verdict.Verdict) page {
	p := page{
		Verdict: v, Word: map[verdict.Outcome]string{verdict.Pass: "Pass", verdict.Fail: "Fail", verdict.Inconclusive: "Could not tell"}[v.Outcome],
		Timeline: timelineOf(v), Flame: flame(v),
	}
	p.Style, p.Script = template.CSS(asset("report.css")), template.JS(strings.TrimSpace(asset("report.js"))) // our own files
	if p.Timeline.Drawn() {
		p.Library = template.JS(library())
		p.Style = template.CSS(asset("uPlot.min.css")) + p.Style
	}
	p.Policy = policyFor(string(p.Library), string(p.Script))
	p.Digging = digging(v, p.Timeline.Charts)
	p.number(v)
	others := unreported(v)
	for _, e := range others[:min(len(others), maxOthers)] {
		p.Others = append(p.Others, accountOf(e))
	}
	p.OthersLeft = len(others) - len(p.Others)
	for _, c := range v.Checks {
		if c.Outcome == verdict.Pass {
			p.Passed = append(p.Passed, c)
		} else {
			p.Failed = append(p.Failed, c)
		}
	}
	for _, t := range v.Targets {
		for i := len(p.Columns) + 1; i < len(t.Totals); i++ {
			p.Columns = append(p.Columns, i)
		}
	}
	return p
}

// number gives each finding its place on the page.
func (p *page) number(v verdict.Verdict) {
	sure, perhaps := confirmed(v), likely(v)
	whole := largestAt(sure, shown, maxStacks-min(len(perhaps), maxStacks/likelyShare))
	for i, f := range sure {
		n := numberedOf(v, f, i+1, slices.Contains(whole, i))
		switch {
		case n.Runbook == nil:
			p.Rows = append(p.Rows, n)
		case len(p.Open) < shown:
			p.Open = append(p.Open, n)
		default:
			p.Folded = append(p.Folded, n)
		}
	}
	whole = largestAt(perhaps, 0, maxStacks-len(whole))
	for i, f := range perhaps {
		n := numberedOf(v, f, len(sure)+i+1, slices.Contains(whole, i))
		if n.Runbook == nil {
			p.LikelyRows = append(p.LikelyRows, n)
		} else {
			p.Likely = append(p.Likely, n)
		}
	}
}

// Sure reports whether anything is more than likely.
func (p page) Sure() bool { return len(p.Open)+len(p.Rows) > 0 }

// numberedOf is a finding on the page, whole or in a line.
func numberedOf(v verdict.Verdict, f verdict.Finding, n int, whole bool) numbered {
	out := numbered{Finding: f, N: n, Row: rowPlace(f), Culprit: culprit(f), Colour: "fail"}
	if !certain(f) {
		out.Colour = "inconclusive"
	}
	if len(v.Targets) > 1 {
		out.On = f.Target
	}
	if whole {
		out.tell(v)
	}
	return out
}

// tell adds all that the page says of a finding.
func (n *numbered) tell(v verdict.Verdict) {
	n.Runbook, n.Ticket, n.Why = runbook(v, n.Finding), ticket(v, n.Finding), accountFor(v, n.Finding)
	n.Whose = foreign(n.Finding, targetOf(v, n.Finding).GoVersion)
	if l := leadOf(n.Finding); l.How != itself && n.Source == nil {
		n.Nearest = place(l.File, l.Line, "")
	}
}

// policyFor lets a browser run these scripts and no other, and fetch nothing.
func policyFor(scripts ...string) string {
	allowed := ""
	for _, s := range scripts {
		if s != "" {
			sum := sha256.Sum256([]byte(s))
			allowed += " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
		}
	}
	return "default-src 'none'; script-src" + allowed + "; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
}

// Said is the headline after the word that says the same.
func (p page) Said() string {
	if p.Outcome == verdict.Inconclusive {
		return strings.TrimPrefix(p.Headline, "could not tell: ")
	}
	return p.Headline
}

// Early reports whether the checks come first, because nothing else says why this
// is not a pass.
func (p page) Early() bool { return len(p.Findings) == 0 && len(p.Failed) > 0 }

// manyFolded is from how many folded findings on their list is folded, too: the rest of
// the page is far below by then.
const manyFolded = 100

// ManyFolded reports whether the folded findings would hide what comes after them.
func (p page) ManyFolded() bool { return len(p.Folded) > manyFolded }

// Ordered are the checks, those that passed last.
func (p page) Ordered() []verdict.Check { return slices.Concat(p.Failed, p.Passed) }

// FewPassed reports whether the passed checks fit on the page.
func (p page) FewPassed() bool { return len(p.Passed) <= fewRows }

// Builds are the targets' builds, each once.
func (p page) Builds() []string {
	return builds(p.Verdict)
}

// GoVersions are the targets' Go versions, each once.
func (p page) GoVersions() []string {
	return distinct(p.Targets, func(t verdict.Target) string { return t.GoVersion })
}

func distinct(ts []verdict.Target, of func(verdict.Target) string) []string {
	var out []string
	for _, t := range ts {
		if s := printable(of(t)); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}
