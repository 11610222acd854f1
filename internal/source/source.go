// Package source says who owns a leak and since when it is there: it finds a finding's
// frames in a git checkout of the service, reads CODEOWNERS, and lists the
// commits since the last release that touched the functions of the stack. It
// only reads, uses no network, and says nothing rather than guess: a frame that could
// be in two files is in none.
package source

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/leakgate/leakgate/stacks"
	"github.com/leakgate/leakgate/verdict"
)

// Bounds, so that a large repository never holds up a verdict.
const (
	patience      = 10 * time.Second // for everything, wall time
	mostFindings  = 200              // that are looked up, the first ones: as many as a page shows with their stacks
	mostFunctions = 5                // of a stack whose history is read, innermost first
	mostCommits   = 10               // listed per finding, newest first
)

// UnresolvedError says that the checkout has no such revision.
type UnresolvedError struct {
	Since   string // as it was given
	Root    string // of the checkout
	Shallow bool   // the clone has only the last commits
}

func (e *UnresolvedError) Error() string {
	return fmt.Sprintf("--since %q: the checkout at %s has no such revision", e.Since, e.Root)
}

// Hint is the next thing to do.
func (e *UnresolvedError) Hint() string {
	if e.Shallow {
		return "the clone is shallow; git fetch --unshallow --tags brings in its history"
	}
	return "name a tag, branch or commit of the checkout; git fetch --tags brings in tags"
}

// Check finds early what Annotate would refuse: an *UnresolvedError for a since
// that the checkout at dir does not have. Without a checkout it is nil.
func Check(ctx context.Context, dir, since string) error {
	if since == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := open(ctx, dir, since)
	return err
}

// Annotate fills Finding.Source of every finding that lies in the checkout
// around dir. Suspects are the commits after since, or, where that is empty,
// after the last tag before HEAD. Where there is no checkout, or git is not
// installed, it changes nothing and returns nil; its only error is an
// *UnresolvedError. What does not fit into its bounds of time is left out.
func Annotate(ctx context.Context, v *verdict.Verdict, dir, since string) error {
	if len(v.Findings) == 0 && since == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := open(ctx, dir, since)
	if err != nil || r == nil || len(v.Findings) == 0 {
		return err
	}
	findings := v.Findings[:min(len(v.Findings), mostFindings)]
	files := readTree(ctx, r, findings)
	owners := readOwners(r.root)
	found := make([][]spot, len(findings))
	for i, f := range findings {
		var at *spot
		if at, found[i] = files.locate(ctx, f); at != nil {
			findings[i].Source = &verdict.Source{Path: at.path, Line: at.line, Owners: owners.of(at.path), Since: r.since}
		}
	}
	history := history{repo: r, seen: map[decl][]verdict.Commit{}, cut: r.roots(ctx)}
	for i, stack := range found { // last, since it is what may be slow
		if s := findings[i].Source; s != nil && r.sinceHash != "" {
			s.Suspects = history.suspects(ctx, files, stack)
		}
	}
	return nil
}

// spot is a frame that was found in the repository.
type spot struct {
	path     string // below the root, with slashes
	line     int
	function string // as the stack names it
}

// locate finds a finding's frames in the repository: all of them, innermost
// first, and the one where the finding lies, which is the blamed frame or the
// nearest caller of it. Where the whole stack is a library's, that is the go
// statement which started it.
func (t *tree) locate(ctx context.Context, f verdict.Finding) (*spot, []spot) {
	var found []spot
	var at *spot
	for _, fr := range withCreator(f) {
		path, ok := t.find(ctx, fr)
		if !ok {
			continue
		}
		s := spot{path: path, line: fr.Line, function: fr.Function}
		found = append(found, s)
		if at == nil { // further in than the blamed frame there is only the standard library
			at = &s
		}
	}
	return at, found
}

// withCreator is a stack with the go statement as its outermost frame.
func withCreator(f verdict.Finding) []verdict.Frame {
	out := append([]verdict.Frame(nil), f.Stack...)
	if len(out) == 0 { // nothing but the blamed function is known
		out = append(out, verdict.Frame{Function: f.Function, File: f.File, Line: f.Line, Module: f.Module})
	}
	if i := strings.LastIndexByte(f.Created, ':'); i > 0 && f.Creator != "" {
		var line int
		if _, err := fmt.Sscanf(f.Created[i+1:], "%d", &line); err == nil {
			out = append(out, stacks.Located(f.Creator, f.Created[:i], line))
		}
	}
	return out
}
