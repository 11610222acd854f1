package loadgen

import "fmt"

// Share is one generator's part of a load that several send together: every Of-th request
// of the whole schedule, beginning with number Index, and as even a part of the
// connections as there can be. The zero value is the whole load.
type Share struct {
	Index int // from 0
	Of    int // 0: as 1
}

// whole reports whether it is the load of a single generator.
func (s Share) whole() bool { return s.Of <= 1 }

// check refuses a share that is none.
func (s Share) check() error {
	if s.Of < 0 || s.Index < 0 || s.Index >= max(s.Of, 1) {
		return fmt.Errorf("part %d of %d is no part of a load", s.Index+1, s.Of)
	}
	return nil
}

// of is the share's part of n things. What does not divide goes to the first generators,
// counted from turn, so that several remainders do not all go to the same one.
func (s Share) of(n, turn int) int {
	if s.whole() {
		return n
	}
	part := n / s.Of
	if (s.Index+turn)%s.Of < n%s.Of {
		part++
	}
	return part
}

// start is with which entry of an order of n a generator begins, so that together they
// send each of them as often as one generator would, but for a few.
func (s Share) start(n int) int {
	if s.whole() {
		return 0
	}
	return s.Index * n / s.Of
}

// number is the share's n-th request (from 0) in the whole load.
func (s Share) number(n uint64) uint64 {
	if s.whole() {
		return n
	}
	return uint64(s.Index) + n*uint64(s.Of)
}

// count is how many of the whole load's first n requests are the share's.
func (s Share) count(n uint64) uint64 {
	index := uint64(s.Index)
	switch {
	case s.whole():
		return n
	case n <= index:
		return 0
	}
	return (n-index-1)/uint64(s.Of) + 1
}
