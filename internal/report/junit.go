package report

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// The JUnit dialect that Jenkins, GitLab and GitHub's report actions read.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string           `xml:"name,attr"`
		Tests      int              `xml:"tests,attr"`
		Failures   int              `xml:"failures,attr"`
		Errors     int              `xml:"errors,attr"`
		Skipped    int              `xml:"skipped,attr"`
		Time       string           `xml:"time,attr"`
		Timestamp  string           `xml:"timestamp,attr"`
		Properties *junitProperties `xml:"properties"`
		Cases      []junitCase      `xml:"testcase"`
	}
	junitProperties struct {
		Properties []junitProperty `xml:"property"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Skipped *junitSkipped `xml:"skipped"`
		Failure *junitResult  `xml:"failure"`
		Error   *junitResult  `xml:"error"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
	junitResult struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",cdata"`
	}
)

const (
	// maxJUnitText is how much of one text a case holds, in bytes: dashboards keep
	// each in a column of a table, and GitLab takes 30 MB in all.
	maxJUnitText = 64 << 10
	// maxJUnitLeaks is how many leaks have a case of their own: nobody
	// pages through more.
	maxJUnitLeaks = 100
	// maxJUnitAll is how many bytes the texts of all leaks together have, which a
	// few huge stacks would fill otherwise.
	maxJUnitAll = 512 << 10
)

// JUnit writes a testcase per target and check, and one per leak. A leak is a failure,
// what could not be told is an error, and what is just likely is skipped with a message.
// Names are stable from run to run.
func JUnit(w io.Writer, v verdict.Verdict) error {
	suite := junitSuite{Name: xmlText(shortened(v.Plan, maxText)), Time: seconds(v.Timing.Wall), Timestamp: v.Started.UTC().Format("2006-01-02T15:04:05")}
	if all := images(v); len(all) > 0 {
		suite.Properties = &junitProperties{}
		for _, b := range all {
			suite.Properties.Properties = append(suite.Properties.Properties, junitProperty{"image", xmlText(shortened(b, maxText))})
		}
	}
	for _, c := range v.Checks {
		suite.add(junitCheck(v, c))
	}
	suite.leaks(v)
	doc := junitSuites{
		Name: "leakgate", Tests: suite.Tests, Failures: suite.Failures, Errors: suite.Errors,
		Time: suite.Time, Suites: []junitSuite{suite},
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(doc); err != nil {
		return fmt.Errorf("writing JUnit: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(k junitCase) {
	s.Tests++
	switch {
	case k.Failure != nil:
		s.Failures++
	case k.Error != nil:
		s.Errors++
	case k.Skipped != nil:
		s.Skipped++
	}
	s.Cases = append(s.Cases, k)
}

// leaks adds a case per finding, and one that counts those that are left out.
func (s *junitSuite) leaks(v verdict.Verdict) {
	sure, perhaps, left := fitting(v, maxJUnitLeaks)
	fs := slices.Concat(sure, perhaps)
	cases, sizes := make([]junitCase, len(fs)), make([]int, len(fs))
	for i, f := range fs {
		cases[i] = junitLeak(v, f)
		sizes[i] = cases[i].size()
	}
	seen := map[string]bool{}
	for i, fits := range within(fs, sizes, maxJUnitAll) {
		id := cases[i].Class + "\x00" + cases[i].Name
		if !fits || seen[id] { // some dashboards drop the second of a pair
			left++
			continue
		}
		seen[id] = true
		s.add(cases[i])
	}
	if text := unclear(v); text != "" {
		s.add(junitCase{Class: className(v.Plan, ""), Name: "unclear stacks", Time: seconds(0), Skipped: &junitSkipped{Message: text}})
	}
	if left > 0 {
		text := leftOut(left) + "; verdict.json has them"
		s.add(junitCase{Class: className(v.Plan, ""), Name: "more leaks", Time: seconds(0), Skipped: &junitSkipped{Message: text}})
	}
}

func (k junitCase) size() int {
	n := len(k.Out)
	if k.Failure != nil {
		n += len(k.Failure.Text)
	}
	return n
}

// junitLeak is a finding's case: a failure, or skipped if it fails nothing.
func junitLeak(v verdict.Verdict, f verdict.Finding) junitCase {
	k := junitCase{Class: className(v.Plan, f.Target), Name: xmlText(shortened(leakName(f), maxText)), Time: seconds(0)}
	file, line := inRepository(f)
	k.File, k.Line = xmlText(shortened(file, maxText)), line
	text := xmlText(clip(findingText(v, f), maxJUnitText))
	summary := xmlText(clip(printable(headline(f)), maxJUnitText))
	switch {
	case f.Class == verdict.Likely:
		k.Skipped, k.Out = &junitSkipped{Message: "likely a leak, not confirmed: " + summary}, text
	case !certain(f):
		k.Skipped, k.Out = &junitSkipped{Message: "perhaps a leak, not watched long enough: " + summary}, text
	default:
		k.Failure = &junitResult{Message: summary, Type: "leak", Text: text}
	}
	return k
}

// leakName tells a leak from others, and is the same in every run: its function, and its
// id, since two stacks may lead to one function.
func leakName(f verdict.Finding) string {
	name := "leak: " + f.Name()
	if f.ID != "" {
		name += " (" + f.ID + ")"
	}
	return name
}

// headline is a finding in a line.
func headline(f verdict.Finding) string {
	text := fmt.Sprintf("%s leaks goroutines: +%d", f.Name(), f.Leaked)
	return strings.Join(nonEmpty([]string{text, rate(f), f.Attribution()}), "; ")
}

func junitCheck(v verdict.Verdict, c verdict.Check) junitCase {
	k := junitCase{Class: className(v.Plan, c.Target), Name: xmlText(shortened(c.Name, maxText)), Time: seconds(0)}
	about := explained(c)
	c.Message, c.Hint = printable(c.Message), printable(c.Hint)
	text := c.Message
	if c.Hint != "" {
		text += "\nhint: " + c.Hint
	}
	switch c.Outcome {
	case verdict.Fail:
		r := &junitResult{Message: xmlText(clip(c.Message, maxJUnitText)), Type: "leak"}
		fs := findingsOf(v, c.Target)
		if len(fs) > 0 {
			k.File, k.Line = inRepository(fs[0])
			k.File = xmlText(shortened(k.File, maxText))
		}
		for _, f := range fs[:min(len(fs), shown)] {
			text += "\n" + noCommand(printable(headline(f)))
		}
		if n := len(fs) - shown; n > 0 {
			text += fmt.Sprintf("\nand %d more, each a case of its own", n)
		}
		r.Text = xmlText(clip(text, maxJUnitText))
		k.Failure = r
	case verdict.Inconclusive:
		code := c.Code
		if code == "" {
			code = "inconclusive"
		}
		k.Error = &junitResult{Message: xmlText(clip(c.Message, maxJUnitText)), Type: xmlText(shortened(code, maxText)), Text: xmlText(clip(text, maxJUnitText))}
	default:
		k.Out = xmlText(cmp.Or(shortened(about, maxText), fmt.Sprintf("%s of %s %s", number(c.Measured), number(c.Limit), shortened(c.Unit, maxText))))
	}
	return k
}

// findingsOf are the leaks of a target that fail the run.
func findingsOf(v verdict.Verdict, target string) []verdict.Finding {
	var out []verdict.Finding
	for _, f := range confirmed(v) {
		if f.Target == target && certain(f) {
			out = append(out, f)
		}
	}
	return out
}

// findingText is all that a case says of a finding. It names no path of the machine that
// built the service.
func findingText(v verdict.Verdict, f verdict.Finding) string {
	lines := []string{fmt.Sprintf("%s  +%d goroutines  %s", f.Name(), f.Leaked, rate(f)), history(f)}
	if by := foreign(f, targetOf(v, f).GoVersion); by != "" {
		lines = append(lines, "in "+by)
	}
	lines = append(lines, nonEmpty([]string{f.Attribution(), f.Cause(), company(f)})...)
	for _, m := range f.Members {
		lines = append(lines, "\t"+memberLine(portableMember(m)))
	}
	for _, l := range f.Labels {
		lines = append(lines, fmt.Sprintf("label %s: +%d", l.Label, l.Growth))
	}
	lines = append(lines, sourceLines(f)...)
	lines = append(lines, stackLines(f, anywhere)...)
	for i, l := range lines { // a job may print the file
		lines[i] = noCommand(l)
	}
	return strings.Join(lines, "\n")
}

// portableMember is a member without a path of the machine that built the service.
func portableMember(m verdict.Member) verdict.Member {
	m.File = portable(stacks.Located(m.Function, m.File, m.Line))
	return m
}

// noCommand keeps a line from being a workflow command, and leaves tabs alone.
func noCommand(line string) string {
	indent := line[:len(line)-len(strings.TrimLeft(line, "\t "))]
	return indent + printable(line[len(indent):])
}

// className is the dotted path that dashboards show as packages: dots inside
// a name would open a level of their own.
func className(plan, target string) string {
	parts := []string{"leakgate", plan}
	if target != "" {
		parts = append(parts, target)
	}
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(printable(xmlText(shortened(p, maxText))), ".", "_")
		if strings.Contains(p, ".") { // shop.0 is not shop_0
			parts[i] += fmt.Sprintf("-%06x", crc32.ChecksumIEEE([]byte(p))&0xffffff)
		}
	}
	return strings.Join(parts, ".")
}

// xmlText keeps to what XML 1.0 can hold and what can be seen: a character that
// turns the direction of text makes a dashboard show what is not there. The
// encoder escapes the rest.
func xmlText(s string) string {
	s = strings.ReplaceAll(s, "##[", `#\#[`) // an old form of GitHub's commands, anywhere in a line
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) && r != unicode.ReplacementChar {
			return r
		}
		return '?'
	}, s)
}

func seconds(s float64) string {
	return fmt.Sprintf("%.3f", (time.Duration(s * float64(time.Second))).Seconds())
}
