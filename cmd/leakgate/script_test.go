package main

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	httppprof "net/http/pprof"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/leakgate/leakgate/internal/child"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"leakgate": main, "leakgate-crash": func() { os.Exit(program(crash)) }})
}

// TestScripts drives the real binary. Besides testscript's own commands there
// are:
//
//	exits CODE COMMAND…   run a command that has to end with this exit code
//	shop [NAME] [LEAK]    start a shop as a process; $NAME and $NAME_ADMIN are its addresses
//	run NAME COMMAND…     start a service that prints its address first; $NAME is that
//	restart NAME          kill -9 a shop, and start it anew on the same addresses
//	replace NAME          the same with another build of the program
//	balance NAME A B      start a reverse proxy that sends every other request to B
//	slay NAME             kill -9 a process
//	serve NAME KIND       start a server of that kind on loopback; $NAME is its address
//	spawn NAME COMMAND…   start a command
//	signal NAME INT|KILL|TERM|HUP  send it a signal
//	reap CODE NAME        wait for it, and check its exit code; -1: killed
//	until FILE PATTERN    wait for a file to match
//	daemon NAME ARGS…     start leakgate serve on a free port; $NAME is its address, NAME.log its log
//	ask CODE FILE METHOD URL [TYPE BODY]  send a request with $TOKEN; its answer goes into a file
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Values["processes"] = &processes{started: map[string]*process{}}
			here, err := os.Getwd()
			if err != nil {
				return err
			}
			e.Setenv("ROOT", filepath.Dir(filepath.Dir(here)))
			for _, key := range []string{"GOCACHE", "GOMODCACHE"} { // scripts have no home
				out, err := exec.Command("go", "env", key).Output()
				if err != nil {
					return fmt.Errorf("go env %s: %w", key, err)
				}
				e.Setenv(key, strings.TrimSpace(string(out)))
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "shop": startShop, "restart": restart, "replace": replace, "run": runService, "balance": balance, "slay": slay, "serve": startServer,
			"spawn": spawn, "signal": signalProcess, "reap": reap, "until": until, "same": same,
			"daemon": daemon, "ask": ask,
		},
	})
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%s exited %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// processes are what a script started.
type processes struct {
	mu      sync.Mutex
	started map[string]*process
}

type process struct {
	cmd  *exec.Cmd
	args []string
	in   io.Closer
}

func (p *processes) put(name string, x *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started[name] = x
}

func procs(ts *testscript.TestScript) *processes { return ts.Value("processes").(*processes) }

func (p *processes) get(ts *testscript.TestScript, name string) *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, ok := p.started[name]
	if !ok {
		ts.Fatalf("no process %q", name)
	}
	return x
}

// self is this test binary under the name of the program.
func self(ts *testscript.TestScript, args ...string) *exec.Cmd {
	path, err := os.Executable()
	ts.Check(err)
	return &exec.Cmd{Path: path, Args: append([]string{"leakgate"}, args...), Dir: ts.Getenv("WORK"), Env: append(os.Environ(), "HOME="+ts.Getenv("HOME"))}
}

func startShop(ts *testscript.TestScript, neg bool, args []string) {
	name, leak := "SHOP", ""
	if len(args) > 0 {
		name = args[0]
	}
	if len(args) > 1 {
		leak = args[1]
	}
	args = []string{"demo-service", "--leak", leak}
	launch(ts, name, args)
}

func launch(ts *testscript.TestScript, name string, args []string) {
	launchFrom(ts, "", name, args)
}

func launchFrom(ts *testscript.TestScript, binary, name string, args []string) {
	cmd := self(ts, args...)
	if binary != "" {
		cmd.Path = binary
	}
	in, err := cmd.StdinPipe()
	ts.Check(err)
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	cmd.Stderr = os.Stderr
	ts.Check(cmd.Start())
	ts.Defer(func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line := make([]byte, 256)
	n, err := out.Read(line)
	ts.Check(err)
	m := regexp.MustCompile(`"shop":"([^"]+)","admin":"([^"]+)"`).FindSubmatch(line[:n])
	if m == nil {
		ts.Fatalf("the shop said %q", line[:n])
	}
	ts.Setenv(name, string(m[1]))
	ts.Setenv(name+"_ADMIN", string(m[2]))
	procs(ts).put(name, &process{cmd: cmd, args: args, in: in})
}

func runService(ts *testscript.TestScript, neg bool, args []string) {
	cmd := exec.Command(ts.MkAbs(args[1]), args[2:]...)
	cmd.Stderr = os.Stderr
	line, end, err := child.Start(cmd)
	ts.Check(err)
	ts.Defer(end)
	ts.Setenv(args[0], strings.TrimSpace(line))
}

func slay(ts *testscript.TestScript, neg bool, args []string) {
	p := procs(ts).get(ts, args[0])
	ts.Check(p.cmd.Process.Kill())
	_ = p.cmd.Wait()
}

// replace starts another build on the same addresses: the binary with its build
// id changed, as a new release has one.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	path, err := os.Executable()
	ts.Check(err)
	f, err := elf.Open(path)
	if err != nil {
		ts.Fatalf("not an ELF binary: %v", err)
	}
	note := f.Section(".note.gnu.build-id")
	if note == nil {
		ts.Fatalf("the binary has no GNU build id")
	}
	data, err := os.ReadFile(path)
	ts.Check(err)
	for i := note.Offset + 16; i < note.Offset+24; i++ { // the id follows four words of the note's header
		data[i] ^= 0xff
	}
	other := ts.MkAbs("other")
	ts.Check(os.WriteFile(other, data, 0o755))
	slay(ts, neg, args)
	at := func(key string) string { return strings.TrimPrefix(ts.Getenv(key), "http://") }
	launchFrom(ts, other, args[0], []string{"demo-service", "--addr", at(args[0]), "--admin", at(args[0] + "_ADMIN")})
}

func balance(ts *testscript.TestScript, neg bool, args []string) {
	var backends []*httputil.ReverseProxy
	for _, a := range args[1:] {
		u, err := url.Parse(a)
		ts.Check(err)
		backends = append(backends, httputil.NewSingleHostReverseProxy(u))
	}
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		backends[int(n.Add(1))%len(backends)].ServeHTTP(w, r)
	}))
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}

func restart(ts *testscript.TestScript, neg bool, args []string) {
	slay(ts, neg, args)
	at := func(key string) string { return strings.TrimPrefix(ts.Getenv(key), "http://") }
	launch(ts, args[0], []string{"demo-service", "--addr", at(args[0]), "--admin", at(args[0] + "_ADMIN")})
}

func spawn(ts *testscript.TestScript, neg bool, args []string) {
	if args[1] != "leakgate" {
		ts.Fatalf("spawn only knows leakgate")
	}
	cmd := self(ts, args[2:]...)
	for _, k := range []string{"SHOP", "SHOP_ADMIN", "OTHER", "OTHER_ADMIN", "BAD"} {
		cmd.Env = append(cmd.Env, k+"="+ts.Getenv(k))
	}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	ts.Check(cmd.Start())
	ts.Defer(func() { _ = cmd.Process.Kill() })
	procs(ts).put(args[0], &process{cmd: cmd})
}

func signalProcess(ts *testscript.TestScript, neg bool, args []string) {
	s := map[string]os.Signal{"INT": os.Interrupt, "KILL": os.Kill, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}[args[1]]
	ts.Check(procs(ts).get(ts, args[0]).cmd.Process.Signal(s))
}

func reap(ts *testscript.TestScript, neg bool, args []string) {
	p := procs(ts).get(ts, args[1])
	_ = p.cmd.Wait()
	if got := strconv.Itoa(p.cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("%s exited %s, want %s", args[1], got, args[0])
	}
}

// patience bounds how long a script waits for something that has to come.
const patience = time.Minute

func until(ts *testscript.TestScript, neg bool, args []string) {
	re := regexp.MustCompile(args[1])
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(patience)
	for {
		if data, err := os.ReadFile(ts.MkAbs(args[0])); err == nil && re.Match(data) {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			ts.Fatalf("%s did not come to match %s", args[0], args[1])
		}
	}
}

// same compares two files byte by byte, without testscript's expansion.
func same(ts *testscript.TestScript, neg bool, args []string) {
	if a, b := ts.ReadFile(args[0]), ts.ReadFile(args[1]); (a == b) == neg {
		ts.Fatalf("%s and %s: same is %v", args[0], args[1], a == b)
	}
}

// startServer starts a server that is not what the plan hopes for.
func startServer(ts *testscript.TestScript, neg bool, args []string) {
	kind, ok := kinds()[args[1]]
	if !ok {
		ts.Fatalf("no kind %q", args[1])
	}
	if kind == nil { // an address where nobody listens
		l, err := net.Listen("tcp", "127.0.0.1:0")
		ts.Check(err)
		ts.Check(l.Close())
		ts.Setenv(args[0], "http://"+l.Addr().String())
		return
	}
	done := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { kind(w, r, done) }))
	ts.Defer(func() { close(done); s.CloseClientConnections(); s.Close() })
	ts.Setenv(args[0], s.URL)
}

type answer func(w http.ResponseWriter, r *http.Request, done <-chan struct{})

func kinds() map[string]answer {
	status := func(code int) answer {
		return func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
			http.Error(w, http.StatusText(code), code)
		}
	}
	profile := func() []byte {
		var b bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&b, 0); err != nil {
			panic(err)
		}
		return b.Bytes()
	}
	var hits atomic.Int64
	return map[string]answer{
		"refused": nil,
		"404":     status(404),
		"401":     status(401),
		"500":     status(500),
		"ok":      func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) { fmt.Fprintln(w, "ok") },
		"html": func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
			fmt.Fprintln(w, "<!doctype html><title>Sign in</title>")
		},
		"truncated": func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
			p := profile()
			_, _ = w.Write(p[:len(p)/2])
		},
		"brokenoff": func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
			w.Header().Set("Content-Length", "100000")
			_, _ = w.Write(profile())
		},
		// A text profile that was cut: its total is not what its records hold.
		"liar": func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
			if !strings.HasSuffix(r.URL.Path, "/goroutine") || hits.Add(1) < 9 {
				httppprof.Index(w, r)
				return
			}
			fmt.Fprint(w, "goroutine profile: total 40\n12 @ 0x1 0x2\n#\t0x1\tmain.work+0x1\t/src/main.go:7\n\n")
		},
		// Answers, but no longer for the profile.
		"blindlater": func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
			if strings.HasSuffix(r.URL.Path, "/goroutine") && hits.Add(1) > 9 {
				http.Error(w, "no", http.StatusServiceUnavailable)
				return
			}
			httppprof.Index(w, r)
		},
		"redirect": func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
			http.Redirect(w, r, "http://login.invalid/?token=hunter2", http.StatusFound)
		},
		"bomb": func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
			var member bytes.Buffer
			z := gzip.NewWriter(&member)
			_, _ = z.Write(make([]byte, 1<<20))
			_ = z.Close()
			_, _ = w.Write(bytes.Repeat(member.Bytes(), 300)) // members of one stream follow each other
		},
		"large": func(w http.ResponseWriter, r *http.Request, _ <-chan struct{}) {
			w.Header().Set("Content-Length", strconv.Itoa(70<<20))
			_, _ = w.Write(bytes.Repeat([]byte{0x99}, 1<<20))
		},
		"hang": func(w http.ResponseWriter, r *http.Request, done <-chan struct{}) {
			select {
			case <-r.Context().Done():
			case <-done:
			}
		},
		// Answers the preflight, and a few samples, before it hangs.
		"hanglater": func(w http.ResponseWriter, r *http.Request, done <-chan struct{}) {
			if hits.Add(1) <= 12 {
				httppprof.Index(w, r)
				return
			}
			select {
			case <-r.Context().Done():
			case <-done:
			}
		},
		"slow": func(w http.ResponseWriter, r *http.Request, done <-chan struct{}) {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-done:
			}
		},
	}
}
