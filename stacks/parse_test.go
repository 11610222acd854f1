package stacks

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/pprof/profile"
)

// waiter[T] parks goroutines under a generic name, with a label.
func waiter[T any](c chan T, started chan<- struct{}) { started <- struct{}{}; <-c }

// TestForms reads the same goroutines in all three forms of net/http/pprof.
func TestForms(t *testing.T) {
	stop, started := make(chan int), make(chan struct{})
	for range 3 {
		go waiter(stop, started)
		<-started
	}
	defer close(stop)
	want := "github.com/leakgate/leakgate/stacks.waiter[...]"
	for debug := range 3 {
		var b bytes.Buffer
		// The last of them may still be on its way from the send to the receive.
		var got *Stack
		for range 100 {
			b.Reset()
			if err := pprof.Lookup("goroutine").WriteTo(&b, debug); err != nil {
				t.Fatal(err)
			}
			p, err := Parse(b.Bytes())
			if err != nil {
				t.Fatalf("Parse(debug=%d): %v", debug, err)
			}
			got = find(p, want)
			if got != nil && got.Count == 3 {
				break
			}
		}
		if got == nil || got.Count != 3 {
			t.Fatalf("debug=%d: found %+v, want 3 of %s", debug, got, want)
		}
		i := Blame(got.Frames)
		if f := got.Frames[i]; f.Function != want || filepath.Base(f.File) != "parse_test.go" || f.Line == 0 {
			t.Errorf("debug=%d: blamed %+v, want %s in parse_test.go", debug, f, want)
		}
		if debug != 1 && got.State != "chan receive" {
			t.Errorf("debug=%d: state %q, want chan receive", debug, got.State)
		}
		if debug == 2 && (got.CreatedBy == nil || !strings.Contains(got.CreatedBy.Function, "TestForms")) {
			t.Errorf("created by %+v, want TestForms", got.CreatedBy)
		}
	}
}

func find(p *Profile, function string) *Stack {
	for i, s := range p.Stacks {
		if b := Blame(s.Frames); b >= 0 && s.Frames[b].Function == function {
			return &p.Stacks[i]
		}
	}
	return nil
}

func TestParseRefuses(t *testing.T) {
	good := gzipped(t, "goroutine profile: total 0\n")
	for _, c := range []struct {
		name, data, want string
	}{
		{"nothing", "", "empty"},
		{"white space", "\n\n", "empty"},
		// A login page in front of pprof.
		{"HTML", "<!doctype html><title>Sign in</title>", "HTML page"},
		{"JSON", `{"error": "not found"}`, "JSON, not a profile"},
		{"prose", "hello", "parsing profile"},
		{"truncated gzip", good[:len(good)-6], "unexpected EOF"},
		{"truncated text", "goroutine profile: total 5\n3 @ 0x1\n#\t0x1\tmain.f+0x1\t/a.go:1\n", "total is 5, but its records add up to 3"},
		{"addresses without frames", "goroutine profile: total 1\n1 @ 0x1 0x2\n# labels: {\n", "no function names"},
		{"dump without goroutines", "goroutine x\n", "the dump has no goroutines"},
		{"heap profile", heapProfile(t), "not a goroutine profile"},
	} {
		p, err := Parse([]byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Parse(%s) = %+v, %v; want an error with %q", c.name, p, err, c.want)
		}
	}
}

// A bomb is refused while it is read, not after.
func TestParseRefusesBomb(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	bomb := bytes.Repeat(b.Bytes(), MaxProfile>>20+1) // members of one stream follow each other
	if _, err := Parse(bomb); !errors.Is(err, ErrTooLarge) {
		t.Errorf("Parse(bomb of %d bytes) = %v, want ErrTooLarge", len(bomb), err)
	}
}

func gzipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func heapProfile(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := pprof.Lookup("heap").WriteTo(&b, 0); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// protoOf builds a goroutine profile of stacks written innermost first as
// function@file.
func protoOf(t *testing.T, counts []int64, all ...[]string) []byte {
	t.Helper()
	p := &profile.Profile{SampleType: []*profile.ValueType{{Type: "goroutine", Unit: "count"}}, PeriodType: &profile.ValueType{}}
	functions := map[string]*profile.Location{}
	for i, st := range all {
		s := &profile.Sample{Value: []int64{counts[i]}}
		for _, at := range st {
			loc, ok := functions[at]
			if !ok {
				name, file, _ := strings.Cut(at, "@")
				id := uint64(len(functions) + 1)
				f := &profile.Function{ID: id, Name: name, Filename: file}
				loc = &profile.Location{ID: id, Line: []profile.Line{{Function: f, Line: int64(10 * id)}}}
				p.Function, p.Location = append(p.Function, f), append(p.Location, loc)
				functions[at] = loc
			}
			s.Location = append(s.Location, loc)
		}
		p.Sample = append(p.Sample, s)
	}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// The observer's own request, with the goroutine that watches its connection,
// is not in the counts; the same reader of a customer's request is.
func TestOwnRequestIsNotCounted(t *testing.T) {
	data := protoOf(t, []int64{1, 3, 2},
		[]string{"runtime/pprof.(*Profile).WriteTo@", "net/http/pprof.Index@", "net/http.(*conn).serve@"},
		[]string{"internal/poll.(*FD).Read@", "net/http.(*connReader).backgroundRead@"},
		[]string{"runtime.gopark@/go/src/runtime/proc.go", "example.com/shop.wait@/src/shop.go"},
	)
	p, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	got := p.Count()
	want := map[string]int{
		"internal/poll.(*FD).Read\nnet/http.(*connReader).backgroundRead": 2,
		"example.com/shop.wait": 2,
	}
	if d := cmp.Diff(want, got); d != "" || p.Total != 4 || p.Own != 1 {
		t.Errorf("total %d, own %d, counts differ (-want +got):\n%s", p.Total, p.Own, d)
	}
}

func TestBlame(t *testing.T) {
	const runtime = "runtime.gopark@/usr/lib/go/src/runtime/proc.go"
	for _, c := range []struct {
		name  string
		stack []string
		want  string // function, module
	}{
		{"own code under the library", []string{runtime, "sync.(*WaitGroup).Wait@/usr/lib/go/src/sync/waitgroup.go", "main.run@/src/main.go", "main.main@/src/main.go"}, "main.run "},
		// Nothing but the standard library: the goroutine's entry tells most.
		{"library only", []string{runtime, "bufio.(*Reader).Peek@/usr/lib/go/src/bufio/bufio.go", "net/http.(*persistConn).readLoop@/usr/lib/go/src/net/http/transport.go"}, "net/http.(*persistConn).readLoop "},
		// Inlining: the function says main, the file says the library.
		{"inlined closure of a library", []string{runtime, "main.main.Wrap.func6.1@/root/go/pkg/mod/github.com/acme/wrap@v1.2.3/wrap.go"}, "main.main.Wrap.func6.1 github.com/acme/wrap@v1.2.3"},
		{"inlined closure of the standard library", []string{runtime, "main.main.OnceFunc.func1@/usr/lib/go/src/sync/oncefunc.go", "main.main@/src/main.go"}, "main.main "},
		{"module in vendor", []string{runtime, "github.com/acme/wrap.Do@/src/vendor/github.com/acme/wrap/do.go"}, "github.com/acme/wrap.Do github.com/acme/wrap"},
		{"upper case in the module cache", []string{runtime, "github.com/Acme/wrap.Do@/m/pkg/mod/github.com/!acme/wrap@v0.1.0/do.go"}, "github.com/Acme/wrap.Do github.com/Acme/wrap@v0.1.0"},
		// A module whose name has no dot is not the standard library.
		{"module without a dot", []string{runtime, "shop/cart.refresh@/src/cart/store.go"}, "shop/cart.refresh "},
		{"trimmed build", []string{"runtime.gopark@runtime/proc.go", "time.Sleep@runtime/time.go", "shop/cart.refresh@shop/cart/store.go"}, "shop/cart.refresh "},
		{"trimmed library", []string{"runtime.gopark@runtime/proc.go", "net/http.(*conn).serve@net/http/server.go", "example.com/a.b@example.com/a/b.go"}, "example.com/a.b "},
		{"escaped import path", []string{runtime, "gopkg.in/yaml%2ev3.parse@/src/gopkg.in/yaml.v3/x.go"}, "gopkg.in/yaml.v3.parse "},
		{"go statement on a library function", []string{runtime, "time.Sleep@/usr/lib/go/src/runtime/time.go", "main.serve.gowrap1@/src/main.go"}, "main.serve "},
		{"method value", []string{runtime, "main.(*S).loop-fm@/src/main.go"}, "main.(*S).loop "},
		{"generic instance", []string{runtime, "main.work[go.shape.struct { main.a [4]int }].func1@/src/main.go"}, "main.work[...].func1 "},
	} {
		p, err := Parse(protoOf(t, []int64{1}, c.stack))
		if err != nil {
			t.Fatal(err)
		}
		f := p.Stacks[0].Frames[Blame(p.Stacks[0].Frames)]
		if got := f.Function + " " + f.Module; got != c.want {
			t.Errorf("Blame(%s) = %q, want %q", c.name, got, c.want)
		}
	}
}

func TestStates(t *testing.T) {
	for _, c := range []struct {
		stack []string
		want  string
	}{
		{[]string{"runtime.gopark", "runtime.chansend", "runtime.chansend1", "main.f"}, "chan send"},
		{[]string{"runtime.gopark", "runtime.chanrecv", "runtime.chanrecv1", "main.f"}, "chan receive"},
		{[]string{"runtime.gopark", "runtime.selectgo", "main.f"}, "select"},
		{[]string{"runtime.gopark", "runtime.block", "main.f"}, "select (no cases)"},
		{[]string{"runtime.gopark", "runtime.netpollblock", "internal/poll.runtime_pollWait", "internal/poll.(*pollDesc).wait", "net.(*conn).Read"}, "IO wait"},
		{[]string{"runtime.gopark", "time.Sleep", "main.f"}, "sleep"},
		{[]string{"runtime.gopark", "runtime.goparkunlock", "runtime.semacquire1", "internal/sync.runtime_SemacquireMutex", "internal/sync.(*Mutex).lockSlow", "sync.(*Mutex).Lock", "main.f"}, "sync.Mutex.Lock"},
		{[]string{"runtime.gopark", "runtime.semacquire1", "sync.runtime_SemacquireWaitGroup", "sync.(*WaitGroup).Wait", "main.f"}, "sync.WaitGroup.Wait"},
		{[]string{"main.spin", "main.main"}, ""},
		// What waits is the callee, whatever its callers are called.
		{[]string{"main.spin", "time.Sleep"}, ""},
	} {
		var all []Frame
		for _, f := range c.stack {
			all = append(all, Frame{Function: f})
		}
		if got := stateOf(all); got != c.want {
			t.Errorf("stateOf(%v) = %q, want %q", c.stack, got, c.want)
		}
	}
}

// Lines do not tell stacks apart, functions do.
func TestIdentity(t *testing.T) {
	frames := func(line int) []Frame { return []Frame{{Function: "main.f", File: "a.go", Line: line}} }
	p := collect([]Stack{
		{Key: key(frames(1)), Frames: frames(1), Count: 2}, {Key: key(frames(2)), Frames: frames(2), Count: 3},
		{Key: key(nil), Count: 1},
	}, 0)
	want := map[string]int{"main.f": 5, NoFrames: 1}
	if d := cmp.Diff(want, p.Count()); d != "" || len(p.Stacks) != 3 {
		t.Errorf("%d places, counts differ (-want +got):\n%s", len(p.Stacks), d)
	}
}

func TestDiff(t *testing.T) {
	at := func(f string, line, n int) Stack {
		fr := []Frame{{Function: f, File: "a.go", Line: line}}
		return Stack{Key: key(fr), Frames: fr, Count: n}
	}
	before := collect([]Stack{at("main.pool", 1, 100), at("main.gone", 5, 4), at("main.same", 7, 1)}, 0)
	after := collect([]Stack{at("main.pool", 1, 100), at("main.pool", 2, 60), at("main.same", 7, 1), at("main.new", 9, 3)}, 0)
	var got []string
	for _, d := range Diff(before, after) {
		got = append(got, d.Stack.Frames[0].Function+":"+itoa(d.Stack.Frames[0].Line)+" "+itoa(d.Growth()))
	}
	// The pool's shown line is the one that grew, not the one with most.
	want := []string{"main.pool:2 60", "main.new:9 3", "main.same:7 0", "main.gone:5 -4"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Diff (-want +got):\n%s", d)
	}
}

// A dump that was cut off in mid-stack keeps the goroutines before the cut;
// the runtime's marks and wait times are read.
func TestDump(t *testing.T) {
	data, err := os.ReadFile("testdata/dump-go1.26.txt")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	s := find(p, "main.leak.func1")
	if p.Total != 4 || find(p, "main.work") == nil {
		t.Errorf("%d goroutines, want 4 with main.work, whose header has labels and a lock", p.Total)
	}
	if s == nil || s.Count != 2 || s.State != "chan send" || s.Wait != 12*time.Minute || s.Leaked != 1 {
		t.Errorf("main.leak.func1 = %+v, want 2 in chan send for up to 12m, 1 marked leaked", s)
	}
	if s != nil && (s.CreatedBy == nil || s.CreatedBy.Function != "main.leak" || s.CreatedBy.Line != 9) {
		t.Errorf("created by %+v, want main.leak at line 9", s.CreatedBy)
	}
	cut, err := Parse(data[:len(data)-60])
	if err != nil || cut.Total == 0 {
		t.Errorf("Parse(cut dump) = %+v, %v; want the goroutines before the cut", cut, err)
	}
}

// Goroutines at one place that two functions started are two stacks with one key.
func TestDumpCreators(t *testing.T) {
	one := func(id int, creator string) string {
		return fmt.Sprintf("goroutine %d [chan receive]:\nmain.wait()\n\t/src/a.go:3 +0x1\n"+
			"created by %s in goroutine 1\n\t/src/a.go:9 +0x2\n\n", id, creator)
	}
	p, err := Parse([]byte(one(7, "main.fine") + one(8, "main.leaks") + one(9, "main.leaks")))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.Stacks {
		got = append(got, fmt.Sprintf("%d %s by %s", s.Count, s.Key, s.CreatedBy.Function))
	}
	want := []string{"2 main.wait by main.leaks", "1 main.wait by main.fine"}
	if d := cmp.Diff(want, got); d != "" || p.Count()["main.wait"] != 3 {
		t.Errorf("Parse (-want +got):\n%s", d)
	}
}

func FuzzParse(f *testing.F) {
	for _, debug := range []int{0, 1, 2} {
		var b bytes.Buffer
		if err := pprof.Lookup("goroutine").WriteTo(&b, debug); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte("goroutine 1 [running]:\nmain.main()\n\t/a.go:1\n"))
	f.Add([]byte("goroutine 1 [running] {tenant: 1, empty: , \"a key\": \"}]:\"}:\nmain.main()\n\t/a.go:1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Parse(data)
		if err != nil {
			return
		}
		sum := 0
		for _, s := range p.Stacks {
			if s.Count <= 0 {
				t.Fatalf("a stack of %d goroutines", s.Count)
			}
			sum += s.Count
			Blame(s.Frames)
			Meaning(s)
		}
		if sum != p.Total {
			t.Fatalf("total %d, stacks hold %d", p.Total, sum)
		}
	})
}
