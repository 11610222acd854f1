package stacks

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/google/pprof/profile"
)

// sameProfile reports what differs between a profile and what was read back of it.
func sameProfile(t *testing.T, want, got *Profile) {
	t.Helper()
	if got.Total != want.Total || got.Own != want.Own || got.BuildID != want.BuildID || got.Binary != want.Binary ||
		got.Root != want.Root || !got.Time.Equal(want.Time) {
		t.Errorf("read back: total %d, own %d, build %q of %q, root %q, at %s; want %d, %d, %q of %q, %q, %s",
			got.Total, got.Own, got.BuildID, got.Binary, got.Root, got.Time,
			want.Total, want.Own, want.BuildID, want.Binary, want.Root, want.Time)
	}
	if !slices.EqualFunc(want.Stacks, got.Stacks, Stack.Equal) {
		t.Errorf("read back: stacks\n%+v\nwant\n%+v", got.Stacks, want.Stacks)
	}
}

// withoutLabels is a profile as Encode writes it.
func withoutLabels(p *Profile) *Profile {
	out := *p
	out.Stacks = slices.Clone(p.Stacks)
	for i := range out.Stacks {
		out.Stacks[i].Labels = nil
	}
	return &out
}

func TestEncode(t *testing.T) {
	for name, data := range map[string][]byte{
		"this process":                  goroutineProfile(t),
		"many stacks":                   manyStacks(t, 50),
		"a service writes profiles":     readCase(t, "selfprofiler.pb.gz"),
		"the same, before it leaks any": readCase(t, "base.pb.gz"),
	} {
		want, err := Parse(data)
		if err != nil {
			t.Fatalf("Parse(%s): %v", name, err)
		}
		encoded := Encode(want)
		got, err := Parse(encoded)
		if err != nil {
			t.Errorf("Parse(Encode(%s)): %v", name, err)
			continue
		}
		sameProfile(t, withoutLabels(want), got)
		if _, err := profile.ParseData(encoded); err != nil { // what go tool pprof reads with
			t.Errorf("the library reads Encode(%s): %v", name, err)
		}
	}
}

// What no profile of a Go program has, and a value that somebody built may.
func TestEncodeOddStacks(t *testing.T) {
	frame := func(function string) []Frame { return []Frame{{Function: function, File: "/a/b.go", Line: 3}} }
	for _, c := range []struct {
		name  string
		stack Stack
		want  string // the state that is read back
	}{
		{"a state of the runtime's frames", Stack{Frames: frame("main.a"), State: "chan receive", Count: 1}, "chan receive"},
		{"a state that a dump alone knows", Stack{Frames: frame("main.a"), State: "chan receive (nil chan)", Count: 1}, ""},
		{"no state, and a frame that waits", Stack{Frames: frame("time.Sleep"), Count: 2}, ""},
		{"a state of a frame that is kept", Stack{Frames: frame("time.Sleep"), State: "sleep", Count: 2}, "sleep"},
		{"a name with an escape in it", Stack{Frames: frame("example.com/a%2eb.run"), Count: 2}, ""},
		{"never scheduled", Stack{Count: 5}, ""},
	} {
		in := &Profile{Total: c.stack.Count, Stacks: []Stack{c.stack}, Time: time.Unix(7, 9).UTC()}
		got, err := Parse(Encode(in))
		if err != nil || len(got.Stacks) != 1 {
			t.Errorf("Parse(Encode(%s)) = %+v, %v", c.name, got, err)
			continue
		}
		s := got.Stacks[0]
		if s.State != c.want || s.Count != c.stack.Count || !slices.EqualFunc(s.Frames, c.stack.Frames, sameCall) {
			t.Errorf("Parse(Encode(%s)) = %+v, want state %q of %+v", c.name, s, c.want, c.stack)
		}
	}
}

func sameCall(a, b Frame) bool {
	return a.Function == b.Function && a.File == b.File && a.Line == b.Line
}

// FuzzEncode reads back whatever can be read.
func FuzzEncode(f *testing.F) {
	f.Add(unpackedSeed(f, goroutineProfile(f)))
	f.Add(unpackedSeed(f, manyStacks(f, 5)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !isMessage(data) || isCompressed(data) {
			return
		}
		want, err := Parse(data)
		serves := func(s Stack) bool { return s.serving != bystander }
		if err != nil || want.Own == 0 && slices.ContainsFunc(want.Stacks, serves) {
			return // goroutineleak does not hold the observer's request
		}
		got, err := Parse(Encode(want))
		if err != nil {
			t.Fatalf("Parse(Encode(%q)): %v", data, err)
		}
		sameProfile(t, withoutLabels(want), got)
	})
}

func unpackedSeed(f *testing.F, data []byte) []byte {
	f.Helper()
	raw, err := profile.ParseData(data)
	if err != nil {
		f.Fatal(err)
	}
	var b bytes.Buffer
	if err := raw.WriteUncompressed(&b); err != nil {
		f.Fatal(err)
	}
	return b.Bytes()
}
