// Package stacks turns a goroutine profile into stacks that can be compared:
// parsed, normalised, counted by identity, diffed, and ignored by rule. It
// reads bytes and returns values; it opens no file and no connection.
package stacks

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Stack is a number of goroutines that were at the same place: the same
// functions and lines. Stacks that differ only in lines share their Key.
type Stack struct {
	Key       string         // identity: function names, innermost first, one per line
	Frames    []Frame        // innermost first, runtime frames stripped
	State     string         // what the goroutines wait for, read from the runtime frames; "" if running
	Labels    map[string]int // goroutines by "name=value" of their pprof labels
	CreatedBy *Frame         // the go statement; only debug=2 dumps have it
	Wait      time.Duration  // longest wait; only debug=2 dumps have it, in whole minutes
	Waited    int            // goroutines that have waited for a minute or more; only in debug=2 dumps
	Count     int            // goroutines
	Leaked    int            // of them marked (leaked) by the runtime; only in debug=2 dumps

	serving serving // whether it answers somebody who reads a profile
	from    *origin // what it shares with the same place in other profiles of one Reader
}

// NoFrames is the key of goroutines that were never scheduled: a profile
// taken right after a burst shows them without a single frame.
const NoFrames = "(not yet scheduled)"

// key joins the function names of a stack, innermost first.
func key(frames []Frame) string {
	if len(frames) == 0 {
		return NoFrames
	}
	names := make([]string, len(frames))
	for i, f := range frames {
		names[i] = f.Function
	}
	return strings.Join(names, "\n")
}

// Blame returns the index of the frame that a reader would blame: the innermost one outside
// the runtime and the standard library, or the outermost if there is none such; -1 without
// frames.
func Blame(frames []Frame) int {
	for i, f := range frames {
		if !f.Std {
			return i
		}
	}
	return len(frames) - 1
}

// Entry is the function that the go statement started, the outermost frame.
func (s Stack) Entry() string {
	if len(s.Frames) == 0 {
		return NoFrames
	}
	return s.Frames[len(s.Frames)-1].Function
}

// Site is a coarser identity than Key, for leaks whose stacks differ in depth
// or in the library frames between: the blamed function and the entry.
func (s Stack) Site() string {
	if s.from != nil && s.from.site != "" {
		return s.from.site
	}
	i := Blame(s.Frames)
	if i < 0 {
		return NoFrames
	}
	return s.Frames[i].Function + "\n" + s.Entry()
}

// Numbers are the numbers of a stack's key and site among those of the Reader that it
// came from; nil if it came from none.
func (s Stack) Numbers() (from *Numbers, key, site int) {
	if s.from == nil {
		return nil, 0, 0
	}
	return s.from.from, s.from.key, s.from.place
}

// place is a stack's identity with lines, and with who started the goroutines, where that
// is known: a rule that names one creator must not cover what another one started.
func (s Stack) place() string {
	var b strings.Builder
	b.Grow(len(s.Key) + 48*len(s.Frames))
	b.WriteString(s.State)
	for _, f := range s.Frames {
		b.WriteByte('\n')
		b.WriteString(f.Function)
		b.WriteByte(':')
		b.WriteString(f.File)
		b.WriteByte(':')
		b.WriteString(itoa(f.Line))
	}
	if c := s.CreatedBy; c != nil {
		b.WriteString("\ncreated by ")
		b.WriteString(c.Function)
		b.WriteByte(':')
		b.WriteString(itoa(c.Line))
	}
	return b.String()
}

// where is a stack's place as the key of a map: the origin that all profiles of one
// Reader share, or else its text.
type where struct {
	from *origin
	text string
}

func (s Stack) where() where {
	if s.from != nil {
		return where{from: s.from}
	}
	return where{text: s.place()}
}

// add merges another sample of the same place.
func (s *Stack) add(o Stack) {
	s.Count += o.Count
	s.Leaked += o.Leaked
	s.Wait = max(s.Wait, o.Wait)
	s.Waited += o.Waited
	for l, n := range o.Labels {
		if s.Labels == nil {
			s.Labels = map[string]int{}
		}
		s.Labels[l] += n
	}
}

// Equal reports whether two stacks are the same, with the same goroutines.
func (s Stack) Equal(o Stack) bool {
	creator := s.CreatedBy == nil && o.CreatedBy == nil ||
		s.CreatedBy != nil && o.CreatedBy != nil && *s.CreatedBy == *o.CreatedBy
	return creator && s.Key == o.Key && s.State == o.State && s.Wait == o.Wait && s.Waited == o.Waited && s.Count == o.Count &&
		s.Leaked == o.Leaked && slices.Equal(s.Frames, o.Frames) && maps.Equal(s.Labels, o.Labels)
}
