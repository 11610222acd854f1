package stacks

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"testing"

	"github.com/google/pprof/profile"
)

// manyStacks is a profile of this many different stacks of 20 frames.
func manyStacks(b testing.TB, n int) []byte {
	b.Helper()
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "goroutine", Unit: "count"}}, PeriodType: &profile.ValueType{}}
	for i := range 500 {
		id := uint64(i + 1)
		f := &profile.Function{ID: id, Name: fmt.Sprintf("example.com/pkg%d.(*T).method%d", i%20, i), Filename: fmt.Sprintf("/src/pkg%d/file.go", i%20)}
		p.Function = append(p.Function, f)
		p.Location = append(p.Location, &profile.Location{ID: id, Line: []profile.Line{{Function: f, Line: int64(i)}}})
	}
	for i := range n {
		s := &profile.Sample{Value: []int64{3}}
		for d := range 20 {
			s.Location = append(s.Location, p.Location[(i*7+d*13+i/500)%500])
		}
		p.Sample = append(p.Sample, s)
	}
	var out bytes.Buffer
	if err := p.Write(&out); err != nil {
		b.Fatal(err)
	}
	return out.Bytes()
}

// BenchmarkParse compares Parse with the parsing library under it: what the
// normalising costs.
func BenchmarkParse(b *testing.B) {
	data := manyStacks(b, 20000)
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		b.Fatal(err)
	}
	plain, err := io.ReadAll(zr)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("leakgate", func(b *testing.B) {
		for b.Loop() {
			if _, err := Parse(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	r := NewReader(nil)
	b.Run("known", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Parse(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pprof", func(b *testing.B) {
		for b.Loop() {
			if _, err := profile.ParseData(data); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Logf("%d bytes, %d decompressed", len(data), len(plain))
}
