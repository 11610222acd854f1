package stacks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/maruel/panicparse/v2/stack"
)

// parseDump reads a debug=2 dump: every goroutine with its wait state, wait
// time and creator. A dump that was cut off in mid-stack (the runtime stops
// silently at 64 MiB) yields the goroutines before the cut.
func parseDump(data []byte) (*Profile, error) {
	opts := stack.DefaultOpts()
	opts.GuessPaths = false
	opts.AnalyzeSources = false
	opts.NameArguments = false
	var samples []Stack
	n := normaliser{known: map[Frame]normal{}}
	rest := io.Reader(bytes.NewReader(data))
	for {
		snap, suffix, err := stack.ScanSnapshot(rest, io.Discard, opts)
		if snap != nil {
			for _, g := range snap.Goroutines {
				samples = append(samples, n.dumpStack(g))
			}
		}
		if err != nil || snap == nil {
			if err != nil && !errors.Is(err, io.EOF) && len(samples) == 0 {
				return nil, fmt.Errorf("parsing goroutine dump: %w", err)
			}
			break
		}
		rest = io.MultiReader(bytes.NewReader(suffix), rest)
	}
	if len(samples) == 0 {
		return nil, fmt.Errorf("no goroutine in the dump (%d bytes, starting %.40q)", len(data), data)
	}
	return collect(samples), nil
}

func (n *normaliser) dumpStack(g *stack.Goroutine) Stack {
	var all []Frame
	for _, c := range g.Stack.Calls {
		f := Frame{Function: c.Func.Complete, File: c.RemoteSrcPath, Line: c.Line}
		if n.root == "" {
			n.root = textGoroot([]Frame{f})
		}
		all = append(all, f)
	}
	s := n.stack(all)
	s.Count = 1
	s.State = strings.TrimSuffix(strings.TrimSpace(strings.Replace(g.State, "(leaked)", "", 1)), ",")
	if strings.Contains(g.State, "(leaked)") {
		s.Leaked = 1
	}
	s.Wait = time.Duration(g.SleepMax) * time.Minute
	if calls := g.CreatedBy.Calls; len(calls) > 0 {
		c := calls[0]
		name, _, _ := strings.Cut(c.Func.Complete, " in goroutine ")
		creator := n.frame(Frame{Function: name, File: c.RemoteSrcPath, Line: c.Line}).Frame
		s.CreatedBy = &creator
	}
	return s
}
