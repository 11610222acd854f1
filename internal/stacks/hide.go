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
		return hideStrings(data, r.mask), true
	}
	return masked, true
}

// isMessage reports whether a decompressed profile is a protocol buffer: it begins
// with its sample type, a field of bytes.
func isMessage(data []byte) bool {
	num, kind, size := protowire.ConsumeTag(data)
	return size > 0 && num <= fieldComment && kind == protowire.BytesType && data[0] < ' '
}

// fieldComment is the last field of a profile that Go writes.
const fieldComment = 13

// hideStrings masks the strings of a protocol buffer, each with its own length. What
// cannot be read any more is left out.
func hideStrings(data []byte, mask func([]byte) []byte) []byte {
	out := make([]byte, 0, len(data))
	for len(data) > 0 {
		num, kind, tag := protowire.ConsumeTag(data)
		if tag < 0 {
			return out
		}
		size := protowire.ConsumeFieldValue(num, kind, data[tag:])
		if size < 0 {
			return out
		}
		if num == fieldString && kind == protowire.BytesType {
			text, _ := protowire.ConsumeBytes(data[tag:])
			out = protowire.AppendBytes(protowire.AppendTag(out, num, kind), mask(text))
		} else {
			out = append(out, data[:tag+size]...)
		}
		data = data[tag+size:]
	}
	return out
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
