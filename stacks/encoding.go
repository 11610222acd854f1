package stacks

import "bytes"

// utf8Text takes a byte order mark away, as editors and PowerShell put in front of
// text, and refuses UTF-16.
func utf8Text(data []byte) ([]byte, error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	switch {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
		return nil, ErrEncoding
	case bytes.HasPrefix(data, []byte("g\x00o\x00r\x00")), bytes.HasPrefix(data, []byte("\x00g\x00o\x00r")):
		return nil, ErrEncoding // without its mark
	}
	return data, nil
}
