package stacks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/pprof"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/leakgate/leakgate/internal/budget"
)

// byLibrary counts a goroutine profile's stacks with the reference parser: raw function
// names, innermost first, and their goroutines.
func byLibrary(data []byte) (map[string]int64, error) {
	p, err := profile.ParseData(data)
	if err != nil {
		return nil, err
	}
	out := map[string]int64{}
	for _, s := range p.Sample {
		if s.Value[0] != 0 {
			out[libraryStack(s)] += s.Value[0]
		}
	}
	return out, nil
}

func libraryStack(s *profile.Sample) string {
	var b strings.Builder
	for _, l := range s.Location {
		for _, line := range l.Line {
			if line.Function != nil && line.Function.Name != "" {
				fmt.Fprintf(&b, "%s:%s:%d\n", line.Function.Name, line.Function.Filename, line.Line)
			}
		}
	}
	return b.String()
}

// byMessage counts the same with the reader of this package.
func byMessage(data []byte) (map[string]int64, error) {
	lease := (*budget.Budget)(nil).Lease()
	data, err := plain(data, lease)
	if err != nil {
		return nil, err
	}
	m, err := readMessage(data, lease)
	if err != nil {
		return nil, err
	}
	if len(m.types) == 0 {
		return nil, errMalformed // goroutines and heap ask for their types before
	}
	out := map[string]int64{}
	err = m.eachSample(func(s *sample) error {
		if s.values[0] == 0 {
			return nil
		}
		var b strings.Builder
		for _, at := range s.locations {
			l := m.locations.all[at]
			for _, line := range m.lines[l.first : l.first+l.n] {
				if line.function >= uint64(len(m.functions.all)) {
					continue
				}
				f := m.functions.all[line.function]
				name, err := m.text(f.name)
				if err != nil {
					return err
				}
				file, err := m.text(f.file)
				if err != nil {
					return err
				}
				if len(name) > 0 {
					fmt.Fprintf(&b, "%s:%s:%d\n", name, file, line.line)
				}
			}
		}
		out[b.String()] += s.values[0]
		return nil
	})
	return out, err
}

// Whatever the library reads of a real profile, so does this package.
func TestMessageReadsWhatTheLibraryReads(t *testing.T) {
	for name, data := range map[string][]byte{
		"this process": goroutineProfile(t),
		"made":         manyStacks(t, 300),
		"heap":         []byte(heapProfile(t)),
	} {
		want, err := byLibrary(data)
		if err != nil {
			t.Fatal(err)
		}
		got, err := byMessage(data)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v; stacks differ (-library +ours):\n%s", name, err, d)
		}
	}
}

func goroutineProfile(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 0); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// FuzzMessage holds the reader against the library: where both read a profile, they
// read the same.
func FuzzMessage(f *testing.F) {
	for _, data := range [][]byte{goroutineProfile(f), manyStacks(f, 5)} {
		plain, err := plain(data, (*budget.Budget)(nil).Lease())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := byMessage(data)
		if err != nil || bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
			return
		}
		want, err := byLibrary(data)
		if err != nil {
			return // the library checks more than stacks need
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("stacks differ (-library +ours):\n%s", d)
		}
	})
}

// A Reader that knows a target's stacks reads the next profile as one that does not.
func TestReaderKeepsNothingThatMatters(t *testing.T) {
	first, second := manyStacks(t, 50), manyStacks(t, 80)
	r := NewReader(nil)
	for _, data := range [][]byte{first, second, first} {
		got, err := r.Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Parse(data)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("profiles differ (-new reader +used):\n%s", d)
		}
	}
}

// What a profile would take is asked of the budget before it is taken.
func TestReaderStaysWithinItsBudget(t *testing.T) {
	data := manyStacks(t, 2000)
	if _, err := NewReader(budget.New(64 << 20)).Parse(data); err != nil {
		t.Errorf("Parse(2000 stacks within 64 MiB) = %v, want nil", err)
	}
	for _, limit := range []int64{1 << 10, 100 << 10, 1 << 20} {
		_, err := NewReader(budget.New(limit)).Parse(data)
		var e *budget.ExceededError
		if !errors.Is(err, ErrTooLarge) || !errors.As(err, &e) {
			t.Errorf("Parse(2000 stacks within %d bytes) = %v, want ErrTooLarge", limit, err)
		}
	}
	// What is given back can be taken again.
	b := budget.New(64 << 20)
	r := NewReader(b)
	for range 200 {
		p, err := r.Parse(data)
		if err != nil {
			t.Fatalf("Parse, again and again: %v", err)
		}
		r.Release(p)
	}
}

func unpacked(t *testing.T, data []byte) []byte {
	t.Helper()
	out, err := plain(data, (*budget.Budget)(nil).Lease())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// What a target echoes is masked in the bytes that are kept, and nothing else changes.
func TestHide(t *testing.T) {
	const secret = "tok-4711-abcdef"
	hide := func(b []byte) []byte {
		if !bytes.Contains(b, []byte(secret)) {
			return b
		}
		return bytes.ReplaceAll(b, []byte(secret), []byte("***"))
	}
	echo := protoOf(t, []int64{7, 2}, []string{"main." + secret + "@/src/" + secret + "/a.go"}, []string{"main.b@b.go"})
	text := []byte("goroutine profile: total 5\n5 @ 0x1 0x2\n# labels: {\"t\":\"" + secret + "\"}\n#\t0x1\tmain.a+0x1\t/a.go:3\n")
	var real []byte
	pprof.Do(t.Context(), pprof.Labels("t", secret), func(context.Context) {
		stop, started := make(chan int), make(chan struct{})
		go waiter(stop, started)
		<-started
		real = goroutineProfile(t)
		close(stop)
	})
	if !isMessage(unpacked(t, real)) {
		t.Errorf("a profile of this process is not taken for one: it begins %.20q", unpacked(t, real))
	}
	for name, data := range map[string][]byte{"protocol buffer": echo, "text": text, "of this process": real} {
		r := NewReader(nil)
		r.Hide(hide)
		kept, p, err := r.Read(data)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := Parse(kept)
		if d := cmp.Diff(p, again); err != nil || d != "" {
			t.Errorf("%s: %v; what is kept reads differently (-read +kept):\n%s", name, err, d)
		}
		plain, err := plain(kept, (*budget.Budget)(nil).Lease())
		if err != nil || bytes.Contains(plain, []byte(secret)) || !bytes.Contains(plain, []byte("***")) {
			t.Errorf("%s: %v; the secret is in what is kept: %q", name, err, plain)
		}
	}
	clean := protoOf(t, []int64{2}, []string{"main.b@b.go"})
	r := NewReader(nil)
	r.Hide(hide)
	if kept, _, err := r.Read(clean); err != nil || !bytes.Equal(kept, clean) {
		t.Errorf("a profile without a secret is not kept as it came: %v", err)
	}
}

// What a few bytes ask for without end is refused, however small the message is.
func TestReaderBoundsWhatOneSampleMayHave(t *testing.T) {
	field := func(num byte, body []byte) []byte {
		out := append([]byte{num<<3 | 2}, protowire.AppendVarint(nil, uint64(len(body)))...)
		return append(out, body...)
	}
	head := append(field(1, []byte{8, 1, 16, 2}), append(field(6, nil), append(field(6, []byte("goroutine")), field(6, []byte("count"))...)...)...)
	lines := bytes.Repeat(field(4, []byte{8, 1}), 10_000)
	location := append([]byte{8, 1}, lines...)
	function := field(5, []byte{8, 1, 16, 3})
	for _, c := range []struct {
		name string
		data []byte
	}{
		{"types", append(bytes.Repeat(field(1, []byte{8, 1, 16, 2}), 100_000), head...)},
		{"values", append(slices.Clone(head), field(2, field(2, bytes.Repeat([]byte{1}, 1<<20)))...)},
		{"locations", slices.Concat(head, field(6, []byte("main.f")), function, field(4, location), field(2, append(field(1, bytes.Repeat([]byte{1}, 1<<20)), 16, 1)))},
		{"lines of a location", slices.Concat(head, field(6, []byte("main.f")), function, field(4, location), field(2, append(field(1, []byte{1, 1, 1}), 16, 1)))},
	} {
		if p, err := NewReader(nil).Parse(c.data); err == nil {
			t.Errorf("%s: read %d goroutines in %d stacks, want an error", c.name, p.Total, len(p.Stacks))
		}
	}
	few := slices.Concat(head, field(6, []byte("main.f")), function, field(4, append([]byte{8, 1}, field(4, []byte{8, 1})...)), field(2, append(field(1, []byte{1, 1}), 16, 7)))
	if p, err := NewReader(nil).Parse(few); err != nil || p.Total != 7 {
		t.Errorf("a stack of two frames: %+v, %v; want 7 goroutines", p, err)
	}
}
