package stacks

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"github.com/leakgate/leakgate/internal/budget"
)

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
			return fmt.Errorf("a sample of %d goroutines: %w; does the address have seconds=?", n, ErrDelta)
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
		err = fmt.Errorf("%w: %d of %d goroutines have only addresses; was it stripped or converted?",
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
