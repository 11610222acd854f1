package stacks

import (
	"bytes"
	"strings"

	"github.com/google/pprof/profile"
)

// Encode writes a profile in the form that is served without debug, which `go tool pprof`
// opens and Parse reads back: counts, functions, files, lines and states as that form shows
// them, the build and the time. It leaves out labels, and what only dumps have. A state that
// no frame of the runtime stands for is left out as well.
func Encode(p *Profile) []byte {
	e := encoder{functions: map[Frame]*profile.Function{}, locations: map[Frame]*profile.Location{}}
	count := &profile.ValueType{Type: goroutineType, Unit: "count"}
	e.out = &profile.Profile{SampleType: []*profile.ValueType{count}, PeriodType: count, Period: 1}
	if !p.Time.IsZero() {
		e.out.TimeNanos = p.Time.UnixNano()
	}
	if p.BuildID != "" || p.Binary != "" {
		e.out.Mapping = []*profile.Mapping{{ID: 1, File: p.Binary, BuildID: p.BuildID, HasFunctions: true}}
	}
	if p.Root != "" { // shows a reader which functions are the standard library's
		e.function(Frame{Function: "runtime.goexit", File: p.Root + "/src/runtime/asm.s"})
	}
	for range p.Own { // a reader leaves them out again
		e.sample(ownRequest, 1)
		e.sample(ownConnection, 1)
	}
	for _, s := range p.Stacks {
		e.sample(withState(s), s.Count)
	}
	var b bytes.Buffer
	_ = e.out.Write(&b) // to memory
	return b.Bytes()
}

// The goroutines that serve a profile, as servingOf and dropOwn know them.
var (
	ownRequest = []Frame{
		{Function: profiler + "writeGoroutine"}, {Function: handler + "Index"}, {Function: "net/http.(*conn).serve"},
	}
	ownConnection = []Frame{{Function: backgroundRead}}
)

type encoder struct {
	out       *profile.Profile
	functions map[Frame]*profile.Function // by function and file
	locations map[Frame]*profile.Location // by function, file and line
}

func (e *encoder) sample(frames []Frame, n int) {
	s := &profile.Sample{Value: []int64{int64(n)}}
	for _, f := range frames {
		s.Location = append(s.Location, e.location(f))
	}
	e.out.Sample = append(e.out.Sample, s)
}

func (e *encoder) location(f Frame) *profile.Location {
	f = Frame{Function: f.Function, File: f.File, Line: f.Line}
	l, ok := e.locations[f]
	if !ok {
		l = &profile.Location{ID: uint64(len(e.out.Location) + 1)}
		l.Address = l.ID // pprof merges what has none
		l.Line = []profile.Line{{Function: e.function(f), Line: int64(f.Line)}}
		if len(e.out.Mapping) > 0 {
			l.Mapping = e.out.Mapping[0]
		}
		e.locations[f] = l
		e.out.Location = append(e.out.Location, l)
	}
	return l
}

func (e *encoder) function(f Frame) *profile.Function {
	f.Line = 0
	out, ok := e.functions[f]
	if !ok {
		name := strings.ReplaceAll(f.Function, "%", "%25") // a reader undoes the linker's escapes
		out = &profile.Function{ID: uint64(len(e.out.Function) + 1), Name: name, SystemName: name, Filename: f.File}
		e.functions[f] = out
		e.out.Function = append(e.out.Function, out)
	}
	return out
}

// neutral is a function of the runtime that stands for no state.
const neutral = "runtime.mcall"

// withState is a stack's frames, and inside of them those of the runtime from which its
// state is read. As many of the same are put there as hide what would say otherwise.
func withState(s Stack) []Frame {
	for n := 0; n <= nearTop; n++ {
		for _, function := range stateFunctions(s.State) {
			frames := make([]Frame, n, n+len(s.Frames))
			for i := range frames {
				frames[i].Function = function
			}
			if frames = append(frames, s.Frames...); stateOf(frames) == s.State {
				return frames
			}
		}
	}
	return s.Frames
}

// stateFunctions are the functions of the runtime that stand for a state.
func stateFunctions(state string) []string {
	if state == "" {
		return []string{neutral}
	}
	var out []string
	for _, w := range waits {
		if w.state == state && isRuntime(w.function) {
			out = append(out, w.function)
		}
	}
	return append(out, neutral)
}
