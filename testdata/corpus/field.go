package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
)

// field are services as they are found in the field: what published post-mortems
// tell of, and what well-known libraries do. They were written by somebody who did not
// know the method, and judged before anything was changed for them.
func field() []service {
	return slices.Concat(leaksOfState(), leaksOfConnections(), leaksOfLibraries(), finePools(), fineConnections(), fineWork())
}

// numbered makes a handler that is told the number of the request, from 1, and answers ok.
func numbered(f func(n int, r *http.Request)) http.HandlerFunc {
	var count atomic.Int64
	return func(w http.ResponseWriter, r *http.Request) {
		f(int(count.Add(1)), r)
		fmt.Fprintln(w, "ok")
	}
}

// upstreams keeps the other processes' standard input open until this one ends.
var upstreams []io.Closer

// startUpstream starts this program again as another server, which ends with this
// process, and says where it listens.
func startUpstream(kind string) string {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.Command(self, "-upstream", kind)
	in, err := cmd.StdinPipe()
	if err != nil {
		panic(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	upstreams = append(upstreams, in, out)
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		panic(err)
	}
	return strings.TrimSpace(line)
}
