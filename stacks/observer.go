package stacks

import (
	"slices"
	"strings"
)

// Serving says what a goroutine has to do with somebody who reads a profile.
type serving int

const (
	bystander serving = iota
	answering         // a pprof handler that an HTTP server called: reading, waiting or writing
	profiling         // the same, and it takes a profile at this moment, as the one that serves this very profile does
)

// servers are the functions with which the goroutines of HTTP servers begin that call
// handlers: of net/http for HTTP/1 and HTTP/2 (bundled, and as of Go 1.27 a package of
// its own), of x/net and of fasthttp.
var servers = map[string]bool{
	"net/http.(*conn).serve": true,
	// Its go statement, where the wrapper is the outermost frame.
	"net/http.(*Server).Serve":                              true,
	"net/http.(*http2serverConn).runHandler":                true,
	"net/http/internal/http2.(*serverConn).runHandler":      true,
	"golang.org/x/net/http2.(*serverConn).runHandler":       true,
	"github.com/valyala/fasthttp.(*workerPool).workerFunc":  true,
	"github.com/valyala/fasthttp.(*workerPool).getCh.func1": true, // its go statement
}

// handler is how the functions of net/http/pprof begin.
const handler = "net/http/pprof."

// profiler is the package that writes profiles.
const profiler = "runtime/pprof."

// servingOf reads from a stack's frames whether it is that of somebody's request for
// a profile: the goroutine is an HTTP server's, and a handler of net/http/pprof is on
// it. That a profile is written there is not enough: a service may write its own, and
// leak what does.
func servingOf(frames []Frame) serving {
	if len(frames) == 0 || !servers[frames[len(frames)-1].Function] || !hasHandler(frames) {
		return bystander
	}
	if strings.HasPrefix(frames[0].Function, profiler) {
		return profiling
	}
	return answering
}

func hasHandler(frames []Frame) bool {
	return slices.ContainsFunc(frames, func(f Frame) bool { return strings.HasPrefix(f.Function, handler) })
}

// backgroundRead is the function with which such a goroutine runs.
const backgroundRead = "net/http.(*connReader).backgroundRead"

// watchers are the functions with which a goroutine begins by which net/http
// watches the connection of a request that is being answered: the observer's request has
// one too.
var watchers = map[string]bool{
	backgroundRead: true,
	"net/http.(*connReader).startBackgroundRead": true, // its go statement, in a dump in which it has not run yet
}

// dropOwn takes out the goroutines that serve requests of ours, of which so many are
// open: those that take a profile before those that only might. What is beyond that
// number is somebody else's, or the target's own.
func (p *Profile) dropOwn(open int) {
	p.Own = 0
	for _, kind := range []serving{profiling, answering} {
		p.Own += p.drop(open-p.Own, func(s *Stack) bool { return s.serving == kind })
	}
	p.drop(p.Own, func(s *Stack) bool { return watchers[s.Entry()] })
	p.Stacks = slices.DeleteFunc(p.Stacks, func(s Stack) bool { return s.Count == 0 })
}

// ownCounts are the goroutines that dropOwn would look at.
type ownCounts struct{ profiling, answering, reading int }

func (c *ownCounts) add(s *Stack, n int) {
	switch {
	case s.serving == profiling:
		c.profiling += n
	case s.serving == answering:
		c.answering += n
	case watchers[s.Entry()]:
		c.reading += n
	}
}

// subtract is dropOwn for a profile without stacks.
func (p *Profile) subtract(c ownCounts, open int) {
	p.Own = min(open, c.profiling+c.answering)
	p.Total -= p.Own + min(p.Own, c.reading)
}

// drop takes at most n goroutines out of the stacks that match, and returns how many
// it found.
func (p *Profile) drop(n int, match func(*Stack) bool) int {
	found := 0
	for i := range p.Stacks {
		s := &p.Stacks[i]
		if found == n {
			break
		}
		if !match(s) {
			continue
		}
		m := min(n-found, s.Count)
		s.Count -= m
		p.Total -= m
		found += m
	}
	return found
}
