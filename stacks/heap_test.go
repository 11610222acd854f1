package stacks

import (
	"bytes"
	"errors"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
)

var kept [][]byte

//go:noinline
func keep(n, size int) {
	for range n {
		kept = append(kept, make([]byte, size))
	}
}

func heapNow(t *testing.T) *Heap {
	t.Helper()
	runtime.GC()
	var b bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&b, 0); err != nil {
		t.Fatal(err)
	}
	h, err := ParseHeap(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func bytesAt(h *Heap, key string) int64 {
	for _, s := range h.Sites {
		if s.Key == key {
			return s.Bytes
		}
	}
	return 0
}

// A real profile: what a function keeps is at its site, its objects of their size.
func TestParseHeap(t *testing.T) {
	before := heapNow(t)
	keep(8, 8<<20) // far beyond the sampling rate of 512 KiB, so that none is missed by chance
	defer func() { kept = nil }()
	after := heapNow(t)
	var s Site
	for _, x := range after.Sites {
		if i := Blame(x.Frames); strings.HasSuffix(x.Frames[i].Function, "stacks.keep") {
			s = x
		}
	}
	if grown := s.Bytes - bytesAt(before, s.Key); grown < 60<<20 || grown > 68<<20 || s.Objects != 8 {
		t.Errorf("keep has %d objects of %d bytes, want 8 of 64 MiB", s.Objects, s.Bytes)
	}
	if after.Bytes < s.Bytes || after.Sites[0].Bytes < s.Bytes {
		t.Errorf("sites are not sorted or not summed: %d bytes in all, %d first, %d at keep", after.Bytes, after.Sites[0].Bytes, s.Bytes)
	}
}

func TestParseHeapRefuses(t *testing.T) {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseHeap(b.Bytes()); !errors.Is(err, ErrNotHeap) {
		t.Errorf("ParseHeap(goroutine profile) = %v, want ErrNotHeap", err)
	}
	for _, data := range []string{"", "<html>", "\x1f\x8b"} {
		if _, err := ParseHeap([]byte(data)); err == nil {
			t.Errorf("ParseHeap(%q) = nil, want an error", data)
		}
	}
}

func FuzzParseHeap(f *testing.F) {
	var b bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&b, 0); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := ParseHeap(data)
		if err != nil {
			return
		}
		for _, s := range h.Sites {
			if s.Bytes <= 0 || s.Key == "" {
				t.Errorf("site %+v is empty", s)
			}
		}
	})
}
