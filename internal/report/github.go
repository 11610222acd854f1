package report

import (
	"bytes"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"

	"github.com/sethvargo/go-githubactions"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// What GitHub shows and takes: ten annotations of a kind from one step, titles
// of one line, and a summary of a step of 1 MiB.
const (
	maxAnnotations = 10
	maxTitle       = 200        // bytes
	maxAnnotation  = 16 << 10   // bytes of one message
	maxSummary     = 1023 << 10 // bytes, with room for what the step wrote before
)

// Level is how a run that could not tell is annotated. It changes no outcome
// and no exit code.
type Level string

// The levels. PassThrough says it in a notice, and leaves the judgement to
// whatever reads the exit code.
const (
	LevelError   Level = "error"
	LevelWarning Level = "warning"
	PassThrough  Level = "pass-through"
)

// Levels are all levels, for a flag.
func Levels() []string {
	return []string{string(LevelError), string(LevelWarning), string(PassThrough)}
}

// GitHubOptions are what GitHub's annotations depend on beside the verdict.
type GitHubOptions struct {
	OnInconclusive Level // LevelError if empty
}

// GitHub writes workflow commands, from which GitHub makes annotations: an
// error per finding at the line that is blamed, or one for the whole run.
func GitHub(w io.Writer, v verdict.Verdict, o GitHubOptions) error {
	e := &errWriter{w: w}
	for _, c := range githubCommands(v, o) {
		e.printf("%s\n", c.String())
	}
	return e.err
}

func githubCommands(v verdict.Verdict, o GitHubOptions) []githubactions.Command {
	switch {
	case v.Outcome == verdict.Pass:
		return append([]githubactions.Command{annotation("notice", "leakgate: pass", printable(v.Headline), nil)}, likelyAnnotations(v)...)
	case v.Outcome == verdict.Inconclusive:
		kind, ok := map[Level]string{LevelWarning: "warning", PassThrough: "notice"}[o.OnInconclusive]
		if !ok {
			kind = "error"
		}
		return append([]githubactions.Command{annotation(kind, "leakgate: could not tell", lines(v.Headline, hint(v.Hint)), nil)}, likelyAnnotations(v)...)
	case len(confirmed(v)) == 0:
		return append([]githubactions.Command{annotation("error", "leakgate: fail", lines(v.Headline, v.Reason, hint(v.Hint)), nil)}, likelyAnnotations(v)...)
	}
	return append(annotations(v, confirmed(v), shown, v.More), likelyAnnotations(v)...)
}

// likelyAnnotations are warnings, of which GitHub shows as many again, for what is just
// likely.
func likelyAnnotations(v verdict.Verdict) []githubactions.Command {
	return annotations(v, likely(v), 0, 0)
}

// annotations are one per finding; the last one counts those that are left out.
func annotations(v verdict.Verdict, fs []verdict.Finding, first, more int) []githubactions.Command {
	fs, left := largest(fs, first, maxAnnotations)
	left += more
	var out []githubactions.Command
	for i, f := range fs {
		rest := ""
		if i == len(fs)-1 && left > 0 {
			rest = leftOut(left)
		}
		out = append(out, findingAnnotation(v, f, rest))
	}
	return out
}

func findingAnnotation(v verdict.Verdict, f verdict.Finding, more string) githubactions.Command {
	at := map[string]string{}
	file, line := inRepository(f)
	where := ""
	if file != "" {
		at["file"] = printable(file)
		if line > 0 {
			at["line"] = strconv.Itoa(line)
		}
	}
	whose := foreign(f, targetOf(v, f).GoVersion)
	if blamed := stacks.Located(f.Function, f.File, f.Line); f.File != "" && (file == "" || whose != "") {
		where = anywhere(blamed)
		if whose != "" {
			where += " in " + whose
		}
	}
	facts := strings.Join(nonEmpty([]string{fmt.Sprintf("+%d goroutines", f.Leaked), rate(f), f.State, evidence(f), "on " + f.Target}), ", ")
	text := append([]string{facts, f.Attribution(), f.Cause(), company(f), labels(f)}, ownership(f)...)
	level, title := "error", "goroutine leak: "
	switch {
	case f.Class == verdict.Likely:
		level, title = "warning", "likely a goroutine leak: "
	case !certain(f):
		level, title = "warning", "perhaps a goroutine leak: "
	}
	c := annotation(level, title+printable(shortName(f)), clip(lines(append(text, where, usually(f))...), maxAnnotation), at)
	if more != "" {
		c.Message += "\n" + more
	}
	return c
}

// annotation is a workflow command. The library escapes what separates its
// parts; title and message have to be printable.
func annotation(kind, title, message string, at map[string]string) githubactions.Command {
	properties := githubactions.CommandProperties{"title": clip(title, maxTitle)}
	for k, v := range at {
		properties[k] = v
	}
	return githubactions.Command{Name: kind, Message: message, Properties: properties}
}

// lines puts what there is to say on lines of its own, each made printable.
func lines(text ...string) string {
	text = nonEmpty(text)
	out := make([]string, len(text))
	for i, t := range text {
		out[i] = printable(t)
	}
	return strings.Join(out, "\n")
}

func hint(h string) string {
	if h == "" {
		return ""
	}
	return "hint: " + h
}

// GitHubSummary writes the Markdown report for a step's summary, and stays under
// GitHub's 1 MiB.
func GitHubSummary(w io.Writer, v verdict.Verdict) error {
	var b bytes.Buffer
	if err := markdownOf(&b, v, jobRows); err != nil {
		return err
	}
	_, err := w.Write(cutMarkdown(b.Bytes(), maxSummary))
	return err
}

// cutMarkdown keeps whole lines up to limit bytes, closes the code block and the
// folded part that it cut, and says so.
func cutMarkdown(text []byte, limit int) []byte {
	if len(text) <= limit {
		return text
	}
	const note = "\nCut here: GitHub takes no longer summary. The whole of it is in summary.md and report.html of the run directory.\n"
	const unfold = "\n</details>\n"
	fence, folded, end := "", false, 0
	closing := func(fence string) int { return len(fence) + 1 + len(unfold) + len(note) }
	for line := range bytes.Lines(text) {
		nextFence, nextFolded := fence, folded
		switch trimmed := string(bytes.TrimSpace(line)); {
		case fence == "" && strings.HasPrefix(trimmed, "```"):
			nextFence = strings.TrimRight(string(line[:len(line)-len(bytes.TrimLeft(line, " "))])+strings.TrimSuffix(trimmed, "text"), "\r\n")
		case fence != "" && trimmed == strings.TrimSpace(fence):
			nextFence = ""
		case fence == "" && strings.HasPrefix(trimmed, "<details>"):
			nextFolded = true
		case fence == "" && trimmed == "</details>":
			nextFolded = false
		}
		if end+len(line)+closing(nextFence) > limit {
			break
		}
		fence, folded, end = nextFence, nextFolded, end+len(line)
	}
	out := append([]byte(nil), text[:end]...)
	if fence != "" {
		out = append(out, fence+"\n"...)
	}
	if folded {
		out = append(out, unfold...)
	}
	return append(out, note...)
}

// GitHubOutputs are a step's outputs: what a later step decides by, and where
// in the run directory the reports are.
func GitHubOutputs(v verdict.Verdict, dir string) map[string]string {
	leaked := 0
	for _, f := range v.Findings {
		if certain(f) {
			leaked += grown(f)
		}
	}
	sensitivity := ""
	if v.Sensitivity != nil && v.Sensitivity.OneIn > 0 {
		sensitivity = strconv.Itoa(v.Sensitivity.OneIn)
	}
	return map[string]string{
		"outcome":     string(v.Outcome),
		"leaked":      strconv.Itoa(leaked), // goroutines, of the confirmed findings that are listed
		"findings":    strconv.Itoa(len(confirmed(v)) + v.More),
		"report":      path.Join(dir, "report.html"),
		"junit":       path.Join(dir, "junit.xml"),
		"sensitivity": sensitivity, // requests per leaked goroutine
	}
}
