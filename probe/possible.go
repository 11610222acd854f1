package probe

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

const (
	// mostGoroutines is more than a process can have: so many stacks, of at least 2 KiB
	// each, take 200 GB. mostThreads likewise.
	mostGoroutines = 1e8
	mostThreads    = 1e8
	// mostBytes is more than a machine has: 1 EiB.
	mostBytes = 1 << 60
	// clocksApart is how far a target's clock may be ahead of the local one before its
	// start time is ignored.
	clocksApart = 24 * time.Hour
)

// impossible is an error for a number that its metric cannot have.
type impossible struct {
	metric string
	value  float64
	want   string
}

func (e *impossible) Error() string {
	return fmt.Sprintf("%s is %s; %s", e.metric, strconv.FormatFloat(e.value, 'g', -1, 64), e.want)
}

// hint says where such a number may come from.
func (e *impossible) hint() string {
	return fmt.Sprintf("is %s overwritten by a recording rule or an exporter?", e.metric)
}

// whole checks a number of goroutines or threads: NaN, infinities and fractions are
// invalid.
func whole(metric string, v float64, most float64, what string) (int, error) {
	if v >= 1 && v <= most && v == math.Trunc(v) {
		return int(v), nil
	}
	return 0, &impossible{metric, v, fmt.Sprintf("a number of %s is a whole number from 1 to %.0f", what, most)}
}

// inBytes is an amount of memory.
func inBytes(metric string, v float64) (uint64, error) {
	if v >= 0 && v <= mostBytes {
		return uint64(v), nil
	}
	return 0, &impossible{metric, v, fmt.Sprintf("bytes are a number from 0 to %.0f", float64(mostBytes))}
}

// startTime is a process's start in Unix seconds; 0, which means unknown, for a number that
// cannot be one. No target is refused for it, since other things show a restart too.
func startTime(v float64, now time.Time) float64 {
	if v > 0 && v <= float64(now.Add(clocksApart).Unix()) {
		return v
	}
	return 0
}

// values are the numbers that decide, by metric.
type values map[string]float64

// fill sets what is known of a process beside its count. The error is an *impossible.
func (m *metrics) fill(v values, now time.Time) (err error) {
	m.start = startTime(v["process_start_time_seconds"], now)
	if r, ok := v[residentMetric]; ok {
		if m.resident, err = inBytes(residentMetric, r); err != nil {
			return err
		}
	}
	for _, name := range allocated {
		if a, ok := v[name]; ok {
			if m.allocated, err = inBytes(name, a); err != nil {
				return err
			}
			break
		}
	}
	for _, name := range threads {
		if n, ok := v[name]; ok {
			m.threads, err = whole(name, n, mostThreads, "threads")
			return err
		}
	}
	return nil
}
