package probe

import (
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A limit of our own is no fault of the target's.
func TestOwnLimit(t *testing.T) {
	dial := func(e syscall.Errno) error {
		return fmt.Errorf("Get: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", e)})
	}
	for _, c := range []struct {
		err       error
		got, code string
	}{
		{dial(syscall.EMFILE), "leakgate's own limit of open files is reached", CodeOwnLimit},
		{dial(syscall.ENFILE), "the limit of open files of leakgate's machine is reached", CodeOwnLimit},
		{dial(syscall.ECONNREFUSED), "connection refused", ""},
		{fmt.Errorf("the answer is %q", "too many open files"), "too many open files", ""}, // the target's words
	} {
		if e := failed("shop", "GET /", time.Second, c.err); !strings.Contains(e.Got, c.got) || e.Code != c.code {
			t.Errorf("failed(%v) = %q, code %q; want %q, %q", c.err, e.Got, e.Code, c.got, c.code)
		}
	}
}
