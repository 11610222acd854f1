package probe

import (
	"errors"
	"syscall"
)

// CodeOwnLimit is of a run whose measurements or load failed for want of leakgate's
// own open files: its generator is what gave out, and says nothing of the target.
const CodeOwnLimit = "generator-saturated"

// ownLimit reports whether an error is a limit of this process or its machine,
// which is no fault of the target, and what to do about it.
func ownLimit(err error) (got, hint string, ok bool) {
	const raise = "raise it for leakgate, as with ulimit -n 4096, or lower load.connections"
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "leakgate's own limit: it may open no more files", raise, true
	case errors.Is(err, syscall.ENFILE):
		return "leakgate's own limit: its machine may open no more files", "give leakgate a machine with more to spare", true
	}
	return "", "", false
}
