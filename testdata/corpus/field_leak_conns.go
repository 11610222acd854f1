package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// leaksOfConnections are leaks around connections, pipes and processes.
func leaksOfConnections() []service {
	return []service{
		leak("gzip-export", "one request in fifteen exports more than the quota: the uploader leaves, and the encoder stays in gzip's write to an io.Pipe", "main.(*export).encode", gzipExport),
		leak("exec-helper", "one request in thirty starts a helper process whose standard input is never closed; a scanner waits for its output", "main.(*helper).collect", execHelper),
		leak("half-closed-proxy", "a TCP proxy does not tell the upstream that the client left; one client in four leaves without QUIT", "main.(*tcpProxy).relay", halfClosedProxy),
		leak("stale-revalidate", "answers from cache and refreshes behind the answer without a timeout; the upstream hangs one time in fifteen", "main.(*edge).refresh", staleRevalidate),
		leak("timeout-fragment", "a page whose fragment runs under http.TimeoutHandler and ignores its context: for cold users it polls for a model without end", "main.(*recommender).ServeHTTP", timeoutFragment),
	}
}

// Exports that are compressed while they are uploaded.

type export struct {
	to   *io.PipeWriter
	rows int
}

func (e *export) encode() {
	z, _ := gzip.NewWriterLevel(e.to, gzip.BestSpeed)
	rows := json.NewEncoder(z)
	for i := range e.rows {
		if rows.Encode(map[string]any{"row": i, "a": rand.Uint64(), "b": rand.Uint64(), "c": rand.Uint64()}) != nil {
			return
		}
	}
	_ = e.to.CloseWithError(z.Close())
}

var errQuota = errors.New("quota exceeded")

func upload(r io.Reader) error {
	var stored bytes.Buffer
	if n, err := io.CopyN(&stored, r, 16<<10); err == nil && n == 16<<10 {
		return errQuota
	}
	return nil
}

func gzipExport() http.HandlerFunc {
	return numbered(func(n int, _ *http.Request) {
		if n%5 != 0 {
			return
		}
		rows := 50
		if n%15 == 0 {
			rows = 5000
		}
		r, w := io.Pipe()
		go (&export{to: w, rows: rows}).encode()
		_ = upload(r)
	})
}

// Helper processes.

type helper struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
}

func startHelper() (*helper, error) {
	h := &helper{cmd: exec.Command("cat"), lines: make(chan string, 16)}
	var err error
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	go h.collect(out)
	return h, nil
}

func (h *helper) collect(out io.Reader) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		h.lines <- lines.Text()
	}
	close(h.lines)
	_ = h.cmd.Wait()
}

func execHelper() http.HandlerFunc {
	return numbered(func(n int, _ *http.Request) {
		if n%30 != 0 {
			return
		}
		if h, err := startHelper(); err == nil {
			fmt.Fprintln(h.in, "convert", n)
			<-h.lines
		}
	})
}

// A proxy for a protocol of lines.

type tcpProxy struct{ upstream string }

func (p *tcpProxy) serve(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		go p.handle(c)
	}
}

func (p *tcpProxy) handle(c net.Conn) {
	defer c.Close()
	u, err := net.Dial("tcp", p.upstream)
	if err != nil {
		return
	}
	defer u.Close()
	go p.relay(u, c)
	p.relay(c, u)
}

func (p *tcpProxy) relay(to, from net.Conn) { _, _ = io.Copy(to, from) }

// askLine is a client of such a proxy.
func askLine(addr string, quit bool) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	fmt.Fprintln(c, "GET a")
	in := bufio.NewReader(c)
	_, _ = in.ReadString('\n')
	if quit {
		fmt.Fprintln(c, "QUIT")
		_, _ = in.ReadString('\n')
	}
}

func halfClosedProxy() http.HandlerFunc {
	l := listen()
	go (&tcpProxy{startUpstream("lines")}).serve(l)
	return numbered(func(n int, _ *http.Request) { askLine(l.Addr().String(), n%4 != 0) })
}

// A cache in front of an upstream.

type edge struct {
	origin string
	client http.Client
	mu     sync.Mutex
	body   string
}

func (e *edge) refresh(query string) {
	resp, err := e.client.Get(e.origin + "/?" + query)
	if err != nil {
		return
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	e.mu.Lock()
	e.body = string(b)
	e.mu.Unlock()
}

func staleRevalidate() http.HandlerFunc {
	e := &edge{origin: startUpstream("http"), body: "stale"}
	return numbered(func(n int, _ *http.Request) {
		query := ""
		if n%15 == 0 {
			query = "hang"
		}
		go e.refresh(query)
	})
}

// A page of fragments.

type recommender struct {
	n     atomic.Int64
	ready sync.Map
}

func (m *recommender) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	user := m.n.Add(1)
	if user%10 != 9 {
		m.ready.Store(user, "books")
	}
	for {
		if what, ok := m.ready.LoadAndDelete(user); ok {
			fmt.Fprintln(w, what)
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
}

type fragment struct {
	header http.Header
	status int
	body   strings.Builder
}

func (f *fragment) Header() http.Header         { return f.header }
func (f *fragment) WriteHeader(status int)      { f.status = status }
func (f *fragment) Write(b []byte) (int, error) { return f.body.Write(b) }

func timeoutFragment() http.HandlerFunc {
	side := http.TimeoutHandler(&recommender{}, 40*time.Millisecond, "later")
	return func(w http.ResponseWriter, r *http.Request) {
		f := &fragment{header: http.Header{}, status: http.StatusOK}
		side.ServeHTTP(f, r.WithContext(context.WithoutCancel(r.Context())))
		fmt.Fprintln(w, "page", f.status, f.body.String())
	}
}
