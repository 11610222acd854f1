//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
)

// crash is a command that ends in every way in which a program can.
func crash(ctx context.Context, args []string, _ func(string) (string, bool), _ io.Reader, out, errOut io.Writer) int {
	const secret = "hunter2-in-a-panic"
	switch args[1] {
	case "panic":
		panic("GET http://127.0.0.1/?token=" + secret + "\ngoroutine of " + secret)
	case "error":
		panic(errors.New(secret))
	case "goroutine":
		go func() { panic(fmt.Sprintf("%s\nmain.f(%s)", secret, secret)) }()
		<-ctx.Done()
	case "index":
		var none []int
		return none[len(args)]
	case "stack":
		debug.SetMaxStack(1 << 16)
		return deep(1)
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		<-ctx.Done()
	case "wait":
		fmt.Fprintln(out, "waiting")
		<-ctx.Done()
		fmt.Fprintln(out, "reports written")
		return exitInterrupted
	case "forever":
		fmt.Fprintln(out, "waiting")
		<-ctx.Done()
		fmt.Fprintln(out, "asked")
		select {}
	case "talk":
		fmt.Fprintln(errOut, "to the real one")
		fmt.Fprintln(os.Stderr, "a library's line\x1b[2J")
		return exitFail
	}
	code := 0
	_, _ = fmt.Sscan(args[1], &code)
	return code
}

// deep recurses for as long as n has not come round, which is longer than any stack.
func deep(n int) int {
	if n == 0 {
		return 0
	}
	return deep(n+1) + 1
}

func crasher(t *testing.T, how string) *exec.Cmd {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Path: path, Args: []string{"leakgate-crash", "run", how}, Env: os.Environ()}
}

// A crash of leakgate itself never looks like a usage error, nor like a verdict,
// and what it prints has no values in it.
func TestCrash(t *testing.T) {
	for _, c := range []struct {
		how  string
		code int
		want string
	}{
		{"panic", 3, "leakgate itself crashed (panic)"},
		{"error", 3, "leakgate itself crashed (panic)"},
		{"goroutine", 3, "leakgate itself crashed (panic)"},
		{"index", 3, "leakgate itself crashed (runtime error: index out of range"},
		{"stack", 3, "leakgate itself crashed (fatal error: stack overflow)"},
		{"killed", 3, `ended by the signal "killed", as when memory runs out`},
		// What ends by itself ends as it says.
		{"0", 0, ""}, {"1", 1, ""}, {"2", 2, ""}, {"3", 3, ""}, {"130", 130, ""},
		{"talk", 1, "to the real one"},
	} {
		cmd := crasher(t, c.how)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		_ = cmd.Run()
		text := errs.String()
		if code := cmd.ProcessState.ExitCode(); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s: exit %d, %q; want %d and %q", c.how, code, text, c.code, c.want)
		}
		if crashes := strings.Contains(text, "crashed"); crashes != strings.Contains(c.want, "crashed") && c.how != "killed" {
			t.Errorf("%s: says crashed: %v", c.how, crashes)
		}
		if strings.Contains(text, "hunter2") || strings.Contains(text, "\x1b") {
			t.Errorf("%s: a value came out: %q", c.how, text)
		}
		if c.how == "goroutine" && !strings.Contains(text, "main.crash.func1") && !strings.Contains(text, "leakgate.crash.func1") {
			t.Errorf("%s: no trace: %q", c.how, text)
		}
	}
}

// A lost terminal asks for an end as SIGTERM does; a second signal ends at once,
// but for another of the lost terminal.
func TestSignals(t *testing.T) {
	// What is started does not inherit that this process may ignore it, as under nohup.
	ignored := make(chan os.Signal, 1)
	signal.Notify(ignored, syscall.SIGHUP)
	defer signal.Stop(ignored)
	for _, c := range []struct {
		name    string
		how     string
		signals []syscall.Signal
		code    int
		want    string
	}{
		{"terminal lost", "wait", []syscall.Signal{syscall.SIGHUP}, 130, "reports written"},
		{"asked to end", "wait", []syscall.Signal{syscall.SIGTERM}, 130, "reports written"},
		{"interrupted", "wait", []syscall.Signal{syscall.SIGINT}, 130, "reports written"},
		{"twice", "forever", []syscall.Signal{syscall.SIGTERM, syscall.SIGTERM}, -1, "asked"},
		{"terminal lost, then asked to end", "forever", []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM}, -1, "asked"},
		{"terminal lost twice, then asked to end", "forever", []syscall.Signal{syscall.SIGHUP, syscall.SIGHUP, syscall.SIGTERM}, -1, "asked"},
	} {
		cmd := crasher(t, c.how)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		guard := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		lines := bufio.NewScanner(out)
		lines.Scan() // waiting
		last := ""
		for i, s := range c.signals {
			_ = cmd.Process.Signal(s)
			if i == 0 && lines.Scan() {
				last = lines.Text()
			}
		}
		for lines.Scan() { // until both processes have closed it
			last = lines.Text()
		}
		_ = cmd.Wait()
		if !guard.Stop() {
			t.Errorf("%s: did not end", c.name)
		}
		if code := cmd.ProcessState.ExitCode(); code != c.code || last != c.want {
			t.Errorf("%s: exit %d, last said %q; want %d and %q", c.name, code, last, c.code, c.want)
		}
	}
}

// nohup has its programs ignore a lost terminal.
func TestNohup(t *testing.T) {
	cmd := crasher(t, "wait")
	self := cmd.Path
	cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", `trap "" HUP; exec -a leakgate-crash "$0" run wait`, self}
	if bash, err := exec.LookPath("bash"); err == nil {
		cmd.Path = bash
	} else {
		t.Skip("no bash, whose exec names a program")
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer guard.Stop()
	lines := bufio.NewScanner(out)
	lines.Scan()
	_ = cmd.Process.Signal(syscall.SIGHUP)
	_ = cmd.Process.Signal(syscall.SIGTERM)
	lines.Scan()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted || lines.Text() != "reports written" {
		t.Errorf("HUP and TERM under nohup: exit %d, %q; want %d, as of TERM alone", code, lines.Text(), exitInterrupted)
	}
}

func TestWatched(t *testing.T) {
	for line, want := range map[string]bool{
		"run plan.yaml": true, "--no-color judge out": true, "diff a b": true, "version": false, "demo-service --leak x": false, "": false, "--help": false,
	} {
		if got := watched(strings.Fields(line)); got != want {
			t.Errorf("watched(%q) = %v", line, got)
		}
	}
}
