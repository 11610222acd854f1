package loadgen

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/leakgate/leakgate/record"
)

// streamTally adds up the connections of one stream. Their latency is the time to open one.
type streamTally struct {
	record.Entry
	mu    sync.Mutex
	times []time.Duration
	took  func(time.Duration) // nil: nobody asks
}

func (t *streamTally) opened(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.Sent++
	if err != nil {
		t.fail(err)
		return
	}
	t.Answered++
	t.times = append(t.times, took)
	if t.took != nil {
		t.took(took)
	}
}

func (t *streamTally) closed(err error, cut bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err != nil:
		t.fail(err)
	default:
		t.Succeeded++
	}
	if cut {
		t.Cut++
	}
}

func (t *streamTally) fail(err error) {
	text := err.Error()
	if errors.Is(err, context.DeadlineExceeded) {
		text = record.TimeoutError
	}
	k := errorKind(text)
	if _, known := t.Errors[k]; !known && len(t.Errors) >= maxErrorKinds {
		k = "other"
	}
	t.Errors[k]++
}

func (t *streamTally) result() record.Entry {
	e := t.Entry
	if len(e.Errors) == 0 {
		e.Errors = nil
	}
	if n := len(t.times); n > 0 {
		slices.Sort(t.times)
		at := func(q float64) time.Duration { return t.times[min(int(q*float64(n)), n-1)] }
		sum := time.Duration(0)
		for _, d := range t.times {
			sum += d
		}
		e.Mean, e.P50, e.P90, e.P99, e.Max = sum/time.Duration(n), at(0.5), at(0.9), at(0.99), t.times[n-1]
	}
	return e
}
