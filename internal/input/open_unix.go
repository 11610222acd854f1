//go:build unix

package input

import "syscall"

// withoutWaiting opens a named pipe that nobody writes to at once.
const withoutWaiting = syscall.O_NONBLOCK
