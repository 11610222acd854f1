package report

import (
	"encoding/xml"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"time"
	"unicode"

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
		Name      string      `xml:"name,attr"`
		Tests     int         `xml:"tests,attr"`
		Failures  int         `xml:"failures,attr"`
		Errors    int         `xml:"errors,attr"`
		Skipped   int         `xml:"skipped,attr"`
		Time      string      `xml:"time,attr"`
		Timestamp string      `xml:"timestamp,attr"`
		Cases     []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string       `xml:"classname,attr"`
		Name    string       `xml:"name,attr"`
		Time    string       `xml:"time,attr"`
		File    string       `xml:"file,attr,omitempty"`
		Line    int          `xml:"line,attr,omitempty"`
		Failure *junitResult `xml:"failure"`
		Error   *junitResult `xml:"error"`
		Out     string       `xml:"system-out,omitempty"`
	}
	junitResult struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",cdata"`
	}
)

// maxJUnitText is how much of one text a case holds, in bytes: dashboards keep
// each in a column of a table, and GitLab takes 30 MB in all.
const maxJUnitText = 64 << 10

// JUnit writes a testcase per target and check. A leak is a failure, what could
// not be told is an error. Names are stable from run to run.
func JUnit(w io.Writer, v verdict.Verdict) error {
	suite := junitSuite{Name: xmlText(shortened(v.Plan, maxText)), Time: seconds(v.Timing.Wall), Timestamp: v.Started.UTC().Format("2006-01-02T15:04:05")}
	for _, c := range v.Checks {
		k := junitCheck(v, c)
		suite.Tests++
		if k.Failure != nil {
			suite.Failures++
		}
		if k.Error != nil {
			suite.Errors++
		}
		suite.Cases = append(suite.Cases, k)
	}
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

func junitCheck(v verdict.Verdict, c verdict.Check) junitCase {
	k := junitCase{Class: className(v.Plan, c.Target), Name: xmlText(shortened(c.Name, maxText)), Time: seconds(0)}
	c.Message, c.Hint = printable(c.Message), printable(c.Hint)
	text := c.Message
	if c.Hint != "" {
		text += "\nhint: " + c.Hint
	}
	switch c.Outcome {
	case verdict.Fail:
		r := &junitResult{Message: xmlText(clip(c.Message, maxJUnitText)), Type: "leak"}
		for i, f := range findingsOf(v, c.Target) {
			if i == 0 {
				k.File, k.Line = inRepository(f)
				if k.File == "" {
					k.File, k.Line = f.File, f.Line
				}
				k.File = xmlText(shortened(k.File, maxText))
			}
			if i < shown {
				text += "\n\n" + findingText(f)
			}
		}
		if n := len(findingsOf(v, c.Target)) - shown; n > 0 {
			text += fmt.Sprintf("\n\nand %d more", n)
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
		k.Out = xmlText(fmt.Sprintf("%s of %s %s", number(c.Measured), number(c.Limit), shortened(c.Unit, maxText)))
	}
	return k
}

func findingsOf(v verdict.Verdict, target string) []verdict.Finding {
	var out []verdict.Finding
	for _, f := range v.Findings {
		if f.Target == target {
			out = append(out, f)
		}
	}
	return out
}

func findingText(f verdict.Finding) string {
	lines := []string{fmt.Sprintf("%s  +%d goroutines  %s", f.Name(), f.Leaked, rate(f)), history(f)}
	if by := f.Attribution(); by != "" {
		lines = append(lines, by)
	}
	if cause := f.Cause(); cause != "" {
		lines = append(lines, cause)
	}
	for _, l := range f.Labels {
		lines = append(lines, fmt.Sprintf("label %s: +%d", l.Label, l.Growth))
	}
	lines = append(lines, sourceLines(f)...)
	lines = append(lines, stackLines(f, "")...)
	for i, l := range lines { // a job may print the file
		lines[i] = noCommand(l)
	}
	return strings.Join(lines, "\n")
}

// noCommand makes a line no workflow command, and leaves tabs.
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
