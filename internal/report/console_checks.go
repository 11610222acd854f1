package report

import (
	"fmt"
	"path"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

func (c *console) checks(v verdict.Verdict) {
	c.line("")
	for _, k := range v.Checks {
		if k.Outcome == verdict.Pass && !c.Verbose && k.Message == "" && k.Name != "baseline" {
			continue
		}
		mark := map[verdict.Outcome]string{
			verdict.Pass: c.paint(green, "ok  "), verdict.Fail: c.paint(red, "FAIL"), verdict.Inconclusive: c.paint(yellow, "?   "),
		}[k.Outcome]
		name := k.Name
		if k.Target != "" {
			name = k.Target + " " + k.Name
		}
		about := explained(k)
		if about == "" {
			about = fmt.Sprintf("%s %s (limit %s)", number(k.Measured), printable(singular(k)), number(k.Limit))
		}
		c.line("  %s %-24s %s", mark, printable(name), printable(about))
		if k.Message != "" && (k.Outcome != verdict.Pass || c.Verbose && explained(k) == "") && (k.Outcome != verdict.Fail || len(v.Findings) == 0) {
			c.line("       %s", printable(k.Message))
		}
	}
}

// singular is a check's unit, of one if that is what was measured: 1 stack.
func singular(k verdict.Check) string {
	if k.Measured == 1 && !strings.Contains(k.Unit, " ") {
		return strings.TrimSuffix(k.Unit, "s")
	}
	return k.Unit
}

// explained is what a check that passed above its limit says for itself, in place of
// figures that would contradict it; empty where the figures stand for themselves.
func explained(k verdict.Check) string {
	if k.Outcome == verdict.Pass && k.Measured > k.Limit && k.Message != "" {
		return k.Message
	}
	return ""
}

func (c *console) notes(v verdict.Verdict) {
	for _, w := range v.Warnings {
		text := w.Message
		if w.Target != "" {
			text = w.Target + ": " + text
		}
		c.line("  %s %s", c.paint(yellow, "warning:"), printable(text))
	}
	for _, i := range v.Ignored {
		who := ""
		if i.Owner != "" {
			who = ", " + i.Owner
		}
		c.line("  ignored: %s: %s +%d (%s%s)", printable(i.Target), printable(i.Function), i.Growth, printable(i.Reason), printable(who))
	}
	if n := len(v.Ignored); n > 0 {
		c.line("  %s ignored by the plan's rules", plural(n, "stack"))
	}
	for _, l := range besideLines(v) {
		c.line("  %s", printable(l))
	}
	for _, b := range images(v) {
		c.line("  image: %s", b)
	}
	c.line("  %s; %s", amount(v), v.Timing)
}

func (c *console) next(v verdict.Verdict) {
	fs := ranked(v)
	if v.Outcome != verdict.Fail || c.Dir == "" || len(fs) == 0 {
		return
	}
	f := fs[0]
	t := targetOf(v, f)
	if t.Baseline == "" {
		return
	}
	before, after := difference(t, f)
	c.line("")
	for i, l := range wrapped("What next: "+printable(opening(v, f, c.Root))+". To dig further:", c.Width-2) {
		c.line("%s%s", strings.Repeat(" ", 2+2*min(i, 1)), l)
	}
	c.line("    go tool pprof -diff_base %s %s", quoted(path.Join(c.Dir, before)), quoted(path.Join(c.Dir, after)))
	if f.ID != "" {
		c.line("    leakgate explain %s %s", quoted(c.Dir), quoted(f.ID))
	}
}

func nonEmpty(in []string) []string {
	var out []string
	for _, s := range in {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
