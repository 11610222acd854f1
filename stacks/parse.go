package stacks

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"
	"unsafe"

	"github.com/leakgate/leakgate/internal/budget"
)

// MaxProfile bounds a decompressed profile, in bytes. A goroutine profile with
// 100,000 different stacks of 30 frames is about 40 MB; anything larger is no
// goroutine profile, or a bomb.
const MaxProfile = 256 << 20

var (
	// ErrNotGoroutine is returned for a profile of another kind.
	ErrNotGoroutine = errors.New("not a goroutine profile")
	// ErrInconsistent is returned for a profile that contradicts itself.
	ErrInconsistent = errors.New("the profile contradicts itself")
	// ErrTooLarge is returned for a profile that decompresses to more than MaxProfile, or
	// that takes more memory than the reader's budget has left.
	ErrTooLarge = errors.New("profile too large")
	// ErrDelta is returned for a profile that holds the change over some seconds.
	ErrDelta = errors.New("a difference between two profiles, not a profile")
	// ErrNoSymbols is returned for a profile whose stacks have addresses and no names.
	ErrNoSymbols = errors.New("the profile has no function names")
	// ErrEncoding is returned for text in an encoding other than UTF-8.
	ErrEncoding = errors.New("the profile is UTF-16 text; save it as UTF-8")
)

// Parse reads a goroutine profile in any form that net/http/pprof serves:
// debug=0 (gzipped protocol buffer), debug=1 or debug=2 (text). It never
// panics; an error says what the bytes looked like. Profiles that belong together are
// read by one Reader.
func Parse(data []byte) (*Profile, error) { return NewReader(nil).Parse(data) }

// Parse reads a goroutine profile as the function of that name does.
func (r *Reader) Parse(data []byte) (*Profile, error) {
	_, p, err := r.Read(data)
	return p, err
}

// Read is like Parse, and also returns the bytes to keep: those that came, without the
// secrets in them.
func (r *Reader) Read(data []byte) ([]byte, *Profile, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lease := r.budget.Lease()
	kept, p, err := r.read(data, lease)
	if p != nil {
		lease.End(p.size())
	}
	lease.End(0)
	return kept, p, tooLarge(err)
}

// Total is how many goroutines Parse would find, and when they were counted. Nothing of it
// is kept.
func (r *Reader) Total(raw []byte) (int, time.Time, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lease := r.budget.Lease()
	defer lease.End(0)
	data, err := plain(raw, lease)
	if err != nil {
		return 0, time.Time{}, tooLarge(err)
	}
	if !isMessage(data) {
		_, p, err := r.read(raw, lease)
		if err != nil {
			return 0, time.Time{}, tooLarge(err)
		}
		return p.Total, p.Time, nil
	}
	p, err := r.parseProto(data, lease, false)
	if err != nil {
		return 0, time.Time{}, tooLarge(err)
	}
	return p.Total, p.Time, nil
}

// size is what the stacks of a profile take, in bytes.
func (p *Profile) size() int64 { return int64(len(p.Stacks)) * int64(unsafe.Sizeof(Stack{})) }

// Release gives back the memory of a profile that is no longer kept.
func (r *Reader) Release(p *Profile) { r.budget.Release(p.size()) }

// tooLarge names what a budget refused.
func tooLarge(err error) error {
	var e *budget.ExceededError
	if errors.As(err, &e) {
		return fmt.Errorf("%w: %w", ErrTooLarge, e)
	}
	return err
}

func (r *Reader) read(raw []byte, lease *budget.Lease) ([]byte, *Profile, error) {
	raw, data, err := r.unpack(raw, lease)
	if err != nil {
		return nil, nil, err
	}
	p, err := r.parse(data, lease)
	return raw, p, err
}

func (r *Reader) parse(data []byte, lease *budget.Lease) (*Profile, error) {
	data, err := utf8Text(data)
	if err != nil {
		return nil, err
	}
	head := bytes.TrimLeft(data[:min(len(data), headSize)], " \t\r\n")
	if isText := textHead.Match(head) || bytes.HasPrefix(head, []byte("goroutine ")); isText {
		if err := lease.Take(textCost * int64(len(data))); err != nil {
			return nil, err
		}
	}
	switch {
	case len(head) == 0:
		return nil, errors.New("the profile is empty")
	case textHead.Match(head):
		return parseText(data)
	case bytes.HasPrefix(head, []byte("goroutine ")):
		return parseDump(data)
	case head[0] == '<':
		return nil, fmt.Errorf("an HTML page, not a profile: %.60q", head)
	case head[0] == '{':
		return nil, fmt.Errorf("JSON, not a profile: %.60q", head)
	}
	return r.parseProto(data, lease, true)
}

// textCost is what the lines of a text take in memory once they are read, by the bytes
// that they have: frames repeat what the text says, in structures of their own.
const textCost = 4

func itoa(n int) string { return strconv.Itoa(n) }
