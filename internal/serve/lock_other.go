//go:build !unix

package serve

import (
	"io"
	"os"
	"os/exec"
)

// lockFile holds a file open; here nothing keeps a second server from doing the same.
func lockFile(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
}

// syncDir does nothing here: a folder cannot be opened as a file.
func syncDir(string) error { return nil }

// handOn does nothing here: a child inherits no files.
func handOn(*exec.Cmd, string) (io.Closer, error) { return io.NopCloser(nil), nil }

// held is not known here: a child ends by itself when its input does.
func held(string) bool { return false }
