//go:build !unix

package loadgen

import "os/exec"

// ownGroup does nothing: there are no process groups.
func ownGroup(*exec.Cmd) {}

// endGroup cannot find out on this system what a command left behind.
func endGroup(*exec.Cmd) bool { return false }
