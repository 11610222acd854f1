package input_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/leakgate/leakgate/internal/input"
)

// endless is a device that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestReadIsBounded(t *testing.T) {
	for _, c := range []struct {
		name string
		from io.Reader
		want string // error
	}{
		{"as much as is taken", strings.NewReader(strings.Repeat("x", 2048)), ""},
		{"one byte more", strings.NewReader(strings.Repeat("x", 2049)), "in is larger than 2 KiB"},
		{"without an end", endless{}, "in is larger than 2 KiB"},
		{"nothing", strings.NewReader(""), ""},
	} {
		got, err := input.Read(context.Background(), c.from, "in", 2048)
		if text := said(err); text != c.want {
			t.Errorf("Read(%s) = %d bytes, %q; want %q", c.name, len(got), text, c.want)
		}
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestReadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := input.Read(ctx, endless{}, "in", 1<<40); !errors.Is(err, context.Canceled) {
		t.Errorf("Read(cancelled) = %v", err)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	if err := os.WriteFile(file, make([]byte, 1536), 0o644); err != nil {
		t.Fatal(err)
	}
	if b, err := input.ReadFile(context.Background(), file, 1536); err != nil || len(b) != 1536 {
		t.Errorf("ReadFile = %d bytes, %v", len(b), err)
	}
	if _, err := input.ReadFile(context.Background(), file, 1024); said(err) != file+" has 1.5 KiB; at most 1 KiB is read" {
		t.Errorf("ReadFile(large) = %v", err)
	}
	if _, err := input.ReadFile(context.Background(), dir, 1024); said(err) != dir+" is a directory, not a file" {
		t.Errorf("ReadFile(directory) = %v", err)
	}
	// A command's output, as a shell's <(command) hands it on.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() { _, _ = w.WriteString("profile"); w.Close() }()
	if _, err := os.Stat("/dev/fd"); err == nil {
		b, err := input.ReadFile(context.Background(), filepath.Join("/dev/fd", strconv.Itoa(int(r.Fd()))), 1024)
		if err != nil || string(b) != "profile" {
			t.Errorf("ReadFile(pipe) = %q, %v", b, err)
		}
	}
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
		err        string
	}{
		{"none", "", nil, ""},
		{"blank lines are counted, not handed on", "\n a\n\n\t\nb\n", []string{"2: a", "5:b"}, ""},
		{"a last line without its end was not written in full", "a\nb", []string{"1:a"}, ""},
		{"as long as is taken", "12345678\n", []string{"1:12345678"}, ""},
		{"longer", "a\n123456789\n", []string{"1:a"}, "in:2: the line is longer than 8 bytes"},
		{"f's error ends it", "stop\nb\n", []string{"1:stop"}, "stopped"},
	} {
		var got []string
		err := input.Lines(strings.NewReader(c.text), "in", 8, func(n int, line []byte) error {
			got = append(got, strconv.Itoa(n)+":"+string(line))
			if string(line) == "stop" {
				return errors.New("stopped")
			}
			return nil
		})
		if said(err) != c.err || strings.Join(got, "|") != strings.Join(c.want, "|") {
			t.Errorf("Lines(%s) = %q, %v; want %q, %q", c.name, got, err, c.want, c.err)
		}
	}
}

// FuzzLines compares with cutting all of the text at once.
func FuzzLines(f *testing.F) {
	for _, s := range []string{"", "\n", "a\nb", "\r\n\x00\n", strings.Repeat("x", 70<<10) + "\n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var want []string
		whole, _, _ := cutLast(text)
		for _, l := range strings.Split(whole, "\n") {
			if strings.TrimSpace(l) != "" {
				want = append(want, l)
			}
		}
		var got []string
		err := input.Lines(strings.NewReader(text), "in", 1<<20, func(_ int, line []byte) error {
			got = append(got, string(line))
			return nil
		})
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("Lines(%q) = %q, %v; want %q", text, got, err, want)
		}
	})
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '\n')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}
