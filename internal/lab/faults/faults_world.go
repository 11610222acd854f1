package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// signalled sends a signal to the gate some time after a moment.
func signalled(sig os.Signal, m moment, after time.Duration) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		if s.clock.wait(ctx, m) && sleep(ctx, after) {
			_ = s.gate.Process.Signal(sig) // one that is gone already ended otherwise, which shows
		}
	}
}

// shell runs the gate by a shell's script, in which "$@" is the gate.
func shell(script string) func(*stage, []string) []string {
	return func(_ *stage, args []string) []string {
		return append([]string{"bash", "-o", "pipefail", "-c", script, "bash"}, args...)
	}
}

// disk mounts a small file system where the run directory will be.
func disk(size string) func(s *stage) (func(), error) {
	return func(s *stage) (func(), error) {
		if err := os.Mkdir(s.runDir(), 0o755); err != nil {
			return nil, err
		}
		if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs",
			s.runDir()).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%w: no small file system can be mounted: %s", errSkipped, out)
		}
		return func() { _ = exec.Command("umount", "-l", s.runDir()).Run() }, nil
	}
}

// fill leaves room on the run directory's disk for what is still measured in settle 2, and
// none for the page of 80 KiB.
func fill(ctx context.Context, s *stage) {
	const block, left = 4 << 10, 72 << 10
	if !s.clock.wait(ctx, settle2) {
		return
	}
	f, err := os.Create(filepath.Join(s.runDir(), "filler"))
	if err != nil {
		return // the disk is full already
	}
	defer f.Close()
	size := int64(0)
	for {
		n, err := f.Write(make([]byte, block))
		size += int64(n)
		if err != nil {
			break
		}
	}
	_ = f.Truncate(max(0, size-left)) // if not, the run shows it
}

// inTheWay puts a directory where a report will be.
func inTheWay(name string) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		if s.clock.wait(ctx, warmup) {
			_ = os.MkdirAll(filepath.Join(s.runDir(), name, "full"), 0o755) // if it is missing, the run shows it
		}
	}
}

// again starts a second run in the same directory, which has to be refused.
func again(ctx context.Context, s *stage) {
	if !s.clock.wait(ctx, round1) {
		return
	}
	cmd := exec.CommandContext(ctx, s.binary, "run", "plan.yaml", "--source", "")
	cmd.Dir, cmd.Env = s.dir, environment()
	_ = cmd.Run() // its exit code is what is looked at
	if code := cmd.ProcessState.ExitCode(); code != exitUsage {
		s.complain(fmt.Sprintf("a second run in the same directory ended with %d, not 2", code))
	}
}

// worldRows are what happens to the gate itself.
func worldRows() []row {
	const kind = "world"
	leak, fine := []string{fails}, []string{passes}
	both := []string{interrupted}
	var out []row
	for _, sig := range []struct {
		name string
		sig  os.Signal
	}{{"SIGINT", os.Interrupt}, {"SIGTERM", syscall.SIGTERM}, {"SIGHUP", syscall.SIGHUP}} {
		out = append(out,
			row{kind: kind, name: sig.name + " in round 1", direct: true, short: sig.name == "SIGHUP",
				act: signalled(sig.sig, round1, time.Second), leak: both, healthy: both},
			row{kind: kind, name: sig.name + " in settle 1", direct: true,
				act: signalled(sig.sig, settle1, 300*time.Millisecond), leak: both, healthy: both},
			row{kind: kind, name: sig.name + " in the long look", direct: true, tries: 3, plan: longer, leak: both,
				act: inLook(50, signalled(sig.sig, longLook, 0))},
		)
	}
	gone := []string{killed}
	ours := []string{"generator-saturated", "error", stopped, usage}
	return append(out,
		row{kind: kind, name: "SIGKILL in round 1, then judge", direct: true, unwritable: true,
			act: signalled(syscall.SIGKILL, round1, time.Second), leak: gone, healthy: gone},
		row{kind: kind, name: "SIGKILL in settle 2, then judge", direct: true, unwritable: true,
			act: signalled(syscall.SIGKILL, settle2, 300*time.Millisecond), leak: gone, healthy: gone},
		row{kind: kind, name: "SIGKILL in the long look, then judge", direct: true, unwritable: true, plan: longer,
			act: inLook(50, signalled(syscall.SIGKILL, longLook, 0)), leak: gone},
		row{kind: kind, name: "disk full in the first round", direct: true, unwritable: true, prepare: disk("64k"),
			leak: append(leak, unclear), healthy: []string{unclear}},
		row{kind: kind, name: "disk full at the reports", direct: true, unwritable: true, prepare: disk("1m"),
			act:  fill,
			leak: append(leak, unclear), healthy: []string{unclear}},
		row{kind: kind, name: "report.html is a directory", direct: true, unwritable: true, short: true,
			act: inTheWay("report.html"), leak: leak, healthy: []string{unclear}},
		row{kind: kind, name: "verdict.json is a directory", direct: true, unwritable: true,
			act: inTheWay("verdict.json"), leak: leak, healthy: []string{unclear}},
		row{kind: kind, name: "16 open files", direct: true, command: shell(`ulimit -n 16; exec "$@"`),
			plan: manyConnections, service: slowly, leak: append(ours, fails), healthy: append(ours, passes),
			why: "the limit is this side's: nothing of it is the target's fault"},
		row{kind: kind, name: "40 open files", direct: true, command: shell(`ulimit -n 40; exec "$@"`),
			plan: manyConnections, service: slowly, leak: append(ours, fails), healthy: append(ours, passes)},
		row{kind: kind, name: "two runs in one directory", direct: true, act: again, leak: leak, healthy: fine},
		row{kind: kind, name: "stdout closed", direct: true, unread: true, command: shell(`exec "$@" >&-`),
			leak: leak, healthy: []string{passes, unclear}},
		row{kind: kind, name: "stderr closed", direct: true, unread: true, command: shell(`exec "$@" 2>&-`),
			leak: leak, healthy: []string{passes, unclear}},
		row{kind: kind, name: "stdout on a full disk", direct: true, unread: true,
			command: shell(`exec "$@" >/dev/full`), leak: leak, healthy: []string{unclear}},
		row{kind: kind, name: "the reader of stdout is gone", direct: true, unread: true,
			command: shell(`"$@" | true`), leak: leak, healthy: []string{passes, unclear}},
		row{kind: kind, name: "the reader of stdout is late", direct: true,
			command: shell(`"$@" | (sleep 25; cat)`), leak: leak, healthy: fine},
		row{kind: kind, name: "the reader of stderr is gone", direct: true, unread: true,
			command: shell(`"$@" 2> >(true)`), leak: leak, healthy: []string{passes, unclear}},
	)
}

// manyConnections needs more connections than a small limit on open files allows.
func manyConnections(_ *stage, p *planText) {
	p.connections = 100
}

// slowly makes each request take long enough that many are under way at once.
func slowly(leak bool) features {
	f := plainLeak(leak)
	f.Slow = 400 * time.Millisecond
	return f
}

// idle are other clients' connections that stay open.
func idle(n int, moments ...moment) func(context.Context, *stage) {
	return func(ctx context.Context, s *stage) {
		for _, m := range moments {
			if !s.clock.wait(ctx, m) {
				return
			}
			for range n {
				if c, err := net.Dial("tcp", s.replica(0).load); err == nil {
					defer c.Close()
					_, _ = io.WriteString(c, "GET /work HTTP/1.1\r\nHost: x\r\n\r\n")
				}
			}
		}
		<-ctx.Done()
	}
}

// bursts is traffic of others that comes and goes.
func bursts(ctx context.Context, s *stage) {
	for sleep(ctx, 700*time.Millisecond) {
		sendFor(500*time.Millisecond, 2*planRate, "http://"+s.replica(0).load+"/work")
	}
}

// trafficRows are other clients of the same service.
func trafficRows() []row {
	const kind = "traffic"
	leak, fine := []string{fails, unclear}, []string{passes, unclear}
	late := leaking(features{Pool: plainPool, Late: true, Leak: leakSend}, features{Pool: plainPool, Late: true})
	sessions := leaking(features{Sessions: 60, Leak: leakSend}, features{Sessions: 60})
	return []row{
		{kind: kind, name: "sessions come and go", short: true, variants: each, tries: 2, service: sessions,
			leak: []string{fails}, healthy: []string{passes}},
		{kind: kind, name: "bursts of requests with late work", variants: ends, tries: 3, direct: true,
			service: late, act: bursts, leak: leak, healthy: fine,
			why: "a service that never rests may take more than three short rounds"},
		{kind: kind, name: "twenty idle connections from round 1 on", variants: ends, direct: true,
			act: idle(20, round1), leak: []string{fails}, healthy: fine},
		{kind: kind, name: "three more idle connections in every round", direct: true,
			act: idle(3, round1, round2), leak: []string{fails}, healthy: []string{passes}},
		{kind: kind, name: "others send all the time", variants: ends, tries: 3, direct: true, act: others,
			leak: leak, healthy: fine},
		{kind: kind, name: "others ask for what is not there", direct: true, leak: []string{fails},
			healthy: []string{passes}, act: func(ctx context.Context, s *stage) {
				for sleep(ctx, 50*time.Millisecond) {
					req, err := http.NewRequestWithContext(ctx, http.MethodGet,
						"http://"+s.replica(0).admin+"/"+strings.Repeat("x", 10), nil)
					if err != nil {
						return
					}
					if resp, err := s.probes.Do(req); err == nil {
						resp.Body.Close()
					}
				}
			}},
	}
}
