package stacks

import "testing"

func TestNewStack(t *testing.T) {
	for _, c := range []struct {
		name       string
		frames     []Frame
		key, state string
		blamed     string
	}{
		{
			name: "a worker that waits on a channel",
			frames: []Frame{
				{Function: "runtime.gopark", File: "/usr/local/go/src/runtime/proc.go", Line: 460},
				{Function: "runtime.chanrecv", File: "/usr/local/go/src/runtime/chan.go", Line: 667},
				{Function: "example.com/shop.(*Pool).worker", File: "/src/shop/pool.go", Line: 42},
			},
			key: "example.com/shop.(*Pool).worker", state: "chan receive", blamed: "example.com/shop.(*Pool).worker",
		},
		{
			name: "the standard library in front of the service's own code",
			frames: []Frame{
				{Function: "net/http.(*persistConn).readLoop", File: "/usr/local/go/src/net/http/transport.go", Line: 2330},
				{Function: "example.com/shop.fetch.gowrap1", File: "/src/shop/fetch.go", Line: 7},
			},
			key:    "net/http.(*persistConn).readLoop\nexample.com/shop.fetch",
			blamed: "example.com/shop.fetch",
		},
		{name: "no frames at all", key: NoFrames},
	} {
		s := NewStack(3, c.frames...)
		if s.Key != c.key || s.State != c.state || s.Count != 3 {
			t.Errorf("NewStack(%s) = %d of %q in state %q; want 3 of %q in state %q", c.name, s.Count, s.Key, s.State, c.key, c.state)
		}
		if i := Blame(s.Frames); c.blamed != "" && (i < 0 || s.Frames[i].Function != c.blamed) {
			t.Errorf("NewStack(%s) blames frame %d, want %s", c.name, i, c.blamed)
		}
	}
}

// A made-up profile is counted, merged and sorted as a parsed one is.
func TestNewProfile(t *testing.T) {
	at := func(n, line int) Stack {
		return NewStack(n, Frame{Function: "example.com/shop.wait", File: "shop.go", Line: line})
	}
	p := NewProfile(at(1, 10), at(4, 20), at(2, 10), at(0, 30))
	if p.Total != 7 || len(p.Stacks) != 2 || p.Stacks[0].Count != 4 || p.Stacks[1].Count != 3 {
		t.Errorf("NewProfile = %d goroutines in %+v; want 7, of which 4 at one line and 3 at the other", p.Total, p.Stacks)
	}
	if d := Diff(NewProfile(at(5, 10)), p); len(d) != 1 || d[0].Growth() != 2 {
		t.Errorf("Diff = %+v, want one key that grew by 2", d)
	}
}
