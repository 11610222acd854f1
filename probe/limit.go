package probe

import (
	"errors"
	"syscall"
)

// CodeOwnLimit is the code of a run that failed because leakgate itself could open no more
// files: it says nothing about the target.
const CodeOwnLimit = "generator-saturated"

// ownLimit reports whether an error is a limit of this process or its machine, which is not
// the target's fault, and what to do about it.
func ownLimit(err error) (got, hint string, ok bool) {
	const raise = "raise it for leakgate, for example with ulimit -n 4096, or lower load.connections"
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "leakgate's own limit of open files is reached", raise, true
	case errors.Is(err, syscall.ENFILE):
		return "the limit of open files of leakgate's machine is reached", "run leakgate on a machine with more to spare",
			true
	}
	return "", "", false
}
