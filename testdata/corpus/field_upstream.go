package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// upstream is a server that a service talks to: it runs in a process of its own, so
// that what waits in it is not seen in the service's profile.
func upstream(kind string) {
	switch kind {
	case "redis":
		m := miniredis.NewMiniRedis()
		if err := m.StartAddr("127.0.0.1:0"); err != nil {
			panic(err)
		}
		_ = m.Set("announcement", "none")
		go func() {
			for range time.Tick(5 * time.Second) {
				m.Publish("announcements", "hello")
			}
		}()
		fmt.Println(m.Addr())
	case "lines": // answers every line, hangs up at QUIT, and has no idle timeout
		l := listen()
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					panic(err)
				}
				go answerLines(c)
			}
		}()
		fmt.Println(l.Addr())
	case "http": // hangs for what asks for ?hang
		l := listen()
		go func() {
			panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RawQuery == "hang" {
					<-r.Context().Done()
					return
				}
				fmt.Fprintln(w, "fresh")
			})))
		}()
		fmt.Println("http://" + l.Addr().String())
	case "h2c": // HTTP/2 without TLS
		l := listen()
		fresh := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "fresh") })
		s := &http.Server{Protocols: new(http.Protocols), Handler: fresh}
		s.Protocols.SetUnencryptedHTTP2(true)
		go func() { panic(s.Serve(l)) }()
		fmt.Println("http://" + l.Addr().String())
	default:
		panic("no upstream " + kind)
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func answerLines(c net.Conn) {
	in := bufio.NewScanner(c)
	for in.Scan() {
		if strings.HasPrefix(in.Text(), "QUIT") {
			break
		}
		if _, err := fmt.Fprintln(c, "OK", in.Text()); err != nil {
			break
		}
	}
	c.Close()
}
