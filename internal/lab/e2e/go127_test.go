//go:build toolchains

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/leakgate/leakgate/internal/child"
	"github.com/leakgate/leakgate/stacks"
)

const (
	// askedEach is how many requests each path gets.
	askedEach = 3
	// rest is how long a service may take until all of its goroutines wait, and look how
	// often that is looked at. One that ticks or accepts a connection is seen at work now
	// and then, and is looked at again.
	rest, look = 20 * time.Second, 200 * time.Millisecond
)

// builds are the corpus's service called evidence, by each toolchain. make go127-test
// names the binaries.
var builds = []struct {
	name, binary string
	env          []string
	labels       bool // whether its dumps have labels
}{
	{name: "1.26", binary: "CORPUS"},
	{name: "1.26 with tracebacklabels", binary: "CORPUS", env: []string{"GODEBUG=tracebacklabels=1"}, labels: true},
	{name: "1.27", binary: "CORPUS_127"},
	{name: "1.27 with go 1.27 in go.mod", binary: "CORPUS_127_MOD", labels: true},
}

// forms are what a service is asked for.
var forms = []string{
	"goroutine?debug=0", "goroutine?debug=1", dump, "goroutineleak?debug=0", "goroutineleak?debug=1",
}

const dump = "goroutine?debug=2"

// The same service gives the same evidence whatever Go has built it: stacks, wait
// states, creators, labels, counts and proof.
func TestGo127(t *testing.T) {
	want := map[string]map[string][]string{}
	for _, b := range builds {
		t.Run(b.name, func(t *testing.T) {
			at := loaded(t, b.binary, b.env)
			addsUp(t, at)
			for _, form := range forms {
				name := form
				if form == dump && b.labels {
					name += " with labels"
				}
				if len(want[name]) == 0 {
					want[name] = settled(t, at, form)
					if len(want[name]) == 0 {
						t.Fatalf("%s has no goroutine", form)
					}
				}
				agree(t, name+", before and now", func() string {
					return cmp.Diff(want[name], described(profile(t, at, form)))
				})
			}
			for form, labels := range map[string]bool{"goroutine?debug=1": true, dump: b.labels} {
				agree(t, "debug=0 and "+form, func() string {
					return cmp.Diff(counts(profile(t, at, "goroutine?debug=0"), labels), counts(profile(t, at, form), labels))
				})
			}
		})
	}
}

// described is what a profile says, by the identity of the stacks: for each place the
// goroutines, what they wait for, who made them, and their labels.
func described(p *stacks.Profile) map[string][]string {
	out := map[string][]string{}
	for _, s := range p.Stacks {
		if passing(s) {
			continue
		}
		creator := ""
		if s.CreatedBy != nil {
			creator = s.CreatedBy.Function
		}
		var labels []string
		for _, l := range slices.Sorted(maps.Keys(s.Labels)) {
			labels = append(labels, fmt.Sprintf("%d × %q", s.Labels[l], l))
		}
		out[s.Key] = append(out[s.Key], fmt.Sprintf("%d × %s, by %s, labels %v", s.Count, s.State, creator, labels))
	}
	for _, places := range out {
		slices.Sort(places)
	}
	return out
}

// passing reports whether goroutines only serve the requests that ask: those of a
// connection end a moment after the answer, or have not run yet.
func passing(s stacks.Stack) bool {
	return s.Key == stacks.NoFrames || strings.HasPrefix(s.Entry(), "net/http.(*conn).") ||
		strings.HasPrefix(s.Entry(), "net/http.(*connReader).")
}

// counts are the goroutines of each stack, and of each of their labels.
func counts(p *stacks.Profile, labels bool) map[string]int {
	out := map[string]int{}
	for _, s := range p.Stacks {
		if passing(s) {
			continue
		}
		out[s.Key] += s.Count
		for l, n := range s.Labels {
			if labels && !strings.HasSuffix(l, "=") { // the protocol buffer has no empty string
				out[s.Key+" "+l] += n
			}
		}
	}
	return out
}

// agree looks until there is no difference.
func agree(t *testing.T, what string, difference func() string) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), rest)
	defer stop()
	ticks := time.NewTicker(look)
	defer ticks.Stop()
	for {
		d := difference()
		if d == "" {
			return
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			t.Errorf("%s (- and +) differ:\n%s", what, d)
			return
		}
	}
}

var header = regexp.MustCompile(`(?m)^goroutine \d+ `)

// addsUp holds a dump to its own headers.
func addsUp(t *testing.T, at string) {
	t.Helper()
	text := get(t, at+"/debug/pprof/"+dump)
	p, err := stacks.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	// What serves the request that asks may have a goroutine beside it, which is left out too.
	if n := len(header.FindAll(text, -1)); n < p.Total+p.Own || n > p.Total+2*p.Own {
		t.Errorf("the dump has %d goroutines, %d were read and %d are our own", n, p.Total, p.Own)
	}
}

func profile(t *testing.T, at, form string) *stacks.Profile {
	t.Helper()
	p, err := stacks.Parse(get(t, at+"/debug/pprof/"+form))
	if err != nil {
		t.Fatalf("%s: %v", form, err)
	}
	return p
}

// loaded starts the service, asks each of its paths, and waits until it is at rest.
func loaded(t *testing.T, binary string, env []string) string {
	t.Helper()
	file := os.Getenv(binary)
	if file == "" {
		t.Fatalf("%s names no binary: run make go127-test, which builds it", binary)
	}
	cmd := exec.CommandContext(t.Context(), file, "evidence")
	cmd.Env = append(os.Environ(), env...)
	line, stop, err := child.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	at := strings.TrimSpace(line)
	for _, path := range paths(t, file) {
		for range askedEach {
			get(t, at+path)
		}
	}
	settled(t, at, "goroutine?debug=0")
	return at
}

// paths are the service's, as the corpus lists them.
func paths(t *testing.T, file string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), file, "-endpoints", "evidence").Output()
	if err != nil {
		t.Fatal(err)
	}
	var endpoints []struct {
		Path string `json:"path"`
	}
	if err := json.Unmarshal(out, &endpoints); err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, e := range endpoints {
		paths = append(paths, e.Path)
	}
	if len(paths) == 0 {
		t.Fatal("the service has no path")
	}
	return paths
}

// settled is what two profiles in a row say alike.
func settled(t *testing.T, at, form string) map[string][]string {
	t.Helper()
	var before map[string][]string
	agree(t, "two profiles in a row", func() string {
		now := described(profile(t, at, form))
		d := cmp.Diff(before, now)
		before = now
		return d
	})
	return before
}

// get asks over a connection of its own, of which the service keeps nothing.
func get(t *testing.T, address string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v: %.200s", address, resp.Status, err, body)
	}
	return body
}
