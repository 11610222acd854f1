package budget

import (
	"errors"
	"testing"
)

func TestReserve(t *testing.T) {
	b := New(100)
	if err := b.Reserve(60); err != nil {
		t.Fatalf("Reserve(60 of 100) = %v, want nil", err)
	}
	var e *ExceededError
	if err := b.Reserve(41); !errors.As(err, &e) || e.Used != 60 || e.Wanted != 41 || e.Limit != 100 {
		t.Errorf("Reserve(41 of the 40 left) = %v, want an ExceededError that says so", err)
	}
	// What was refused takes nothing.
	if err := b.Reserve(40); err != nil {
		t.Errorf("Reserve(40 of the 40 left) = %v, want nil", err)
	}
	b.Release(100)
	if err := b.Reserve(100); err != nil {
		t.Errorf("Reserve(100) after all was released = %v, want nil", err)
	}
}

func TestLease(t *testing.T) {
	b := New(100)
	l := b.Lease()
	if err := errors.Join(l.Take(50), l.Take(30)); err != nil {
		t.Fatal(err)
	}
	if err := l.Take(30); err == nil {
		t.Error("Take(30 of the 20 left) = nil, want an error")
	}
	l.End(10)
	if err := b.Reserve(91); err == nil {
		t.Error("Reserve(91) beside the 10 that were kept = nil, want an error")
	}
	if err := b.Reserve(90); err != nil {
		t.Errorf("Reserve(90) beside the 10 that were kept = %v, want nil", err)
	}
}

func TestNoLimit(t *testing.T) {
	var b *Budget
	if err := b.Reserve(1 << 60); err != nil {
		t.Errorf("Reserve without a budget = %v, want nil", err)
	}
	l := b.Lease()
	if err := l.Take(1 << 60); err != nil {
		t.Errorf("Take without a budget = %v, want nil", err)
	}
	l.End(0)
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{12: "12 bytes", 512 << 20: "512 MiB", 1536: "1.5 KiB", 3 << 30: "3 GiB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
