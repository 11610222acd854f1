package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// likelyMeans says what sets likely leaks apart from those that fail a run.
const likelyMeans = "likely: grew in every round and stayed, short of the rule alone"

// certain reports whether a finding is one that fails the run. Verdicts from before
// there were classes have none, and all their findings failed.
func certain(f verdict.Finding) bool { return f.Class != verdict.Likely && !f.Is(verdict.Unconfirmed) }

// confirmed are the findings that are not just likely, in the verdict's order.
func confirmed(v verdict.Verdict) []verdict.Finding { return ofClass(v, false) }

// likely are the findings that turn no pass into a fail, in the verdict's order.
func likely(v verdict.Verdict) []verdict.Finding { return ofClass(v, true) }

func ofClass(v verdict.Verdict, wanted bool) []verdict.Finding {
	var out []verdict.Finding
	for _, f := range v.Findings {
		if (f.Class == verdict.Likely) == wanted {
			out = append(out, f)
		}
	}
	return out
}

// ranked are all findings, the likely ones last.
func ranked(v verdict.Verdict) []verdict.Finding { return slices.Concat(confirmed(v), likely(v)) }

// grown is by how many goroutines a finding grew, together with the other stacks of the
// same cause.
func grown(f verdict.Finding) int {
	n := f.Leaked
	for _, m := range f.Members {
		n += m.Leaked
	}
	return n
}

// largest keeps at most so many findings, in their order. The first ones always stay,
// since they are what the headline and the reader start with; of the others those of the
// smallest growth go.
func largest(fs []verdict.Finding, first, most int) (kept []verdict.Finding, left int) {
	for _, i := range largestAt(fs, first, most) {
		kept = append(kept, fs[i])
	}
	return kept, len(fs) - len(kept)
}

// largestAt are the positions of what largest keeps.
func largestAt(fs []verdict.Finding, first, most int) []int {
	all := make([]int, len(fs))
	for i := range fs {
		all[i] = i
	}
	if most = max(most, 0); len(fs) <= most {
		return all
	}
	bySize(fs, all[min(first, most):])
	all = all[:most]
	slices.Sort(all)
	return all
}

// bySize sorts positions by the growth of what is there, the largest first.
func bySize(fs []verdict.Finding, at []int) {
	slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(grown(fs[b]), grown(fs[a])) })
}

// within reports of each finding whether it fits into so many bytes, of which each takes
// its own: the first ones before all others, and of those the largest growth first.
func within(fs []verdict.Finding, bytes []int, most int) []bool {
	all := make([]int, len(fs))
	for i := range fs {
		all[i] = i
	}
	bySize(fs, all[min(shown, len(all)):])
	fits := make([]bool, len(fs))
	for _, i := range all {
		if most -= bytes[i]; most < 0 {
			break
		}
		fits[i] = true
	}
	return fits
}

// likelyShare is the part of a report's room that likely leaks have, where there are as
// many: confirmed ones come first and do not hide them.
const likelyShare = 5

// fitting keeps at most so many of a verdict's findings, and counts those that it leaves
// out, with those that the verdict does.
func fitting(v verdict.Verdict, most int) (sure, perhaps []verdict.Finding, left int) {
	perhaps = likely(v)
	sure, leftSure := largest(confirmed(v), shown, most-min(len(perhaps), most/likelyShare))
	perhaps, leftPerhaps := largest(perhaps, 0, most-len(sure))
	return sure, perhaps, leftSure + leftPerhaps + v.More
}

// leftOut says how many findings a report does not show.
func leftOut(n int) string { return fmt.Sprintf("and %d more, with the smallest growth", n) }

// unclear says of how many stacks it could not be told what they are; empty if of none.
func unclear(v verdict.Verdict) string {
	switch v.Unclear {
	case 0:
		return ""
	case 1:
		return "1 more stack grew, too little to tell what it is"
	}
	return fmt.Sprintf("%d more stacks grew, too little to tell what they are", v.Unclear)
}

// company says which other stacks grow by a finding's cause: with it: 2 other stacks, 1
// and 2 for each. It is empty without any.
func company(f verdict.Finding) string {
	if len(f.Members) == 0 {
		return ""
	}
	var each []string
	for _, m := range f.Members[:min(len(f.Members), shown)] {
		each = append(each, ratio(m.Ratio))
	}
	if n := len(f.Members) - len(each); n > 0 {
		each = append(each, fmt.Sprintf("%d more", n))
	}
	return fmt.Sprintf("with it: %s, %s for each", plural(len(f.Members), "other stack"), enumerated(each))
}

// ratio is how many goroutines of a member there are for each of the finding's own.
func ratio(x float64) string { return strings.TrimSuffix(fmt.Sprintf("%.3g", x), ".0") }

// memberLine is another stack of the same cause, in a line.
func memberLine(m verdict.Member) string {
	return strings.Join(nonEmpty([]string{
		m.Function, framePlace(stacks.Located(m.Function, m.File, m.Line), ""), m.State,
		fmt.Sprintf("+%d", m.Leaked), ratio(m.Ratio) + " for each",
	}), ", ")
}

// enumerated lists words as a sentence does: a, b and c.
func enumerated(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " and " + words[len(words)-1]
}

// culprit names the request that leaks a finding most, without its host; empty where no
// trial showed one.
func culprit(f verdict.Finding) string {
	for _, b := range f.Requests {
		switch {
		case b.Answer != verdict.Leaks || len(b.Requests) == 0:
		case b.Any:
			return "any request"
		case b.Together:
			return strings.Join(withoutHosts(b.Requests), " with ")
		default:
			return strings.Join(withoutHosts(b.Requests), ", ")
		}
	}
	return ""
}

func withoutHosts(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = withoutHost(name)
	}
	return out
}

// withoutHost leaves the host out of METHOD URL.
func withoutHost(name string) string {
	method, url, _ := strings.Cut(name, " ")
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		return name
	}
	i := strings.IndexByte(rest, '/')
	if i < 0 {
		return method + " /"
	}
	return method + " " + rest[i:]
}
