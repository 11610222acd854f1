// Package budget bounds the memory that what comes from outside may take. It counts
// what a decoder is about to allocate, by what the bytes say of themselves, and
// refuses before the allocation is made.
package budget

import (
	"fmt"
	"sync/atomic"
)

// Budget is a number of bytes that several readers share. A nil Budget is without
// limit. Its methods may be called from several goroutines.
type Budget struct {
	limit int64
	used  atomic.Int64
}

// New makes a budget of so many bytes.
func New(limit int64) *Budget { return &Budget{limit: limit} }

// ExceededError is of an allocation that the budget does not allow.
type ExceededError struct {
	Wanted int64 // bytes that were asked for at last
	Used   int64 // bytes that were taken before that
	Limit  int64 // bytes
}

func (e *ExceededError) Error() string {
	return fmt.Sprintf("it needs %s more, with %s of %s in use",
		Bytes(e.Wanted), Bytes(e.Used), Bytes(e.Limit))
}

// Limit is the size of the budget in bytes, 0 without a limit.
func (b *Budget) Limit() int64 {
	if b == nil {
		return 0
	}
	return b.limit
}

// Reserve takes n bytes, or none of them and returns an *ExceededError.
func (b *Budget) Reserve(n int64) error {
	if b == nil || n <= 0 {
		return nil
	}
	if used := b.used.Add(n); used > b.limit {
		b.used.Add(-n)
		return &ExceededError{Wanted: n, Used: used - n, Limit: b.limit}
	}
	return nil
}

// Release gives back n bytes that were reserved.
func (b *Budget) Release(n int64) {
	if b != nil && n > 0 {
		b.used.Add(-n)
	}
}

// Lease is what one reader holds of a budget while it works. It is for one goroutine.
type Lease struct {
	from *Budget
	held int64
}

// Lease opens a lease without any bytes.
func (b *Budget) Lease() *Lease { return &Lease{from: b} }

// Take reserves n more bytes.
func (l *Lease) Take(n int64) error {
	if err := l.from.Reserve(n); err != nil {
		return err
	}
	l.held += n
	return nil
}

// End gives back all but keep bytes, which are no longer the lease's.
func (l *Lease) End(keep int64) {
	keep = min(keep, l.held)
	l.from.Release(l.held - keep)
	l.held = 0
}

// Bytes writes a size for people: 512 MiB.
func Bytes(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size {
			return fmt.Sprintf("%.3g %s", float64(n)/float64(u.size), u.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
