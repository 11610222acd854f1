package source

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/leakgate/leakgate/verdict"
)

// history answers who changed a function, each asked for once.
type history struct {
	repo *repo
	seen map[decl][]verdict.Commit
	cut  map[string]bool // commits that seem to add what they did not write
}

// suspects are the commits after since that touched the functions of a stack,
// newest first. A commit that touched several is listed with the innermost.
func (h *history) suspects(ctx context.Context, t *tree, stack []spot) []verdict.Commit {
	var out []verdict.Commit
	listed := map[string]bool{}
	for _, d := range functions(ctx, t, stack) {
		for _, c := range h.touched(ctx, d) {
			if !listed[c.Hash] {
				listed[c.Hash] = true
				out = append(out, c)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b verdict.Commit) int { return cmp.Compare(b.Date.Unix(), a.Date.Unix()) })
	return out[:min(len(out), mostCommits)]
}

// functions are the declarations that a stack runs through, innermost first.
func functions(ctx context.Context, t *tree, stack []spot) []decl {
	var out []decl
	for _, s := range stack {
		d, ok := t.at(ctx, s.path).enclosing(s.function, s.line)
		if ok && !slices.Contains(out, d) && len(out) < mostFunctions {
			out = append(out, d)
		}
	}
	return out
}

// touched lists the commits that changed the lines of a declaration, wherever
// these were before.
func (h *history) touched(ctx context.Context, d decl) []verdict.Commit {
	if cs, ok := h.seen[d]; ok {
		return cs
	}
	out, err := git(ctx, h.repo.root, "log", fmt.Sprintf("-L%d,%d:%s", d.start, d.end, d.path), "-s", "-z",
		"--no-color", "--no-ext-diff", "--no-textconv", "--no-show-signature", "--encoding=UTF-8",
		"-n", strconv.Itoa(mostCommits+1), // and one that may be the shallow clone's first
		"--format=tformat:%H%x00%ct%x00%aN%x00%s", h.repo.sinceHash+".."+h.repo.head, "--")
	var cs []verdict.Commit
	if err == nil {
		for _, c := range commits(string(out)) {
			if !h.cut[c.Hash] {
				c.Function = d.name
				cs = append(cs, c)
			}
		}
	}
	h.seen[d] = cs
	return cs
}

// logged is how many fields the log has for each commit.
const logged = 4

// commits reads what git log wrote: fields that end with a NUL, which no subject
// and no name can hold.
func commits(out string) []verdict.Commit {
	fields := strings.Split(out, "\x00")
	var cs []verdict.Commit
	for ; len(fields) >= logged; fields = fields[logged:] {
		seconds, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			continue
		}
		cs = append(cs, verdict.Commit{
			Hash: fields[0], Date: time.Unix(seconds, 0).UTC(), Author: short(fields[2]), Subject: short(fields[3]),
		})
	}
	return cs
}

// mostRunes bounds a name or subject.
const mostRunes = 200

// short is a text that is valid and no longer than a report can bear.
func short(s string) string {
	rs := []rune(strings.ToValidUTF8(s, "\uFFFD"))
	if len(rs) > mostRunes {
		return string(rs[:mostRunes]) + "…"
	}
	return string(rs)
}
