package stacks

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/leakgate/leakgate/internal/budget"
)

// unpack decompresses a profile and takes the secrets out of it. It returns the bytes to
// keep, as they came or without the secrets, and those to read.
func (r *Reader) unpack(raw []byte, lease *budget.Lease) (kept, data []byte, err error) {
	data, err = plain(raw, lease)
	if err != nil {
		return nil, nil, err
	}
	data, hidden := r.hide(data)
	if hidden {
		raw = pack(data, isCompressed(raw))
	}
	return raw, data, nil
}

// plain is what the bytes hold once they are decompressed.
func plain(data []byte, lease *budget.Lease) ([]byte, error) {
	if !isCompressed(data) {
		return data, lease.Take(int64(len(data)))
	}
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("reading gzip header: %w", err)
	}
	room := plainSize(data)
	if err := lease.Take(int64(room)); err != nil {
		return nil, err
	}
	out := make([]byte, 0, room)
	for {
		n, err := zr.Read(out[len(out):cap(out)])
		out = out[:len(out)+n]
		switch {
		case len(out) > MaxProfile:
			return nil, fmt.Errorf("%w: more than %d MiB after decompression", ErrTooLarge, MaxProfile>>20)
		case errors.Is(err, io.EOF):
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("decompressing profile after %d bytes: %w", len(out), err)
		}
		if len(out) == cap(out) { // twice the room, while both are there
			if err := lease.Take(2 * int64(cap(out))); err != nil {
				return nil, err
			}
			out = append(make([]byte, 0, 2*cap(out)), out...)
		}
	}
}

// mostDeflated is by how many times deflate shrinks the most shrinkable bytes
// (RFC 1951 allows 258 bytes in two bits).
const mostDeflated = 1032

// plainSize is how much room decompressed bytes need, as far as the compressed ones say:
// gzip ends with the size, of its last member.
func plainSize(data []byte) int {
	said := int64(binary.LittleEndian.Uint32(data[max(0, len(data)-4):]))
	return max(bytes.MinRead, int(min(said, mostDeflated*int64(len(data)), MaxProfile))+1) // one to see the end
}
