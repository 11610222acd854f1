// Package input reads what somebody else wrote. It takes no more than a bound,
// goes on no longer than its context lives, and below a directory that came
// from elsewhere it opens regular files alone: a named pipe would wait for ever,
// a device would never end, and a link would lead out of the directory.
package input

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
)

// NotAFileError is returned for anything but a regular file.
type NotAFileError struct {
	Name string
	Kind string // with its article
}

func (e *NotAFileError) Error() string { return e.Name + " is " + e.Kind + ", not a file" }

// TooLargeError is of an input with more bytes than are taken.
type TooLargeError struct {
	Name string
	Has  int64 // bytes; 0 where it was not read to its end
	Most int64 // bytes
}

func (e *TooLargeError) Error() string {
	if e.Has == 0 {
		return fmt.Sprintf("%s is larger than %s", e.Name, size(e.Most))
	}
	return fmt.Sprintf("%s has %s; at most %s is read", e.Name, size(e.Has), size(e.Most))
}

// Open opens a regular file below root that has at most so many bytes.
func Open(root *os.Root, name string, most int64) (*os.File, error) {
	info, err := root.Stat(name) // before it is opened: that alone does something to a device
	if err == nil {
		err = regular(name, info, most)
	}
	if err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_RDONLY|withoutWaiting, 0)
	if err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err == nil { // it may be another by now
		err = regular(name, info, most)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func regular(name string, info fs.FileInfo, most int64) error {
	if !info.Mode().IsRegular() {
		return &NotAFileError{Name: name, Kind: kind(info.Mode())}
	}
	if info.Size() > most {
		return &TooLargeError{Name: name, Has: info.Size(), Most: most}
	}
	return nil
}

func kind(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case m&fs.ModeSocket != 0:
		return "a socket"
	case m&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}

// ReadBelow reads a regular file below root.
func ReadBelow(ctx context.Context, root *os.Root, name string, most int64) ([]byte, error) {
	f, err := Open(root, name, most)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return Read(ctx, f, name, most)
}

// ReadFile reads what a user named, which may be a pipe, as that of <(command) in
// a shell, or a device. A pipe into which nobody writes holds it up whatever
// becomes of ctx.
func ReadFile(ctx context.Context, name string, most int64) ([]byte, error) {
	f, err := os.Open(name) // its user may read it
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if info.IsDir() || info.Mode().IsRegular() {
		if err := regular(name, info, most); err != nil {
			return nil, err
		}
	}
	return Read(ctx, f, name, most)
}

// Read reads to the end. name is what the error calls it.
func Read(ctx context.Context, r io.Reader, name string, most int64) ([]byte, error) {
	return io.ReadAll(Bounded(ctx, r, name, most))
}

// Bounded is a reader that fails past so many bytes, and once ctx is over.
func Bounded(ctx context.Context, r io.Reader, name string, most int64) io.Reader {
	return &bounded{ctx: ctx, r: r, name: name, most: most}
}

type bounded struct {
	ctx        context.Context
	r          io.Reader
	name       string
	read, most int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	if b.read += int64(n); b.read > b.most {
		return 0, &TooLargeError{Name: b.name, Most: b.most}
	}
	return n, err
}

// firstLine is how much room a line has at first, in bytes.
const firstLine = 64 << 10

// Lines calls f with every complete line that is not blank, and its number from 1.
// The line is valid until f returns. An incomplete last line is left out: its
// writer died. most bounds a line, in bytes.
func Lines(r io.Reader, name string, most int, f func(n int, line []byte) error) error {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, min(firstLine, most+1)), most+1) // with its end
	s.Split(completeLine)
	n := 0
	for s.Scan() {
		n++
		if len(bytes.TrimSpace(s.Bytes())) == 0 {
			continue
		}
		if err := f(n, s.Bytes()); err != nil {
			return err
		}
	}
	if errors.Is(s.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("%s:%d: the line is longer than %s", name, n+1, size(int64(most)))
	}
	return s.Err()
}

func completeLine(data []byte, _ bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i:i], nil
	}
	return 0, nil, nil
}

// size writes a number of bytes with one digit after the point at most.
func size(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	x, i := float64(n), 0
	for x >= 1024 && i < len(units)-1 {
		x, i = x/1024, i+1
	}
	tenths := int64(x*10 + 0.5)
	text := strconv.FormatFloat(float64(tenths)/10, 'f', -1, 64)
	return text + " " + units[i]
}
