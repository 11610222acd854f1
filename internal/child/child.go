// Package child starts services as processes of their own that never outlive
// their parent: each ends when its standard input does, even if the parent was
// killed.
package child

import (
	"bufio"
	"fmt"
	"os/exec"
	"time"
)

// patience is how long a child may take to end once its input has.
const patience = 2 * time.Second

// Start starts a command and waits for its first line of output, in which a
// service says its addresses. The returned function ends it.
func Start(cmd *exec.Cmd) (line string, stop func(), err error) {
	cmd.WaitDelay = patience
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		in.Close()
		giveUp := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer giveUp.Stop()
		_ = cmd.Wait() // it was told to end; how it ends is of no interest
	}
	line, err = bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("%s did not say where it listens: %w", cmd.Path, err)
	}
	return line, stop, nil
}
