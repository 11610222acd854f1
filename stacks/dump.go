package stacks

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maruel/panicparse/v2/stack"
)

// parseDump reads a debug=2 dump: every goroutine with its wait state, wait
// time and creator. A dump that was cut off in mid-stack (the runtime stops
// silently at 64 MiB) yields the goroutines before the cut.
func parseDump(data []byte) (*Profile, error) {
	d := readDump(data)
	goroutines, err := d.goroutines()
	if err != nil {
		return nil, err
	}
	n := normaliser{known: map[Frame]normal{}}
	var samples []Stack
	var listeners []string
	for _, g := range goroutines {
		s := n.dumpStack(g)
		for k, v := range d.labels[strconv.Itoa(g.ID)] {
			s.label(k+"="+v, 1)
		}
		samples = append(samples, s)
		if l := listener(g); l != "" {
			listeners = append(listeners, l)
		}
	}
	p := collect(samples, 1)
	slices.Sort(listeners)
	p.Listeners = slices.Compact(listeners)
	return p, nil
}

// goroutines reads every goroutine of a dump, or says how many it could not read.
func (d dump) goroutines() ([]*stack.Goroutine, error) {
	opts := stack.DefaultOpts()
	opts.GuessPaths = false
	opts.AnalyzeSources = false
	opts.NameArguments = false
	var all []*stack.Goroutine
	rest := io.Reader(bytes.NewReader(d.text))
	for {
		snap, suffix, err := scanSnapshot(rest, opts)
		if snap != nil {
			all = append(all, snap.Goroutines...)
		}
		if err != nil || snap == nil {
			if errors.Is(err, ErrInconsistent) {
				return nil, err
			}
			if err != nil && !errors.Is(err, io.EOF) && len(all) == 0 {
				return nil, fmt.Errorf("parsing goroutine dump: %w", err)
			}
			break
		}
		rest = io.MultiReader(bytes.NewReader(suffix), rest)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("the dump has no goroutines (%d bytes, starting %.40q)", len(d.text), d.text)
	}
	return all, d.complete(all)
}

// scanSnapshot is the library's, which panics on names that no compiler writes.
func scanSnapshot(in io.Reader, opts *stack.Opts) (snap *stack.Snapshot, suffix []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			snap, suffix, err = nil, nil, fmt.Errorf("%w: a call that cannot be read: %v", ErrInconsistent, p)
		}
	}()
	return stack.ScanSnapshot(in, io.Discard, opts)
}

// complete reports what was lost: what was read has to be what the dump has, but for
// the goroutine in which it was cut off.
func (d dump) complete(all []*stack.Goroutine) error {
	calls := 0
	for _, g := range all {
		calls += len(g.Stack.Calls) + len(g.CreatedBy.Calls)
	}
	switch {
	case d.cut:
		if len(all) < d.headers-1 {
			return fmt.Errorf("%w: the dump has %d goroutines, but only %d could be read", ErrInconsistent, d.headers, len(all))
		}
	case len(all) != d.headers:
		return fmt.Errorf("%w: the dump has %d goroutines, but only %d could be read", ErrInconsistent, d.headers, len(all))
	case calls != d.calls:
		return fmt.Errorf("%w: the dump has %d calls, but only %d could be read", ErrInconsistent, d.calls, calls)
	}
	return nil
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
	s.State = waitOf(g.State)
	if strings.Contains(g.State, "(leaked)") {
		s.Leaked = 1
	}
	s.Wait = time.Duration(g.SleepMax) * time.Minute
	if s.Wait >= LongWait {
		s.Waited = 1
	}
	if calls := g.CreatedBy.Calls; len(calls) > 0 {
		c := calls[0]
		name, _, _ := strings.Cut(c.Func.Complete, " in goroutine ")
		creator := n.frame(Frame{Function: name, File: c.RemoteSrcPath, Line: c.Line}).Frame
		s.CreatedBy = &creator
	}
	return s
}

// LongWait is the shortest time that Go writes into a dump as a goroutine's wait.
const LongWait = time.Minute

// marks are what a header says beside the wait state: of the leak detector, and of a
// garbage collection that reads the stack at this moment.
var marks = strings.NewReplacer(" (leaked)", "", " (scan)", "")

// waitOf is a goroutine's wait state without what else its header says.
func waitOf(state string) string {
	return strings.TrimSuffix(strings.TrimSpace(marks.Replace(state)), ",")
}

// The calls by which a goroutine is known to wait for connections.
const (
	pollWait = "internal/poll.runtime_pollWait"
	accept   = "net.(*netFD).accept"
)

// listener is the address of the poll descriptor on which a goroutine waits for
// connections, or is empty. The runtime takes its memory from the system, which
// lays it out at random.
func listener(g *stack.Goroutine) string {
	descriptor := ""
	for _, c := range g.Stack.Calls {
		switch {
		case c.Func.Complete == pollWait && len(c.Args.Values) > 0 && !c.Args.Values[0].IsInaccurate:
			descriptor = fmt.Sprintf("%#x", c.Args.Values[0].Value)
		case c.Func.Complete == accept:
			return descriptor
		}
	}
	return ""
}
