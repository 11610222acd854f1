//go:build unix

package loadgen

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// ownGroup puts a command into its own process group, which is ended as a whole: the
// children of a script are the load.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
}

// endGroup ends what is left of the group of a command that has exited, and reports whether
// anything was.
func endGroup(cmd *exec.Cmd) bool {
	if cmd.Process == nil {
		return false
	}
	group := cmd.Process.Pid
	left := syscall.Kill(-group, 0) == nil && !onlyDead(group)
	for range int(endingTime / endingPause) {
		if syscall.Kill(-group, syscall.SIGKILL) != nil || onlyDead(group) {
			break
		}
		time.Sleep(endingPause) // it takes a moment to die
	}
	return left
}

// endingPause is the time between two checks whether a group is gone.
const endingPause = 10 * time.Millisecond

// onlyDead reports whether all processes of a group are zombies, as happens if process 1 of
// a container does not reap them. Without /proc, it reports false.
func onlyDead(group int) bool {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(files) == 0 {
		return false
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it is gone
		}
		// The program's name, in brackets, may hold anything; then come state, parent and group.
		fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
		if len(fields) > 2 && string(fields[2]) == strconv.Itoa(group) && string(fields[0]) != "Z" &&
			string(fields[0]) != "X" {
			return false
		}
	}
	return true
}
