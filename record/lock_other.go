//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package record

import "os"

// lock cannot tell here whether another process records.
func lock(*os.File) bool { return true }
