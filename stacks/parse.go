package stacks

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// Read is Parse, and returns the bytes to keep as well: those that came, less the
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

// Release says that a profile that was read is no longer kept.
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

// parseProto reads the form that is served without debug. Without stacks, only the totals
// are filled in.
func (r *Reader) parseProto(data []byte, lease *budget.Lease, stacks bool) (*Profile, error) {
	m, err := readMessage(data, lease)
	if err != nil {
		return nil, failedProto(data, err)
	}
	kind, err := m.goroutines()
	if err != nil {
		return nil, err
	}
	if root := m.goroot(); root != "" && root != r.root {
		r.forget()
		r.root = root
	}
	p, own, err := r.collect(m, lease, stacks)
	if err != nil {
		return nil, failedProto(data, err)
	}
	p.Root = r.root
	open := 1 // this request
	if kind == leakedType {
		open = 0 // it is not among those that can never wake
	}
	if stacks {
		p.finish(open)
	} else {
		p.subtract(own, open)
	}
	if err := m.describe(p); err != nil {
		return nil, err
	}
	return p, nil
}

func failedProto(data []byte, err error) error {
	if !errors.Is(err, errMalformed) {
		return err
	}
	return fmt.Errorf("parsing profile (%d bytes, starting %.20q): %w", len(data), data, err)
}

// maxCount bounds the goroutines of one sample.
const maxCount = 1<<31 - 1

// collect counts the goroutines of every place, or all of them together. It counts apart
// those that may be the observer's own.
func (r *Reader) collect(m *message, lease *budget.Lease, stacks bool) (*Profile, ownCounts, error) {
	var own ownCounts
	calls, err := r.calls(m)
	if err != nil {
		return nil, own, err
	}
	p := &Profile{}
	if stacks {
		p.Stacks = make([]Stack, 0, r.stacks)
	}
	r.parsed++
	var ids []int32
	nameless := 0
	err = m.eachSample(func(s *sample) error {
		n := s.values[0]
		switch {
		case n < 0:
			return fmt.Errorf("a sample of %d goroutines: %w; is it asked for with seconds=?", n, ErrDelta)
		case n > maxCount:
			return fmt.Errorf("%w: a sample of %d goroutines", ErrInconsistent, n)
		case n == 0:
			return nil
		}
		if ids, err = calls.of(s, ids[:0]); err != nil {
			return err
		}
		if len(ids) == 0 && len(s.locations) > 0 {
			nameless += int(n)
		}
		p.Total += int(n)
		o, err := r.origin(ids)
		if err != nil {
			return err
		}
		own.add(&o.stack, int(n))
		if !stacks {
			return nil
		}
		return r.count(p, m, s, o, lease)
	})
	r.stacks = max(r.stacks, len(p.Stacks))
	if err == nil && nameless > 0 {
		err = fmt.Errorf("%w: %d of %d goroutines have addresses only; was it stripped or converted?",
			ErrNoSymbols, nameless, p.Total)
	}
	return p, own, err
}

// count adds a sample to its place.
func (r *Reader) count(p *Profile, m *message, s *sample, o *origin, lease *budget.Lease) error {
	if o.seen != r.parsed {
		if err := lease.Take(int64(unsafe.Sizeof(Stack{}))); err != nil {
			return err
		}
		o.seen, o.at = r.parsed, len(p.Stacks)
		p.Stacks = append(p.Stacks, o.stack)
	}
	st := &p.Stacks[o.at]
	st.Count += int(s.values[0])
	for i := 0; i < len(s.labels); i += 2 {
		name, err := m.text(s.labels[i])
		if err != nil {
			return err
		}
		value, err := m.text(s.labels[i+1])
		if err != nil {
			return err
		}
		if err := lease.Take(int64(len(name) + len(value) + nameCost)); err != nil {
			return err
		}
		st.label(string(name)+"="+string(value), int(s.values[0]))
	}
	return nil
}

// The types of the profiles that hold goroutines.
const (
	goroutineType = "goroutine"
	leakedType    = "goroutineleak"
)

// goroutines is the type of a message that counts goroutines, or an error that says
// what it counts instead.
func (m *message) goroutines() (string, error) {
	kind := ""
	if len(m.types) == 1 {
		text, _ := m.text(m.types[0].kind)
		kind = string(text)
	}
	switch {
	case kind != goroutineType && kind != leakedType:
		return "", fmt.Errorf("%w: it counts %s", ErrNotGoroutine, m.sampleTypes())
	case m.duration != 0:
		return "", fmt.Errorf("it covers %s: %w; leave seconds= out of the address",
			time.Duration(m.duration).Round(time.Millisecond), ErrDelta)
	}
	return kind, nil
}

// sampleTypes names what a message counts, for people.
func (m *message) sampleTypes() string {
	var names []string
	for _, t := range m.types {
		kind, _ := m.text(t.kind)
		unit, _ := m.text(t.unit)
		names = append(names, fmt.Sprintf("%.40s/%.40s", kind, unit))
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, " ")
}

// describe fills in what a message says of itself.
func (m *message) describe(p *Profile) error {
	if m.time > 0 {
		p.Time = time.Unix(0, m.time).UTC()
	}
	if !m.mapped {
		return nil
	}
	binary, err := m.text(m.binary)
	if err != nil {
		return failedProto(m.data, err)
	}
	id, err := m.text(m.buildID)
	if err != nil {
		return failedProto(m.data, err)
	}
	p.Binary, p.BuildID = string(binary), string(id)
	return nil
}

// goroot is the toolchain's folder, by the first function of the runtime.
func (m *message) goroot() string {
	for _, f := range m.functions.all {
		name, _ := m.text(f.name)
		if !bytes.HasPrefix(name, []byte("runtime.")) {
			continue
		}
		file, _ := m.text(f.file)
		if root, ok := goroot(string(name), string(file)); ok {
			return root
		}
	}
	return ""
}

func (s *Stack) label(l string, n int) {
	if s.Labels == nil {
		s.Labels = map[string]int{}
	}
	s.Labels[l] += n
}

func itoa(n int) string { return strconv.Itoa(n) }
