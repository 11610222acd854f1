package loadgen

import (
	"testing"

	"github.com/leakgate/leakgate/record"
)

func TestOwnLimitKind(t *testing.T) {
	for text, want := range map[string]string{
		`Get "http://127.0.0.1:80/": dial tcp 127.0.0.1:80: socket: too many open files`:           record.OwnLimitError,
		`Get "http://127.0.0.1:80/": dial tcp 127.0.0.1:80: socket: too many open files in system`: record.OwnLimitError,
		`Get "http://127.0.0.1:80/": dial tcp 127.0.0.1:80: connect: connection refused`:           "dial tcp 127.0.0.1:80: connect: connection refused",
		// A path may be called anything.
		`Get "http://127.0.0.1:80/too many open files": EOF`: "EOF",
	} {
		if got := errorKind(text); got != want {
			t.Errorf("errorKind(%s) = %q, want %q", text, got, want)
		}
	}
}
