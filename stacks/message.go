package stacks

import (
	"errors"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/leakgate/leakgate/internal/budget"
)

// Field numbers of profile.proto (github.com/google/pprof, proto/profile.proto).
const (
	fieldSampleType = 1
	fieldSample     = 2
	fieldMapping    = 3
	fieldLocation   = 4
	fieldFunction   = 5
	fieldString     = 6
	fieldTime       = 9
	fieldDuration   = 10
)

// message is a profile's protocol buffer: its tables, and where its samples are.
// Samples are read one after another, so that their number costs no memory. It
// holds on to the bytes that it was read from.
//
// The library github.com/google/pprof/profile reads the same, and allocates
// whatever the bytes ask for: 40 MB of a hostile profile take 3.4 GB. It is what
// the tests compare this reader with.
type message struct {
	data      []byte
	strings   [][]byte
	types     []valueType
	functions table[wireFunction]
	locations table[wireLocation]
	lines     []wireLine
	samples   int
	mapped    bool   // there is a mapping
	binary    uint64 // of the first mapping, as buildID: position in the table of strings
	buildID   uint64
	time      int64 // nanoseconds since 1970; 0 if it is not known
	duration  int64 // nanoseconds; of a goroutine profile only where it is a difference
}

// valueType is what a sample's value counts, by positions in the table of strings.
type valueType struct{ kind, unit uint64 }

// wireFunction holds positions in the table of strings.
type wireFunction struct{ name, file uint64 }

// wireLocation is an address, with the calls that were inlined there: n of the lines
// from first on.
type wireLocation struct {
	address  uint64
	first, n int
}

type wireLine struct {
	function uint64 // id, and later its position
	line     int64
}

// What an element of a table takes in memory, in bytes: its size, twice for what a
// table that grows leaves unused, and its place in the index.
const (
	stringCost   = 2 * 24
	functionCost = 2*16 + 2*8
	locationCost = 2*24 + 2*8
	lineCost     = 2 * 16
)

var errMalformed = errors.New("malformed protocol buffer")

// eachField calls f with every field of a message: n is the value of a varint, b
// what a field of bytes holds.
func eachField(data []byte, f func(num protowire.Number, n uint64, b []byte) error) error {
	for len(data) > 0 {
		num, kind, size := protowire.ConsumeTag(data)
		if size < 0 {
			return errMalformed
		}
		data = data[size:]
		var n uint64
		var b []byte
		switch kind {
		case protowire.VarintType:
			n, size = protowire.ConsumeVarint(data)
		case protowire.BytesType:
			b, size = protowire.ConsumeBytes(data)
		default:
			size = protowire.ConsumeFieldValue(num, kind, data)
		}
		if size < 0 {
			return errMalformed
		}
		data = data[size:]
		if err := f(num, n, b); err != nil {
			return err
		}
	}
	return nil
}

// eachNumber calls f with every number of a repeated field: one that stands alone,
// or those that are packed in b.
func eachNumber(n uint64, b []byte, f func(uint64) error) error {
	if b == nil {
		return f(n)
	}
	for len(b) > 0 {
		n, size := protowire.ConsumeVarint(b)
		if size < 0 {
			return errMalformed
		}
		if err := f(n); err != nil {
			return err
		}
		b = b[size:]
	}
	return nil
}

// readMessage reads the tables of a decompressed profile. What they take comes out
// of the lease before they are made.
func readMessage(data []byte, lease *budget.Lease) (*message, error) {
	m := &message{data: data}
	if err := m.makeTables(lease); err != nil {
		return nil, err
	}
	if err := eachField(data, m.field); err != nil {
		return nil, err
	}
	if len(m.strings) == 0 || len(m.strings[0]) > 0 { // its first string is the empty one
		return nil, errMalformed
	}
	for i, l := range m.lines {
		at, ok := m.functions.at(l.function)
		if !ok && l.function != 0 {
			return nil, errMalformed
		}
		m.lines[i].function = uint64(at)
		if !ok { // a line without a function
			m.lines[i].function = math.MaxUint64
		}
	}
	return m, nil
}

// makeTables counts what there is, and makes room for it.
func (m *message) makeTables(lease *budget.Lease) error {
	strings, functions, locations, lines := 0, 0, 0, 0
	err := eachField(m.data, func(num protowire.Number, _ uint64, b []byte) error {
		switch num {
		case fieldString:
			strings++
		case fieldFunction:
			functions++
		case fieldLocation:
			locations++
			lines += countFields(b, 4)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = lease.Take(int64(strings)*stringCost + int64(functions)*functionCost +
		int64(locations)*locationCost + int64(lines)*lineCost)
	if err != nil {
		return err
	}
	m.strings, m.lines = make([][]byte, 0, strings), make([]wireLine, 0, lines)
	m.functions.make(functions)
	m.locations.make(locations)
	return nil
}

// countFields counts how often a field is in a message, as far as that can be read.
func countFields(data []byte, field protowire.Number) int {
	n := 0
	_ = eachField(data, func(num protowire.Number, _ uint64, _ []byte) error {
		if num == field {
			n++
		}
		return nil
	})
	return n
}

// maxTypes bounds what the samples of a profile count. A heap profile has four.
const maxTypes = 16

// field takes in one field of the profile.
func (m *message) field(num protowire.Number, n uint64, b []byte) error {
	switch num {
	case fieldSampleType:
		v, err := readNumbers(b, 1, 2)
		if m.types = append(m.types, valueType{kind: v[0], unit: v[1]}); len(m.types) > maxTypes {
			return fmt.Errorf("%w: more than %d types of samples", errMalformed, maxTypes)
		}
		return err
	case fieldSample:
		m.samples++
	case fieldMapping:
		return m.mapping(b)
	case fieldLocation:
		return m.location(b)
	case fieldFunction:
		v, err := readNumbers(b, 1, 2, 4) // id, name, file name
		if err != nil {
			return err
		}
		return m.functions.add(v[0], wireFunction{name: v[1], file: v[2]})
	case fieldString:
		m.strings = append(m.strings, b)
	case fieldTime:
		m.time = int64(n)
	case fieldDuration:
		m.duration = int64(n)
	}
	return nil
}

// readNumbers reads the fields of a message that hold numbers.
func readNumbers(data []byte, wanted ...protowire.Number) ([4]uint64, error) {
	var out [4]uint64
	err := eachField(data, func(num protowire.Number, n uint64, _ []byte) error {
		for i, w := range wanted {
			if num == w {
				out[i] = n
			}
		}
		return nil
	})
	return out, err
}

func (m *message) mapping(b []byte) error {
	if m.mapped {
		return nil
	}
	v, err := readNumbers(b, 5, 6) // file name, build id
	m.mapped, m.binary, m.buildID = true, v[0], v[1]
	return err
}

func (m *message) location(b []byte) error {
	var id uint64
	l := wireLocation{first: len(m.lines)}
	err := eachField(b, func(num protowire.Number, n uint64, b []byte) error {
		switch num {
		case 1:
			id = n
		case 3:
			l.address = n
		case 4:
			v, err := readNumbers(b, 1, 2)
			if err != nil {
				return err
			}
			m.lines = append(m.lines, wireLine{function: v[0], line: int64(v[1])})
		}
		return nil
	})
	if err != nil {
		return err
	}
	l.n = len(m.lines) - l.first
	return m.locations.add(id, l)
}

// text is a string of the table.
func (m *message) text(at uint64) ([]byte, error) {
	if at >= uint64(len(m.strings)) {
		return nil, errMalformed
	}
	return m.strings[at], nil
}
