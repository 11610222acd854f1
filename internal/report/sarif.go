package report

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif"

	"github.com/leakgate/leakgate/verdict"
)

// GitHub's code scanning takes 10 MB of gzip, and shows 5,000 results. A report
// of less than 10 MB is within that whatever it holds.
const (
	maxSarif         = 9_500_000 // bytes of results
	maxSarifResults  = 5000
	maxSarifFrames   = 100  // of one stack
	maxSarifText     = 2000 // bytes of one foreign text
	maxNotifications = 100
)

const (
	leakRule    = "goroutine-leak"
	fingerprint = "leakgateStack/v1"
	sourceRoot  = "%SRCROOT%"
	homepage    = "https://github.com/leakgate/leakgate"
)

// SARIF writes a result per finding, in version 2.1.0. A run that could not tell
// is an invocation that did not succeed, which no reader can take for a pass.
func SARIF(w io.Writer, v verdict.Verdict) error {
	run := sarif.NewRunWithInformationURI("leakgate", homepage)
	if v.Tool != "" {
		run.Tool.Driver.WithVersion(printable(v.Tool))
	}
	run.Tool.Driver.AddRule(sarifRule())
	run.WithOriginalUriBaseIds(map[string]sarif.ArtifactLocation{
		sourceRoot: *sarif.NewArtifactLocation().WithDescription(sarif.NewTextMessage("The root of the service's repository.")),
	})
	run.WithAutomationDetails(sarif.NewRunAutomationDetails().WithID("leakgate/" + url.PathEscape(printable(v.Plan)) + "/"))
	sure, perhaps, left := fitting(v, maxSarifResults)
	fs := slices.Concat(sure, perhaps)
	results, sizes := make([]*sarif.Result, len(fs)), make([]int, len(fs))
	for i, f := range fs {
		results[i] = sarifResult(v, f)
		text, err := json.MarshalIndent(results[i], "        ", "  ")
		if err != nil {
			return fmt.Errorf("writing SARIF: %w", err)
		}
		sizes[i] = len(text)
	}
	for i, fits := range within(fs, sizes, maxSarif) {
		if fits {
			run.AddResult(results[i])
		} else {
			left++
		}
	}
	run.AddInvocation(sarifInvocation(v, left))
	if all := images(v); len(all) > 0 {
		run.WithProperties(sarif.NewPropertyBag().Add("images", all))
	}
	report := sarif.NewReport()
	report.AddRun(run)
	if err := report.PrettyWrite(w); err != nil {
		return fmt.Errorf("writing SARIF: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func sarifRule() *sarif.ReportingDescriptor {
	const short = "Goroutines leak under load"
	const full = "Goroutines with this stack stay behind after requests: their number grew in every round of load and did not fall when the service was left alone, or they gather while connections are held, or the runtime proves that they can never wake. A warning is a leak that is likely and fails nothing: it grew and stayed in the same way, but there is too little of it for the rule."
	const help = "Open the line and ask what was meant to end the wait there: what sends, receives, closes, unlocks or cancels, and on which path nothing does. Give the goroutine a way out on every path, mostly the request's context. The run directory holds the profiles: leakgate explain says how each stack was decided, and leakgate diff compares profiles."
	text := func(s string) *sarif.MultiformatMessageString {
		return sarif.NewMultiformatMessageString().WithText(s)
	}
	properties := sarif.NewPropertyBag().Add("precision", "high").Add("problem.severity", "error").WithTags([]string{"reliability", "concurrency"})
	return sarif.NewRule(leakRule).WithName("GoroutineLeak").WithShortDescription(text(short)).WithFullDescription(text(full)).
		WithHelp(text(help).WithMarkdown(help)).WithHelpURI(homepage).
		WithDefaultConfiguration(sarif.NewReportingConfiguration().WithLevel("error")).WithProperties(properties)
}

// sarifResult is an error for a leak that fails the run, and a warning for one that is
// just likely.
func sarifResult(v verdict.Verdict, f verdict.Finding) *sarif.Result {
	text, level := fmt.Sprintf("%s leaks goroutines: +%d", f.Name(), f.Leaked), "error"
	if !certain(f) {
		level = "warning"
	}
	if f.Class == verdict.Likely {
		text = fmt.Sprintf("%s is likely to leak goroutines: +%d", f.Name(), f.Leaked)
	}
	whose := foreign(f, targetOf(v, f).GoVersion)
	if whose != "" {
		whose = "the blamed line is in " + whose
	}
	about := strings.Join(nonEmpty([]string{text, rate(f), f.State, evidence(f), "on " + f.Target}), ", ")
	say := append([]string{about, f.Attribution(), whose, f.Cause(), company(f), labels(f)}, ownership(f)...)
	r := sarif.NewRuleResult(leakRule).WithRuleIndex(0).WithLevel(level).
		WithMessage(sarifMessage(append(say, usually(f))...)).
		AddLocation(findingLocation(f)).AddStack(sarifStack(f)).
		WithProperties(sarifProperties(f))
	r.PartialFingerprints = map[string]string{fingerprint: stackHash(f)}
	return r
}

func sarifProperties(f verdict.Finding) *sarif.PropertyBag {
	owners := []string{}
	if f.Source != nil {
		for _, o := range f.Source.Owners {
			owners = append(owners, sarifText(o))
		}
	}
	class := f.Class
	if class == "" {
		class = verdict.Confirmed
	}
	return sarif.NewPropertyBag().Add("id", sarifText(f.ID)).Add("class", string(class)).Add("target", sarifText(f.Target)).Add("leaked", f.Leaked).Add("per_1000_requests", f.Per1000).
		Add("evidence", append([]string{}, f.Evidence...)).Add("counts", append([]int{}, f.Counts...)).Add("owners", owners)
}

// sarifMessage is text that stays text: in a SARIF message brackets make links.
func sarifMessage(text ...string) *sarif.Message {
	text = nonEmpty(text)
	for i, t := range text {
		text[i] = sarifEscapes.Replace(sarifText(t))
	}
	return sarif.NewTextMessage(strings.Join(text, "\n"))
}

var sarifEscapes = strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`)

func sarifText(s string) string { return clip(printable(s), maxSarifText) }

// findingLocation is the nearest place in the service's own code. It is never empty:
// GitHub refuses a whole upload for a result without a file.
func findingLocation(f verdict.Finding) *sarif.Location {
	file, line := inRepository(f)
	if file == "" {
		return sarifLocation(f.Function, "unknown", 0, false)
	}
	return sarifLocation(f.Function, file, line, true)
}

func sarifLocation(function, file string, line int, inRepo bool) *sarif.Location {
	at := sarif.NewArtifactLocation().WithURI(fileURI(file))
	if inRepo {
		at.WithURIBaseID(sourceRoot)
	}
	where := sarif.NewPhysicalLocation().WithArtifactLocation(at).WithRegion(sarif.NewRegion().WithStartLine(max(line, 1)))
	return sarif.NewLocation().WithPhysicalLocation(where).AddLogicalLocation(logical(function))
}

func logical(function string) *sarif.LogicalLocation {
	return sarif.NewLogicalLocation().WithFullyQualifiedName(sarifText(function)).WithKind("function")
}

// fileURI is a file's path as a relative URI.
func fileURI(file string) string {
	file = strings.TrimLeft(strings.ReplaceAll(sarifText(file), `\`, "/"), "/")
	u := url.URL{Path: file}
	return u.String()
}

func sarifStack(f verdict.Finding) *sarif.Stack {
	s := sarif.NewStack().WithMessage(sarifMessage("where each of them waits"))
	for _, fr := range f.Stack[:min(len(f.Stack), maxSarifFrames)] {
		at := sarif.NewLocation().AddLogicalLocation(logical(fr.Function))
		if fr.File != "" {
			at = sarifLocation(fr.Function, portable(fr), fr.Line, own(fr) && relative(fr.File) && !trimmed(fr.Function, fr.File))
		}
		frame := sarif.NewStackFrame().WithLocation(at)
		if fr.Module != "" {
			frame.WithModule(sarifText(fr.Module))
		}
		s.AddFrame(frame)
	}
	return s
}

// stackHash names a leak from run to run: its functions outside the standard
// library, whatever their lines and wherever the service was built.
func stackHash(f verdict.Finding) string {
	h := sha256.New()
	own := 0
	for _, fr := range f.Stack {
		if !fr.Std {
			own++
			fmt.Fprintln(h, fr.Function)
		}
	}
	if own == 0 {
		fmt.Fprintln(h, f.Function)
	}
	if len(f.Stack) == 0 {
		fmt.Fprintln(h, f.Target)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func sarifInvocation(v verdict.Verdict, left int) *sarif.Invocation {
	in := sarif.NewInvocation().WithExecutionSuccessful(v.Outcome != verdict.Inconclusive)
	if !v.Started.IsZero() {
		end := v.Started.Add(time.Duration(v.Timing.Wall * float64(time.Second)))
		in.WithStartTimeUtc(v.Started.UTC().Format(time.RFC3339)).WithEndTimeUtc(end.UTC().Format(time.RFC3339))
	}
	note := func(level, code string, text ...string) {
		if len(in.ToolExecutionNotifications) == maxNotifications {
			return
		}
		n := sarif.NewNotification().WithLevel(level).WithMessage(sarifMessage(text...))
		if code != "" {
			n.WithDescriptor(sarif.NewReportingDescriptorReference().WithID(sarifText(code)))
		}
		in.AddToolExecutionNotification(n)
	}
	if v.Outcome == verdict.Inconclusive {
		note("error", "inconclusive", v.Headline, hint(v.Hint))
	}
	for _, c := range v.Checks {
		if c.Outcome == verdict.Inconclusive || c.Outcome == verdict.Fail && c.Code != "" { // such a fail has no place in a source
			note("error", c.Code, strings.TrimPrefix(c.Target+": "+c.Message, ": "), hint(c.Hint))
		}
	}
	if text := unclear(v); text != "" {
		note("note", "unclear", text)
	}
	if left > 0 {
		note("warning", "more-findings", fmt.Sprintf("%s more, with the smallest growth, left out here", plural(left, "finding")))
	}
	for _, x := range v.Warnings {
		note("warning", x.Code, strings.TrimPrefix(x.Target+": "+x.Message, ": "))
	}
	return in
}
