package stacks

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// sample is one sample of a message. Its slices are used again for the next.
type sample struct {
	locations []int    // positions in the message's table
	values    []int64  // one per sample type
	labels    []uint64 // pairs of positions in the table of strings
}

// eachSample calls f with every sample in turn.
func (m *message) eachSample(f func(*sample) error) error {
	var s sample
	return eachField(m.data, func(num protowire.Number, _ uint64, b []byte) error {
		if num != fieldSample {
			return nil
		}
		if err := s.read(m, b); err != nil {
			return err
		}
		return f(&s)
	})
}

func (s *sample) read(m *message, b []byte) error {
	s.locations, s.values, s.labels = s.locations[:0], s.values[:0], s.labels[:0]
	err := eachField(b, func(num protowire.Number, n uint64, b []byte) error {
		switch num {
		case 1:
			return eachNumber(n, b, func(id uint64) error {
				at, ok := m.locations.at(id)
				if !ok {
					return errMalformed
				}
				if s.locations = append(s.locations, at); len(s.locations) > maxDepth {
					return fmt.Errorf("%w: a stack of more than %d frames", ErrTooLarge, maxDepth)
				}
				return nil
			})
		case 2:
			return eachNumber(n, b, func(v uint64) error {
				if len(s.values) == len(m.types) {
					return errMalformed
				}
				s.values = append(s.values, int64(v))
				return nil
			})
		case 3:
			v, err := readNumbers(b, 1, 2)
			if v[1] != 0 { // a label with a string
				s.labels = append(s.labels, v[0], v[1])
			}
			return err
		}
		return nil
	})
	if err == nil && len(s.values) != len(m.types) {
		err = errMalformed
	}
	return err
}
