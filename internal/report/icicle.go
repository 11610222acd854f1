package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/leakgate/leakgate/verdict"
)

const (
	// maxDepth is how many frames of a stack the flame graph draws, from the
	// outermost on: a recursion would fill the page.
	maxDepth = 48
	// leastShare of all growth is as much as a frame needs to be drawn; what is
	// smaller shares a box, in which text fits.
	leastShare = 0.015
)

// node is a frame of the flame graph, with the growth of all stacks through it.
type node struct {
	Function string
	Place    string
	Own      bool // neither the standard library's nor a module's
	Growth   int  // goroutines
	Rest     bool // several small ones
	Children []*node
}

// Short is the function without its import path.
func (n *node) Short() string { return shortFunction(n.Function) }

// flame adds up the findings' stacks by frames, the outermost on top.
func flame(v verdict.Verdict) *node {
	root := &node{Function: "all findings"}
	for _, f := range v.Findings {
		root.add(f.Stack, f.Leaked)
		for _, m := range f.Members {
			root.add(m.Stack, m.Leaked)
		}
	}
	root.order()
	return root
}

// add adds a stack that grew by so many goroutines.
func (n *node) add(stack []verdict.Frame, leaked int) {
	if leaked <= 0 {
		return
	}
	n.Growth += leaked
	at := n
	for depth, i := 0, len(stack)-1; i >= 0; depth, i = depth+1, i-1 {
		if depth == maxDepth {
			at = at.child(fmt.Sprintf("%s further in", plural(i+1, "frame")), "", false)
			at.Growth += leaked
			break
		}
		at = at.child(printable(stack[i].Function), framePlace(stack[i], ""), own(stack[i]))
		at.Growth += leaked
	}
}

func (n *node) child(function, at string, own bool) *node {
	for _, c := range n.Children {
		if c.Function == function && c.Place == at {
			return c
		}
	}
	c := &node{Function: function, Place: at, Own: own}
	n.Children = append(n.Children, c)
	return c
}

func (n *node) order() {
	slices.SortStableFunc(n.Children, func(a, b *node) int {
		return cmp.Or(cmp.Compare(b.Growth, a.Growth), strings.Compare(a.Function, b.Function))
	})
	for _, c := range n.Children {
		c.order()
	}
}

// Drawn is the tree with its small branches put together.
func (n *node) Drawn() *node { return n.pruned(float64(n.Growth) * leastShare) }

func (n *node) pruned(least float64) *node {
	out := *n
	out.Children = nil
	rest, growth := 0, 0
	for _, c := range n.Children {
		if float64(c.Growth) < least {
			rest, growth = rest+1, growth+c.Growth
			continue
		}
		out.Children = append(out.Children, c.pruned(least))
	}
	if rest > 0 {
		out.Children = append(out.Children, &node{Function: fmt.Sprintf("%d more", rest), Growth: growth, Rest: true})
	}
	return &out
}

// Ends is the growth of stacks whose innermost frame this is.
func (n *node) Ends() int {
	ends := n.Growth
	for _, c := range n.Children {
		ends -= c.Growth
	}
	return ends
}

// Text is the tree in lines. A frame with one callee only stands above it
// without being indented, so that deep stacks stay on the page.
func (n *node) Text() string {
	var b strings.Builder
	n.text(&b, 0)
	return b.String()
}

func (n *node) text(b *strings.Builder, depth int) {
	fmt.Fprintf(b, "%s%+d %s", strings.Repeat("  ", depth), n.Growth, n.Function)
	if n.Place != "" {
		fmt.Fprintf(b, "  %s", n.Place)
	}
	b.WriteByte('\n')
	if len(n.Children) != 1 || n.Ends() > 0 {
		depth++
	}
	for _, c := range n.Children {
		c.text(b, depth)
	}
}
