package main

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// daemon starts leakgate serve, and waits until it listens.
func daemon(ts *testscript.TestScript, neg bool, args []string) {
	name := args[0]
	cmd := self(ts, append([]string{"serve", "--address", "127.0.0.1:0"}, args[1:]...)...)
	for _, k := range []string{"SHOP", "SHOP_ADMIN", "LEAKY", "LEAKY_ADMIN", "AWAY"} {
		cmd.Env = append(cmd.Env, "LEAKGATE_PLAN_"+k+"="+ts.Getenv(k))
	}
	log, err := os.Create(ts.MkAbs(name + ".log"))
	ts.Check(err)
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	ts.Check(cmd.Start())
	ts.Defer(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	procs(ts).put(name, &process{cmd: cmd})
	listening := `msg=listening address=(\S+)`
	until(ts, false, []string{name + ".log", listening})
	m := regexp.MustCompile(listening).FindStringSubmatch(ts.ReadFile(name + ".log"))
	ts.Setenv(name, "http://"+m[1])
}

// ask sends a request, which has to be answered with a status, or with one of some: 200|201.
func ask(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 && len(args) != 6 {
		ts.Fatalf("usage: ask CODE FILE METHOD URL [TYPE BODY]")
	}
	body, kind := "", ""
	if len(args) == 6 {
		kind, body = args[4], args[5]
		if file, ok := strings.CutPrefix(body, "@"); ok {
			body = ts.ReadFile(file)
		}
	}
	r, err := http.NewRequest(args[2], args[3], strings.NewReader(body))
	ts.Check(err)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Bearer "+ts.Getenv("TOKEN"))
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o644))
	if got := strconv.Itoa(answer.StatusCode); got != args[0] {
		ts.Fatalf("%s %s = %s, want %s\n%s", args[2], args[3], got, args[0], text)
	}
}
