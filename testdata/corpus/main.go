// Command corpus is every service that leakgate's accuracy is measured on: one
// binary, one service per process. `corpus -list` describes them as JSON,
// `corpus -endpoints NAME` the requests of one that has many, and `corpus NAME` serves
// one on loopback until its standard input ends.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// service is one case: what it is, and how to start it.
type service struct {
	Name    string  `json:"name"`
	About   string  `json:"about"`
	Leaks   bool    `json:"leaks"`
	Blame   string  `json:"blame,omitempty"`   // the function that has to be blamed
	Abandon float64 `json:"abandon,omitempty"` // share of the requests whose client hangs up
	Rate    float64 `json:"rate,omitempty"`    // relative to the others; 1 if 0
	// Unclear is of a leak that no six rounds tell from a pool that is still filling: that it
	// could not be told is as right as a fail.
	Unclear bool `json:"unclear,omitempty"`
	Slow    bool `json:"slow,omitempty"` // needs minutes; left out of the short form
	// Quadrant is what goroutines and heap do together, and Retains what a leaked
	// goroutine keeps on the heap, in bytes; empty where nobody asks.
	Quadrant string `json:"quadrant,omitempty"`
	Retains  int    `json:"retains,omitempty"`
	// Proof is the evidence against a leak where the runtime proves leaks: proven where
	// nothing that lives can wake it, growing where something could; empty where nobody asks.
	Proof string `json:"proof,omitempty"`
	// Endpoints are the requests of a service that has many, each judged by itself.
	Endpoints []endpoint `json:"endpoints,omitempty"`

	start func() http.HandlerFunc
}

// all are the services, leaks first.
func all() []service {
	return provable(slices.Concat(blockingLeaks(), libraryLeaks(), conditionalLeaks(),
		pools(), slowWork(), connections(), memory(), busy(), fills(), field()))
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "-upstream" { // another server, in a process of its own
		upstream(os.Args[2])
		return
	}
	if len(os.Args) == 3 && os.Args[1] == "-endpoints" {
		listEndpoints(os.Args[2])
		return
	}
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: corpus -list | -endpoints NAME | NAME")
		os.Exit(2)
	}
	if os.Args[1] == "-list" {
		if err := json.NewEncoder(os.Stdout).Encode(append(all(), many())); err != nil {
			panic(err)
		}
		return
	}
	if n, ok := strings.CutPrefix(os.Args[1], "planted="); ok { // not part of the corpus
		oneIn, err := strconv.Atoi(n)
		if err != nil {
			panic(err)
		}
		serve(planted(oneIn))
		return
	}
	serve(find(os.Args[1]))
}

// find is the service of a name: of the list, or of those that are not loaded by
// requests, or that nobody judges.
func find(name string) service {
	for _, s := range slices.Concat(all(), streams(), rpcServices(), []service{once(), many(), evidence()}) {
		if s.Name == name {
			return s
		}
	}
	fmt.Fprintf(os.Stderr, "corpus: no service %q\n", name)
	os.Exit(2)
	panic("not reached")
}

func listEndpoints(name string) {
	if err := json.NewEncoder(os.Stdout).Encode(find(name).Endpoints); err != nil {
		panic(err)
	}
}

func serve(s service) {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.Handle("/metrics", promhttp.Handler())
	mux.HandleFunc("/", s.start())
	l := listen()
	go func() { panic(http.Serve(l, mux)) }()
	fmt.Println("http://" + l.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func listen() net.Listener {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	return l
}

// each makes a handler that does something per request and answers.
func each(f func(r *http.Request)) func() http.HandlerFunc {
	return func() http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			f(r)
			fmt.Fprintln(w, "ok")
		}
	}
}

// upstreamServer is another server on loopback, in this process.
func upstreamServer(h http.HandlerFunc) string {
	l := listen()
	go func() { panic(http.Serve(l, h)) }()
	return "http://" + l.Addr().String()
}

func leak(name, about, blame string, start func() http.HandlerFunc) service {
	return service{Name: "leak-" + name, About: about, Leaks: true, Blame: fullName(blame), start: start}
}

func healthy(name, about string, start func() http.HandlerFunc) service {
	return service{Name: "fine-" + name, About: about, start: start}
}

// in says what the service's memory does.
func (s service) in(quadrant string, retains int) service {
	s.Quadrant, s.Retains = quadrant, retains
	return s
}

// provable says of which leaks the runtime can prove that they never wake, and of which it
// cannot, since a timer or something global holds what they wait for.
func provable(all []service) []service {
	proof := map[string]string{}
	for _, name := range []string{
		"chan-send", "chan-receive", "nil-chan-send", "range", "select", "select-empty", "mutex", "rwmutex", "waitgroup",
		"cond", "pipe", "pipeline", "fan-out", "generic", "method-value", "recursion", "labelled", "context",
		"pool-per-request", "errgroup",
	} {
		proof["leak-"+name] = "proven"
	}
	for _, name := range []string{"sleep-loop", "ticker", "timer-loop", "context-long", "global", "semaphore",
		"unsubscribed"} {
		proof["leak-"+name] = "growing"
	}
	for i := range all {
		all[i].Proof = proof[all[i].Name]
	}
	return all
}

// fullName lets cases of this program name their function without "main.".
func fullName(f string) string {
	if strings.ContainsAny(f, "./") {
		return f
	}
	return "main." + f
}
