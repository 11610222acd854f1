package stacks

import (
	"bytes"
	"compress/gzip"

	"google.golang.org/protobuf/encoding/protowire"
)

// Hide makes the reader take secrets out of what it reads, before anything is made of
// it: names, labels and paths are the target's to choose, and may repeat what it was
// sent. mask returns its argument where there is nothing to hide.
func (r *Reader) Hide(mask func([]byte) []byte) { r.mask = mask }

// hide masks a profile that was decompressed. It reports whether that changed it.
func (r *Reader) hide(data []byte) ([]byte, bool) {
	if r.mask == nil || len(data) == 0 {
		return data, false
	}
	masked := r.mask(data)
	if len(masked) == len(data) && &masked[0] == &data[0] {
		return data, false
	}
	if isMessage(data) {
		if out, ok := hideStrings(data, r.mask); ok {
			return out, true
		}
	}
	return masked, true
}

// isMessage reports whether a decompressed profile is a protocol buffer: it begins with
// a field of bytes, as what it counts (other tools) or what its period counts (Go), and
// with none of the words that text begins with.
func isMessage(data []byte) bool {
	num, kind, size := protowire.ConsumeTag(data)
	return size > 0 && num <= lastField && kind == protowire.BytesType &&
		!textHead.Match(data[:min(len(data), headSize)])
}

const (
	// lastField is the highest number of a profile's fields.
	lastField = 15
	// headSize is how much of a profile shows which form it has, in bytes.
	headSize = 512
)

// hideStrings masks the strings of a protocol buffer, each with its own length. It
// reports false where that cannot be read.
func hideStrings(data []byte, mask func([]byte) []byte) ([]byte, bool) {
	out := make([]byte, 0, len(data))
	for len(data) > 0 {
		num, kind, tag := protowire.ConsumeTag(data)
		if tag < 0 {
			return nil, false
		}
		size := protowire.ConsumeFieldValue(num, kind, data[tag:])
		if size < 0 {
			return nil, false
		}
		if num == fieldString && kind == protowire.BytesType {
			text, _ := protowire.ConsumeBytes(data[tag:])
			out = protowire.AppendBytes(protowire.AppendTag(out, num, kind), mask(text))
		} else {
			out = append(out, data[:tag+size]...)
		}
		data = data[tag+size:]
	}
	return out, true
}

// pack writes a profile as it is kept: as it came, compressed or not.
func pack(data []byte, compressed bool) []byte {
	if !compressed {
		return data
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data) // to memory
	_ = w.Close()
	return b.Bytes()
}

// isCompressed reports whether bytes begin as gzip's.
func isCompressed(data []byte) bool { return bytes.HasPrefix(data, []byte{0x1f, 0x8b}) }
