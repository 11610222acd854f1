package stacks

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/google/pprof/profile"
)

// MaxProfile bounds a decompressed profile, in bytes. A goroutine profile with
// 100,000 different stacks of 30 frames is about 40 MB; anything larger is no
// goroutine profile, or a bomb.
const MaxProfile = 256 << 20

// ErrNotGoroutine is returned for a profile of another kind.
var ErrNotGoroutine = errors.New("not a goroutine profile")

// ErrInconsistent is returned for a profile that contradicts itself.
var ErrInconsistent = errors.New("the profile contradicts itself")

// ErrTooLarge is returned for a profile that decompresses to more than MaxProfile.
var ErrTooLarge = errors.New("profile too large")

// Parse reads a goroutine profile in any form that net/http/pprof serves:
// debug=0 (gzipped protocol buffer), debug=1 or debug=2 (text). It never
// panics; an error says what the bytes looked like.
func Parse(data []byte) (*Profile, error) {
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		plain, err := gunzip(data)
		if err != nil {
			return nil, err
		}
		data = plain
	}
	head := bytes.TrimLeft(data[:min(len(data), 512)], " \t\r\n\ufeff")
	switch {
	case len(head) == 0:
		return nil, errors.New("the profile is empty")
	case bytes.HasPrefix(head, []byte("goroutine profile:")):
		return parseText(data)
	case bytes.HasPrefix(head, []byte("goroutine ")):
		return parseDump(data)
	case head[0] == '<':
		return nil, fmt.Errorf("an HTML page, not a profile: %.60q", head)
	case head[0] == '{':
		return nil, fmt.Errorf("JSON, not a profile: %.60q", head)
	}
	return parseProto(data)
}

func gunzip(data []byte) ([]byte, error) {
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading gzip header: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(zr, MaxProfile+1))
	if err != nil {
		return nil, fmt.Errorf("decompressing profile after %d bytes: %w", len(plain), err)
	}
	if len(plain) > MaxProfile {
		return nil, fmt.Errorf("%w: over %d MiB after decompression", ErrTooLarge, MaxProfile>>20)
	}
	return plain, nil
}

func parseProto(data []byte) (*Profile, error) {
	p, err := profile.ParseData(data)
	if err != nil {
		return nil, fmt.Errorf("parsing profile (%d bytes, starting %.20q): %w", len(data), data, err)
	}
	if len(p.SampleType) != 1 || p.SampleType[0].Type != "goroutine" && p.SampleType[0].Type != "goroutineleak" {
		return nil, fmt.Errorf("%w: it counts %s", ErrNotGoroutine, sampleTypes(p))
	}
	n := normaliser{root: gorootOf(p), known: map[Frame]normal{}}
	samples := make([]Stack, 0, len(p.Sample))
	for _, s := range p.Sample {
		if len(s.Value) != 1 || s.Value[0] < 0 || s.Value[0] > 1<<31 {
			return nil, fmt.Errorf("sample with value %v: want one count", s.Value)
		}
		samples = append(samples, n.protoStack(s))
	}
	out := collect(samples)
	if len(p.Mapping) > 0 {
		out.BuildID, out.Binary = p.Mapping[0].BuildID, p.Mapping[0].File
	}
	return out, nil
}

func sampleTypes(p *profile.Profile) string {
	names := ""
	for _, t := range p.SampleType {
		names += " " + t.Type + "/" + t.Unit
	}
	if names == "" {
		return " nothing"
	}
	return names[1:]
}

func gorootOf(p *profile.Profile) string {
	for _, f := range p.Function {
		if root, ok := goroot(f.Name, f.Filename); ok {
			return root
		}
	}
	return ""
}

// protoFrames normalises the frames of a sample.
func (n *normaliser) protoFrames(s *profile.Sample) Stack {
	var all []Frame
	for _, loc := range s.Location {
		for _, line := range loc.Line {
			if line.Function == nil {
				continue
			}
			all = append(all, Frame{Function: line.Function.Name, File: line.Function.Filename, Line: int(line.Line)})
		}
	}
	return n.stack(all)
}

func (n *normaliser) protoStack(s *profile.Sample) Stack {
	st := n.protoFrames(s)
	st.Count = int(s.Value[0])
	for name, values := range s.Label {
		for _, v := range values {
			st.label(name+"="+v, st.Count)
		}
	}
	return st
}

func (s *Stack) label(l string, n int) {
	if s.Labels == nil {
		s.Labels = map[string]int{}
	}
	s.Labels[l] += n
}

// normaliser turns raw frames into normal ones, each function once: the stacks
// of a profile share most of their functions.
type normaliser struct {
	root  string // the toolchain's folder, if it is known
	known map[Frame]normal
}

// normal is what a function is once its name is undone.
type normal struct {
	Frame
	runtime, probe bool
}

func (n *normaliser) frame(f Frame) normal {
	line := f.Line
	f.Line = 0
	out, ok := n.known[f]
	if !ok {
		out.Frame = f
		out.Function = functionName(f.Function)
		out.runtime, out.probe = isRuntime(out.Function), isProbe(out.Function)
		out.Module = moduleOf(f.File)
		out.Std = isStandard(out.Function, f.File, n.root)
		n.known[f] = out
	}
	out.Line = line
	return out
}

// stack normalises frames (innermost first, raw names) into a Stack with its
// key and state; the caller sets the count.
func (n *normaliser) stack(all []Frame) Stack {
	s := Stack{State: stateOf(all)}
	for _, f := range all {
		x := n.frame(f)
		s.Probe = s.Probe || x.probe
		if !x.runtime {
			s.Frames = append(s.Frames, x.Frame)
		}
	}
	if len(s.Frames) == 0 { // a goroutine of the runtime itself, or one without frames
		for _, f := range all {
			f.Std = true
			s.Frames = append(s.Frames, f)
		}
	}
	s.Key = key(s.Frames)
	return s
}

func itoa(n int) string { return strconv.Itoa(n) }
